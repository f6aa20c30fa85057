"""Differences between rows of scores, all pairs at once: one variance of images in clusters, one of each row's seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from bench.statistics.row_scores import MIN_CLUSTERS, Floats, Indices, RowScores, cluster_numbers, share_fits

Flags = npt.NDArray[np.bool_]


class Differences(NamedTuple):
    """Of P pairs of rows, an array (P,) each."""

    difference: Floats
    variance: Floats
    df: Floats
    enough: Flags

    def half_width(self, level: float = 0.95) -> Floats:
        """Half of the two-sided t interval of this level."""
        return np.asarray(stdtrit(self.df, (1 + level) / 2) * np.sqrt(self.variance), np.float64)

    def p(self) -> Floats:
        """Two-sided p of "they differ"."""
        return np.asarray(2 * stdtr(self.df, -abs(self._t())), np.float64)

    def p_greater(self) -> Floats:
        """One-sided p of "the first is above the second"."""
        return np.asarray(stdtr(self.df, -self._t()), np.float64)

    def _t(self) -> Floats:
        """Infinite for a difference without any variance, 0 where there is no difference."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.difference == 0, 0, self.difference / np.sqrt(self.variance))


@dataclass(frozen=True)
class Summary:
    """What differences need to know of M rows. A variance here is that of a row's mean, from its seeds: 0 where deterministic."""

    rows: Sequence[RowScores]
    images: int
    means: Floats  # (M,)
    sums: Floats  # (M, G): per cluster the sum of (image's mean over seeds - mean)
    variances: Floats  # (M,)
    least: float = 0.0
    """what the variance of a row that learns counts at least, and that of a pair that shares its fits"""

    @classmethod
    def of(cls, rows: Sequence[RowScores], clusters: npt.ArrayLike) -> Self:
        """Summarise rows; clusters: (n,) names of the cluster of each image, in the rows' order."""
        cluster = cluster_numbers(rows, clusters)
        count = cluster.max(initial=-1) + 1
        means = np.array([row.seed_means().mean() for row in rows])
        centred = [row.values.mean(0) - mean for row, mean in zip(rows, means, strict=True)]
        sums = np.array([np.bincount(cluster, line, count) for line in centred]).reshape(len(rows), count)
        variances = np.array([variance_of_mean(row.seed_means()) for row in rows])
        return cls(rows, len(cluster), means, sums, variances)

    @property
    def clusters(self) -> int:
        """How many there are: G."""
        return int(self.sums.shape[1])

    @property
    def enough(self) -> Flags:
        """(M,) rows about which something can be said."""
        return np.array([row.enough and self.clusters >= MIN_CLUSTERS for row in self.rows], np.bool_)

    def floored(self) -> Self:
        """No row's seed variance below the median of the rows that learn.

        By chance three seeds now and then lie close together; among many pairs such a row would be declared different.
        """
        learns = np.array([not row.deterministic for row in self.rows], np.bool_)
        least = float(np.median(self.variances[learns])) if learns.any() else 0.0
        return replace(self, least=least, variances=np.where(learns, np.maximum(self.variances, least), self.variances))

    def differences(self, first: npt.ArrayLike, second: npt.ArrayLike) -> Differences:
        """Rows `first` minus rows `second`, both (P,) numbers of rows."""
        one, two = np.asarray(first, np.intp), np.asarray(second, np.intp)
        groups, freedom = max(self.clusters - 1, 1), np.array([max(row.seeds - 1, 1) for row in self.rows])
        spread = np.square(self.sums[one] - self.sums[two]).sum(1)  # (P,)
        of_images = self.clusters / groups * spread / max(self.images, 1) ** 2
        parts = np.stack([of_images, *self._seed_parts(one, two)])
        return Differences(
            self.means[one] - self.means[two],
            parts.sum(0),
            satterthwaite(parts, np.stack([np.full(len(one), groups), freedom[one], freedom[two]])),
            self.enough[one] & self.enough[two],
        )

    def _seed_parts(self, one: Indices, two: Indices) -> tuple[Floats, Floats]:
        """Both rows' variances; of a pair that shares its fits that of the difference, and 0."""
        of_one, of_two = self.variances[one], self.variances[two]
        for p, (a, b) in enumerate(zip(one, two, strict=True)):
            if share_fits(self.rows[a].fits, self.rows[b].fits):
                gaps = self.rows[a].seed_means() - self.rows[b].seed_means()
                of_one[p], of_two[p] = max(variance_of_mean(gaps), self.least), 0
        return of_one, of_two


def satterthwaite(parts: Floats, freedom: Floats) -> Floats:
    """Degrees of freedom of a sum of variances, (parts, P) with their own (parts, P) -> (P,); the first part's where all are 0.

    Satterthwaite, "An approximate distribution of estimates of variance components" (1946).
    """
    total = parts.sum(0)
    none = total == 0
    shares = np.where(none, 1, parts) / np.where(none, 1, total)
    return np.asarray(np.where(none, freedom[0], 1 / (np.square(shares) / freedom).sum(0)), np.float64)


def variance_of_mean(values: Floats) -> float:
    """Of S values, the variance of their mean; 0 for a single one, about which it says nothing."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0
