"""Two rows on the same images: their difference, with an interval that knows clusters of images and seeds of training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.statistics.differences import Summary
from bench.statistics.row_scores import RowScores

__all__ = ["NOT_ENOUGH", "Comparison", "Interval", "RowScores", "own_interval", "pair"]

NOT_ENOUGH = "not enough data"
"""What stands where an interval, a letter or a verdict would; never a NaN."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval, standard error and degrees of freedom; all but the value are None without enough data."""

    value: float
    low: float | None = None
    high: float | None = None
    se: float | None = None
    df: float | None = None

    @property
    def enough(self) -> bool:
        """Whether there was enough data for an interval."""
        return self.se is not None


@dataclass(frozen=True)
class Comparison:
    """`a` minus `b`, not adjusted for other comparisons; all but the difference are None without enough data."""

    a: str
    b: str
    difference: float
    low: float | None = None
    high: float | None = None
    low_90: float | None = None
    high_90: float | None = None
    se: float | None = None
    df: float | None = None
    p: float | None = None
    """two-sided"""
    p_greater: float | None = None
    """one-sided, of `a` above `b`"""

    @property
    def enough(self) -> bool:
        """Whether there was enough data for an interval: 20 clusters, and 3 seeds of a row that learns."""
        return self.se is not None


def pair(a: RowScores, b: RowScores, clusters: npt.ArrayLike) -> Comparison:
    """`a` minus `b`; clusters: (n,) names of the cluster of each image."""
    found = Summary.of((a, b), clusters).differences([0], [1])
    difference = found.difference.item()
    if not found.enough.item():
        return Comparison(a.name, b.name, difference)
    wide, narrow = found.half_width().item(), found.half_width(0.9).item()
    return Comparison(
        a.name,
        b.name,
        difference,
        low=difference - wide,
        high=difference + wide,
        low_90=difference - narrow,
        high_90=difference + narrow,
        se=np.sqrt(found.variance).item(),
        df=found.df.item(),
        p=found.p().item(),
        p_greater=found.p_greater().item(),
    )


def own_interval(row: RowScores, clusters: npt.ArrayLike) -> Interval:
    """The mean of a row with the interval that the same variances give it: its difference from zero everywhere."""
    zero = RowScores("zero", np.zeros((1, row.values.shape[1])), deterministic=True)
    found = pair(row, zero, clusters)
    return Interval(found.difference, found.low, found.high, found.se, found.df)
