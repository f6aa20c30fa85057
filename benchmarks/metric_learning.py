"""A step of metric learning beside pytorch-metric-learning, and k-means beside faiss. Needs the extra `oracle`, and faiss-cpu."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from bench.methods._clusters import kmeans
from bench.methods._metric_learning import distance_weighted, margin_loss, same_class
from benchmarks import Race, race, seconds

POINTS, DIMENSION, CLUSTERS = 10_015, 1024, 8
ROUNDS, STEPS = 40, 20


def measure() -> Iterator[Race]:
    """Two rows of steps, on one learner's slice and on the whole vector, and one of k-means, with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from (step(16), step(128), clustering(restarts=5))
    finally:
        torch.set_num_threads(threads)


def step(dimension: int) -> Race:
    """Sampling by distance, margin loss and its gradient on 4 x 8 unit vectors; seconds a step."""
    generator = Generator().manual_seed(0)
    labels = torch.arange(4).repeat_interleave(8)
    classes = torch.nn.functional.one_hot(labels).bool()
    centres = torch.randn(4, dimension, generator=generator).repeat_interleave(8, 0)
    points = normalize(centres / 2 + torch.randn(32, dimension, generator=generator), dim=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses, miners = (importlib.import_module(f"pytorch_metric_learning.{name}") for name in ("losses", "miners"))
    loss = losses.MarginLoss(margin=0.2, nu=0, beta=1.2, learn_beta=False)
    miner = miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4)

    def ours() -> None:
        vectors = points.clone().requires_grad_()
        margin_loss(vectors, distance_weighted(vectors, same_class(classes), generator))[0].backward()  # type: ignore[no-untyped-call]

    def theirs() -> None:
        vectors = points.clone().requires_grad_()
        loss(vectors, labels, miner(vectors, labels)).backward()

    what = f"margin step, B = 32, d = {dimension}"
    return race(what, paced(ours), "pytorch-metric-learning", paced(theirs), 2.3, ROUNDS)


def paced(work: Callable[[], None]) -> Callable[[], float]:
    """Seconds of one call, from several in a row; the first call of all is not measured."""

    def several() -> None:
        for _ in range(STEPS):
            work()

    work()
    return lambda: seconds(several) / STEPS


def clustering(restarts: int) -> Race:
    """Unit vectors of an ImageNet network's size into 8 clusters, both the best of as many runs; seconds in all."""
    faiss: Any = importlib.import_module("faiss")
    faiss.omp_set_num_threads(torch.get_num_threads())
    points, generator = features(), Generator().manual_seed(0)
    array = points.numpy()

    def theirs() -> None:
        found = faiss.Kmeans(
            DIMENSION, CLUSTERS, niter=100, nredo=restarts, max_points_per_centroid=POINTS, seed=_seed(generator)
        )
        found.train(array)
        found.index.search(array, 1)

    ours = functools.partial(kmeans, points, CLUSTERS, generator, restarts)
    what = f"k-means, 10,015 x 1024 into 8, best of {restarts}"
    return race(what, lambda: seconds(ours), "faiss, at most 100 iterations", lambda: seconds(theirs), 1.1)


def _seed(generator: Generator) -> int:
    return int(torch.randint(2**31, (1,), generator=generator))


def features() -> Tensor:
    """Rectified noise around one direction, of unit length, as pooled features are: no clear clusters, so that k-means has work to do."""
    draw = Generator().manual_seed(1)
    common = torch.randn(1, DIMENSION, generator=draw).relu()
    return normalize((common + torch.randn(POINTS, DIMENSION, generator=draw)).relu(), dim=1)
