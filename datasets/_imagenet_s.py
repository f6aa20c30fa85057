"""ImageNet-S (Gao et al., TPAMI 2022): pictures of ImageNet with pixel masks, `ImageNetS919/` with four folders."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.api import Pixels
from bench.datasets._dog_names import DOGS, IMAGENET_S_DOGS
from bench.datasets._imagenet_folders import Pictures, list_synsets
from bench.datasets._stored_masks import read_stored
from bench.errors import DataError
from bench.faults import Fault

NAME, CLASSES, IGNORE = "ImageNetS919", 919, 1000
FOLDERS = {"val": ("train-semi", 9_190), "test": ("validation", 12_419)}
"""The folder of each split (its masks lie in the one with `-segmentation`) and how many pictures the owner counts in it."""


class Drawn(NamedTuple):
    """A split's pictures, and the mask of each by id."""

    pictures: Pictures
    masks: Pictures


def list_drawn(place: Path, inside: Path) -> tuple[dict[str, Drawn], list[Fault]]:
    """The pictures with masks of both splits, and everything that is wrong with them; a picture or mask without the other is left out."""
    missing = [
        name
        for folder, _ in FOLDERS.values()
        for name in (folder, f"{folder}-segmentation")
        if not (place / name).is_dir()
    ]
    if missing:
        text = (
            f"{place} has no folder {', '.join(missing)}; make all four with data_preparation.sh of github.com/LUSSeg/ImageNet-S, "
            "or take the folder away and go on without masks"
        )
        return {}, [Fault("layout", str(place), text)]
    found, faults = {}, list[Fault]()
    for split, (folder, official) in FOLDERS.items():
        drawn = Drawn(
            list_synsets(place / folder, inside), list_synsets(place / f"{folder}-segmentation", inside, (".png",))
        )
        faults += [*drawn.pictures.faults, *drawn.masks.faults, *_pairs(drawn), *_counts(drawn.pictures, official)]
        found[split] = drawn
    return found, [*faults, *_twice(*(drawn.pictures for drawn in found.values()))]


def _pairs(drawn: Drawn) -> list[Fault]:
    """Faults of pictures and masks without each other, which are then taken out of both lists."""
    pictures, masks = drawn
    faults = []
    for name in sorted(pictures.place.keys() ^ masks.place.keys()):
        has, lacks = (pictures, masks) if name in pictures.place else (masks, pictures)
        kind, what = (
            ("missing-mask", "mask of the image") if has is pictures else ("missing-image", "image of the mask")
        )
        text = f"{lacks.folder} has no {what} {has.place[name]}; put it there or remove the other"
        faults.append(Fault(kind, name, text))
        del has.place[name], has.synset[name]
    return faults


def _counts(pictures: Pictures, official: int) -> list[Fault]:
    folders, images = len(pictures.folders), len(pictures.place)
    place = str(pictures.folder)
    if folders == CLASSES and pictures.folders.index(DOGS[0]) + 1 != IMAGENET_S_DOGS.start:
        text = f"{place} has {CLASSES} folders but {DOGS[0]} is not number {IMAGENET_S_DOGS.start}; its masks are of another list"
        return [Fault("layout", place, text)]
    if (folders, images) == (CLASSES, official):
        return []
    text = f"{place} has {images:,} pictures in {folders} classes; ImageNet-S has {official:,} in {CLASSES}"
    return [Fault("count", place, text, blocks=False)]


def _twice(val: Pictures, test: Pictures) -> list[Fault]:
    text = "{0} is a picture of {1} and of {2}; an image belongs to one split, take it out of one"
    both = sorted(val.place.keys() & test.place.keys())
    return [Fault("duplicate-id", name, text.format(name, val.folder, test.folder)) for name in both]


def read_dogs(path: Path, image: Path) -> Pixels:
    """(H, W) uint8: 1 where a dog is, 255 where the owner ignores, 0 elsewhere. A class id is red + 256 * green."""
    pixels = read_stored(path, image, ("RGB",)).astype(np.uint16)
    ids = pixels[..., 0] + 256 * pixels[..., 1]
    strange = np.unique(ids[(ids > CLASSES) & (ids != IGNORE)])
    if len(strange):
        text = (
            f"{path} has the class id {strange[0]}; those of {NAME} are 0 to {CLASSES}, and {IGNORE}: extract it again"
        )
        raise DataError(text, "mask-values")
    dog = (ids >= IMAGENET_S_DOGS.start) & (ids < IMAGENET_S_DOGS.stop)
    return np.where(ids == IGNORE, 255, dog).astype(np.uint8)
