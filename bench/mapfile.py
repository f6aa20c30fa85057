"""The file of maps: (N, K, h, w) uint16; written batch by batch, thresholded to proxies, counted against masks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.api import Pixels
from bench.errors import PluginError
from bench.metrics import LEVELS, Truth, binarise, resize, score_image
from bench.store import reserve, write_file

MAPS = "maps.npy"
FULL = 65_280
"""What 1 is stored as: 255 x 256, so that every threshold j/256 is stored exactly and a value that equals it does not slip above."""

Stored = npt.NDArray[np.uint16]


def open_maps(folder: Path) -> Stored:
    """The maps that lie in a folder, memory-mapped."""
    stored: Stored = np.load(folder / MAPS, mmap_mode="r")
    return stored


def save_maps(file: Path, total: int, batches: Iterable[Any]) -> None:
    """Write the maps of `total` images, given as tensors (B, K, h, w) in [0, 1], one size for all."""
    write_file(file, lambda temporary: _fill(temporary, total, batches))


def _fill(file: Path, total: int, batches: Iterable[Any]) -> None:
    stack, done = None, 0
    for maps in batches:
        values = (maps.detach().float().cpu().numpy() * FULL).round().astype(np.uint16)
        if stack is None:
            stack = reserve(file, np.uint16, (total, *values.shape[1:]))
        if values.shape[1:] != stack.shape[1:]:
            raise PluginError(
                f"maps() must return one size for all images; it returned {values.shape[2:]} after {stack.shape[2:]}"
            )
        stack[done : done + len(values)] = values
        done += len(values)
    if stack is not None:
        stack.flush()


def proxies(stored: Stored, rule: str, threshold: float, size: int) -> Pixels:
    """(N, K, h, w) maps -> (N, size, size) masks: k + 1 where map k is above its threshold and the largest of those that are.

    The map is resized first and thresholded then (thresholding first gives other masks).
    """
    masks = np.zeros((len(stored), size, size), np.uint8)
    for number, channels in enumerate(stored):
        best = np.zeros((size, size), np.float32)
        for k, channel in enumerate(channels):
            values = resize(as_floats(channel), (size, size))
            wins = binarise(values, rule, threshold) & (values > best)
            masks[number][wins] = k + 1
            best = np.where(wins, values, best)
    return masks


def count(stored: Stored, truths: Iterable[Truth], foregrounds: int) -> dict[str, npt.NDArray[Any]]:
    """Fields of metrics.ImageScore per image and foreground, stacked (N, K, ...); `fine` summed over the images (K, 2, 65536).

    Beside them `missing` (N, K), where the labels show a foreground and no mask says where: it lies in no sum; `drawn` (N,), whether there
    was a mask.
    """
    rows: dict[str, list[Any]] = {}
    fine = np.zeros((foregrounds, 2, LEVELS), np.int64)
    for channels, truth in zip(stored, truths, strict=True):
        each = [score_image(as_floats(channels[k]), truth.mask, k + 1) for k in range(foregrounds)]
        missing = [k in truth.missing for k in range(foregrounds)]
        for k, score in enumerate(each):
            fine[k] += 0 if missing[k] else score.fine
        for name in each[0]._fields:
            if name != "fine":
                rows.setdefault(name, []).append([getattr(score, name) for score in each])
        rows.setdefault("missing", []).append(missing)
        rows.setdefault("drawn", []).append(truth.drawn)
    return {**{name: np.asarray(values) for name, values in rows.items()}, "fine": fine}


def as_floats(channel: Stored) -> npt.NDArray[np.float32]:
    """Stored values as float32 in [0, 1]."""
    return channel.astype(np.float32) / np.float32(FULL)
