"""The cache of decoded pictures beside Pillow: what it costs to build, and what a read from it saves."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.data import pictures
from bench.view import View
from benchmarks import Race, race, seconds
from benchmarks.jpegs import SIZE, decode, paths, samples

READS, DECODES = 4096, 64


def measure(folder: Path) -> Iterator[Race]:
    """One row for building, one for reading."""
    samples(folder / "jpegs")
    jpegs = paths(folder / "jpegs")
    yield race("cache built", lambda: build(folder), "plain Pillow loop", lambda: loop(folder, jpegs), 1.3)
    view = opened(folder)
    draws = np.random.default_rng(1)

    def read() -> float:
        numbers = draws.integers(0, len(view), READS)
        return seconds(lambda: deque((np.array(view.pictures[n]) for n in numbers), maxlen=1)) / READS

    def decoded() -> float:
        chosen = draws.choice(len(jpegs), DECODES, replace=False)
        return seconds(lambda: [decode(jpegs[n]) for n in chosen]) / DECODES

    yield race("random reads from the cache", read, "Pillow decodes and resizes", decoded, 80)


def build(folder: Path) -> float:
    """Seconds a picture of a cache made from nothing, with its hashes, on the disk."""
    known = samples(folder / "jpegs")
    kept = os.environ["BENCH_CACHE"]
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        os.environ["BENCH_CACHE"] = fresh
        spent = seconds(lambda: pictures.view(known, "weak", SIZE))
    os.environ["BENCH_CACHE"] = kept
    return spent / len(known["weak"])


def loop(folder: Path, jpegs: list[Path]) -> float:
    """Seconds a picture of the same stack, filled one by one."""

    def fill() -> None:
        stack = np.lib.format.open_memmap(
            folder / "plain.npy", mode="w+", dtype=np.uint8, shape=(len(jpegs), SIZE, SIZE, 3)
        )
        for number, path in enumerate(jpegs):
            stack[number] = decode(path)

    return seconds(fill) / len(jpegs)


def opened(folder: Path) -> View:
    """The view of the JPEGs, from the cache."""
    known = samples(folder / "jpegs")
    return View.open(pictures.view(known, "weak", SIZE).folder, known.dataset.task)
