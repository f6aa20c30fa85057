"""Decoded once: the pictures of a split, squashed to the protocol's size, in a memory-mapped cache."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.api import Dataset, Item, Pixels, Task
from bench.data.decoding import Decoding, Report
from bench.data.samples import LABELLED, Samples, identity
from bench.errors import DataError
from bench.store import Artifact, Record, Store, cache_root, write_array
from bench.view import IMAGES, LABELS


def view(
    samples: Samples,
    split: str,
    size: int,
    labels: str = "true",
    numbers: Sequence[int] | None = None,
    report: Report = lambda stage, done, total: None,
) -> Artifact:
    """The view of a split, found in the cache or made; `numbers` names a part of it.

    Only the weak splits have labels in their views; `shuffled` permutes them (a control). `report` hears what is decoded and how far it
    is, nothing where the view was there. A killed decoding goes on where it was; two at once decode once.
    """
    labels = labels if split in LABELLED else "none"
    numbers = range(len(samples[split])) if numbers is None else numbers
    items = [samples[split][n] for n in numbers]
    store = Store(cache_root() / "views")

    def fill(folder: Path) -> Record:
        whole = store.find(
            "view", _inputs(samples, split, size, "none" if labels == "none" else "true", samples[split])
        )
        if whole is None:
            verb, picture = "decoding", lambda n: squash(open_image(samples.dataset, items[n]), size)
        else:
            there = np.load(whole.folder / IMAGES, mmap_mode="r")
            verb, picture = "copying", lambda n: there[numbers[n]]
        Decoding(folder / IMAGES, verb, samples.dataset.name, split, len(items), size, picture).run(report)
        if labels != "none":
            write_array(folder / LABELS, one_hot(items, samples.dataset.task, labels))
        return Record()

    return store.make("view", _inputs(samples, split, size, labels, items), fill)


def _inputs(samples: Samples, split: str, size: int, labels: str, items: Sequence[Item]) -> dict[str, object]:
    """What decides a view."""
    return {
        "dataset": identity(samples.dataset),
        "split": split,
        "content": samples.hashes[split],
        "items": [[item.id, item.labels] for item in items],
        "size": size,
        "labels": labels,
    }


def open_image(dataset: Dataset, item: Item) -> Pixels:
    """The picture of an item; DataError where its data set lets a fault of the file through."""
    try:
        return dataset.image(item)
    except OSError as error:
        raise DataError(
            f"image {item.id} of data set {dataset.name} cannot be read ({error}); replace it with an intact copy"
        ) from error


def squash(picture: Pixels, size: int) -> Pixels:
    """(3, H, W) -> (3, size, size), bilinear with antialiasing; the aspect is not kept, so that a map covers the whole picture."""
    if picture.shape[1:] == (size, size):
        return picture
    whole = Image.merge("RGB", [Image.fromarray(plane) for plane in picture])  # cheaper than to interleave in NumPy
    return np.asarray(whole.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def one_hot(items: Sequence[Item], task: Task, labels: str = "true") -> npt.NDArray[np.bool_]:
    """(N, C) bool; `shuffled` gives every image the labels of another, drawn once."""
    known = [item.labels or () for item in items]
    if labels == "shuffled":
        random.Random("shuffled labels").shuffle(known)
    matrix = np.zeros((len(items), len(task.classes)), dtype=bool)
    for row, classes in enumerate(known):
        matrix[row, list(classes)] = True
    return matrix
