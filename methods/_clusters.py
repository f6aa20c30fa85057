"""Dividing the data: k-means in torch, and names of clusters that stay from one clustering to the next."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor


def kmeans(points: Tensor, k: int, generator: Generator, restarts: int = 5, iterations: int = 100) -> Tensor:
    """Clusters of points (N, d), as numbers below k (N,): Lloyd's algorithm from k-means++ seeds, the best of `restarts` by inertia.

    A cluster may stay empty where there are fewer different points than k.
    """
    if len(points) <= k:
        return torch.arange(len(points))
    runs = [_lloyd(points, _seeds(points, k, generator), iterations) for _ in range(restarts)]
    return min(runs, key=lambda run: run[1])[0]


def keep_names(current: Tensor, previous: Tensor, k: int) -> Tensor:
    """Rename the current clusters (N,) so that as many points as possible keep their previous cluster.

    Hungarian assignment; the cost of giving current cluster i the name j is the number of points in one of the two and not in both
    (Sanakoyeu et al., CVPR 2019). Their public code applies the inverse permutation, which loses a 3-cycle.
    """
    now, before = (torch.nn.functional.one_hot(c, k).double() for c in (current, previous))  # (N, k)
    both = now.T @ before
    cost = now.sum(0)[:, None] + before.sum(0)[None, :] - 2 * both
    rows, columns = linear_sum_assignment(cost.numpy())
    names = torch.empty(k, dtype=torch.long)
    names[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return names[current]


def _seeds(points: Tensor, k: int, generator: Generator) -> Tensor:
    """k-means++ (Arthur and Vassilvitskii 2007): each next centre is drawn by the squared distance from those that are there."""
    first = int(torch.randint(len(points), (1,), generator=generator))
    centres = points[first : first + 1]
    while len(centres) < k:
        nearest = _squared(points, centres).amin(1)
        chances = nearest if float(nearest.sum()) > 0 else torch.ones(len(points))
        centres = torch.cat([centres, points[torch.multinomial(chances, 1, generator=generator)]])
    return centres


def _lloyd(points: Tensor, centres: Tensor, iterations: int) -> tuple[Tensor, float]:
    clusters = _squared(points, centres).argmin(1)
    for _ in range(iterations):
        centres = _centres(points, clusters, centres)
        moved = _squared(points, centres).argmin(1)
        if torch.equal(moved, clusters):
            break
        clusters = moved
    return clusters, float((points - centres[clusters]).square().sum(dtype=torch.float64))


def _centres(points: Tensor, clusters: Tensor, centres: Tensor) -> Tensor:
    """Means of the clusters; an empty one goes to the point that lies farthest from its centre."""
    member = torch.nn.functional.one_hot(clusters, len(centres)).to(points.dtype)  # (N, k)
    size = member.sum(0)
    means = member.T @ points / size.clamp(min=1)[:, None]
    empty = (size == 0).nonzero()[:, 0]
    if len(empty):
        astray = (points - means[clusters]).square().sum(1)
        means[empty] = points[astray.topk(len(empty)).indices]
    return means


def _squared(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances (N, k)."""
    return (points.square().sum(1, keepdim=True) + centres.square().sum(1) - 2 * points @ centres.T).clamp(min=0)
