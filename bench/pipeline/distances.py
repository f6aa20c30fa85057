"""How far the outline of a region lies from the outline of the truth: the 95th percentile of the Hausdorff distance, in pixels."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.spatial import KDTree

Region = npt.NDArray[np.bool_]
Points = npt.NDArray[np.intp]

PERCENTILE = 95


class Outline:
    """The outline of a true region (H, W), against which others are held; its tree is built once, when it is first asked for."""

    def __init__(self, true: Region) -> None:
        self.true = true

    def hd95(self, region: Region) -> float:
        """The larger of the two 95th percentiles of distances, outline to outline, in pixels of this size.

        The diagonal of the image where `region` is empty: a missed object is counted as the worst there is. NaN where the truth is.
        As MONAI's compute_hausdorff_distance(percentile=95), which says infinity or NaN there.
        """
        if not self.true.any():
            return float("nan")
        if not region.any():
            return float(np.hypot(*region.shape))
        points = outline(region)
        there, back = self._tree.query(points)[0], _tree(points).query(self._points)[0]
        return float(max(np.percentile(there, PERCENTILE), np.percentile(back, PERCENTILE)))

    @cached_property
    def _points(self) -> Points:
        return outline(self.true)

    @cached_property
    def _tree(self) -> KDTree:
        return _tree(self._points)


def outline(region: Region) -> Points:
    """The pixels of a region (H, W) that have a neighbour (of four) outside of it, or lie at the border of the image: (n, 2)."""
    inside = np.pad(region, 1)
    surrounded = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return np.argwhere(region & ~surrounded)


def _tree(points: Points) -> KDTree:
    """For neighbours; imported when it is asked for: a table of finished runs needs none, and it costs half a second."""
    from scipy.spatial import KDTree

    return KDTree(points)
