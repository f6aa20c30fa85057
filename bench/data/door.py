"""The one door to masks. Only the harness walks through it; what a method has declared is handed to it, the rest it never sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.ahead import read_ahead
from bench.api import Dataset, Item, Pixels
from bench.data.samples import Samples, first, identity
from bench.errors import DataError
from bench.metrics import Truth
from bench.store import Artifact, Record, Store, cache_root, digest, write_array, write_json
from bench.view import TARGETS

MASKED = ("masks", "val", "test")


class Door:
    """Masks of one data set: native ones for scoring, squashed ones for training."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def numbers(self, split: str, count: int | None, seed: int) -> list[int]:
        """Which images of a split `count` masks belong to: the first of a seeded permutation; all where count is None."""
        if not self.samples[split]:
            name = self.samples.dataset.name
            raise DataError(
                f"data set {name} has no masks to train on (split {split}); leave this method out or add masks"
            )
        return first(self.samples[split], count, seed)

    def key(self, split: str, numbers: Sequence[int], size: int) -> dict[str, object]:
        """What decides a set of squashed masks."""
        ids = [self.samples[split][n].id for n in numbers]
        dataset = identity(self.samples.dataset)
        return {"dataset": dataset, "split": split, "content": self.samples.hashes[split], "ids": ids, "size": size}

    def masks(self, split: str, numbers: Sequence[int], size: int) -> Artifact:
        """(N, size, size) uint8 masks in a folder of their own, apart from the views; nearest, so that no value is invented."""
        store = Store(cache_root() / "masks")
        items = [self.samples[split][n] for n in numbers]
        return store.make("masks", self.key(split, numbers, size), lambda folder: self._fill(folder, items, size))

    def truths(self, split: str) -> Iterator[Truth]:
        """What is known of the images of a split, in order, each at its own size."""
        return read_ahead(lambda item: truth(self.samples.dataset, item), self.samples[split])

    def check(self) -> None:
        """Open every mask once, before anything trains; DataError names the first faulty one. Remembered until a file changes."""
        content = digest([identity(self.samples.dataset), [self.samples.hashes[s] for s in MASKED]])
        seen = cache_root() / "checked" / f"{content}.json"
        if seen.exists():
            return
        counts = {split: sum(1 for _ in self.truths(split)) for split in MASKED}
        write_json(seen, counts)

    def _fill(self, folder: Path, items: Sequence[Item], size: int) -> Record:
        stack = np.empty((len(items), size, size), np.uint8)
        for number, item in enumerate(items):
            stack[number] = squash_mask(open_mask(self.samples.dataset, item), size)
        write_array(folder / TARGETS, stack)
        return Record()


def truth(dataset: Dataset, item: Item) -> Truth:
    """The mask of an image, else what its labels tell; DataError where neither is there."""
    mask = dataset.mask(item)
    if mask is not None:
        return Truth(mask)
    if item.labels is None:
        raise _unknown(dataset, item)
    shown = {dataset.task.shows[label] for label in item.labels} - {None}
    nothing = np.zeros(dataset.image(item).shape[1:], np.uint8)
    return Truth(nothing, drawn=False, missing=tuple(k for k in range(len(dataset.task.foreground)) if k in shown))


def open_mask(dataset: Dataset, item: Item) -> Pixels:
    """The mask of an image, empty where its labels show no foreground; DataError where it has none."""
    known = truth(dataset, item)
    if known.missing:
        raise _unknown(dataset, item)
    return known.mask


def _unknown(dataset: Dataset, item: Item) -> DataError:
    return DataError(
        f"image {item.id} of data set {dataset.name} has no mask; add its mask or take the image out of the split"
    )


def squash_mask(mask: Pixels, size: int) -> Pixels:
    """(H, W) -> (size, size), nearest."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))
