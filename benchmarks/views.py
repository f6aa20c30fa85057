"""What the cache of decoded pictures saves: a view made, and the same view found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from bench import pictures
from bench.plugins import load
from bench.protocol import SMOKE
from bench.samples import Samples
from bench.view import View
from benchmarks import Row


def measure() -> Iterator[Row]:
    """One row, on the embedded pictures."""
    samples = Samples(load("datasets", "synthetic")(), SMOKE)
    made = seconds(lambda: pictures.view(samples, "test", SMOKE.size))
    found = min(seconds(lambda: pictures.view(samples, "test", SMOKE.size)) for _ in range(5))
    yield Row("view of 80 pictures, found in the cache", found, "drawn and squashed", made)
    view = View.open(pictures.view(samples, "test", SMOKE.size).folder, samples.dataset.task)
    read = min(seconds(lambda: [view.images(index) for index in view.in_order(16)]) for _ in range(5))
    yield Row("reading its 80 pictures as floats", read, "drawn and squashed", made)


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
