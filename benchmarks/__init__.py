"""Measurements of the suite's own speed; see `python -m benchmarks`."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """Two CPU times, the smallest of several turns each, taken in alternation."""

    what: str
    ours: float
    other: str
    theirs: float
