"""Paper 1's method: attention maps from metric learning, divided over learners that each see one cluster of the data and one slice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from bench.api import Method, Pretrained, Task, maps_only
from bench.augment import CROPS
from bench.hookspecs import hookimpl
from bench.methods._attention import AttentiveEmbedding, whole
from bench.methods._batches import require_two_classes, round_robin, served
from bench.methods._clusters import keep_names, kmeans
from bench.methods._maps import minmax, shared
from bench.methods._metric_learning import Triplets, all_triplets, distance_weighted, margin_loss, same_class
from bench.training import Training
from bench.view import View
from bench.weights import load_backbone

FULL_FROM = 5 / 6
"""Paper 1, section 3.2: the last 50 of 300 epochs train the full embedding."""


class DCMLAttention(Pretrained):
    """Attention of divide-and-conquer metric learning: K learners on K clusters."""

    name: ClassVar[str] = "dcml_attention"
    paper: ClassVar[str] = "Adiga, Dolz, Lombaert, 2020, on Sanakoyeu et al., CVPR 2019"

    epochs: int = Field(300, ge=1, description="passes; the last sixth trains the full embedding")
    k: int = Field(8, ge=1, description="clusters and learners; must divide the dimension")
    dimension: int = Field(128, ge=2, description="length of the embedding")
    sampler: Literal["distance", "all"] = Field("distance", description="pairs by distance (Wu et al. 2017), or all")
    recluster_every: int = Field(2, ge=1, description="epochs between two clusterings")
    lr: float = Field(1e-5, gt=0, description="Adam's learning rate")
    weight_decay: float = Field(1e-4, ge=0, description="Adam's weight decay")
    batch: int = Field(32, ge=4, description="images in a step")
    per_class: int = Field(8, ge=2, description="images of one class in a step")
    map_norm: Literal["none", "minmax"] = maps_only(
        "none", "none: the sigmoid as it is (paper); minmax: stretched image by image"
    )

    @model_validator(mode="after")
    def _even_slices(self) -> DCMLAttention:
        if self.dimension % self.k:
            raise ValueError(f"k must divide dimension: {self.dimension} is not a multiple of {self.k}")
        return self

    def build(self, task: Task) -> nn.Module:
        """The attentive embedding; from scratch, BatchNorm trains as usual."""
        backbone = load_backbone(self, len(task.classes))
        return AttentiveEmbedding(backbone, self.dimension, self.k, frozen=self.pretrained, owner=self.name)

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        """Cluster all images every second epoch and train learner k on cluster k; from 5/6 on, the full vector on all images."""
        labels = require_two_classes(view.labels, self.name)
        network = cast(AttentiveEmbedding, net)
        optimizer = torch.optim.Adam(net.parameters(), self.lr, weight_decay=self.weight_decay)
        everything = torch.zeros(len(view), dtype=torch.long)
        state: dict[str, Any] = {"clusters": everything}
        for epoch in training.epochs(self.epochs, optimizer=optimizer, division=state):
            divided = self.k > 1 and epoch < full_from(training.total)
            if divided and epoch % self.recluster_every == 0:
                state["clusters"] = self._divide(network, view, training, state["clusters"] if epoch else None)
            clusters, k = (state["clusters"], self.k) if divided else (everything, 1)
            steps = list(round_robin(labels, clusters, k, self.batch, self.per_class, training.generator))
            training.log(**{f"served_{c}": share for c, share in enumerate(served(labels, clusters, k).tolist())})
            self._conquer(network, view, training, optimizer, steps, divided)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, h, w) at the trunk's resolution: one attention map, shared by all foregrounds, empty where the labels know of none."""
        attention = cast(AttentiveEmbedding, net).attend(images)[1].float()
        maps = shared(minmax(attention) if self.map_norm == "minmax" else attention, len(task.foreground))
        return maps if labels is None else maps * task.present(labels)[:, :, None, None]

    def _divide(self, net: AttentiveEmbedding, view: View, training: Training, previous: Tensor | None) -> Tensor:
        """Cluster the images as they are (no augmentation, eval mode) by the vector before the dense layer: (N,) below K."""
        net.eval()
        with torch.no_grad(), training.autocast():
            points = torch.cat([net.pooled(view.images(index)).cpu() for index in view.in_order()])
        clusters = kmeans(points, self.k, training.generator)
        return clusters if previous is None else keep_names(clusters, previous, self.k)

    def _conquer(
        self,
        net: AttentiveEmbedding,
        view: View,
        training: Training,
        optimizer: torch.optim.Optimizer,
        steps: list[tuple[int, Tensor]],
        divided: bool,
    ) -> None:
        """One epoch of steps: (learner, numbers of images). The loss is of the learner's slice, so that the others get no gradient."""
        net.train()
        batches = view.batches((index for _, index in steps), CROPS, training.generator)
        for (learner, _), (images, labels) in zip(steps, batches, strict=True):
            with training.autocast():
                slices, attention = net(images)
            embeddings = slices[:, learner] if divided else whole(slices)
            loss, active = margin_loss(embeddings, self._triplets(embeddings, labels, training))
            training.step(loss, optimizer)
            training.log(active_pairs=active, attention=float(attention.detach().mean()))

    def _triplets(self, embeddings: Tensor, labels: Tensor, training: Training) -> Triplets:
        same = same_class(labels)
        return all_triplets(same) if self.sampler == "all" else distance_weighted(embeddings, same, training.generator)


def full_from(total: int) -> int:
    """The first epoch that trains the full embedding: at 5/6 of all; of two epochs the second does, a single one is divided."""
    return max(1, min(round(total * FULL_FROM), total - 1))


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """Divide-and-conquer metric learning with attention."""
    return (DCMLAttention,)
