"""Data sets of the scoring corners: three foregrounds with ignored edges, and presence where masks are not there. One cheap method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bench import Dataset, Item, Method, Pixels, Task, hookimpl
from bench.datasets._dermoscopy import draw
from bench.datasets.synthetic import CLASSES
from bench.datasets.synthetic_presence import SyntheticPresence
from bench.training import shuffled


class ThreeClasses(Dataset):
    """Lesions of seven classes that show three foregrounds; every third picture has two; a lesion's edge is ignored (255)."""

    name: ClassVar[str] = "three_classes"
    embedded: ClassVar[bool] = True
    sizes: ClassVar[dict[str, int]] = {"weak": 21, "weak_heldout": 7, "masks": 14, "val": 4, "test": 12}

    @property
    def task(self) -> Task:
        shows = tuple(c % 3 for c in range(len(CLASSES)))
        return Task(classes=CLASSES, foreground=("first", "second", "third"), shows=shows, exclusive=False)

    def items(self, split: str) -> Sequence[Item]:
        labelled = split.startswith("weak")
        numbers = range(self.sizes.get(split, 0))
        return [Item(f"{split}-{n}", tuple(sorted(kinds(n))) if labelled else None) for n in numbers]

    def image(self, item: Item) -> Pixels:
        return np.concatenate([picture for picture, _ in self._lesions(item)], axis=2)

    def mask(self, item: Item) -> Pixels | None:
        mask = np.concatenate([lesion for _, lesion in self._lesions(item)], axis=1)
        edge = np.zeros(mask.shape, bool)
        edge[1:] |= mask[1:] != mask[:-1]
        edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
        return np.where(edge, 255, mask).astype(np.uint8)

    def _lesions(self, item: Item) -> list[tuple[Pixels, Pixels]]:
        """(3, 96, 96) and (96, 96) with the value of its foreground, one beside the other."""
        split, _, number = item.id.partition("-")
        place = tuple(self.sizes).index(split)
        found = []
        for side, kind in enumerate(kinds(int(number))):
            picture, mask = draw(place, int(number) + 1000 * side, kind)
            found.append((picture[:, :96, :96], mask[:96, :96] * np.uint8(1 + kind % 3)))
        return found


def kinds(number: int) -> tuple[int, ...]:
    """The classes that a picture of `three_classes` shows."""
    one, other = number % 7, (number + 1) % 7
    return (one, other) if number % 3 == 0 else (one,)


class Unmasked(SyntheticPresence):
    """`synthetic_presence` where pictures that show the object have no mask, but for the first `masks` of a split."""

    name: ClassVar[str] = "unmasked"
    sizes: ClassVar[dict[str, int]] = {"weak": 20, "weak_heldout": 4, "masks": 0, "val": 4, "test": 10}

    masks: int = 0
    objects: bool = True

    def items(self, split: str) -> Sequence[Item]:
        items = super().items(split)[: self.sizes.get(split, 0)]
        return items if self.objects or split != "test" else [item for item in items if item.labels == (0,)]

    def mask(self, item: Item) -> Pixels | None:
        return super().mask(item) if int(item.id[-3:]) < self.masks else None


class ClassMaps(Method):
    """A pixelwise classifier; its map of a foreground is the largest probability of the classes that show it, 0 where a label denies it."""

    name: ClassVar[str] = "class_maps"

    def build(self, task: Task) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 5, 4, 2), nn.ReLU(), nn.Conv2d(8, len(task.classes), 1))

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
        for _ in training.epochs(4, optimizer=optimizer):
            for images, labels in view.batches(shuffled(len(view), 8, training.generator)):
                logits = net(images).mean((2, 3))
                loss = nn.functional.binary_cross_entropy_with_logits(logits, labels.float())
                training.step(loss, optimizer)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        maps = task.union(net(images).sigmoid())
        return maps if labels is None else maps * task.present(labels)[:, :, None, None]


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    return (ClassMaps,)


@hookimpl
def bench_datasets() -> Iterable[type[Dataset]]:
    return ThreeClasses, Unmasked
