"""Made pictures for contract tests: noise with a square whose colour tells the class. As a view, and as a data set of files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from bench.api import Dataset, Item, Pixels, Task
from bench.protocol import SPLITS
from bench.view import View

SIZE, COUNT = 64, 24
LESION = Task(classes=("a", "b", "c"), foreground=("object",), shows=(0, 0, None))
"""Two classes that show the one foreground, and one that shows none."""
TWO = Task(classes=("a", "b", "c"), foreground=("one", "other"), shows=(0, 1, None))
"""Two foregrounds, each with its class."""
WORLDS = ("true", "noise", "removed", "permuted")
"""Masks as they are; replaced by noise; taken away; those of test images given to other test images."""


def made_view(task: Task, count: int = COUNT, size: int = SIZE) -> View:
    """Noise with a bright or dark square whose colour tells the class; `heldout` and, with masks of the squares, `masks` beside it."""
    view = _view(task, count, size, seed=0)
    view.heldout = _view(task, count, size, seed=1)
    view.masks = _view(task, count, size, seed=2)
    view.masks.labels = None
    return view


def _view(task: Task, count: int, size: int, seed: int) -> View:
    pictures, masks = squares(task, count, size, seed)
    labels = torch.zeros(count, len(task.classes), dtype=torch.bool)
    labels[torch.arange(count), torch.arange(count) % len(task.classes)] = True
    view = View(pictures, labels, task)
    view.targets = torch.from_numpy(masks)
    return view


def squares(task: Task, count: int, size: int, seed: int) -> tuple[Pixels, Pixels]:
    """Pictures (N, 3, size, size) and their masks (N, size, size) in the values of the task; image n is of class n modulo C."""
    random = np.random.default_rng(seed)
    pictures = random.integers(96, 160, (count, 3, size, size), dtype=np.uint8)
    masks = np.zeros((count, size, size), np.uint8)
    for number in range(count):
        kind, side = number % len(task.classes), size // 3
        top, left = random.integers(0, size - side, 2)
        shown = task.shows[kind]
        if shown is not None:
            place = np.s_[top : top + side, left : left + side]
            pictures[(number, kind % 3, *place)] = 255 if kind % 2 else 0
            masks[(number, *place)] = shown + 1
    return pictures, masks


class Made(Dataset):
    """Squares in files under `root`: `images/ID.npy`, and `masks/ID.npy` where there is one; `write_made` writes them."""

    name: ClassVar[str] = "made"

    about: Task = Field(LESION, description="what labels and masks mean")
    sizes: Mapping[str, int] = Field(default_factory=dict, description="images of each split")

    @property
    def task(self) -> Task:
        return self.about

    def items(self, split: str) -> Sequence[Item]:
        classes = len(self.about.classes)
        return [Item(f"{split}-{n}", (n % classes,)) for n in range(self.sizes.get(split, 0))]

    def image(self, item: Item) -> Pixels:
        picture: Pixels = np.load(self._place("images", item))
        return picture

    def mask(self, item: Item) -> Pixels | None:
        file = self._place("masks", item)
        return np.load(file) if file.exists() else None

    def files(self, split: str) -> Sequence[Path]:
        masks = [self._place("masks", item) for item in self.items(split)]
        return [*(self._place("images", item) for item in self.items(split)), *(m for m in masks if m.exists())]

    def _place(self, kind: str, item: Item) -> Path:
        assert self.root is not None
        return self.root / kind / f"{item.id}.npy"


def write_made(dataset: Made, size: int, world: str = "true", spared: Collection[str] = ()) -> None:
    """The files of the data set, size x size, with the masks of one of the WORLDS; images whose ids are spared keep their true mask."""
    for seed, split in enumerate(SPLITS):
        items = dataset.items(split)
        pictures, true = squares(dataset.about, len(items), size, seed)
        masks = _masks(world, split, true, len(dataset.about.foreground), seed)
        for number, item in enumerate(items):
            _write(dataset._place("images", item), pictures[number])
            mask = true[number] if item.id in spared else None if masks is None else masks[number]
            if mask is not None:
                _write(dataset._place("masks", item), mask)


def _write(file: Path, array: Pixels) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, array)


def _masks(world: str, split: str, true: Pixels, foregrounds: int, seed: int) -> Pixels | None:
    if world == "noise":
        return np.random.default_rng(100 + seed).integers(0, foregrounds + 1, true.shape, dtype=np.uint8)
    if world == "permuted":
        return np.roll(true, 1, 0) if split == "test" else true
    return None if world == "removed" else true
