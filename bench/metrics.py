"""Scores of maps against masks, as pure functions of counts. A map is scored at the mask's own size: the map is resized, never the mask."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.pipeline.distances import Outline
from bench.resizing import Map, Mask, resize, resize_nearest
from bench.thresholds import (
    BINS,
    IGNORED,
    STEPS,
    Counts,
    all_counts,
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
    "best_thresholds",
    "binarise",
    "bins",
    "counts",
    "dice",
    "dice_of_regions",
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
WSOL_STEPS = 1000
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
    wsol: Counts  # (2, 1001) of the same: the bins of wsolevaluation at interval 0.001
    ap: float
    dead: bool  # the map was zero or constant before it was resized
    hd95: Mapping[str, float]  # at each cut that was asked for; NaN where the mask has no foreground


def score_image(
    values: Map, mask: Mask, value: int = 1, cuts: Mapping[str, float | None] = MappingProxyType({})
) -> ImageScore:
    """Everything counted of one map (h, w) in [0, 1] and its mask (H, W): `value` is foreground, 255 ignored, all else background.

    The 224-pixel score is the paper's column: the map resized bilinearly, the mask to the nearest pixel. Distances cannot follow from
    counts: they are taken here, for the thresholds in `cuts` (None: Otsu's).
    """
    native, where = resize(values, _size(mask)), split(mask, value)
    raw, stretched, threshold = _count(native, where)
    small, small_where = resize(values, PAPER_SIZE), split(resize_nearest(mask, PAPER_SIZE), value)
    raw_224, stretched_224, threshold_224 = _count(small, small_where)
    fine = split_counts(_levels(native), where, LEVELS)
    valid, outline = (where != 2).reshape(native.shape), Outline((where == 1).reshape(native.shape))
    return ImageScore(
        raw,
        stretched,
        raw_224,
        stretched_224,
        threshold,
        threshold_224,
        fine,
        split_counts(wsol_bins(native), where, WSOL_STEPS + 1),
        average_precision(fine),
        bool(values.min() == values.max()),
        {name: outline.hd95(binarise(native, cut) & valid) for name, cut in cuts.items()},
    )


def dice(tp: npt.ArrayLike, fp: npt.ArrayLike, fn: npt.ArrayLike) -> Scores:
    """Dice 2 TP / (2 TP + FP + FN) in 0 to 1, elementwise; NaN where the mask has no foreground: such an image is not scored.

    >>> float(dice(2, 1, 1)), float(dice(0, 5, 0))
    (0.6666666666666666, nan)
    """
    tp, fp, fn = (np.asarray(n, np.float64) for n in (tp, fp, fn))
    scored = tp + fn > 0
    return np.where(scored, 2 * tp / np.where(scored, 2 * tp + fp + fn, 1), np.nan)


def dice_of_regions(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Dice of two regions (H, W), whichever of them is the truth; NaN where both are empty: there is nothing to agree on."""
    sizes = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / sizes if sizes else float("nan")


def best_thresholds(raw: Counts) -> list[float | None]:
    """For each foreground the j/256 with the highest mean Dice over images: (N, K, 2, 257) -> K of them.

    Of equal ones the lowest. None for a foreground that no mask shows: there is nothing to choose by.
    """
    return [_best(raw[:, k]) for k in range(raw.shape[1])]


def _best(raw: Counts) -> float | None:
    shown = raw[raw[:, 1].any(-1)]
    if not len(shown):
        return None
    tp, fp, fn, _ = all_counts(shown)
    return float(dice(tp, fp, fn)[:, :STEPS].mean(0).argmax()) / STEPS


def pooled_dice(tp: npt.ArrayLike, fp: npt.ArrayLike, fn: npt.ArrayLike) -> float:
    """Dice of the pixels of all images together; NaN where none has foreground."""
    return float(dice(np.sum(tp), np.sum(fp), np.sum(fn)))


def below_half(scores: Scores) -> float:
    """The share of scored images whose Dice is below 0.5; NaN where none is scored."""
    scored = scores[~np.isnan(scores)]
    return float((scored < 0.5).mean()) if len(scored) else float("nan")


def mean_dice(made: npt.NDArray[np.uint8], true: npt.NDArray[np.uint8]) -> float:
    """Mean Dice of masks (N, H, W) against the true ones, over each foreground in each mask that shows it; 1 where none does.

    Pixels that are not judged (255 in the true mask) count nowhere.
    """
    judged = true != IGNORED
    scores = []
    for value in np.unique(true[judged & (true > 0)]):
        one, other = made == value, true == value
        tp, fp, fn = ((pixels & judged).sum((1, 2)) for pixels in (one & other, one & ~other, ~one & other))
        scores.append(dice(tp, fp, fn)[tp + fn > 0])
    if not scores:
        return 1.0
    return float(np.mean(np.sort(np.concatenate(scores))))  # sorted: the same sum in every order of the masks


QUARTERS = ("smallest quarter", "second quarter", "third quarter", "largest quarter")
"""Names of the numbers that `size_quartiles` gives."""


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


def wsol_bins(values: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    """The bin 0..1000 of values in [0, 1] that wsolevaluation counts them in: j/1000 <= v < (j + 1)/1000, flat (H * W,).

    Its MaskEvaluator (clovaai/wsolevaluation, evaluation.py) takes np.histogram with edges np.arange(0, 1, 0.001) and 1. In float64 a
    float32 times 1000 is exact, so that none lies on the wrong side.
    """
    index: npt.NDArray[np.intp] = (values.astype(np.float64).ravel() * WSOL_STEPS).astype(np.intp)
    return index


def average_precision(fine: Counts) -> float:
    """Average precision of the scores in a histogram (2, levels), of one image or pooled (then it is PxAP); NaN without foreground.

    Sum over levels of (recall gained) x precision, as scikit-learn has it, ties included: exact for 16-bit scores in a fine histogram
    (2, 65536); of the bins of `wsol_bins` (2, 1001) it is wsolevaluation's PxAP.
    """
    foreground = fine[1]
    reached = np.flatnonzero(foreground)[::-1]  # thresholds at which recall grows, highest first
    if not len(reached):
        return float("nan")
    gained = foreground[reached]
    true = gained.cumsum()
    false = fine[0][::-1].cumsum()[fine.shape[1] - 1 - reached]
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
