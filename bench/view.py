"""What a method sees of the data: pictures and labels by number, from a folder that holds nothing else. No ids, no paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from bench.api import Pixels, Task

Augment = Callable[[Tensor, Generator], Tensor]

IMAGES, LABELS, TARGETS = "images.npy", "labels.npy", "masks.npy"


class Joined:
    """Several stacks of pictures as one, without a copy."""

    def __init__(self, parts: Sequence[Pixels]) -> None:
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self.ends[-1]), *parts[0].shape[1:])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, numbers: npt.NDArray[np.int64]) -> Pixels:
        chosen = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        which = np.searchsorted(self.ends, numbers, side="right")
        for part, end in enumerate(self.ends):
            here = which == part
            chosen[here] = self.parts[part][numbers[here] - (end - len(self.parts[part]))]
        return chosen


class View:
    """Pictures of one split at the protocol's size, memory-mapped.

    Attributes: `task`; `pictures` (N, 3, H, W) uint8; `labels` (N, C) bool, or None where the split has none; `heldout`, the labelled
    images that are not fitted on; `masks`, the view of the images whose masks the method has declared, with `targets` (N, H, W) uint8.
    """

    def __init__(
        self, pictures: Pixels | Joined, labels: Tensor | None, task: Task, device: torch.device | str = "cpu"
    ) -> None:
        self.pictures = pictures
        self.labels = labels
        self.task = task
        self.device = torch.device(device)
        self.targets: Tensor | None = None
        self.heldout: View | None = None
        self.masks: View | None = None

    @classmethod
    def open(cls, folder: Path, task: Task, device: torch.device | str = "cpu", targets: Path | None = None) -> View:
        """The view that lies in `folder`; `targets` names a folder of masks to go with it."""
        labels = folder / LABELS
        known = torch.from_numpy(np.load(labels)) if labels.exists() else None
        view = cls(np.load(folder / IMAGES, mmap_mode="r"), known, task, device)
        if targets is not None:
            view.targets = torch.from_numpy(np.load(targets / TARGETS))
        return view

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pictures.shape[2], self.pictures.shape[3]

    def images(self, index: Tensor) -> Tensor:
        """The pictures of these numbers as (B, 3, H, W) float in [0, 1], on the device."""
        return self.bytes(index).float().div_(255)

    def bytes(self, index: Tensor) -> Tensor:
        """The pictures of these numbers as they are stored, (B, 3, H, W) uint8, on the device."""
        return torch.from_numpy(self.pictures[index.numpy()]).to(self.device, non_blocking=True)

    def batches(
        self, plan: Iterable[Tensor], augment: Augment | None = None, generator: Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (B, 3, H, W) in [0, 1] and labels (B, C) bool of a plan's batches, on the device; for a split with labels."""
        if self.labels is None:
            raise ValueError("this view has no labels")
        for index in plan:
            if augment is None:
                images = self.images(index)
            else:
                there = self.bytes(index) if getattr(augment, "takes_bytes", False) else self.images(index)
                images = augment(there, generator if generator is not None else torch.default_generator)
            yield images, self.labels[index].to(self.device)

    def in_order(self, batch: int = 32) -> Iterator[Tensor]:
        """The numbers of all images, in order, `batch` at a time."""
        for start in range(0, len(self), batch):
            yield torch.arange(start, min(start + batch, len(self)))
