"""An embedded data set: dermoscopy-like pictures made from a seed, so that the main job runs without a download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.api import Dataset, Item, Pixels, Task
from bench.datasets._dermoscopy import VERSION, draw, draw_mask
from bench.errors import DataError
from bench.hookspecs import hookimpl

CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
SIZES = {"weak": 280, "weak_heldout": 70, "masks": 60, "val": 40, "test": 80}
LABELLED = ("weak", "weak_heldout")


class Synthetic(Dataset):
    """Dermoscopy-like pictures made from a seed: skin, hair, vignette, one lesion; seven classes in hue and texture.

    Nothing to download, at most 128 pixels, free to show. It says whether a method runs and learns, not how good it is on skin.
    Brightness is drawn apart from the class: four lesions in ten are lighter than their skin, corners and hair dark. Otsu's
    threshold is MEANT to fail here. The names of the classes are ISIC's, their looks are not. As in ISIC, pictures with image labels
    have no masks and pictures with masks have no labels. Pictures are frozen: another pixel is another `version`.
    """

    name: ClassVar[str] = "synthetic"
    publishable: ClassVar[bool] = True
    embedded: ClassVar[bool] = True
    version: ClassVar[int] = VERSION

    @property
    def task(self) -> Task:
        return Task(classes=CLASSES, foreground=("lesion",), shows=(0,) * len(CLASSES))

    def items(self, split: str) -> Sequence[Item]:
        """The images of a split; the classes take turns."""
        labelled = split in LABELLED
        return [Item(f"{split}-{n:03}", (_kind(n),) if labelled else None) for n in range(SIZES.get(split, 0))]

    def image(self, item: Item) -> Pixels:
        split, number = _place(item)
        return draw(split, number, _kind(number))[0]

    def mask(self, item: Item) -> Pixels | None:
        split, number = _place(item)
        return None if tuple(SIZES)[split] in LABELLED else draw_mask(split, number)


def _kind(number: int) -> int:
    return number % len(CLASSES)


def _place(item: Item) -> tuple[int, int]:
    """The number of the split and of the picture in it."""
    split, _, number = item.id.rpartition("-")
    if not number.isdecimal() or int(number) >= SIZES.get(split, 0):
        raise DataError(f"synthetic has no picture {item.id}; take items from items()")
    return tuple(SIZES).index(split), int(number)


@hookimpl
def bench_datasets() -> tuple[type[Dataset], ...]:
    return (Synthetic,)
