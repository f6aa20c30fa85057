"""Splits of a folder that names none: drawn by a fixed seed, classes in proportion, what belongs together on one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from fractions import Fraction

from bench.datasets._splits import blocks, components, deal, fill, permuted

SEED = 0
"""The splits belong to the data set and not to a run: one seed, for ever."""
WEAK = {"weak_heldout": Fraction(1, 5), "weak": Fraction(4, 5)}
MASKED = {"test": Fraction(2, 5), "val": Fraction(1, 5), "masks": Fraction(2, 5)}

Block = list[str]
Strata = dict[str, list[Block]]


def draw(
    classes: Mapping[str, str], known: Collection[str], absent: Collection[str], together: Mapping[str, str]
) -> dict[str, str]:
    """The split of each image; one that its side cannot use is left out.

    classes: the class of each labelled image, the rarest of several; known: images whose mask is known; absent: classes that do not show
    the object; together: a name for each image that has to stay with others.
    """
    order = permuted({*classes, *known}, SEED)
    whole = blocks(order, together)
    weak, masked = _sides(_strata(whole, classes), classes, known, absent)
    parts = deal(weak, WEAK, first="weak")
    parts |= deal(masked, MASKED)
    return {i: split for split, ids in parts.items() for i in ids if i in (classes if split in WEAK else known)}


def _strata(whole: list[Block], classes: Mapping[str, str]) -> Strata:
    """Blocks by the class of their first labelled image; without one the empty text."""
    found: Strata = {}
    for block in whole:
        found.setdefault(next((classes[i] for i in block if i in classes), ""), []).append(block)
    return found


def _sides(
    strata: Strata, classes: Mapping[str, str], known: Collection[str], absent: Collection[str]
) -> tuple[Strata, Strata]:
    """Blocks to learn from and blocks with masks.

    A block that can be used on one side only goes there. Of the others a class keeps as many for learning as it needs to have half of its
    images there; the rest gives masks. Classes without the object give masks (empty ones) in the share that the others do.
    """
    weak, masked = dict[str, list[Block]](), dict[str, list[Block]]()
    for name, stratum in sorted(strata.items(), key=lambda item: item[0] in absent):
        count = sum(map(len, stratum))
        only_masked = [b for b in stratum if not any(i in classes for i in b)]
        only_weak = [b for b in stratum if not any(i in known for i in b)]
        either = [b for b in stratum if any(i in classes for i in b) and any(i in known for i in b)]
        wanted = _absent_weak(count, weak, masked) if name in absent else (count + 1) // 2
        room = max(0, wanted - sum(map(len, only_weak)))
        rooms = {"weak": room, "masked": sum(map(len, either)) - room}
        chosen = _whole(either, rooms)
        weak[name] = only_weak + chosen["weak"]
        masked[name] = only_masked + chosen["masked"]
    return {k: v for k, v in weak.items() if v}, {k: v for k, v in masked.items() if v}


def _absent_weak(count: int, weak: Strata, masked: Strata) -> int:
    sides = [sum(len(block) for stratum in side.values() for block in stratum) for side in (weak, masked)]
    return count - round(count * Fraction(sides[1], max(1, sum(sides))))


def _whole(either: list[Block], rooms: Mapping[str, int]) -> dict[str, list[Block]]:
    """`fill`, but of blocks that stay blocks."""
    first = {block[0]: block for block in either}
    home = {i: side for side, ids in fill(either, rooms).items() for i in ids}
    return {side: [block for i, block in first.items() if home[i] == side] for side in rooms}


def rarest(labels: Mapping[str, tuple[str, ...]], absent: Collection[str]) -> dict[str, str]:
    """The class that an image stands for: the rarest of those that show the object, else the rarest."""
    count = Counter(name for names in labels.values() for name in names)
    return {i: min(names, key=lambda name: (name in absent, count[name], name)) for i, names in labels.items()}


def joined(groups: Mapping[str, str], alike: Mapping[str, str]) -> dict[str, str]:
    """What has to stay together: images of one group, near-duplicates, and both over one another."""
    first = dict[str, str]()
    links = [(i, first.setdefault(group, i)) for i, group in sorted(groups.items())]
    return components([*links, *alike.items()])
