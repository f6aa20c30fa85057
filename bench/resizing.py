"""Two resizings, fixed for the whole suite: maps bilinearly, masks to the nearest pixel; half-pixel centres in both, no antialiasing."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Map = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
Index = npt.NDArray[np.intp]


def resize(values: Map, size: tuple[int, int]) -> Map:
    """A map (h, w) in [0, 1] at another size (H, W): as `F.interpolate(mode="bilinear", align_corners=False)`.

    It interpolates as a + t (b - a), so that a constant map stays constant to the last bit and none of it slips over a threshold.
    """
    if values.shape == size:
        return values
    top, bottom, down = _neighbours(values.shape[0], size[0])
    left, right, across = _neighbours(values.shape[1], size[1])
    rows = _between(values[top], values[bottom], down[:, None])
    return _between(rows.take(left, 1), rows.take(right, 1), across).clip(0, 1, dtype=np.float32)


def resize_nearest(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask (h, w) at another size (H, W): pixel i shows the one under its centre, floor((i + 1/2) h / H).

    So do torch's `nearest-exact` and, but for centres that lie on a border of two pixels, Pillow's NEAREST.
    """
    if mask.shape == size:
        return mask
    return mask[_nearest(mask.shape[0], size[0])][:, _nearest(mask.shape[1], size[1])]


def _between(a: Map, b: Map, share: Map) -> Map:
    difference: Map = b - a
    difference *= share
    difference += a
    return difference


@lru_cache(maxsize=64)
def _neighbours(old: int, new: int) -> tuple[Index, Index, Map]:
    """For each of `new` pixels the two old ones that it lies between, and how far it is from the first: (new,) each."""
    position = np.maximum((np.arange(new) + 0.5) * (old / new) - 0.5, 0)
    first = np.minimum(position.astype(np.intp), old - 1)
    return first, np.minimum(first + 1, old - 1), (position - first).astype(np.float32)


@lru_cache(maxsize=64)
def _nearest(old: int, new: int) -> Index:
    return (2 * np.arange(new, dtype=np.intp) + 1) * old // (2 * new)
