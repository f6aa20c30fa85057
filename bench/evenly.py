"""A few things of many, as far apart as they can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

A = TypeVar("A")


def evenly(things: Sequence[A], count: int) -> list[A]:
    """`count` of them (all where there are fewer) in their order, the first and the last among them."""
    if count >= len(things):
        return list(things)
    gaps = max(1, count - 1)
    return [things[round(place * (len(things) - 1) / gaps)] for place in range(count)]
