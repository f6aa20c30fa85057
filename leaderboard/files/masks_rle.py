"""Masks as run lengths: a U-Net's decision at each image's own size and at 224 pixels, in one array that packs well.

One record for each image, foreground and size: height, width, number of runs, runs. A mask is read row by row; runs of background and
foreground alternate, background first (as in COCO, which reads by columns).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from bench.errors import DataError

Region = npt.NDArray[np.bool_]
Runs = npt.NDArray[np.uint32]

MOST_PIXELS = 1 << 28
"""Of one mask; a larger one is no mask of an image."""


def encode(masks: Iterable[Region]) -> Runs:
    """Masks (H, W) as one array (n,)."""
    return np.concatenate([_record(mask) for mask in masks] or [np.zeros(0, np.uint32)])


def _record(mask: Region) -> Runs:
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False, append=not flat[-1]))  # the last edge is the end
    runs = np.diff(edges, prepend=0)
    return np.array([*mask.shape, len(runs), *runs], np.uint32)


def decode(runs: Runs) -> Iterator[Region]:
    """The masks of an array, in order; DataError where it is none."""
    place = 0
    while place < len(runs):
        height, width, count = (int(n) for n in runs[place : place + 3]) if place + 3 <= len(runs) else (0, 0, 0)
        pieces = runs[place + 3 : place + 3 + count]
        pixels = height * width
        if not 0 < pixels <= MOST_PIXELS or len(pieces) != count or pieces.sum(dtype=np.uint64) != pixels:
            raise DataError(f"run-length masks are damaged at number {place}: their runs do not fill a mask")
        yield np.repeat(np.arange(count) % 2 == 1, pieces).reshape(height, width)
        place += 3 + count
