"""Scores of maps against masks, as pure functions of counts. A map is scored at the mask's own size: the map is resized, never the mask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.resizing import Map, Mask, resize, resize_nearest
from bench.thresholds import (
    BINS,
    Counts,
    binarise,
    bins,
    counts,
    histogram,
    minmax,
    otsu,
    split,
    split_counts,
)

__all__ = [
    "BINS",
    "LEVELS",
    "Counts",
    "ImageScore",
    "Map",
    "Mask",
    "Truth",
    "average_precision",
    "below_half",
    "binarise",
    "bins",
    "counts",
    "dice",
    "fine_histogram",
    "histogram",
    "macro",
    "minmax",
    "otsu",
    "pooled_dice",
    "resize",
    "resize_nearest",
    "score_image",
    "size_quartiles",
]

Scores = npt.NDArray[np.float64]

LEVELS = 65_536
PAPER_SIZE = (224, 224)


class Truth(NamedTuple):
    """What is known of an image: its mask at its own size, and how it is known.

    An image whose labels show no foreground needs no mask: it is background everywhere. Where the labels show foregrounds and no mask says
    where they lie, those are `missing` and cannot be scored; their pixels stand as background in `mask`.
    """

    mask: Mask
    drawn: bool = True
    """whether there is a mask; else it follows from the labels"""
    missing: tuple[int, ...] = ()


class ImageScore(NamedTuple):
    """What is kept of one map and its mask: every threshold's score follows from it.

    `otsu` and `otsu_224` are thresholds of the whole min-max map at that size: pixels that the mask ignores count too, for the rule may not
    see the mask. `fine` is to be added up over a split for the pooled average precision (PxAP), then dropped: it takes 1 MiB.
    """

    raw: Counts  # (2, 257) at native size
    minmax: Counts  # (2, 257)
    raw_224: Counts  # (2, 257) at 224 x 224, the paper's size
    minmax_224: Counts  # (2, 257)
    otsu: float
    otsu_224: float
    fine: Counts  # (2, 65536) of the raw map at native size
    ap: float
    dead: bool  # the map was zero or constant before it was resized


def score_image(values: Map, mask: Mask, value: int = 1) -> ImageScore:
    """Everything counted of one map (h, w) in [0, 1] and its mask (H, W): `value` is foreground, 255 ignored, all else background.

    The 224-pixel score is the paper's column: the map resized bilinearly, the mask to the nearest pixel.
    """
    native, where = resize(values, _size(mask)), split(mask, value)
    raw, stretched, threshold = _count(native, where)
    small, small_where = resize(values, PAPER_SIZE), split(resize_nearest(mask, PAPER_SIZE), value)
    raw_224, stretched_224, threshold_224 = _count(small, small_where)
    fine = split_counts(_levels(native), where, LEVELS)
    dead = bool(values.min() == values.max())
    return ImageScore(
        raw, stretched, raw_224, stretched_224, threshold, threshold_224, fine, average_precision(fine), dead
    )


def dice(tp: npt.ArrayLike, fp: npt.ArrayLike, fn: npt.ArrayLike) -> Scores:
    """Dice 2 TP / (2 TP + FP + FN) in 0 to 1, elementwise; NaN where the mask has no foreground: such an image is not scored.

    >>> float(dice(2, 1, 1)), float(dice(0, 5, 0))
    (0.6666666666666666, nan)
    """
    tp, fp, fn = (np.asarray(n, np.float64) for n in (tp, fp, fn))
    scored = tp + fn > 0
    return np.where(scored, 2 * tp / np.where(scored, 2 * tp + fp + fn, 1), np.nan)


def pooled_dice(tp: npt.ArrayLike, fp: npt.ArrayLike, fn: npt.ArrayLike) -> float:
    """Dice of the pixels of all images together; NaN where none has foreground."""
    return float(dice(np.sum(tp), np.sum(fp), np.sum(fn)))


def below_half(scores: Scores) -> float:
    """The share of scored images whose Dice is below 0.5; NaN where none is scored."""
    scored = scores[~np.isnan(scores)]
    return float((scored < 0.5).mean()) if len(scored) else float("nan")


def size_quartiles(areas: Scores) -> npt.NDArray[np.intp]:
    """The quarter 0..3 of each lesion by its area (a share of its image): (N,) -> (N,); equal areas fall into the same quarter.

    >>> size_quartiles(np.array([0.1, 0.4, 0.2, 0.3])).tolist()
    [0, 3, 1, 2]
    """
    edges = np.quantile(areas, (0.25, 0.5, 0.75))
    return np.searchsorted(edges, areas, side="left")


def macro(scores: Scores, groups: npt.NDArray[np.intp]) -> float:
    """The mean over groups of the mean score of a group, so that each counts alike; images with NaN are left out; NaN for none."""
    scored = ~np.isnan(scores)
    means = [scores[scored & (groups == g)].mean() for g in np.unique(groups[scored])]
    return float(np.mean(means)) if means else float("nan")


def fine_histogram(values: Map, mask: Mask, value: int = 1) -> Counts:
    """Pixels at each 16-bit score round(65535 v): (H, W) in [0, 1] and its mask -> (2, 65536), background and foreground."""
    return split_counts(_levels(values), split(mask, value), LEVELS)


def average_precision(fine: Counts) -> float:
    """Average precision of the scores in a fine histogram (2, 65536), of one image or pooled (then it is PxAP); NaN without foreground.

    Exact for 16-bit scores, ties included: sum over thresholds of (recall gained) x precision, as scikit-learn has it.
    """
    foreground = fine[1]
    reached = np.flatnonzero(foreground)[::-1]  # thresholds at which recall grows, highest first
    if not len(reached):
        return float("nan")
    gained = foreground[reached]
    true = gained.cumsum()
    false = fine[0][::-1].cumsum()[LEVELS - 1 - reached]
    return float((gained * (true / (true + false))).sum() / true[-1])


def _size(mask: Mask) -> tuple[int, int]:
    return mask.shape[0], mask.shape[1]


def _levels(values: Map) -> npt.NDArray[np.intp]:
    levels: npt.NDArray[np.intp] = np.rint(values * np.float32(LEVELS - 1)).astype(np.intp).ravel()
    return levels


def _count(values: Map, where: npt.NDArray[np.uint8]) -> tuple[Counts, Counts, float]:
    """Histograms of a map and of its min-max twin, and the twin's Otsu threshold."""
    stretched = bins(minmax(values)).ravel()
    raw = split_counts(bins(values).ravel(), where, BINS)
    return raw, split_counts(stretched, where, BINS), otsu(np.bincount(stretched, minlength=BINS))
