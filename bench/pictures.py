"""Decoded once: the pictures of a split, squashed to the protocol's size, in a memory-mapped cache."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.api import Dataset, Item, Pixels, Task
from bench.samples import LABELLED, Samples, identity
from bench.store import Artifact, Record, Store, cache_root, reserve, write_array, write_file
from bench.view import IMAGES, LABELS

THREADS = 4


def view(
    samples: Samples, split: str, size: int, labels: str = "true", numbers: Sequence[int] | None = None
) -> Artifact:
    """The view of a split, found in the cache or made; `numbers` names a part of it.

    Only the weak splits have labels in their views; `shuffled` permutes them (a control).
    """
    labels = labels if split in LABELLED else "none"
    items = samples[split] if numbers is None else [samples[split][n] for n in numbers]
    inputs = {
        "dataset": identity(samples.dataset),
        "split": split,
        "content": samples.hashes[split],
        "items": [[item.id, item.labels] for item in items],
        "size": size,
        "labels": labels,
    }
    store = Store(cache_root() / "views")
    return store.make("view", inputs, lambda folder: _fill(folder, samples.dataset, items, size, labels))


def _fill(folder: Path, dataset: Dataset, items: Sequence[Item], size: int, labels: str) -> Record:
    write_file(folder / IMAGES, lambda temporary: _decode(temporary, dataset, items, size))
    if labels != "none":
        write_array(folder / LABELS, one_hot(items, dataset.task, labels))
    return Record()


def _decode(file: Path, dataset: Dataset, items: Sequence[Item], size: int) -> None:
    pixels = reserve(file, np.uint8, (len(items), 3, size, size))
    with ThreadPoolExecutor(THREADS) as pool:
        for number, small in enumerate(pool.map(lambda item: squash(dataset.image(item), size), items)):
            pixels[number] = small
    pixels.flush()


def squash(picture: Pixels, size: int) -> Pixels:
    """(3, H, W) -> (3, size, size), bilinear with antialiasing; the aspect is not kept, so that a map covers the whole picture."""
    if picture.shape[1:] == (size, size):
        return picture
    small = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    return np.asarray(small).transpose(2, 0, 1)


def one_hot(items: Sequence[Item], task: Task, labels: str = "true") -> npt.NDArray[np.bool_]:
    """(N, C) bool; `shuffled` gives every image the labels of another, drawn once."""
    known = [item.labels or () for item in items]
    if labels == "shuffled":
        random.Random("shuffled labels").shuffle(known)
    matrix = np.zeros((len(items), len(task.classes)), dtype=bool)
    for row, classes in enumerate(known):
        matrix[row, list(classes)] = True
    return matrix
