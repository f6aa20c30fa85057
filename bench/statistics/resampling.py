"""Intervals for statistics that are no mean over images (pooled Dice, macro): clusters and seeds are drawn again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from bench.statistics.differences import satterthwaite, variance_of_mean
from bench.statistics.pairs import Interval
from bench.statistics.row_scores import MIN_CLUSTERS, MIN_SEEDS, Fits, Floats, share_fits

DRAWS = 2_000

Weighted = Callable[[Floats], Floats]
"""A statistic of each seed when images are weighted: (B, n) -> (B, S); weights of 1 give the plain one."""


@dataclass(frozen=True)
class RowStatistic:
    """A row and a statistic of it, such as `pooled_dice(tp, fp, fn)`; deterministic and fits as in `RowScores`."""

    name: str
    of: Weighted
    deterministic: bool = False
    fits: Fits = ()


@dataclass(frozen=True)
class _Drawn:
    plain: Floats  # (S,) of the images as they are
    middle: Floats  # (B,) of drawn images, the mean of the seeds
    whole: Floats  # (B,) of drawn images and drawn seeds
    deterministic: bool

    @property
    def enough(self) -> bool:
        return self.deterministic or len(self.plain) >= MIN_SEEDS


def resampled(
    a: RowStatistic, b: RowStatistic | None, clusters: npt.ArrayLike, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """`a` minus `b`, or `a` alone, with a 95 % interval; clusters: (n,) names of the cluster of each image.

    Both rows meet the same drawn images. The interval is the t interval of `pair`, with the standard deviation of the draws: percentiles
    of a bootstrap over so few seeds cover too little.
    """
    numbers = np.unique(np.asarray(clusters), return_inverse=True)[1]
    count = int(numbers.max(initial=-1)) + 1
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(count, np.full(count, 1 / max(count, 1)), draws)[:, numbers].astype(np.float64)
    sides = [_draw(row, weights, generator) for row in _sides(a, b)]
    value = float(reduce(np.subtract, [side.plain.mean() for side in sides]))
    if count < MIN_CLUSTERS or not all(side.enough for side in sides):
        return Interval(value)
    se = float(reduce(np.subtract, [side.whole for side in sides]).std(ddof=1))
    df = _freedom(sides, count)
    half = float(stdtrit(df, 0.975)) * se
    return Interval(value, value - half, value + half, se, df)


def _sides(a: RowStatistic, b: RowStatistic | None) -> list[RowStatistic]:
    """The rows that draw seeds of their own: two that share their fits are one, whose statistic is their difference."""
    if b is None:
        return [a]
    if share_fits(a.fits, b.fits):
        return [RowStatistic(f"{a.name} - {b.name}", lambda weights: a.of(weights) - b.of(weights))]
    return [a, b]


def _draw(row: RowStatistic, weights: Floats, generator: np.random.Generator) -> _Drawn:
    """Drawn seeds vary less than seeds do, by (S - 1) / S, which is put right."""
    plain, drawn = row.of(np.ones((1, weights.shape[1])))[0], row.of(weights)
    if not np.isfinite(plain).all():
        raise ValueError(f"{row.name}: the statistic of {np.sum(~np.isfinite(plain))} of its seeds is no number")
    middle, seeds = drawn.mean(1), len(plain)
    if row.deterministic or seeds == 1:
        return _Drawn(plain, middle, middle, row.deterministic)
    picked = generator.multinomial(seeds, np.full(seeds, 1 / seeds), len(drawn)) / seeds  # (B, S)
    return _Drawn(plain, middle, middle + np.sqrt(seeds / (seeds - 1)) * ((drawn * picked).sum(1) - middle), False)


def _freedom(sides: list[_Drawn], clusters: int) -> float:
    """As in `pair`: the variance from images is that of the draws, a row's own that of its seeds."""
    of_images = reduce(np.subtract, [side.middle for side in sides]).var(ddof=1)
    of_seeds = [0.0 if side.deterministic else variance_of_mean(side.plain) for side in sides]
    freedom = [clusters - 1, *(max(len(side.plain) - 1, 1) for side in sides)]
    return satterthwaite(np.array([[of_images], *([v] for v in of_seeds)]), np.array(freedom)[:, None]).item()


def mean(values: Floats) -> Weighted:
    """The mean over images: values (S, n)."""
    return lambda weights: weights @ values.T / weights.sum(1, keepdims=True)


def pooled_dice(tp: Floats, fp: Floats, fn: Floats) -> Weighted:
    """Dice of the pixels of all images together: counts (S, n) each."""
    return lambda weights: weights @ (2 * tp.T) / (weights @ (2 * tp + fp + fn).T)


def macro(values: Floats, groups: npt.ArrayLike) -> Weighted:
    """The mean over groups of images of the mean in a group: values (S, n), groups (n,); a group that is not drawn is left out."""
    inside = np.asarray(groups) == np.unique(np.asarray(groups))[:, None]  # (Q, n)

    def of(weights: Floats) -> Floats:
        sums = np.stack([(weights[:, here] @ values[:, here].T) for here in inside])  # (Q, B, S)
        sizes = weights @ inside.T  # (B, Q)
        means = sums / np.where(sizes > 0, sizes, 1).T[:, :, None]
        return np.asarray(means.sum(0) / (sizes > 0).sum(1)[:, None], np.float64)

    return of
