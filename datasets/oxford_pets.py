"""Oxford-IIIT Pet through torchvision's loader: dogs against cats, with masks, for everyone to download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from bench.api import Dataset, Item, Pixels, Source, Task
from bench.datasets._pets_lists import FOLDER, OFFICIAL, check_lists
from bench.datasets._splits import deal, permuted
from bench.datasets._stored_masks import read_stored
from bench.errors import DataError
from bench.faults import Fault, refuse
from bench.files import read_image
from bench.hookspecs import hookimpl

SEED = 0
"""The splits belong to the data set and not to a run: one seed, for ever."""
PORTIONS = {"val": Fraction(1, 5), "masks": Fraction(1, 5), "weak_heldout": Fraction(3, 25), "weak": Fraction(12, 25)}
CAT = 0
PET, BACKGROUND, BORDER = 1, 2, 3
UNREADABLE = ("layout", "table", "id", "unknown-class")
"""Faults with which torchvision's loader stops, or takes what is no pet for one."""


class Pet(NamedTuple):
    """What torchvision's loader knows of a picture."""

    image: Path
    trimap: Path
    breed: int
    label: int


class OxfordPets(Dataset):
    """Oxford-IIIT Pet: dogs against cats, 37 breeds, masks of every picture. The twin of imagenet_dogs that everyone can get.

    The official 3,669 test pictures are `test`. The 3,680 of trainval are 1,766 `weak`, 442 `weak_heldout`, 736 `masks` and 736 `val`,
    disjoint, each breed in proportion. The object is the dog: in the masks of cats everything is background.
    """

    name: ClassVar[str] = "oxford_pets"
    paper: ClassVar[str] = "Parkhi et al. 2012 (Cats and Dogs, CVPR)"
    pretraining: ClassVar[str] = (
        "weights from ImageNet know breeds of dogs and cats as classes; which pictures they share with this set is not known"
    )
    licence: ClassVar[str] = "CC BY-SA 4.0 by its authors; the copyright of the pictures remains with their owners"

    border: Literal["ignored", "counted"] = Field(
        "ignored", description="the trimaps' band around a dog: not scored and not trained on, or part of the dog"
    )

    @property
    def task(self) -> Task:
        return Task(classes=("cat", "dog"), foreground=("dog",), shows=(None, 0))

    def items(self, split: str) -> Sequence[Item]:
        """The images of a split, sorted by id. The first call reads the lists and looks whether the files are there."""
        refuse(self.faults(), self.accept, self.name)
        return self._splits.get(split, ())

    def image(self, item: Item) -> Pixels:
        return read_image(self._pet(item).image)

    def mask(self, item: Item) -> Pixels | None:
        """1 where a dog is, 255 on its border if that is ignored, 0 elsewhere and everywhere on a cat."""
        pet = self._pet(item)
        trimap = read_stored(pet.trimap, pet.image, ("L", "P"))
        strange = np.setdiff1d(trimap, (PET, BACKGROUND, BORDER))
        if len(strange):
            text = f"{pet.trimap} has the value {strange[0]}; a trimap has 1 (pet), 2 (background) and 3 (border), extract it again"
            raise DataError(text, "mask-values")
        if pet.label == CAT:
            return np.zeros_like(trimap)
        values = np.array([0, 1, 0, 255 if self.border == "ignored" else 1], dtype=np.uint8)
        dog: Pixels = values[trimap]
        return dog

    def files(self, split: str) -> Sequence[Path]:
        """The pictures of a split in the order of its items, then their trimaps."""
        pets = [self._pet(item) for item in self.items(split)]
        return [*(pet.image for pet in pets), *(pet.trimap for pet in pets)]

    def faults(self) -> Sequence[Fault]:
        return self._faults

    def sources(self) -> Sequence[Source]:
        """torchvision's own addresses and checksums."""
        from torchvision.datasets import OxfordIIITPet  # type: ignore[import-untyped]

        return [Source(url, url.rpartition("/")[2], FOLDER, md5) for url, md5 in OxfordIIITPet._RESOURCES]

    def _pet(self, item: Item) -> Pet:
        for pets in self._pets.values():
            if item.id in pets:
                return pets[item.id]
        raise DataError(f"oxford_pets under {self.root} has no picture {item.id}; take items from items()")

    @cached_property
    def _faults(self) -> list[Fault]:
        return check_lists(self._root)

    @property
    def _root(self) -> Path:
        if self.root is None:
            raise DataError(
                "oxford_pets has no data folder: `bench data get oxford_pets` makes one; else name it with --data-root, or set "
                "BENCH_DATA so that $BENCH_DATA/oxford_pets holds it",
                "layout",
            )
        return self.root

    @cached_property
    def _pets(self) -> dict[str, dict[str, Pet]]:
        """The pictures of the two official lists by id; a picture without its file or trimap is left out."""
        from torchvision.datasets import OxfordIIITPet

        for fault in self._faults:
            if fault.kind in UNREADABLE:
                raise DataError(fault.text, fault.kind)
        found: dict[str, dict[str, Pet]] = {}
        for name in OFFICIAL:
            loader = OxfordIIITPet(self._root, split=name)
            rows = zip(loader._images, loader._segs, loader._labels, loader._bin_labels, strict=True)
            pets = [Pet(Path(image), Path(trimap), breed, label) for image, trimap, breed, label in rows]
            found[name] = {p.image.stem: p for p in pets if p.image.is_file() and p.trimap.is_file()}
        return found

    @cached_property
    def _splits(self) -> dict[str, list[Item]]:
        trainval, test = self._pets["trainval"], self._pets["test"]
        parts = {**_divide({name: pet.breed for name, pet in trainval.items()}), "test": list(test)}
        labels = {name: pet.label for name, pet in (trainval | test).items()}
        return {part: [Item(name, (labels[name],)) for name in sorted(names)] for part, names in parts.items()}


def _divide(breeds: Mapping[str, int]) -> dict[str, list[str]]:
    """The splits of trainval, each breed in proportion."""
    by_breed: dict[str, list[list[str]]] = {}
    for name in permuted(breeds, SEED):
        by_breed.setdefault(f"{breeds[name]:02}", []).append([name])
    return deal(by_breed, PORTIONS)


@hookimpl
def bench_datasets() -> tuple[type[Dataset], ...]:
    return (OxfordPets,)
