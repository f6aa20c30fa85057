"""The file of maps: (N, K, h, w) uint16; written batch by batch, thresholded to proxies, counted against masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.api import Pixels
from bench.errors import PluginError
from bench.metrics import LEVELS, WSOL_STEPS, ImageScore, Truth, binarise, resize, score_image
from bench.store import reserve, write_file
from bench.thresholds import Cut

MAPS = "maps.npy"
FULL = 65_280
"""What 1 is stored as: 255 x 256, so that every threshold j/256 is stored exactly and a value that equals it does not slip above."""

POOLED = {"fine": LEVELS, "wsol": WSOL_STEPS + 1}
"""Histograms that are summed over the images of a split, and their levels."""

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


def proxies(stored: Stored, cut: Cut, size: int) -> Pixels:
    """(N, K, h, w) maps -> (N, size, size) masks: k + 1 where map k is above its threshold and the largest of those that are.

    The map is resized first and thresholded then (thresholding first gives other masks).
    """
    masks = np.zeros((len(stored), size, size), np.uint8)
    for number, channels in enumerate(stored):
        best = np.zeros((size, size), np.float32)
        for k, channel in enumerate(channels):
            values = resize(as_floats(channel), (size, size))
            wins = binarise(values, None if cut is None else cut[k]) & (values > best)
            masks[number][wins] = k + 1
            best = np.where(wins, values, best)
    return masks


def count(
    stored: Stored, truths: Iterable[Truth], foregrounds: int, cuts: Mapping[str, Cut] = MappingProxyType({})
) -> dict[str, npt.NDArray[Any]]:
    """Fields of metrics.ImageScore per image and foreground, stacked (N, K, ...); those of `POOLED` summed over the images (K, 2, levels).

    Beside them `missing` (N, K), where the labels show a foreground and no mask says where: it lies in no sum; `drawn` (N,), whether there
    was a mask; `hd95_NAME` (N, K) for each of the cuts.
    """
    rows: dict[str, list[Any]] = {}
    pooled = {name: np.zeros((foregrounds, 2, levels), np.int64) for name, levels in POOLED.items()}
    for channels, truth in zip(stored, truths, strict=True):
        each = [
            score_image(as_floats(channels[k]), truth.mask, k + 1, of_foreground(cuts, k)) for k in range(foregrounds)
        ]
        missing = [k in truth.missing for k in range(foregrounds)]
        for name, total in pooled.items():
            for k, score in enumerate(each):
                total[k] += 0 if missing[k] else getattr(score, name)
        for name, values in kept_of(each).items():
            rows.setdefault(name, []).append(values)
        rows.setdefault("missing", []).append(missing)
        rows.setdefault("drawn", []).append(truth.drawn)
    return {**{name: np.asarray(values) for name, values in rows.items()}, **pooled}


def of_foreground(cuts: Mapping[str, Cut], k: int) -> dict[str, float | None]:
    """The threshold of one foreground under each cut; None: Otsu's."""
    return {name: None if cut is None else cut[k] for name, cut in cuts.items()}


def kept_of(each: list[ImageScore]) -> dict[str, list[Any]]:
    """What is kept of an image: the fields of its foregrounds' scores that are not summed, distances by the name of their cut."""
    names = [name for name in ImageScore._fields if name not in (*POOLED, "hd95")]
    fields = {name: [getattr(score, name) for score in each] for name in names}
    return fields | {f"hd95_{cut}": [score.hd95[cut] for score in each] for cut in each[0].hd95}


def as_floats(channel: Stored) -> npt.NDArray[np.float32]:
    """Stored values as float32 in [0, 1]."""
    return channel.astype(np.float32) / np.float32(FULL)
