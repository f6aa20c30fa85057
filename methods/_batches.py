"""Which images make a step: batches that are balanced over classes, from all images or from one cluster at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from torch import Generator, Tensor

from bench.errors import BenchError
from bench.training import balanced


def require_two_classes(labels: Tensor | None, name: str) -> Tensor:
    """The labels (N, C) if they allow a balanced batch: two classes with two images each; else BenchError naming the method."""
    if labels is None or int((labels.sum(0) >= 2).sum()) < 2:
        raise BenchError(
            f"{name} learns by telling classes apart: the weakly labelled images need two classes with two images each"
        )
    return labels


def served(labels: Tensor, clusters: Tensor, k: int) -> Tensor:
    """The share of all images that each cluster's learner is trained on: (k,). A class with one image in a cluster is left out there, and
    so is a cluster with fewer than two classes: it has no pair to learn from."""
    counts = torch.stack([labels[clusters == c].sum(0) for c in range(k)])  # (k, C)
    counts = counts * (counts >= 2)
    return counts.sum(1) * ((counts > 0).sum(1) >= 2) / len(labels)


def merged(labels: Tensor, clusters: Tensor, k: int, points: Tensor) -> Tensor:
    """Clusters (N,) in which each that has no pair to learn from, the smallest first, has joined the cluster with the nearest mean."""
    clusters = clusters.clone()
    while True:
        sizes = torch.bincount(clusters, minlength=k)
        there, lone = sizes > 0, (sizes > 0) & (served(labels, clusters, k) == 0)
        if not lone.any() or int(there.sum()) < 2:
            return clusters
        joining = int(sizes.masked_fill(~lone, len(clusters) + 1).argmin())
        means = torch.stack([points[clusters == c].mean(0) for c in range(k)])  # NaN for one that is empty
        distance = (means - means[joining]).square().sum(1).masked_fill(~there, torch.inf)
        distance[joining] = torch.inf
        clusters[clusters == joining] = int(distance.argmin())


def round_robin(
    labels: Tensor,
    clusters: Tensor,
    k: int,
    batch: int,
    per_class: int,
    generator: Generator,
    rounds: Literal["max", "min"] = "max",
) -> Iterator[tuple[int, Tensor]]:
    """An epoch over clusters as (cluster, numbers of images): one batch of each in turn, as many rounds as the largest cluster has batches
    (`rounds="min"`: as the smallest has, at least one).

    Shorter clusters start again, with fresh draws. A class with one image in a cluster, and a cluster with fewer than two classes, are
    left out (paper 1's batches: B = 32, 8 of a class).
    """
    chosen = [c for c, share in enumerate(served(labels, clusters, k).tolist()) if share]
    members = {c: (clusters == c).nonzero()[:, 0] for c in chosen}
    plans = {c: partial(balanced, labels, batch, generator, members[c], per_class) for c in chosen}
    streams = {c: _endless(plan) for c, plan in plans.items()}
    epoch = {"max": max, "min": min}[rounds]
    for _ in range(epoch((max(1, len(m) // batch) for m in members.values()), default=0)):
        for c, stream in streams.items():
            yield c, next(stream)


def _endless(plan: partial[Iterator[Tensor]]) -> Iterator[Tensor]:
    while True:
        yield from plan()
