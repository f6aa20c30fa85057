"""Margin loss and the choice of its pairs (Wu et al., ICCV 2017, "Sampling matters in deep embedding learning"; paper 1, eq. 2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

ALPHA, BETA = 0.2, 1.2
CUTOFF = 0.5


class Triplets(NamedTuple):
    """Numbers (T,) of anchors, of images of the same class, of images of another class."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


def same_class(labels: Tensor) -> Tensor:
    """(B, C) bool -> (B, B) bool: which images share a class."""
    return labels.float() @ labels.float().T > 0


def margin_loss(embeddings: Tensor, triplets: Triplets, alpha: float = ALPHA, beta: float = BETA) -> tuple[Tensor, int]:
    """The mean over active pairs of [alpha + mu (D - beta)]_+, mu = 1 for a positive and -1 for a negative pair, and their number.

    embeddings: (B, d) of unit length. The sum is divided by the number of pairs whose term is above 0 (at least 1), not of triplets:
    on today's torch the public code of DCML counts the latter, and its loss is up to twice as large.
    """
    apart = (_distance(embeddings, triplets.anchor, triplets.positive) - beta + alpha).relu()
    close = (beta - _distance(embeddings, triplets.anchor, triplets.negative) + alpha).relu()
    active = int((apart > 0).sum() + (close > 0).sum())
    return (apart.sum() + close.sum()) / max(active, 1), active


def _distance(embeddings: Tensor, one: Tensor, other: Tensor) -> Tensor:
    squared = (embeddings[one] - embeddings[other]).square().sum(1)
    return (squared + 1e-8).sqrt()  # the gradient of a root at 0 is infinite


def distance_weights(embeddings: Tensor, same: Tensor, cutoff: float = CUTOFF, beyond: float = ALPHA + BETA) -> Tensor:
    """How likely each image is drawn as an anchor's negative: (B, d) and (B, B) bool -> (B, B), rows sum to 1 or are all 0.

    Proportional to 1 / q(D), with log q = (d - 2) log D + (d - 3) / 2 log(1 - D^2 / 4) the density of distances on the sphere.
    D is raised to `cutoff`, and a pair from `beyond` on is never drawn: its loss is 0. In float32, for at d = 128 the logarithms of the
    weights span 92.
    """
    points = embeddings.detach().float()
    d = points.shape[1]
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").clamp(min=cutoff)
    log_weights = (2 - d) * distance.log() - (d - 3) / 2 * torch.log1p(-distance.square() / 4)
    allowed = ~same & (distance < beyond)
    log_weights = log_weights.masked_fill(~allowed, -torch.inf)
    # The maximum of each row: what is normalised by rows loses nothing, and no row underflows.
    largest = log_weights.amax(1, keepdim=True)
    weights = (log_weights - largest).exp().masked_fill(~allowed, 0)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-12)


def distance_weighted(embeddings: Tensor, same: Tensor, generator: Generator) -> Triplets:
    """For every anchor as many triplets as its class has images in the batch: a uniform positive, with replacement, and a negative by
    distance (256 triplets of 4 x 8 images). An anchor without positive, or without a negative near enough, has none. CPU draws.
    """
    same = same.cpu()
    weights = distance_weights(embeddings, same.to(embeddings.device)).cpu()
    positives = (same & ~torch.eye(len(same), dtype=torch.bool)).float()
    usable = (positives.sum(1) > 0) & (weights.sum(1) > 0)
    anchor = torch.arange(len(same)).repeat_interleave(same.sum(1) * usable)
    if not len(anchor):
        return Triplets(*(anchor.to(embeddings.device) for _ in range(3)))
    positive = torch.multinomial(positives[anchor], 1, generator=generator)[:, 0]
    negative = torch.multinomial(weights[anchor], 1, generator=generator)[:, 0]
    return Triplets(*(index.to(embeddings.device) for index in (anchor, positive, negative)))


def all_triplets(same: Tensor) -> Triplets:
    """Every anchor with every positive and every negative."""
    positive = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    return Triplets(*(positive[:, :, None] & ~same[:, None, :]).nonzero().T)
