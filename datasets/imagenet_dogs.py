"""Dogs against not-dogs from an ImageNet folder, with the masks of ImageNet-S where they are there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from bench.api import Dataset, Item, Pixels, Task
from bench.datasets._imagenet_plan import Plan, make_plan
from bench.datasets._imagenet_s import read_dogs
from bench.datasets._listed import files_of, picture_of
from bench.errors import DataError
from bench.faults import Fault, refuse
from bench.files import read_image
from bench.hookspecs import hookimpl

BY_HAND = """\
image-net.org/download-images, after a login: ILSVRC2012_img_train.tar (138 GB; it holds one archive for each synset, extract each into
train/nXXXXXXXX/) and ILSVRC2012_img_val.tar (6.3 GB; into val/, flat). Flat pictures need their classes: ILSVRC2012_devkit_t12.tar.gz
extracted beside train/ and val/, or LOC_val_solution.csv of Kaggle's imagenet-object-localization-challenge.
Masks: github.com/LUSSeg/ImageNet-S makes the folder ImageNetS919 from that ImageNet folder with
`data_preparation.sh IMAGENET TARGET 919 true` and its annotations with `datapreparation_anno.sh TARGET 919`; put it beside train/, or
name it with --set imagenet_dogs.imagenet_s=FOLDER."""


class ImagenetDogs(Dataset):
    """ImageNet's 118 dog breeds against its other classes; masks of ImageNet-S.

    `weak` (16,000) and `weak_heldout` (4,000) are a seeded uniform sample of `train`: half dogs, half not. With ImageNet-S, `val` is its
    train-semi and `test` its validation, whole, with masks of dogs; none of their pictures is in the weak splits, by id or by bytes.
    Without it they are a third and two thirds of a like sample of ImageNet's `val`, with labels and no masks. Nothing of ImageNet's
    validation set is ever trained on. There is no `masks` split.
    """

    name: ClassVar[str] = "imagenet_dogs"
    paper: ClassVar[str] = "Russakovsky et al. 2015 (arXiv:1409.0575); Gao et al. 2022 (arXiv:2106.03149)"
    pretraining: ClassVar[str] = (
        "weights from ImageNet have seen the pictures of the weak splits, and ImageNet-S train-semi, with their breed as label"
    )
    licence: ClassVar[str] = (
        "ImageNet: access for non-commercial research and education only, the pictures belong to their photographers; "
        "ImageNet-S: annotations of the same pictures, no licence stated in its repository"
    )
    by_hand: ClassVar[str] = BY_HAND

    list: Literal["synsets", "code"] = Field(
        "synsets",
        description="weak labels by the 118 synsets, or by the published code's keywords: 8 breeds as not-dogs, a garment as dog",
    )
    images: int = Field(10_000, ge=1, description="weakly labelled pictures of each side, a fifth of them held out")
    imagenet_s: Path | None = Field(
        None, description="folder ImageNetS919; none: the one under the data folder, if there"
    )

    @property
    def task(self) -> Task:
        return Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))

    def items(self, split: str) -> Sequence[Item]:
        """The images of a split, sorted by id. The first call lists the folders."""
        refuse(self.faults(), self.accept, self.name)
        return self._plan.items.get(split, ())

    def image(self, item: Item) -> Pixels:
        return read_image(self._path(item))

    def mask(self, item: Item) -> Pixels | None:
        """1 where a dog is (of any breed, in a picture of any class), 255 where ImageNet-S ignores; None without ImageNet-S."""
        image, mask = self._path(item), self._plan.masks.get(item.id)
        return None if mask is None else read_dogs(mask, image)

    def files(self, split: str) -> Sequence[Path]:
        """The pictures of a split in the order of its items, then their masks."""
        return files_of(self.items(split), self._plan.pictures, self._plan.masks)

    def faults(self) -> Sequence[Fault]:
        return self._plan.faults

    def _path(self, item: Item) -> Path:
        return picture_of(item, self._plan.pictures, f"imagenet_dogs under {self.root}")

    @cached_property
    def _plan(self) -> Plan:
        if self.root is None:
            raise DataError(
                "imagenet_dogs has no data folder: name it with --data-root, or set BENCH_DATA so that $BENCH_DATA/imagenet_dogs "
                "holds it, or put it into the user data folder",
                "layout",
            )
        return make_plan(self.root, self.list, self.images, self.imagenet_s)


@hookimpl
def bench_datasets() -> tuple[type[Dataset], ...]:
    return (ImagenetDogs,)
