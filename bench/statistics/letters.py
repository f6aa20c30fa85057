"""Which pairs of a family are declared different, and letters that say it: rows that share a letter are not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from scipy.special import nctdtrinc, stdtrit

from bench.statistics.row_scores import Floats

LEVEL = 0.05
POWER = 0.8

Pair = tuple[int, int]


def holm(p: Floats) -> Floats:
    """Holm's adjusted p of a family (m,): what lies below the level may be declared, with one false word in 20 families at most.

    Holm, "A simple sequentially rejective multiple test procedure" (1979).

    >>> holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]).clip(max=1)
    return adjusted


def tie_groups(count: int, different: Iterable[Pair]) -> list[tuple[int, ...]]:
    """Maximal groups of rows none of whose pairs is declared different; rows are numbered 0..count-1, best first.

    Insert and absorb: Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons" (2004). Differences need not
    be transitive, so a row may stand in several groups. Groups are sorted by their best members.
    """
    groups = {frozenset(range(count))} if count else set()
    for i, j in different:
        both = {group for group in groups if i in group and j in group}
        groups = _maximal((groups - both) | {group - {one} for group in both for one in (i, j)})
    return sorted(tuple(sorted(group)) for group in groups)


def _maximal(groups: Collection[frozenset[int]]) -> set[frozenset[int]]:
    return {group for group in groups if not any(group < other for other in groups)}


def letters(count: int, groups: Sequence[Sequence[int]]) -> list[str]:
    """The letters of each row: group k has letter k, after z come a1, b1, ...

    >>> letters(3, [(0, 1), (1, 2)])
    ['a', 'ab', 'b']
    """
    names = [chr(ord("a") + k % 26) + (str(k // 26) if k >= 26 else "") for k in range(len(groups))]
    return ["".join(name for name, group in zip(names, groups, strict=True) if row in group) for row in range(count)]


def smallest_detectable(pairs: int, se: float, df: float) -> float:
    """The smallest true difference that one of `pairs` comparisons finds with a chance of 80 %, in the unit of `se`.

    Found is what passes the strictest step of Holm: |t| above its quantile at 1 - .05 / (2 pairs). The chance that it is found with the
    wrong sign is left out: it is below a millionth.
    """
    edge = stdtrit(df, 1 - LEVEL / (2 * pairs))
    return float(nctdtrinc(df, 1 - POWER, edge)) * se
