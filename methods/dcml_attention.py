"""Paper 1's method: attention maps from metric learning, divided over learners that each see one cluster of the data and one slice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from bench.api import Method
from bench.hookspecs import hookimpl
from bench.methods._attention import AttentiveEmbedding, whole
from bench.methods._batches import merged, require_two_classes, round_robin, served
from bench.methods._clusters import agreement, keep_names, kmeans
from bench.methods.ml_attention import MLAttention, Step, learn_presence
from bench.training import Training
from bench.view import View


class DCMLAttention(MLAttention):
    """Attention of divide-and-conquer metric learning: K learners on K clusters."""

    name: ClassVar[str] = "dcml_attention"
    paper: ClassVar[str] = "Adiga, Dolz, Lombaert, 2020, on Sanakoyeu et al., CVPR 2019"

    k: int = Field(
        8, ge=1, description="clusters and learners; must divide dimension (Sanakoyeu et al.; paper 1 names none)"
    )
    recluster_every: int = Field(2, ge=1, description="epochs between two clusterings (Sanakoyeu et al.'s code)")
    cluster_on: Literal["penultimate", "embedding"] = Field(
        "penultimate",
        description="vector that is clustered: before the dense layer (their code), or behind it (their figure)",
    )
    restarts: int = Field(
        5, ge=1, description="runs of k-means, of which the best counts (their code asks for 5 and runs 1)"
    )
    hungarian: Literal["correct", "code"] = Field(
        "correct", description="how clusters get their names back; code: the inverse permutation of their public code"
    )
    rounds: Literal["max", "min"] = Field(
        "max",
        description="batches of each cluster in an epoch: as the largest has (their code), or the smallest (their advice)",
    )
    one_class: Literal["skip", "merge"] = Field(
        "skip",
        description="a cluster with fewer than two classes: left out until the next clustering, or joined to the nearest",
    )
    full_embedding_from: float = Field(
        5 / 6,
        ge=0,
        le=1,
        description="share of the epochs after which the whole vector is trained (paper 1, 3.2: 250 of 300)",
    )
    all_images_from: float = Field(
        5 / 6, ge=0, le=1, description="share of the epochs after which batches come from all images (likewise)"
    )
    decay_dense: bool = Field(
        True,
        description="weight decay on the dense layer too (their code); false spares learners that are seldom served",
    )

    @model_validator(mode="after")
    def _even_slices(self) -> DCMLAttention:
        if self.dimension % self.k:
            raise ValueError(f"k must divide dimension: {self.dimension} is not a multiple of {self.k}")
        return self

    @property
    def learners(self) -> int:
        """Slices of the vector: K."""
        return self.k

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        """Cluster all images every second epoch and train learner k on cluster k; from 5/6 on, the full vector on all images."""
        labels = require_two_classes(view.labels, self.name)
        network, optimizer = cast(AttentiveEmbedding, net), self.optimizer(net)
        everything = torch.zeros(len(view), dtype=torch.long)
        state: dict[str, Any] = {"clusters": everything}
        for epoch in training.epochs(self.epochs, optimizer=optimizer, division=state):
            divided = self.k > 1 and epoch < first_epoch(self.all_images_from, training.total)
            if divided and epoch % self.recluster_every == 0:
                state["clusters"] = self._divide(network, view, training, state["clusters"] if epoch else None)
            clusters, k = (state["clusters"], self.k) if divided else (everything, 1)
            if divided:
                training.log(nmi=agreement(clusters, labels))
            shares = served(labels, clusters, k)
            training.log(**{f"served_{c}": share for c, share in enumerate(shares.tolist())})
            if not shares.any():  # every cluster has one class: until the next clustering the data stay whole
                divided, clusters, k = False, everything, 1
            sliced = divided and epoch < first_epoch(self.full_embedding_from, training.total)
            plan = round_robin(labels, clusters, k, self.batch, self.per_class, training.generator, self.rounds)
            steps = [Step(learner if sliced else None, index) for learner, index in plan]
            self.train_epoch(network, view, training, optimizer, steps)
            learn_presence(network, view, training)

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """One Adam for all learners: a slice without gradient is moved by its momentum and its weight decay all the same."""
        dense = list(cast(AttentiveEmbedding, net).dense.parameters())
        rest = [p for p in net.parameters() if all(p is not other for other in dense)]
        groups: list[dict[str, Any]] = [
            {"params": rest},
            {"params": dense, "weight_decay": self.weight_decay * self.decay_dense},
        ]
        return torch.optim.Adam(groups, self.lr, weight_decay=self.weight_decay)

    def _divide(self, net: AttentiveEmbedding, view: View, training: Training, previous: Tensor | None) -> Tensor:
        """Cluster the images as they are (no augmentation, eval mode): (N,) below K."""
        net.eval()
        embed = net.pooled if self.cluster_on == "penultimate" else lambda images: whole(net(images)[0])
        with torch.no_grad(), training.autocast():
            points = torch.cat([embed(view.images(index)).cpu() for index in view.in_order()])
        clusters = kmeans(points, self.k, training.generator, self.restarts)
        if previous is not None:
            clusters = keep_names(clusters, previous, self.k, inverse=self.hungarian == "code")
        assert view.labels is not None
        return merged(view.labels, clusters, self.k, points) if self.one_class == "merge" else clusters


def first_epoch(share: float, total: int) -> int:
    """The first epoch behind this share of all: of 300, 5/6 is 250. Of several epochs a share between 0 and 1 leaves one on each side."""
    return round(total * share) if share in (0, 1) else max(1, min(round(total * share), total - 1))


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """Divide-and-conquer metric learning with attention."""
    return (DCMLAttention,)
