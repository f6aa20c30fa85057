"""What can be told of a run without any mask: how spread its maps are, what they cover, who agrees with them."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

from bench.api import HELD_OUT, Pixels
from bench.metrics import dice_of_regions

SPREAD = 100
"""Images that maps are compared on where that takes maps which nothing else needs: spread evenly over the split."""


def map_entropy(stored: npt.NDArray[np.uint16]) -> float | None:
    """How evenly the maps (N, K, h, w) are spread over their pixels, mean over maps that are not zero everywhere.

    The Shannon entropy of a map that sums to 1, divided by that of an even one: 1 for a constant map, 0 for a single pixel. None where all
    maps are zero, or of one pixel.
    """
    flat = stored.reshape(-1, stored.shape[2] * stored.shape[3])
    entropies = [_entropy(values / values.sum(dtype=np.float64)) for values in flat if values.any()]
    return fmean(entropies) if entropies and flat.shape[1] > 1 else None


def _entropy(shares: npt.NDArray[np.float64]) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum() / np.log(max(2, shares.size)))


def foreground_share(masks: Pixels) -> float:
    """The share of pixels (N, H, W) that any foreground takes."""
    return float((masks > 0).mean())


def agreement(ones: Pixels, others: Pixels) -> float | None:
    """Mean Dice of two stacks of masks (N, H, W) over images and the foregrounds that either has there; None where none has any."""
    scores = [
        dice_of_regions(one == value, other == value)
        for one, other in zip(ones, others, strict=True)
        for value in np.union1d(one, other)
        if value
    ]
    return fmean(scores) if scores else None


def held_out_accuracy(history: Path) -> float | None:
    """The last held-out accuracy in the learning curves of a fit (epoch, name, value); None where the method logs none."""
    if not history.exists():
        return None
    with history.open(newline="", encoding="utf-8") as lines:
        values = [float(line["value"]) for line in csv.DictReader(lines) if line["name"] == HELD_OUT]
    return values[-1] if values else None
