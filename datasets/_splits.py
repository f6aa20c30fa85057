"""Splits that are the same on every machine, and that never part what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np


def permuted(ids: Iterable[str], seed: int) -> list[str]:
    """A seeded permutation of the sorted ids. From the generator's raw bits: NumPy promises those, not what `shuffle` makes of them."""
    ordered = sorted(ids)
    keys = np.random.PCG64(seed).random_raw(len(ordered))
    return [ordered[i] for i in np.argsort(keys, kind="stable")]


def blocks(order: Sequence[str], group: Mapping[str, str]) -> list[list[str]]:
    """The ids of `order` with each group gathered where its first member stands; an id without a group is a block of its own."""
    found: dict[str, list[str]] = {}
    for name in order:
        found.setdefault(group.get(name, name), []).append(name)
    return list(found.values())


def components(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The smallest id of the connected component of each id that is linked."""
    above: dict[str, str] = {}

    def smallest(name: str) -> str:
        while above.setdefault(name, name) != name:
            name = above[name]
        return name

    for one, other in links:
        first, second = sorted((smallest(one), smallest(other)))
        above[second] = first
    return {name: smallest(name) for name in above}


def fill(parts: Iterable[Sequence[str]], rooms: Mapping[str, int | Fraction]) -> dict[str, list[str]]:
    """Each block, whole and in order, into the first split that still has room for it; where none has, into the one with most room."""
    left = dict(rooms)
    splits: dict[str, list[str]] = {name: [] for name in rooms}
    for part in parts:
        fitting = [name for name in left if left[name] >= len(part)]
        chosen = fitting[0] if fitting else max(left, key=left.__getitem__)
        splits[chosen].extend(part)
        left[chosen] -= len(part)
    return splits


def deal(
    strata: Mapping[str, Sequence[Sequence[str]]], portions: Mapping[str, Fraction], first: str | None = None
) -> dict[str, list[str]]:
    """Whole blocks dealt to splits in proportion, in each stratum (class) and in all; the first block of each stratum into `first`.

    What a stratum gives too much or too little, since blocks are whole, the next makes up for; so the small ones come first.
    """
    splits: dict[str, list[str]] = {name: [] for name in portions}
    owed = dict.fromkeys(portions, Fraction(0))
    for _, parts in sorted(strata.items(), key=lambda stratum: (sum(map(len, stratum[1])), stratum[0])):
        count = sum(map(len, parts))
        rooms = {name: owed[name] + portion * count for name, portion in portions.items()}
        kept = {first: list(parts[0])} if first is not None else {}
        left = {name: room - len(kept.get(name, ())) for name, room in rooms.items()}
        for name, ids in fill(parts[len(kept) :], left).items():
            mine = [*kept.get(name, ()), *ids]
            splits[name] += mine
            owed[name] = rooms[name] - len(mine)
    return splits


def shares(counts: Mapping[int, int], total: int) -> dict[int, int]:
    """`total` places dealt out in proportion to `counts` (largest remainders), so that every class gives its share."""
    everything = sum(counts.values())
    dealt = {key: count * total // everything for key, count in counts.items()}
    by_remainder = sorted(counts, key=lambda key: (-(counts[key] * total % everything), key))
    for key in by_remainder[: total - sum(dealt.values())]:
        dealt[key] += 1
    return dealt
