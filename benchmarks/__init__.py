"""Measurements of the suite's own speed; see `python -m benchmarks`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

ROUNDS = 9


class Row(NamedTuple):
    """Two CPU times, the smallest of several turns each, taken in alternation."""

    what: str
    ours: float
    other: str
    theirs: float


class Race(NamedTuple):
    """Seconds a picture (median of the rounds) and how many times faster ours was: the lower quartile of the rounds' ratios."""

    what: str
    ours: float
    other: str
    theirs: float
    ratio: float
    target: float


def race(
    what: str, ours: Callable[[], float], other: str, theirs: Callable[[], float], target: float, rounds: int = ROUNDS
) -> Race:
    """Both give seconds a picture, in turns, so that a load on the machine meets both; three rounds in four were at least so fast."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    quartile = statistics.quantiles([b / a for a, b in pairs], n=4, method="inclusive")[0]
    return Race(
        what,
        statistics.median(a for a, _ in pairs),
        other,
        statistics.median(b for _, b in pairs),
        quartile,
        target,
    )


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
