"""What a method is worth in masks: how many hand-drawn masks full supervision needs to reach its score, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, floor, inf, isfinite, log

import numpy as np
import numpy.typing as npt

from bench.statistics.differences import Differences, Summary
from bench.statistics.pairs import NOT_ENOUGH
from bench.statistics.row_scores import Floats, RowScores

FEWER, MORE = -inf, inf
"""A crossing below and above the grid."""
DIGITS = 9
"""What is kept of a number of masks after the point, so that 5 read back from its logarithm is 5."""


@dataclass(frozen=True)
class MasksWorth:
    """Numbers of masks; an end is None where it lies off the grid that was trained, all are None without enough data."""

    point: float | None
    low: float | None
    high: float | None
    text: str
    """`14 masks (7 to 30)`, `fewer than 1`, `more than 1036 (from 210)`, `not enough data`"""

    @property
    def enough(self) -> bool:
        """Whether there was enough data."""
        return self.text != NOT_ENOUGH


def masks_worth(
    counts: Sequence[int], draws: Sequence[Floats], method: RowScores, clusters: npt.ArrayLike
) -> MasksWorth:
    """Where the learning curve of full supervision crosses a method's mean, and where that can not be excluded.

    counts: N_1 < ... < N_J masks; draws[j]: (R_j, n) scores of full supervision with N_j of them, a line for each draw of a subset and
    training seed; clusters: (n,). The interval holds every N at which the two do not differ at 95 %: it is inverted from tests, since
    a bootstrap of the crossing covers too little. Read between counts on a logarithmic scale.
    """
    if list(counts) != sorted(set(counts)) or len(counts) != len(draws) or not counts or counts[0] < 1:
        raise ValueError(f"numbers of masks have to grow, one for each of {len(draws)} sets of draws: {list(counts)}")
    curve = [RowScores(f"{count} masks", values) for count, values in zip(counts, draws, strict=True)]
    found = _against(curve, method, clusters)
    if not found.enough.all():
        return MasksWorth(None, None, None, NOT_ENOUGH)
    half = found.half_width()
    point = _crossing(counts, found.difference, float(counts[0]))
    low = _crossing(counts, found.difference + half, FEWER)
    high = _crossing(counts, found.difference - half, float(counts[0]))
    return MasksWorth(_on_grid(point), _on_grid(low), _on_grid(high), _text(counts, point, low, high))


def _against(curve: Sequence[RowScores], method: RowScores, clusters: npt.ArrayLike) -> Differences:
    """Each point of the curve minus the method. Draws of more masks vary less: variances that say otherwise are pooled."""
    summary = Summary.of([*curve, method], clusters)
    of_draws = _monotone(summary.variances[:-1], increasing=False)
    summary = replace(summary, variances=np.append(of_draws, summary.variances[-1]))
    return summary.differences(range(len(curve)), np.full(len(curve), len(curve)))


def _crossing(counts: Sequence[int], above: Floats, at_start: float) -> float:
    """The first zero of a curve (J,) that is made to grow; `at_start` where it begins there, FEWER or MORE where it is never reached."""
    grown = _monotone(above)
    after = int(np.searchsorted(grown, 0))
    if after == len(grown):
        return MORE
    if after == 0:
        return FEWER if grown[0] > 0 else at_start
    share = grown[after - 1] / (grown[after - 1] - grown[after])
    start, end = log(counts[after - 1]), log(counts[after])
    return round(exp(start + share * (end - start)), DIGITS)


def _on_grid(crossing: float) -> float | None:
    return crossing if isfinite(crossing) else None


def _text(counts: Sequence[int], point: float, low: float, high: float) -> str:
    """Whole masks; the ends are rounded outwards."""
    fewer, more = f"fewer than {counts[0]}", f"more than {counts[-1]}"
    lowest = fewer if low == FEWER else floor(low) if isfinite(low) else more
    highest = more if high == MORE else ceil(high) if isfinite(high) else fewer
    if point == FEWER:
        return fewer if high == FEWER else f"{fewer} (to {highest})"
    if point == MORE:
        return more if low == MORE else f"{more} (from {lowest})"
    return f"{round(point)} mask{'s' * (round(point) != 1)} ({lowest} to {highest})"


def _monotone(values: Floats, increasing: bool = True) -> Floats:
    """The nearest values that never turn (PAVA); imported when it is asked for: few tables have a break-even."""
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(values, increasing=increasing).x, np.float64)
