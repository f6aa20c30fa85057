"""Methods against floors that need no mask: a family of its own, beside the ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.statistics.differences import Summary
from bench.statistics.letters import LEVEL, holm
from bench.statistics.pairs import NOT_ENOUGH, Comparison, pair
from bench.statistics.row_scores import Floats, RowScores

BEATS, NO_BETTER, EQUIVALENT, UNDECIDED = "beats floors", "no better", "equivalent", "undecided"
MARGIN = 0.02
"""Two points of Dice, in fractions: what lies within is of no consequence."""


@dataclass(frozen=True)
class FloorVerdict:
    """What can be said of one method. `over` is its difference to the strongest floor that can be tested, with unadjusted intervals."""

    name: str
    verdict: str
    """`beats floors`, `no better`, `equivalent`, `undecided` or `not enough data`"""
    over: Comparison | None
    p: float | None
    """of "it beats every floor", adjusted for the number of methods (Holm)"""
    untested: tuple[str, ...]
    """floors with too few seeds to be tested; while there are any, no method beats them all"""


def over_floors(
    methods: Sequence[RowScores], floors: Sequence[RowScores], clusters: npt.ArrayLike, margin: float = MARGIN
) -> list[FloorVerdict]:
    """One verdict for each method; floors: each floor's maps and, where there is one, its U-Net, those that use no mask; clusters: (n,).

    A method beats the floors if it beats each of them (intersection-union: the largest p counts), tested with seed variances of at least
    their median. `no better`: the 95 % interval of the difference to the strongest ends at 0 or below. `equivalent`: its 90 % interval lies
    within the margin (in the unit of the scores), which is two one-sided tests.
    """
    untested = tuple(floor.name for floor in floors if not floor.enough)
    bars = [floor for floor in floors if floor.enough]
    if not bars:
        return [FloorVerdict(row.name, NOT_ENOUGH, None, None, untested) for row in methods]
    strongest = max(bars, key=lambda floor: floor.seed_means().mean())
    tested = [i for i, row in enumerate(methods) if row.enough]
    adjusted = dict(zip(tested, holm(_beats_all([methods[i] for i in tested], bars, clusters)).tolist(), strict=True))
    return [_judge(pair(row, strongest, clusters), adjusted.get(i), untested, margin) for i, row in enumerate(methods)]


def _beats_all(rows: Sequence[RowScores], bars: Sequence[RowScores], clusters: npt.ArrayLike) -> Floats:
    """(M,) the largest of each method's one-sided p."""
    first, second = np.indices((len(rows), len(bars))).reshape(2, -1)
    found = Summary.of([*rows, *bars], clusters).floored().differences(first, second + len(rows))
    return np.asarray(found.p_greater().reshape(len(rows), len(bars)).max(1))


def _judge(over: Comparison, p: float | None, untested: tuple[str, ...], margin: float) -> FloorVerdict:
    if p is None or over.high is None or over.low_90 is None or over.high_90 is None:
        return FloorVerdict(over.a, NOT_ENOUGH, over, None, untested)
    if p < LEVEL and not untested:
        verdict = BEATS
    elif over.high <= 0:
        verdict = NO_BETTER
    elif -margin < over.low_90 and over.high_90 < margin:
        verdict = EQUIVALENT
    else:
        verdict = UNDECIDED
    return FloorVerdict(over.a, verdict, over, p, untested)
