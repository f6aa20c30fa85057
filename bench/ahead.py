"""Reading many files with a few threads: in order, and never more than a few in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS, AHEAD = 4, 32

A = TypeVar("A")
B = TypeVar("B")


def read_ahead(work: Callable[[A], B], items: Sequence[A]) -> Iterator[B]:
    """`work` of each item, in order. At most `AHEAD` results wait: full-size pictures of a whole split would fill the memory."""
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(items), AHEAD):
            yield from pool.map(work, items[start : start + AHEAD])
