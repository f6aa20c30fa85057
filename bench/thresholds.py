"""Which pixels of a map are foreground: 257 bins that decide every threshold j/256 exactly, the min-max rule, and Otsu's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.resizing import Map, Mask

Counts = npt.NDArray[np.int64]
Cut = tuple[float, ...] | None
"""Where maps are cut: above a threshold for each foreground, on the map as it is; None: above Otsu's of the min-maxed map."""

STEPS = 256
BINS = STEPS + 1
IGNORED = 255


def bins(values: Map) -> npt.NDArray[np.intp]:
    """The bin 0..256 of values in [0, 1]: v > j/256 exactly when its bin > j.

    >>> bins(np.float32([0, 0.001, 0.5, 0.501, 1])).tolist()
    [0, 1, 128, 129, 256]
    """
    index: npt.NDArray[np.intp] = np.ceil(values * np.float32(STEPS)).astype(np.intp)  # times 256 is exact in binary
    return index


def histogram(values: Map, mask: Mask | None = None, value: int = 1) -> Counts:
    """Pixels in each bin: a map (H, W) in [0, 1] and its mask -> (2, 257), row 0 background, row 1 foreground.

    mask: (H, W); `value` is the foreground that is counted, 255 is ignored, all else is background. Without a mask all is background.
    """
    index = bins(values).ravel()
    if mask is None:
        return split_counts(index, None, BINS)
    return split_counts(index, split(mask, value), BINS)


def split(mask: Mask, value: int = 1) -> npt.NDArray[np.uint8]:
    """Where each pixel is counted, flat (H * W,): 0 background, 1 foreground, 2 ignored."""
    flat = mask.ravel()
    where: npt.NDArray[np.uint8] = (flat == value).view(np.uint8) + ((flat == IGNORED).view(np.uint8) << 1)
    return where


def split_counts(index: npt.NDArray[np.intp], where: npt.NDArray[np.uint8] | None, n: int) -> Counts:
    """How often each index below n occurs in background and in foreground: (2, n); `where` as `split` gives it."""
    if where is None:
        return np.stack([np.bincount(index, minlength=n), np.zeros(n, np.int64)])
    return np.bincount(index + where * np.intp(n), minlength=3 * n).reshape(3, n)[:2]


def counts(hist: Counts, threshold: float) -> tuple[Counts, Counts, Counts, Counts]:
    """True positives, false positives, false negatives, true negatives of `map > threshold`: (..., 2, 257) -> (...) each.

    `threshold` is a multiple of 1/256, else ValueError: only those are exact.
    """
    j = round(threshold * STEPS)
    if j != threshold * STEPS or not 0 <= j <= STEPS:
        raise ValueError(f"a threshold is a multiple of 1/256 between 0 and 1, not {threshold}")
    below, above = hist[..., : j + 1].sum(-1), hist[..., j + 1 :].sum(-1)
    return above[..., 1], above[..., 0], below[..., 1], below[..., 0]


def all_counts(hist: Counts) -> tuple[Counts, Counts, Counts, Counts]:
    """The same at every threshold: (..., 2, 257) -> (..., 257) each, the last axis is j of `map > j/256`."""
    below = hist.cumsum(-1)
    above = below[..., -1:] - below
    return above[..., 1, :], above[..., 0, :], below[..., 1, :], below[..., 0, :]


def minmax(values: Map) -> Map:
    """A map stretched to [0, 1] over all of its pixels; a constant map becomes zeros: it shows nothing."""
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros_like(values)
    stretched: Map = (values - low) / (high - low)
    return stretched


def otsu(hist: Counts) -> float:
    """Otsu's threshold j/256 of a histogram (257,), or (2, 257) whose rows are added, so that it sees no label (Otsu 1979, eq. 18).

    It maximises the between-class variance of the bin numbers; of equal maxima it takes the lowest j. Where fewer than two bins are
    occupied there is nothing to separate: the threshold is the occupied bin's own, above which lies nothing (0 for an empty histogram).
    Sums are whole numbers up to 190 million pixels, so that equal maxima are equal to the last bit.

    >>> otsu(np.bincount([3, 3, 4, 90], minlength=257))
    0.015625
    """
    total = hist.reshape(-1, BINS).sum(0).astype(np.int64)
    occupied = np.flatnonzero(total)
    if len(occupied) < 2:
        return float(occupied.sum()) / STEPS
    pixels = total.cumsum()
    moment = (total * np.arange(BINS)).cumsum()
    candidates = slice(occupied[0], occupied[-1])  # both classes have pixels
    below = pixels[candidates]
    apart = moment[candidates] * pixels[-1] - moment[-1] * below
    variance = apart.astype(np.float64) ** 2 / (below * (pixels[-1] - below))
    return float(occupied[0] + variance.argmax()) / STEPS


def binarise(values: Map, threshold: float | None) -> npt.NDArray[np.bool_]:
    """The foreground of a map at its own size: above `threshold`; None: above Otsu's threshold of the min-maxed map."""
    if threshold is not None:
        return values > np.float32(threshold)
    stretched = minmax(values)
    return stretched > np.float32(otsu(histogram(stretched)))
