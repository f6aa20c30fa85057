"""A stack of pictures decoded in parallel: said before, checked against the disk, in little memory, and not begun again after a kill."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from bench.api import Pixels
from bench.disk import amount, free_bytes
from bench.errors import MachineError
from bench.store import cache_root, reserve, sync, write_json

THREADS = min(16, max(2, os.cpu_count() or 1))
"""Pillow and NumPy let go of the interpreter while they decode, resize and copy: threads fill the cores, and need no pickled data set."""
CHUNK = 256
"""Pictures between two notes of how far a decoding is: what a kill costs at most."""
DECODED = "decoded.new"
"""The note, beside the stack. The store drops *.new from a folder that is finished."""

Report = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Decoding:
    """A stack of pictures on its way to the disk: (count, 3, size, size) uint8 in `file`, of which only a few are ever in memory."""

    file: Path
    verb: str
    dataset: str
    split: str
    count: int
    size: int
    picture: Callable[[int], Pixels]
    """the picture of a number, (3, size, size)"""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the whole stack."""
        return self.count, 3, self.size, self.size

    @property
    def title(self) -> str:
        """What is decoded, and what it takes on the disk."""
        return f"{self.verb} {self.dataset}, {self.split}: {self.count:,} pictures, {amount(math.prod(self.shape))}"

    def run(self, report: Report) -> None:
        """Decode what is still to do, in parallel."""
        done = self._done()
        report(f"{self.title} ({done:,} are there)" if done else self.title, 0, 0)
        if not done:
            self._reserve()
        with _memory_kept(), ThreadPoolExecutor(1) as keeper, ThreadPoolExecutor(THREADS) as pool:
            kept = keeper.submit(lambda: None)
            for start in range(done, self.count, CHUNK):
                stop = min(start + CHUNK, self.count)
                stack = np.load(self.file, mmap_mode="r+")  # mapped anew: no page of the last chunk stays
                for number, _ in enumerate(pool.map(partial(self._put, stack), range(start, stop)), start + 1):
                    report("", number, self.count)
                kept.result()
                kept = keeper.submit(self._keep, stop)  # the disk works while the next chunk is decoded
            kept.result()

    def _put(self, stack: Pixels, number: int) -> None:
        stack[number] = self.picture(number)

    def _done(self) -> int:
        """How many pictures an earlier, killed decoding left whole on the disk."""
        note = self.file.with_name(DECODED)
        if not note.exists() or not self.file.exists():
            return 0
        return int(json.loads(note.read_text(encoding="utf-8"))["done"])

    def _keep(self, done: int) -> None:
        sync(self.file)
        self._note(done)

    def _note(self, done: int) -> None:
        about = {"dataset": self.dataset, "split": self.split, "size": self.size, "count": self.count}
        write_json(self.file.with_name(DECODED), {**about, "done": done})

    def _reserve(self) -> None:
        free = free_bytes(self.file.parent)
        if free < math.prod(self.shape):
            raise MachineError(
                f"{self.title}, but {cache_root()} has only {amount(free)} free; "
                "make room there, or name a folder on another disk with BENCH_CACHE"
            )
        try:
            reserve(self.file, np.uint8, self.shape)
        except OSError as error:
            raise MachineError(
                f"{self.file} could not be written ({error}); make room, or name another folder with BENCH_CACHE"
            ) from error
        self._note(0)


@contextmanager
def _memory_kept() -> Iterator[None]:
    """Pillow gives each picture's memory back to the system and fetches it anew, page by page: a quarter of all the work (measured)."""
    core = Image.core  # type: ignore[attr-defined]
    before = core.get_blocks_max()
    core.set_blocks_max(4 * THREADS)
    try:
        yield
    finally:
        core.set_blocks_max(before)
