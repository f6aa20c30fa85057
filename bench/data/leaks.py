"""What would carry knowledge from training into the test: the same bytes, or one group, on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bench.api import Item
from bench.faults import Fault

TESTED = ("val", "test")


class Place(NamedTuple):
    """An image in a split, and the sha256 of its file; None for a generated one."""

    split: str
    item: Item
    digest: str | None


def leaks(splits: Mapping[str, Sequence[Item]], digests: Mapping[str, Sequence[str]]) -> list[Fault]:
    """Faults of what images share. `digests`: sha256 of each image's file, in the order of the items; fewer where images are no files.

    They block where one of two splits is val or test: numbers would change. Elsewhere they are only told.
    """
    places = [
        Place(split, item, digests[split][number] if len(digests[split]) >= len(items) else None)
        for split, items in splits.items()
        for number, item in enumerate(items)
    ]
    once = {place.item.id: place for place in reversed(places)}  # the first place of each id
    again = [place for place in places if once[place.item.id] is not place]
    unique = [place for place in places if once[place.item.id] is place]
    return [*(_same_id(once[p.item.id], p) for p in again), *_same_bytes(unique), *_split_groups(unique)]


def apart(split: str, other: str) -> bool:
    """Whether what two splits share would change a number: one of them is scored on, and they are not one."""
    return split != other and (split in TESTED or other in TESTED)


def _same_id(first: Place, other: Place) -> Fault:
    where = f"in {first.split} and in {other.split}" if first.split != other.split else f"twice in {first.split}"
    text = f"the id {other.item.id} stands {where}; an image belongs to one split, take it out of one"
    return Fault("duplicate-id", other.item.id, text)


def _same_bytes(places: Sequence[Place]) -> Iterator[Fault]:
    firsts: dict[str, Place] = {}
    for place in places:
        first = firsts.setdefault(place.digest, place) if place.digest is not None else place
        if first is not place:
            text = f"{first.item.id} ({first.split}) and {place.item.id} ({place.split}) have the same bytes; remove one of them"
            yield Fault("duplicate-bytes", place.item.id, text, apart(first.split, place.split))


def _split_groups(places: Sequence[Place]) -> Iterator[Fault]:
    """A fault for each further split that a group lies in."""
    firsts: dict[tuple[str, str], Place] = {}
    homes: dict[str, Place] = {}
    for place in places:
        group = place.item.group
        if group is None:
            continue
        home = homes.setdefault(group, place)
        if firsts.setdefault((group, place.split), place) is place and home.split != place.split:
            text = (
                f"the group {group} lies in two splits: {home.item.id} in {home.split}, {place.item.id} in {place.split}; "
                "keep a group in one split"
            )
            yield Fault("group-split", group, text, apart(home.split, place.split))
