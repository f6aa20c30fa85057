"""Splits that are the same on every machine, and that never part what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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


def fill(parts: Iterable[Sequence[str]], rooms: Mapping[str, int]) -> dict[str, list[str]]:
    """Each block, whole and in order, into the first split that still has room for it; where none has, into the one with most room."""
    left = dict(rooms)
    splits: dict[str, list[str]] = {name: [] for name in rooms}
    for part in parts:
        fitting = [name for name in left if left[name] >= len(part)]
        chosen = fitting[0] if fitting else max(left, key=left.__getitem__)
        splits[chosen].extend(part)
        left[chosen] -= len(part)
    return splits


def shares(counts: Mapping[int, int], total: int) -> dict[int, int]:
    """`total` places dealt out in proportion to `counts` (largest remainders), so that every class gives its share."""
    everything = sum(counts.values())
    dealt = {key: count * total // everything for key, count in counts.items()}
    by_remainder = sorted(counts, key=lambda key: (-(counts[key] * total % everything), key))
    for key in by_remainder[: total - sum(dealt.values())]:
        dealt[key] += 1
    return dealt
