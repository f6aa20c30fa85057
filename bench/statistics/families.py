"""The ranked rows of one table: letters, ranks that the data allow, and what difference could have been found at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.statistics.differences import Differences, Flags, Summary
from bench.statistics.letters import LEVEL, Pair, holm, letters, smallest_detectable, tie_groups
from bench.statistics.pairs import NOT_ENOUGH
from bench.statistics.row_scores import MIN_CLUSTERS, MIN_SEEDS, Floats, Indices, RowScores, cluster_numbers


@dataclass(frozen=True)
class Place:
    """Where a row stands: its letters, and the ranks that it may have. Empty and None without enough data."""

    name: str
    letters: str = ""
    rank_low: int | None = None
    """1 and one for each row that was declared better"""
    rank_high: int | None = None
    """the number of rows less one for each that was declared worse"""
    bold: bool = False
    """declared better than every other row"""


@dataclass(frozen=True)
class Family:
    """The places of the rows in the order in which they came, and which pairs (better, worse) of them were declared different."""

    places: tuple[Place, ...]
    different: tuple[Pair, ...]
    smallest_detectable: float | None
    """the difference that this table would have found with a chance of 80 %, in the unit of the scores; None for fewer than two rows"""


def rank(rows: Sequence[RowScores], clusters: npt.ArrayLike) -> Family:
    """All pairs of the rows that have enough data, tested as one family (Holm, 5 %); clusters: (n,), one for each image.

    Seed variances count at least as their median (`Summary.floored`): without that three seeds make too many false tables.
    """
    tested = [i for i, row in enumerate(rows) if row.enough]
    summary = Summary.of([rows[i] for i in tested], clusters).floored()
    order = np.argsort(-summary.means, kind="stable")[: len(tested) if summary.enough.all() else 0]  # best first
    better, worse = np.triu_indices(len(order), 1)
    found = summary.differences(order[better], order[worse])
    declared = [(int(better[p]), int(worse[p])) for p in np.flatnonzero(holm(found.p()) < LEVEL)]
    rows_of = [tested[i] for i in order]
    places = dict(zip(rows_of, _places([rows[i].name for i in rows_of], declared), strict=True))
    return Family(
        tuple(places.get(i, Place(row.name)) for i, row in enumerate(rows)),
        tuple((rows_of[i], rows_of[j]) for i, j in declared),
        _smallest(found),
    )


def _places(names: Sequence[str], different: Sequence[Pair]) -> list[Place]:
    """Of rows from the best to the worst, and of the pairs (better, worse) of their numbers that differ."""
    count = len(names)
    marks = letters(count, tie_groups(count, different))
    above = np.bincount([j for _, j in different], minlength=count).tolist()
    below = np.bincount([i for i, _ in different], minlength=count).tolist()
    ranks = [(1 + up, count - down) for up, down in zip(above, below, strict=True)]
    return [
        Place(name, mark, *span, bold=span == (1, 1) and count > 1)
        for name, mark, span in zip(names, marks, ranks, strict=True)
    ]


def _smallest(found: Differences) -> float | None:
    pairs = len(found.df)
    if not pairs:
        return None
    return smallest_detectable(pairs, float(np.median(np.sqrt(found.variance))), float(np.median(found.df)))


def false_tables(
    values: Floats, clusters: npt.ArrayLike, methods: int, seeds_each: int, tables: int, generator: np.random.Generator
) -> float:
    """The share of tables in which rows are declared different though all are one cell (an A/A test): 5 % at most is right.

    values: (seeds, n) scores of a cell that was trained at least methods x seeds_each times. A table deals disjoint seeds to its rows
    and draws clusters with replacement.
    """
    members = [np.flatnonzero(inside) for inside in _inside(values, clusters)]
    if len(values) < methods * seeds_each or seeds_each < MIN_SEEDS or len(members) < MIN_CLUSTERS:
        raise ValueError(
            f"{NOT_ENOUGH}: {methods} rows of {seeds_each} seeds each from {len(values)} seeds and {len(members)} clusters"
        )
    tables_with = [_differ(_deal(values, methods, seeds_each, generator), members, generator) for _ in range(tables)]
    return sum(tables_with) / tables


def _inside(values: Floats, clusters: npt.ArrayLike) -> Flags:
    """(G, n) which images each cluster holds."""
    numbers = cluster_numbers([RowScores("the cell", values)], clusters)
    return np.asarray(np.arange(numbers.max(initial=-1) + 1)[:, None] == numbers)


def _deal(values: Floats, methods: int, seeds_each: int, generator: np.random.Generator) -> Floats:
    """(methods, seeds_each, n), no seed twice."""
    return values[generator.permutation(len(values))[: methods * seeds_each].reshape(methods, seeds_each)]


def _differ(dealt: Floats, members: Sequence[Indices], generator: np.random.Generator) -> bool:
    drawn = [members[c] for c in generator.integers(len(members), size=len(members))]
    images = np.concatenate(drawn)
    clusters = np.repeat(np.arange(len(drawn)), [len(each) for each in drawn])
    rows = [RowScores(f"row {number}", scores[:, images]) for number, scores in enumerate(dealt)]
    return bool(rank(rows, clusters).different)
