"""The statistics of a large table: every pair of 20 methods with 5 seeds each on 1,000 images, and a drawn interval (CPU seconds)."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from bench.statistics.families import rank
from bench.statistics.resampling import RowStatistic, pooled_dice, resampled
from bench.statistics.row_scores import Floats, RowScores
from benchmarks import Row

METHODS, SEEDS, IMAGES, TURNS = 20, 5, 1_000, 5
ALLOWED = 2.0
"""CPU seconds that the family may take"""


def measure() -> Iterator[Row]:
    """The family beside what it may take and beside a Wilcoxon test of each pair; pooled Dice beside scipy's bootstrap of it."""
    draw, clusters = np.random.default_rng(0), np.arange(IMAGES) // 2
    rows = [RowScores(f"m{number}", draw.normal(60, 20, (SEEDS, IMAGES))) for number in range(METHODS)]
    means = [row.values.mean(0) for row in rows]
    family = cpu_seconds(lambda: rank(rows, clusters))
    yield Row(f"letters of {METHODS} methods x {SEEDS} seeds x {IMAGES:,} images", family, "allowed", ALLOWED)
    pairs = [(a, b) for number, a in enumerate(means) for b in means[:number]]
    yield Row("the same", family, "scipy's Wilcoxon of each pair", cpu_seconds(lambda: wilcoxon(pairs)))
    counts = draw.lognormal(6, 1, (3, SEEDS, IMAGES)).round()
    statistic = RowStatistic("pooled Dice", pooled_dice(*counts))
    ours = cpu_seconds(lambda: resampled(statistic, None, clusters))
    theirs = cpu_seconds(lambda: bootstrap(counts))
    yield Row("interval of pooled Dice, 5 seeds, 2,000 draws", ours, "scipy's bootstrap, seed by seed", theirs)


def cpu_seconds(work: Callable[[], object]) -> float:
    """User and system time of one call in this process, the least of several; the first is not measured."""
    work()
    return min(_once(work) for _ in range(TURNS))


def _once(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def wilcoxon(pairs: list[tuple[Floats, Floats]]) -> list[float]:
    """p of each pair."""
    return [float(stats.wilcoxon(a, b).pvalue) for a, b in pairs]


def bootstrap(counts: Floats) -> list[float]:
    """Standard errors of each seed's pooled Dice, over images alone; counts (3, S, n)."""

    def dice(tp: Floats, fp: Floats, fn: Floats, axis: int = -1) -> Floats:
        return np.asarray(2 * tp.sum(axis) / (2 * tp + fp + fn).sum(axis))

    return [
        float(
            stats.bootstrap(tuple(counts[:, seed]), dice, paired=True, n_resamples=2_000, method="basic").standard_error
        )
        for seed in range(SEEDS)
    ]
