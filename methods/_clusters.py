"""Dividing the data: k-means in torch, names of clusters that stay from one clustering to the next, agreement with the classes."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor
from torch.nn.functional import one_hot


def kmeans(points: Tensor, k: int, generator: Generator, restarts: int = 5, iterations: int = 100) -> Tensor:
    """Clusters of points (N, d), as numbers below k (N,): Lloyd's algorithm from k-means++ seeds, the best of `restarts` by inertia.

    A cluster may stay empty where there are fewer different points than k. All runs go side by side: one product of the points with
    the centres of every run reads the points once.
    """
    if len(points) <= k:
        return torch.arange(len(points))
    squares = torch.linalg.vector_norm(points, dim=1).square()
    runs = [_Run(points, _seeds(points, squares, k, generator)) for _ in range(restarts)]
    waiting = runs
    for _ in range(iterations + 1):
        nearest = _nearest(points, torch.stack([run.centres for run in waiting]))
        waiting = [run for run, clusters in zip(waiting, nearest, strict=True) if run.move(clusters)]
        if not waiting:
            break
    gathered = [run.gathered() for run in runs]
    # Runs that found the same clusters under other names differ by rounding only: the first of them.
    enough = max(gathered) - 1e-7 * float(squares.sum())
    return next(run.clusters for run, value in zip(runs, gathered, strict=True) if value >= enough)


def keep_names(current: Tensor, previous: Tensor, k: int, inverse: bool = False) -> Tensor:
    """Rename the current clusters (N,) so that as many points as possible keep their previous cluster.

    Hungarian assignment; the cost of giving current cluster i the name j is the number of points in one of the two and not in both
    (Sanakoyeu et al., CVPR 2019). Their public code applies the inverse permutation, which loses a 3-cycle: `inverse` does as they do.
    """
    now, before = (one_hot(c, k).double() for c in (current, previous))  # (N, k)
    both = now.T @ before
    cost = now.sum(0)[:, None] + before.sum(0)[None, :] - 2 * both
    rows, columns = (torch.from_numpy(side) for side in linear_sum_assignment(cost.numpy()))
    names = torch.empty(k, dtype=torch.long)
    if inverse:
        names[columns] = rows
    else:
        names[rows] = columns
    return names[current]


def agreement(clusters: Tensor, labels: Tensor) -> float:
    """Normalised mutual information of clusters (N,) and labels (N, C): 0 for none, 1 for the same division; arithmetic mean of entropies.

    Where an image may have several labels, each combination counts as a class.
    """
    classes = torch.unique(labels, dim=0, return_inverse=True)[1]
    joint = torch.zeros(int(clusters.max()) + 1, int(classes.max()) + 1, dtype=torch.float64)
    joint.index_put_((clusters, classes), torch.tensor(1 / len(clusters), dtype=torch.float64), accumulate=True)
    one, other, both = (_entropy(p) for p in (joint.sum(1), joint.sum(0), joint.flatten()))
    return 2 * (one + other - both) / (one + other) if one + other > 0 else 1.0


def _entropy(shares: Tensor) -> float:
    return -float(torch.special.xlogy(shares, shares).sum())


def _seeds(points: Tensor, squares: Tensor, k: int, generator: Generator) -> Tensor:
    """k-means++ (Arthur and Vassilvitskii 2007): each next centre (k, d) is drawn by the squared distance from those that are there."""
    chosen = [int(torch.randint(len(points), (1,), generator=generator))]
    nearest = torch.full_like(squares, torch.inf)
    while len(chosen) < k:
        last = chosen[-1]
        nearest = nearest.minimum((squares + squares[last] - points @ (2 * points[last])).clamp(min=0))
        chances = nearest if float(nearest.sum()) > 0 else torch.ones_like(nearest)
        chosen.append(int(torch.multinomial(chances, 1, generator=generator)))
    return points[chosen]


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    """The nearest of each run's centres (R, k, d) for every point: (R, N)."""
    runs, k, _ = centres.shape
    flat = centres.flatten(0, 1)
    # |p - c|^2 without |p|^2, which is the same for all centres.
    distance = torch.addmm(flat.square().sum(1), points, flat.T, alpha=-2).view(-1, runs, k)
    return distance.min(2).indices.T


class _Run:
    """One run of Lloyd's algorithm: its clusters (N,), the sums of their points (k, d) and its centres."""

    def __init__(self, points: Tensor, centres: Tensor) -> None:
        self.points = points
        self.centres = centres
        self.clusters = torch.full((len(points),), -1)
        self.sums = torch.zeros_like(centres)

    def move(self, clusters: Tensor) -> bool:
        """Give the points to these clusters and go to their means; whether any point moved. Only those that did are added up anew."""
        before, self.clusters = self.clusters, clusters.contiguous()
        moved = (clusters != before).nonzero()[:, 0]
        if not len(moved):
            return False
        if len(moved) == len(self.points):
            self.sums = one_hot(clusters, len(self.sums)).to(self.points.dtype).T @ self.points
        else:
            change = one_hot(clusters[moved], len(self.sums)) - one_hot(before[moved], len(self.sums))
            self.sums += change.to(self.points.dtype).T @ self.points[moved]
        self._to_means()
        return True

    def _to_means(self) -> None:
        """Means of the clusters; an empty one goes to the point that lies farthest from its centre."""
        sizes = self.sizes()
        self.centres = self.sums / sizes.clamp(min=1)[:, None]
        empty = (sizes == 0).nonzero()[:, 0]
        if len(empty):
            astray = (self.points - self.centres[self.clusters]).square().sum(1)
            self.centres[empty] = self.points[astray.topk(len(empty)).indices]

    def sizes(self) -> Tensor:
        """How many points each cluster has: (k,)."""
        return torch.bincount(self.clusters, minlength=len(self.sums))

    def gathered(self) -> float:
        """What the clusters save of the points' sum of squares: that less the inertia."""
        return float((self.sums.double().square().sum(1) / self.sizes().clamp(min=1)).sum())
