"""The scores of a row of a table: a line for each seed, a column for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Fits = tuple[frozenset[str], ...]

MIN_CLUSTERS = 20
MIN_SEEDS = 3
"""Of a row that learns. With less of either there is not enough data for any statement."""


@dataclass(frozen=True)
class RowScores:
    """The scores of one row, on the same images in the same order as those of every row that it is compared with.

    values: (S, n), one line for each of S seeds, one column for each of n images; any unit, the same for all rows. A deterministic row
    has S = 1 and says so. fits: for each seed the names of the fitted stages that it stands on; two rows that have one in common at
    every seed share their luck, and are compared seed by seed.
    """

    name: str
    values: Floats
    deterministic: bool = False
    fits: Fits = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.asarray(self.values, np.float64))
        if self.values.ndim != 2 or not len(self.values):
            raise ValueError(f"{self.name}: scores are (seeds, images), not {self.values.shape}")
        if not np.isfinite(self.values).all():
            raise ValueError(f"{self.name}: {np.sum(~np.isfinite(self.values))} of its scores are no numbers")
        if self.deterministic and np.ptp(self.values, axis=0).max(initial=0) > 1e-9:
            raise ValueError(f"{self.name} is declared deterministic, but its seeds differ")
        if self.fits and len(self.fits) != len(self.values):
            raise ValueError(f"{self.name}: fits of {len(self.fits)} seeds for scores of {len(self.values)}")

    @property
    def seeds(self) -> int:
        """How many there are: S."""
        return len(self.values)

    @property
    def enough(self) -> bool:
        """Whether it has the seeds to be tested."""
        return self.deterministic or self.seeds >= MIN_SEEDS

    def seed_means(self) -> Floats:
        """(S,) means over the images; 0 where there are none."""
        return self.values.mean(1) if self.values.size else np.zeros(len(self.values))


def share_fits(one: Fits, two: Fits) -> bool:
    """Whether two rows stand on a common fitted stage at every seed; with more seeds on one side they do not: the cautious reading."""
    return bool(one) and len(one) == len(two) and all(x & y for x, y in zip(one, two, strict=True))


def cluster_numbers(rows: Sequence[RowScores], clusters: npt.ArrayLike) -> Indices:
    """The clusters as numbers 0..G-1, (n,); ValueError where a row has another number of images."""
    numbers = np.unique(np.asarray(clusters), return_inverse=True)[1].astype(np.intp)
    for row in rows:
        if row.values.shape[1] != len(numbers):
            raise ValueError(f"{row.name}: scores of {row.values.shape[1]} images, but clusters of {len(numbers)}")
    return numbers
