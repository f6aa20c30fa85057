"""A user's own data without code: pictures, masks and tables in one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from bench.api import Dataset, Item, Pixels, Task
from bench.datasets._duplicates import near_duplicates
from bench.datasets._folder_classes import by_name, class_faults
from bench.datasets._folder_layout import read_folder
from bench.datasets._folder_splits import draw, joined, rarest
from bench.datasets._folder_tables import GROUPS, LEARNED, SCORED, SPLITS, Contents
from bench.datasets._listed import files_of, picture_of
from bench.faults import Fault, refuse
from bench.files import read_image, read_mask
from bench.hookspecs import hookimpl


class Folder(Dataset):
    """Your own pictures, masks and labels in one folder, without code.

    `images/` holds the pictures (.jpg, .png; the id is the name without suffix), `labels.csv` (image,label) their classes, `masks/` the
    masks of some of them (ID.png: 0 background, 255 object). Several labels of an image stand in several rows, or between semicolons.
    `groups.csv` (image,group) says what belongs together (a patient), `splits.csv` (image,split) who is in weak, weak_heldout, masks, val
    or test. Without it a fixed seed draws the splits: images without a mask are learned from (80 % weak, 20 % weak_heldout), images with
    one are scored on (40 % masks, 20 % val, 40 % test), classes in proportion. Where most of a class has masks, half of it is learned
    from, its masks unread. Groups and near-duplicates stay in one split, and no image is in two.
    """

    name: ClassVar[str] = "folder"

    foreground: tuple[str, ...] = Field(
        ("object",),
        min_length=1,
        max_length=254,
        description="what masks show: one name, masks of 0 and 255; several, masks of 0, 1, 2, ... in their order, 255 ignored",
    )
    absent: tuple[str, ...] = Field(
        (), description="classes that do not show the object: their images need no mask, all of it counts as background"
    )

    @model_validator(mode="after")
    def _told_apart(self) -> Folder:
        twice = [name for name, count in Counter((*self.foreground, *self.absent)).items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0]} stands twice in foreground and absent")
        return self

    @property
    def task(self) -> Task:
        named = by_name(self._classes, self.foreground)
        own = {name: k for k, name in enumerate(self.foreground)}
        shows = [None if c in self.absent else own.get(c) if named else 0 for c in self._classes]
        exclusive = all(len(names) == 1 for names in self._contents.labels.values())
        return Task(classes=self._classes, foreground=self.foreground, shows=tuple(shows), exclusive=exclusive)

    def items(self, split: str) -> Sequence[Item]:
        """The images of a split, sorted by id. The first call lists the folder and makes thumbnails."""
        return self._splits.get(split, ())

    def image(self, item: Item) -> Pixels:
        return read_image(self._path(item))

    def mask(self, item: Item) -> Pixels | None:
        """The mask; None for an image without a file, also where its class does not show the object: its labels say that."""
        image, mask = self._path(item), self._contents.masks.get(item.id)
        several = len(self.foreground) if len(self.foreground) > 1 else None
        return None if mask is None else read_mask(mask, image, several)

    def files(self, split: str) -> Sequence[Path]:
        """The pictures of a split in the order of its items, then their masks."""
        return files_of(self.items(split), self._contents.pictures, self._contents.masks)

    def faults(self) -> Sequence[Fault]:
        """Everything that is wrong with the folder and its tables."""
        found = self._contents
        return [*found.faults, *class_faults(self.root or Path(), found, self.foreground, self.absent)]

    def understood(self) -> Sequence[str]:
        """What was made of the folder, in short sentences; DataError if a fault stops a run."""
        found = self._contents
        counts = Counter(name for names in found.labels.values() for name in names)
        listed = ", ".join(f"{name} {counts[name]}" for name in self._classes)
        several = [i for i, names in sorted(found.labels.items()) if len(names) > 1]
        each = f"{len(several)} of them with several, as {several[0]}" if several else "one each"
        return [
            f"{len(found.pictures)} images; {len(found.labels)} with labels ({listed}), {each}",
            f"{len(found.masks)} masks: {self._values()}",
            self._meaning(),
            self._together(),
            *self._whereabouts(),
        ]

    def _values(self) -> str:
        if len(self.foreground) == 1:
            return f"0 is background, 255 {self.foreground[0]}"
        return ", ".join(
            ["0 is background", *(f"{k} {name}" for k, name in enumerate(self.foreground, 1)), "255 ignored"]
        )

    def _meaning(self) -> str:
        shown: dict[str, list[str]] = {}
        for name, k in zip(self._classes, self.task.shows, strict=True):
            shown.setdefault("nothing" if k is None else self.foreground[k], []).append(name)
        return "; ".join(f"images of {', '.join(names)} show {what}" for what, names in shown.items())

    def _together(self) -> str:
        groups = self._contents.groups
        if not groups:
            return f"no {GROUPS}: each image is independent, but for near-duplicates"
        return f"{GROUPS}: {len(groups)} images in {len(set(groups.values()))} groups; other images are independent"

    def _whereabouts(self) -> list[str]:
        sizes = {split: len(self.items(split)) for split in (*LEARNED, *SCORED)}
        counts = ", ".join(f"{count} {split}" for split, count in sizes.items())
        if self._contents.splits is not None:
            return [f"{SPLITS}: {counts}"]
        out = len(self._contents.used) - sum(sizes.values())
        told = [f"no {SPLITS}: drawn by a fixed seed, {counts}"]
        return (
            [*told, f"{out} images in no split: what belongs with them is where they cannot be used"] if out else told
        )

    def _path(self, item: Item) -> Path:
        return picture_of(item, self._contents.pictures, f"folder {self.root}")

    @cached_property
    def _contents(self) -> Contents:
        return read_folder(self.root, self.absent)

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        return self._contents.classes

    @cached_property
    def _splits(self) -> dict[str, list[Item]]:
        refuse(self.faults(), self.accept, str(self.root))
        found = self._contents
        alike = near_duplicates({i: found.pictures[i] for i in found.used})
        home = found.splits
        if home is None:
            known = {i for i in found.used if found.truth(i, self.absent)}
            together = joined({i: found.groups[i] for i in found.used & found.groups.keys()}, alike)
            home = draw(rarest(found.labels, self.absent), known, self.absent, together)
        splits: dict[str, list[Item]] = {}
        for i, split in sorted(home.items()):
            splits.setdefault(split, []).append(self._item(i, found.groups.get(i) or alike.get(i)))
        return splits

    def _item(self, image: str, group: str | None) -> Item:
        labels = self._contents.labels.get(image)
        return Item(image, None if labels is None else tuple(self._classes.index(name) for name in labels), group)


@hookimpl
def bench_datasets() -> tuple[type[Dataset], ...]:
    return (Folder,)
