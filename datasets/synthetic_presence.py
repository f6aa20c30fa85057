"""An embedded data set: is the object there, and where? The twin of the dogs task that needs no download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.api import Dataset, Item, Pixels, Task
from bench.datasets._presence import VERSION, draw, draw_mask
from bench.errors import DataError
from bench.hookspecs import hookimpl

SIZES = {"weak": 280, "weak_heldout": 70, "masks": 60, "val": 40, "test": 80}
MASKED = ("masks", "val", "test")


class SyntheticPresence(Dataset):
    """Two or three patches on skin, made from a seed; in half of the pictures one of them is the object: yellow, with ridges.

    Nothing to download, at most 128 pixels, free to show. It says whether a method runs and learns, not how good it is on photographs.
    Pictures with and without the object have the same numbers, places, sizes and brightness of patches; the others differ from it in hue
    and texture. Taking the dark, the bright or whatever stands out is MEANT to fail: half of what is found is no object, and where there is
    none something is found all the same. Every picture has a label; `masks`, `val` and `test` have masks, empty where the object is
    absent. Pictures are frozen: another pixel is another `version`.
    """

    name: ClassVar[str] = "synthetic_presence"
    publishable: ClassVar[bool] = True
    embedded: ClassVar[bool] = True
    version: ClassVar[int] = VERSION

    @property
    def task(self) -> Task:
        return Task(classes=("absent", "present"), foreground=("object",), shows=(None, 0))

    def items(self, split: str) -> Sequence[Item]:
        """The images of a split, without and with the object in turns."""
        return [Item(f"{split}-{n:03}", (n % 2,)) for n in range(SIZES.get(split, 0))]

    def image(self, item: Item) -> Pixels:
        split, number = _place(item)
        return draw(split, number, number % 2 == 1)[0]

    def mask(self, item: Item) -> Pixels | None:
        split, number = _place(item)
        return draw_mask(split, number, number % 2 == 1) if tuple(SIZES)[split] in MASKED else None


def _place(item: Item) -> tuple[int, int]:
    """The number of the split and of the picture in it."""
    split, _, number = item.id.rpartition("-")
    if not number.isdecimal() or int(number) >= SIZES.get(split, 0):
        raise DataError(f"synthetic_presence has no picture {item.id}; take items from items()")
    return tuple(SIZES).index(split), int(number)


@hookimpl
def bench_datasets() -> tuple[type[Dataset], ...]:
    return (SyntheticPresence,)
