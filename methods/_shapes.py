"""Maps that anyone can write in a few lines: a disc, Otsu's darker side, and the classic chain for a dark lesion on lighter skin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

Grey = npt.NDArray[np.uint8]
Region = npt.NDArray[np.bool_]

LUMA = (0.299, 0.587, 0.114)
"""Rec. 601, as Pillow's mode L."""


def disc(size: tuple[int, int], radius: float) -> Tensor:
    """The disc around the centre whose radius is a share of the half sides: (H, W) of 0 and 1, an ellipse where the sides differ."""
    return (distance_from_centre(size) <= radius).float()


def distance_from_centre(size: tuple[int, int]) -> Tensor:
    """How far each pixel's middle lies from the centre, in half sides: (H, W), 1 at the middle of a side."""
    rows, columns = ((2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1 for n in size)
    return torch.hypot(rows[:, None], columns[None, :])


def grey_levels(images: Tensor) -> Grey:
    """(B, 3, H, W) in [0, 1] -> (B, H, W) uint8, by Rec. 601 luma."""
    weights = images.new_tensor(LUMA).view(3, 1, 1)
    levels: Grey = ((images * weights).sum(1) * 255).round().byte().cpu().numpy()
    return levels


def otsu_level(grey: Grey) -> int:
    """Otsu's threshold (1979, eq. 18): the level t that maximises the between-class variance of `<= t` and `> t`; -1 for a flat image.

    Of equal maxima the lowest is taken.
    """
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    pixels, mass = counts.cumsum(), (counts * np.arange(256)).cumsum()
    split = pixels * (pixels[-1] - pixels)  # zero where one class is empty
    variance = (mass * pixels[-1] - mass[-1] * pixels) ** 2 / np.where(split > 0, split, np.inf)
    return int(variance.argmax()) if variance.any() else -1


def darker_side(grey: Grey) -> Region:
    """Pixels at or below Otsu's threshold; none of a flat image."""
    dark: Region = grey.astype(np.int16) <= otsu_level(grey)
    return dark


def classic_chain(grey: Grey, blur: float, opening: float) -> Region:
    """Blur, Otsu's darker side, opening, the largest central component, holes filled: (H, W) uint8 -> (H, W) bool.

    blur: standard deviation of the Gaussian; opening: radius of the disc; both as shares of the shorter side.
    """
    side = min(grey.shape)
    smooth = ndimage.gaussian_filter(grey.astype(np.float32), blur * side, mode="nearest")
    dark = ndimage.binary_opening(darker_side(smooth.round().astype(np.uint8)), ball(opening * side))
    filled: Region = ndimage.binary_fill_holes(largest_central(dark))
    return filled


def ball(radius: float) -> Region:
    """A disc as a structuring element: pixels whose middle lies within `radius` pixels of the central one."""
    reach = int(radius)
    offsets = np.arange(-reach, reach + 1)
    return np.hypot(offsets[:, None], offsets[None, :]) <= radius


def largest_central(region: Region) -> Region:
    """The 8-connected component with most weight, where a pixel weighs 1 at the centre and nothing from the inscribed ellipse on.

    So a dark corner does not count, however large; where nothing else is there, the result is empty.
    """
    components, count = ndimage.label(region, np.ones((3, 3)))
    weight = (1 - distance_from_centre(region.shape).numpy()).clip(0)
    sums = np.bincount(components.ravel(), weight.ravel(), minlength=count + 1)[1:]
    if not sums.any():
        return np.zeros_like(region)
    chosen: Region = components == sums.argmax() + 1
    return chosen
