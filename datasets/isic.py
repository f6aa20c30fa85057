"""ISIC 2018 in the official folder layout: Task 3 gives image labels, Task 1 gives the pictures with masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from bench.api import Dataset, Item, Pixels, Source, Task
from bench.datasets._addresses import ISIC_TERMS, isic_2018
from bench.datasets._duplicates import near_duplicates
from bench.datasets._isic_folders import CLASSES, Contents, read_folders
from bench.datasets._listed import files_of, picture_of
from bench.datasets._splits import blocks, fill, permuted, shares
from bench.faults import Fault, refuse
from bench.files import read_image, read_mask
from bench.hookspecs import hookimpl

SEED = 0
"""The splits belong to the data set and not to a run: one seed, for ever."""


class Isic(Dataset):
    """ISIC 2018: skin lesions, image labels of Task 3 (HAM10000), masks of Task 1.

    `weak` and `weak_heldout` are Task 3 (10,015 images, 7 classes) as 80 to 20; `masks` (1,036), `val` (520) and `test` (1,038) are
    Task 1 (2,594 images), which carry no image label. Near-duplicates of Task 1 stay in one split. One of the tasks is enough: the
    splits of the other are empty. A task must be whole: a picture without a row, without a mask, or a mask without a picture would
    silently change the splits and is refused; `--accept` leaves it out.
    """

    name: ClassVar[str] = "isic"
    paper: ClassVar[str] = "Codella et al. 2019 (arXiv:1902.03368); Tschandl et al. 2018 (doi:10.1038/sdata.2018.161)"
    licence: ClassVar[str] = ISIC_TERMS

    split: Literal["lesion", "paper"] = Field(
        "lesion",
        description="`lesion`: no lesion on both sides of weak and weak_heldout, classes in proportion; `paper`: random by image",
    )

    @property
    def task(self) -> Task:
        return Task(classes=CLASSES, foreground=("lesion",), shows=(0,) * len(CLASSES))

    def items(self, split: str) -> Sequence[Item]:
        """The images of a split, sorted by id. The first call lists the folders; that of a Task 1 split makes thumbnails once."""
        if split in ("weak", "weak_heldout"):
            return self._weak[split]
        return self._segmentation[split] if split in ("masks", "val", "test") else ()

    def faults(self) -> Sequence[Fault]:
        """Everything that is wrong with folders and tables; other numbers than the official ones do not block."""
        return self._contents.faults

    def image(self, item: Item) -> Pixels:
        return read_image(self._path(item))

    def mask(self, item: Item) -> Pixels | None:
        image, mask = self._path(item), self._contents.masks.get(item.id)
        return None if mask is None else read_mask(mask, image)

    def files(self, split: str) -> Sequence[Path]:
        """The pictures of a split in the order of its items, then their masks."""
        return files_of(self.items(split), self._contents.pictures, self._contents.masks)

    def sources(self) -> Sequence[Source]:
        """The archives of both tasks and the lesion groupings, from their official address."""
        return isic_2018()

    def _path(self, item: Item) -> Path:
        return picture_of(item, self._contents.pictures, f"isic under {self.root}")

    @cached_property
    def _contents(self) -> Contents:
        return read_folders(self.root)

    @cached_property
    def _sound(self) -> Contents:
        """The contents, once nothing is wrong with them that was not accepted."""
        refuse(self.faults(), self.accept, self.name)
        return self._contents

    @cached_property
    def _weak(self) -> dict[str, list[Item]]:
        labels, lesions = self._sound.labels, self._sound.lesions
        divide = _by_image if self.split == "paper" else _by_lesion
        parts = divide(labels, lesions)
        return {part: [Item(i, (labels[i],), lesions[i]) for i in sorted(ids)] for part, ids in parts.items()}

    @cached_property
    def _segmentation(self) -> dict[str, list[Item]]:
        images = {i: self._sound.pictures[i] for i in self._sound.masks}
        group = near_duplicates(images)
        parts = fill(blocks(permuted(images, SEED), group), _rooms(len(images)))
        return {part: [Item(i, None, group.get(i)) for i in sorted(ids)] for part, ids in parts.items()}


def _by_image(labels: Mapping[str, int], lesions: Mapping[str, str]) -> dict[str, list[str]]:
    """The paper's split: 8,015 and 2,000 at random, one lesion may stand on both sides."""
    heldout = _heldout(len(labels))
    order = permuted(labels, SEED)
    return {"weak_heldout": order[:heldout], "weak": order[heldout:]}


def _by_lesion(labels: Mapping[str, int], lesions: Mapping[str, str]) -> dict[str, list[str]]:
    """The same sizes with each lesion on one side, each class in proportion."""
    parts: dict[str, list[str]] = {"weak_heldout": [], "weak": []}
    whole = blocks(permuted(labels, SEED), lesions)
    counts = Counter(labels[lesion[0]] for lesion in whole for _ in lesion)
    heldout = shares(counts, _heldout(len(labels)))
    for label in sorted(counts):
        rooms = {"weak_heldout": heldout[label], "weak": counts[label] - heldout[label]}
        for part, ids in fill((lesion for lesion in whole if labels[lesion[0]] == label), rooms).items():
            parts[part].extend(ids)
    return parts


def _heldout(images: int) -> int:
    return 2000 if images == 10_015 else round(images / 5)


def _rooms(images: int) -> dict[str, int]:
    """How many images each split takes. The paper's sizes add up to 2,600 of 2,594: the masks split, which scores nothing, gives 6."""
    val, test = (520, 1038) if images == 2594 else (round(images / 5), round(images * 2 / 5))
    return {"val": val, "test": test, "masks": images - val - test}


@hookimpl
def bench_datasets() -> tuple[type[Dataset], ...]:
    return (Isic,)
