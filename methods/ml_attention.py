"""Paper 1's baseline: an attention map that is learnt because its features, weighted by it and averaged, tell classes apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from bench.api import Method, Pretrained, Task, maps_only
from bench.augment import CROPS
from bench.hookspecs import hookimpl
from bench.methods._attention import AttentiveEmbedding, whole
from bench.methods._batches import require_two_classes
from bench.methods._class_means import ClassMeans, tells_absence
from bench.methods._maps import minmax, shared, without_absent
from bench.methods._metric_learning import (
    ALPHA,
    BETA,
    CUTOFF,
    Triplets,
    active_share,
    all_triplets,
    distance_weighted,
    margin_loss,
    nearest_negatives,
    same_class,
)
from bench.training import Training, balanced, heldout_accuracy
from bench.view import View
from bench.weights import load_backbone

T = 0.5
"""Where paper 1 cuts its maps; here only for the learning curve."""


class Step(NamedTuple):
    """A batch by the numbers of its images, and the learner whose slice it trains; None: the whole vector."""

    learner: int | None
    images: Tensor


class MLAttention(Pretrained):
    """Attention of metric learning: one learner on the whole vector and all data."""

    name: ClassVar[str] = "ml_attention"
    paper: ClassVar[str] = "a baseline of Adiga, Dolz, Lombaert, 2020"
    twin: ClassVar[Mapping[str, Any]] = MappingProxyType({"map_norm": "minmax"})

    epochs: int = Field(300, ge=1, description="passes over the labelled images (paper 1, 3.2)")
    dimension: int = Field(128, ge=2, description="length of the embedding (paper 1, 3.2)")
    sampler: Literal["distance", "dcml-code", "all"] = Field(
        "distance",
        description="pairs by distance (Wu et al. 2017), the nearest negatives (the public code of Sanakoyeu et al.), or all",
    )
    alpha: float = Field(ALPHA, gt=0, description="margin of the loss, in distances of unit vectors (paper 1, 3.2)")
    beta: float = Field(
        BETA,
        gt=0,
        lt=2,
        description="boundary between same and different class, in such distances; fixed (paper 1, 3.2)",
    )
    cutoff: float = Field(
        CUTOFF, gt=0, lt=2, description="smallest distance that the samplers tell apart (Wu et al. 2017)"
    )
    divisor: Literal["pairs", "triplets"] = Field(
        "pairs",
        description="what the loss is a mean over: active pairs (Wu et al.), or active triplets (DCML's code on today's torch)",
    )
    lr: float = Field(1e-5, gt=0, description="Adam's learning rate (Sanakoyeu et al.'s code; paper 1 names none)")
    weight_decay: float = Field(1e-4, ge=0, description="Adam's weight decay (likewise)")
    dropout: float = Field(
        0.01, ge=0, lt=1, description="share of pooled features dropped before the dense layer (likewise)"
    )
    batchnorm: Literal["frozen", "trained"] = Field(
        "frozen",
        description="running statistics of the pretrained trunk (likewise frozen); scale and shift train in both",
    )
    batch: int = Field(32, ge=4, description="images in a step (paper 1, 3.2)")
    per_class: int = Field(
        8, ge=2, description="images of one class in a step; more where there are few classes (paper 1, 3.2)"
    )
    map_norm: Literal["none", "minmax"] = maps_only(
        "none", "none: the sigmoid as it is (paper 1); minmax: stretched image by image"
    )
    gate: Literal["presence", "none"] = maps_only(
        "presence",
        "where images may lack the object and labels are not known, maps are empty unless the nearest class mean shows it; none: raw",
    )

    @model_validator(mode="after")
    def _room_for_two_classes(self) -> MLAttention:
        if self.batch < 2 * self.per_class:
            raise ValueError(
                f"batch must hold two classes: {self.batch} is less than 2 x {self.per_class}; lower per_class or raise batch"
            )
        return self

    @property
    def learners(self) -> int:
        """Slices of the vector: one."""
        return 1

    def build(self, task: Task) -> nn.Module:
        """The attentive embedding; from scratch, BatchNorm trains as usual."""
        backbone = load_backbone(self, len(task.classes))
        frozen = self.pretrained and self.batchnorm == "frozen"
        presence = ClassMeans(len(task.classes), self.dimension, task.exclusive)
        return AttentiveEmbedding(backbone, self.dimension, self.learners, frozen, self.name, presence, self.dropout)

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        """Margin loss on class-balanced batches of all images."""
        labels = require_two_classes(view.labels, self.name)
        network, optimizer = cast(AttentiveEmbedding, net), self.optimizer(net)
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            plan = balanced(labels, self.batch, training.generator, per_class=self.per_class)
            self.train_epoch(network, view, training, optimizer, [Step(None, index) for index in plan])
            learn_presence(network, view, training)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, h, w) at the trunk's resolution: one attention map, shared by all foregrounds (eq. 1).

        Empty for a foreground that the labels, or else (`gate`) the class means, do not know in the image.
        """
        network = cast(AttentiveEmbedding, net)
        features, attention = network.attend(images)
        raw = attention.float()
        maps = shared(minmax(raw) if self.map_norm == "minmax" else raw, len(task.foreground))
        if labels is None and self.gate == "presence" and tells_absence(task):
            labels = network.presence(whole(network.embed(features, attention)))
        return without_absent(maps, labels, task)

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """Adam over everything, without a schedule."""
        return torch.optim.Adam(net.parameters(), self.lr, weight_decay=self.weight_decay)

    def train_epoch(
        self,
        net: AttentiveEmbedding,
        view: View,
        training: Training,
        optimizer: torch.optim.Optimizer,
        steps: list[Step],
    ) -> None:
        """One epoch. The loss is of the learner's slice, so that the dense rows of the others get no gradient."""
        net.train()
        batches = view.batches((index for _, index in steps), CROPS, training.generator)
        for (learner, _), (images, labels) in zip(steps, batches, strict=True):
            with training.autocast():
                slices, attention = net(images)
            embeddings = whole(slices) if learner is None else slices[:, learner]
            same = same_class(labels)
            triplets = self._triplets(embeddings, same, training)
            loss, active = margin_loss(embeddings, triplets, self.alpha, self.beta, self.divisor)
            training.step(loss, optimizer)
            share = active_share(embeddings, same, self.alpha, self.beta)
            training.log(triplets=len(triplets.anchor), active_pairs=active, active_triplets=share)
            attended = attention.detach()
            training.log(attention=float(attended.mean()), foreground=float((attended > T).float().mean()))

    def _triplets(self, embeddings: Tensor, same: Tensor, training: Training) -> Triplets:
        if self.sampler == "all":
            return all_triplets(same)
        if self.sampler == "dcml-code":
            return nearest_negatives(embeddings, same, self.cutoff)
        # From alpha + beta on, a negative costs nothing.
        return distance_weighted(embeddings, same, training.generator, self.cutoff, self.alpha + self.beta)


@torch.no_grad()
def learn_presence(net: AttentiveEmbedding, view: View, training: Training) -> None:
    """In the last epoch: class means of the fitted images as they are, and how often they are right on images that were held out."""
    if training.epoch + 1 < training.total:
        return
    assert view.labels is not None
    net.eval()
    embeddings = torch.cat([whole(net(view.images(index))[0]) for index in view.in_order()])
    net.presence.fit(embeddings, view.labels.to(embeddings.device))
    training.log(**heldout_accuracy(net, view, lambda images: net.presence(whole(net(images)[0]))))


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """Metric learning with attention."""
    return (MLAttention,)
