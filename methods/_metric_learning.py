"""Margin loss and the choice of its pairs (Wu et al., ICCV 2017, "Sampling matters in deep embedding learning"; paper 1, eq. 2)."""

from __future__ import annotations

from typing import Literal, NamedTuple

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


def margin_loss(
    embeddings: Tensor,
    triplets: Triplets,
    alpha: float = ALPHA,
    beta: float = BETA,
    divisor: Literal["pairs", "triplets"] = "pairs",
) -> tuple[Tensor, int]:
    """The mean over active pairs of [alpha + mu (D - beta)]_+, mu = 1 for a positive and -1 for a negative pair, and their number.

    embeddings: (B, d) of unit length. The sum is divided by the number of pairs whose term is above 0 (at least 1), not of triplets:
    on today's torch the public code of DCML counts the latter, and its loss is up to twice as large (`divisor="triplets"`).
    """
    anchor, *others = triplets
    pairs = [embeddings.index_select(0, anchor) - embeddings.index_select(0, other) for other in others]  # (T, d) each
    # The gradient of a root at 0 is infinite.
    positive, negative = (torch.cat(pairs).square().sum(1) + 1e-8).sqrt().chunk(2) if len(anchor) else pairs
    apart, close = (positive - beta + alpha).relu(), (beta - negative + alpha).relu()
    active = int(apart.count_nonzero() + close.count_nonzero())
    count = active if divisor == "pairs" else int(((apart > 0) | (close > 0)).sum())
    return (apart.sum() + close.sum()) / max(count, 1), active


def active_share(embeddings: Tensor, same: Tensor, alpha: float = ALPHA, beta: float = BETA) -> float:
    """The share of all triplets of a batch, (B, d) and (B, B) bool, that a margin loss still has something to say about.

    Of all, not of the sampled ones: who draws negatives by distance never draws an inactive one. 0 where there is no triplet.
    """
    distance, positive = _distances(embeddings), same & ~_diagonal(same)
    done = (positive & (distance <= beta - alpha)).sum(1) * (~same & (distance >= beta + alpha)).sum(1)
    count = int((positive.sum(1) * (~same).sum(1)).sum())
    return 1 - int(done.sum()) / count if count else 0.0


def distance_weights(embeddings: Tensor, same: Tensor, cutoff: float = CUTOFF, beyond: float = ALPHA + BETA) -> Tensor:
    """How likely each image is drawn as an anchor's negative: (B, d) and (B, B) bool -> (B, B), rows sum to 1 or are all 0.

    Proportional to 1 / q(D), with log q = (d - 2) log D + (d - 3) / 2 log(1 - D^2 / 4) the density of distances on the sphere.
    D is raised to `cutoff`, and a pair from `beyond` on is never drawn: its loss is 0. In float32, for at d = 128 the logarithms of the
    weights span 92.
    """
    d = embeddings.shape[1]
    distance = _distances(embeddings).clamp_(min=cutoff)
    log_weights = (2 - d) * distance.log() - (d - 3) / 2 * torch.log1p(-distance.square() / 4)
    log_weights.masked_fill_(same | (distance >= beyond), -torch.inf)
    # The maximum of each row: what is normalised by rows loses nothing, and no row underflows. A row of nothing stays nothing.
    largest = log_weights.amax(1, keepdim=True).clamp_(min=torch.finfo(log_weights.dtype).min)
    weights = (log_weights - largest).exp_()
    return weights / weights.sum(1, keepdim=True).clamp_(min=1e-12)


def distance_weighted(
    embeddings: Tensor, same: Tensor, generator: Generator, cutoff: float = CUTOFF, beyond: float = ALPHA + BETA
) -> Triplets:
    """For every anchor as many triplets as its class has images in the batch: a uniform positive, with replacement, and a negative by
    distance (256 triplets of 4 x 8 images). An anchor without positive, or without a negative near enough, has none. CPU draws.
    """
    weights = distance_weights(embeddings, same, cutoff, beyond).cpu()
    same = same.cpu()
    positives = same.float().fill_diagonal_(0)
    usable = (positives.sum(1) > 0) & (weights.sum(1) > 0)
    anchor = torch.arange(len(same)).repeat_interleave(same.sum(1) * usable)
    positive = _drawn(positives.index_select(0, anchor), generator)
    negative = _drawn(weights.index_select(0, anchor), generator)
    return Triplets(*(index.to(embeddings.device) for index in (anchor, positive, negative)))


def nearest_negatives(embeddings: Tensor, same: Tensor, cutoff: float = CUTOFF) -> Triplets:
    """What the public code of DCML takes for distance-weighted sampling: each anchor's positives beside its nearest negatives from
    `cutoff` on, of which there are as many as an average anchor has positives. Nothing is drawn.

    Guarded: where there are fewer such negatives, the triplets that lack one are left out. The public code fills them up with images of
    the same class, the anchor itself among them, and with those that are too close.
    """
    positives = same & ~_diagonal(same)
    count = min(int(positives.sum()) // len(same), len(same))
    distance = _distances(embeddings).masked_fill(same, torch.inf)
    distance = distance.masked_fill(distance < cutoff, torch.inf)
    near = distance.topk(count, 1, largest=False)
    negatives = torch.zeros_like(same).scatter(1, near.indices, near.values.isfinite())
    rank = [(chosen.cumsum(1) - 1).masked_fill(~chosen, -1) for chosen in (positives, negatives)]  # (B, B) each
    # The j-th positive of an anchor goes with its j-th negative, both by number.
    anchor, positive, negative = ((rank[0][:, :, None] == rank[1][:, None, :]) & (rank[0][:, :, None] >= 0)).nonzero().T
    return Triplets(anchor, positive, negative)


def all_triplets(same: Tensor) -> Triplets:
    """Every anchor with every positive and every negative."""
    return Triplets(*((same & ~_diagonal(same))[:, :, None] & ~same[:, None, :]).nonzero().T)


def _distances(embeddings: Tensor) -> Tensor:
    """Between all embeddings of a batch, without gradient, in float32: (B, B)."""
    points = embeddings.detach().float()
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")


def _diagonal(same: Tensor) -> Tensor:
    return torch.eye(len(same), dtype=torch.bool, device=same.device)


def _drawn(weights: Tensor, generator: Generator) -> Tensor:
    """One column of each row, by its weight: (T, B) -> (T,). The largest weight over an exponential draw wins.

    The draws are those of torch.multinomial on the CPU, in a third of its time.
    """
    draws = torch.rand(weights.shape, dtype=torch.float64, generator=generator)
    return (weights / draws.neg_().log1p_().neg_().float()).argmax(1) if len(weights) else draws.new_empty(0).long()
