"""Pictures and masks that lie as files, listed by id: what data sets in folders have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.api import Item
from bench.errors import DataError


def files_of(items: Iterable[Item], pictures: Mapping[str, Path], masks: Mapping[str, Path]) -> list[Path]:
    """The pictures of these items in their order, then the masks of those that have one."""
    ids = [item.id for item in items]
    return [*(pictures[i] for i in ids), *(masks[i] for i in ids if i in masks)]


def picture_of(item: Item, pictures: Mapping[str, Path], where: str) -> Path:
    """The picture of an item; DataError that begins with `where` for one that is none of this data set's."""
    try:
        return pictures[item.id]
    except KeyError:
        raise DataError(f"{where} has no picture {item.id}; take items from items()") from None
