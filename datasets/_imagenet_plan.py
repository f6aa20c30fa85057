"""Which pictures of an ImageNet folder make up the splits of dogs against not-dogs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bench.api import Item
from bench.datasets._dog_names import DOGS, Listed, dogs
from bench.datasets._imagenet_folders import Pictures, list_synsets, list_validation
from bench.datasets._imagenet_s import NAME, list_drawn
from bench.datasets._splits import permuted
from bench.faults import Fault
from bench.files import link_out
from bench.store import file_digest

SEED = 0
"""The splits belong to the data set and not to a run: one seed, for ever."""
SYNSETS, TRAIN, VAL = 1_000, 1_281_167, 50_000

Sides = tuple[list[str], list[str]]
"""Ids of not-dogs and of dogs: the place of a side is its label."""


@dataclass
class Plan:
    """The items of each split, the files of each id, and what is wrong with the folders."""

    items: dict[str, list[Item]] = field(default_factory=dict)
    pictures: dict[str, Path] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def take(self, split: str, sides: Sides, source: Pictures) -> None:
        """Put the ids of both sides into a split, sorted."""
        self.items[split] = sorted(Item(name, (label,)) for label, side in enumerate(sides) for name in side)
        self.pictures |= {name: source.path(name) for side in sides for name in side}


def make_plan(root: Path, listed: Listed, images: int, imagenet_s: Path | None) -> Plan:
    """List the folders once and sample. Weak labels are those of `listed`; val and test are always judged by the 118 synsets."""
    plan = Plan()
    train = _listed(root, "train", plan)
    if imagenet_s is not None or (root / NAME).is_dir():
        _score_on_masks(imagenet_s or root / NAME, imagenet_s or root, plan)
    else:
        _score_on_labels(root, train, images, plan)
    if train is not None:
        _train_on(train, listed, images, plan)
    return plan


def _listed(root: Path, name: str, plan: Plan) -> Pictures | None:
    folder = root / name
    if not folder.is_dir():
        text = f"{root} has no folder {name}; extract the official pictures there ({name}/nXXXXXXXX/*.JPEG), or name another data folder"
        plan.faults.append(Fault("layout", str(folder), text, blocks=name == "train"))
    elif left := link_out(folder, root):
        plan.faults += left
    else:
        found = list_synsets(folder, root) if name == "train" else list_validation(root)
        plan.faults += found.faults
        return found
    return None


def _score_on_masks(place: Path, inside: Path, plan: Plan) -> None:
    """All pictures of ImageNet-S: `val` its train-semi, `test` its validation."""
    drawn, faults = list_drawn(place, inside)
    plan.faults += faults
    for split, (pictures, masks) in drawn.items():
        plan.take(split, _sides(pictures, pictures.synset, frozenset(DOGS)), pictures)
        plan.masks |= {name: masks.path(name) for name in masks.place}


def _score_on_labels(root: Path, train: Pictures | None, images: int, plan: Plan) -> None:
    """Pictures of ImageNet's own validation set, a third of each side as `val`; none of them has a mask."""
    text = (
        f"{root} has no {NAME}: without its masks only classes, areas and false positives can be measured, and no Dice"
    )
    plan.faults.append(Fault("layout", str(root / NAME), text, blocks=False))
    source = _listed(root, "val", plan)
    if source is None:
        return
    if len(source.place) != VAL:
        text = f"{source.folder} has {len(source.place):,} of {VAL:,} pictures"
        plan.faults.append(Fault("count", str(source.folder), text, blocks=False))
    for name in sorted(source.place.keys() & train.place.keys()) if train else ():
        text = (
            f"{name} is a picture of {source.folder} and of {root / 'train'}; take it out of one, it would leak labels"
        )
        plan.faults.append(Fault("duplicate-id", name, text))
    sides = [_sample(side, images) for side in _sides(source, source.synset, frozenset(DOGS))]
    plan.take("val", (sides[0][: _third(sides[0])], sides[1][: _third(sides[1])]), source)
    plan.take("test", (sides[0][_third(sides[0]) :], sides[1][_third(sides[1]) :]), source)


def _train_on(train: Pictures, listed: Listed, images: int, plan: Plan) -> None:
    """Up to `images` of each side of `train`, a fifth of them held out; no picture that is scored, by id or by bytes."""
    scored = _Bytes(plan.pictures.values())
    free = [name for name in train.place if name not in plan.pictures]
    sides = [
        _sample(side, images, lambda name: train.path(name) not in scored) for side in _sides(train, free, dogs(listed))
    ]
    plan.faults += [*_whole(train), *_enough(train, sides, images)]
    heldout = [round(len(side) / 5) for side in sides]
    plan.take("weak_heldout", (sides[0][: heldout[0]], sides[1][: heldout[1]]), train)
    plan.take("weak", (sides[0][heldout[0] :], sides[1][heldout[1] :]), train)


def _sides(pictures: Pictures, names: Iterable[str], dogs: Collection[str]) -> Sides:
    sides: Sides = ([], [])
    for name in names:
        sides[pictures.synset[name] in dogs].append(name)
    return sides


def _sample(names: Iterable[str], count: int, wanted: Callable[[str], bool] = lambda name: True) -> list[str]:
    """The first `count` wanted ones of a seeded permutation of the sorted ids; all where there are fewer."""
    return list(islice(filter(wanted, permuted(names, SEED)), count))


def _third(side: list[str]) -> int:
    return round(len(side) / 3)


class _Bytes:
    """Files by their bytes: `path in files` hashes only where a size is the same."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths: dict[int, list[Path]] = {}
        self._digests: dict[int, set[str]] = {}
        for path in paths:
            self._paths.setdefault(_size(path), []).append(path)

    def __contains__(self, path: Path) -> bool:
        size = _size(path)
        if size not in self._paths or size < 0:
            return False
        if size not in self._digests:
            self._digests[size] = {file_digest(one) for one in self._paths[size]}
        return file_digest(path) in self._digests[size]


def _size(path: Path) -> int:
    """-1 where there is none: reading the picture will say so."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _whole(train: Pictures) -> list[Fault]:
    folders, breeds, pictures = len(train.folders), len({*train.folders} & {*DOGS}), len(train.place)
    if (folders, pictures) == (SYNSETS, TRAIN):
        return []
    parts = f"{folders:,} of {SYNSETS:,} synset folders ({breeds} of {len(DOGS)} of dogs) and {pictures:,} of {TRAIN:,} pictures"
    text = f"{train.folder} has {parts}: not the whole ImageNet"
    return [Fault("count", str(train.folder), text, blocks=False)]


def _enough(train: Pictures, sides: list[list[str]], images: int) -> list[Fault]:
    """Blocks where a side is empty, and says where it is smaller than what was asked for."""
    place, faults = str(train.folder), []
    for side, what in zip(sides, ("of anything but dogs", "of dogs"), strict=True):
        if not side and train.place:
            text = f"{place} holds no pictures {what}; a task of dogs against not-dogs needs both, extract the missing synsets"
            faults.append(Fault("empty-class", place, text))
        elif side and len(side) < images:
            text = f"{place} has {len(side):,} pictures {what} where imagenet_dogs.images asks for {images:,}: all are taken"
            faults.append(Fault("count", place, text, blocks=False))
    return faults
