"""Methods over several data sets: mean ranks, and the difference of ranks that counts. A block is a data set, nothing smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, fdtrc

from bench.statistics.row_scores import Floats

LEVEL = 0.05
MIN_BLOCKS = 6

Group = tuple[int, ...]


@dataclass(frozen=True)
class Across:
    """Friedman's test and its gate; everything but the mean ranks is None, and there are no groups, without enough data sets."""

    mean_ranks: tuple[float, ...]
    """1 is best"""
    chi_square: float | None = None
    p_chi_square: float | None = None
    f: float | None = None
    p: float | None = None
    """Iman and Davenport's, the gate"""
    critical: float | None = None
    """Nemenyi's critical difference of two mean ranks; it counts only behind the gate"""
    groups: tuple[Group, ...] = ()
    """of methods that are not told apart, best first: all in one where the gate is closed"""

    @property
    def enough(self) -> bool:
        """Whether there were enough data sets."""
        return self.p is not None


def across(scores: npt.ArrayLike) -> Across:
    """scores: (N, k), a line for each data set, a column for each method; higher is better.

    Friedman's test with ties, Iman and Davenport's F for it, and, only where that says that methods differ (p < .05), Nemenyi's critical
    difference: Demsar, "Statistical comparisons of classifiers over multiple data sets" (2006). Never over images, backbones or seeds,
    which are no independent blocks.
    """
    from scipy.stats import rankdata

    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or not np.isfinite(values).all():
        raise ValueError("every data set needs a score of every method, and of two methods at least")
    ranks = np.asarray(rankdata(-values, axis=1), np.float64)
    blocks, methods = ranks.shape
    means = ranks.mean(0) if blocks else np.full(methods, (methods + 1) / 2)
    if blocks < MIN_BLOCKS:
        return Across(tuple(means.tolist()))
    chi_square = friedman(ranks)
    f, p = iman_davenport(chi_square, blocks, methods)
    critical = critical_difference(blocks, methods)
    return Across(
        tuple(means.tolist()),
        chi_square,
        float(chdtrc(methods - 1, chi_square)),
        f,
        p,
        critical,
        tuple(groups(means.tolist(), critical if p < LEVEL else np.inf)),
    )


def friedman(ranks: Floats) -> float:
    """Friedman's chi square of ranks (N, k), corrected for ties; 0 where all are tied."""
    methods = ranks.shape[1]
    middle = (methods + 1) / 2
    within = np.square(ranks - middle).sum()
    return float((methods - 1) * np.square((ranks - middle).sum(0)).sum() / within) if within else 0.0


def iman_davenport(chi_square: float, blocks: int, methods: int) -> tuple[float, float]:
    """F of Iman and Davenport (1980), which is less conservative than the chi square, and its p; infinite and 0 where all agree."""
    left = blocks * (methods - 1) - chi_square
    if left <= 1e-9:
        return float("inf"), 0.0
    f = (blocks - 1) * chi_square / left
    return f, float(fdtrc(methods - 1, (methods - 1) * (blocks - 1), f))


def critical_difference(blocks: int, methods: int) -> float:
    """Nemenyi's, at 5 %: mean ranks that lie further apart differ."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - LEVEL, methods, np.inf))
    return float(quantile / np.sqrt(2) * np.sqrt(methods * (methods + 1) / (6 * blocks)))


def groups(mean_ranks: Sequence[float], critical: float) -> list[Group]:
    """The longest runs of methods, sorted by mean rank, that span the critical difference at most; best first."""
    order = sorted(range(len(mean_ranks)), key=lambda method: mean_ranks[method])
    runs: list[Group] = []
    for start, first in enumerate(order):
        run = tuple(m for m in order[start:] if mean_ranks[m] - mean_ranks[first] <= critical)
        if not runs or run[-1] != runs[-1][-1]:
            runs.append(run)
    return runs
