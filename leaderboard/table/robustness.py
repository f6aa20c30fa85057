"""Does the ranking hold under another rule, size, average or stage? Rank intervals, one change at a time from the ranked column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.metrics import size_quartiles
from bench.results.columns import method_title
from bench.results.verdicts import Scored
from bench.runs.sheets import table_key, table_title
from bench.statistics.families import rank
from bench.statistics.letters import LEVEL, holm
from bench.statistics.pairs import NOT_ENOUGH
from bench.statistics.resampling import RowStatistic, Weighted, macro, pooled_dice, resampled
from bench.statistics.row_scores import Floats, RowScores

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console

Ranks = tuple[int, int] | None
BASE = "as ranked"
UNET = "test_unet"


@dataclass(frozen=True)
class Variant:
    """What was changed, and the ranks that the data then allow, a pair for each method; None: not measured, or not enough data."""

    name: str
    ranks: tuple[Ranks, ...]


@dataclass(frozen=True)
class Table:
    """The ranked methods of one data set and protocol under each variant; the first is the ranking itself."""

    title: str
    methods: tuple[str, ...]
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Robustness:
    """Of every table with two ranked methods at least."""

    tables: tuple[Table, ...]

    def to_json(self) -> Any:
        """Plain values."""
        return [asdict(table) for table in self.tables]

    def show(self, console: Console) -> None:
        """Print a small table for each."""
        from bench.leaderboard.table.show_extras import show_robustness

        show_robustness(self, console)


def robustness_of(scored: Sequence[Scored]) -> Robustness:
    """Rank intervals over {otsu, fixed} x {native, 224} x {mean, pooled, macro} x {U-Net, init}, one change at a time.

    Means over images are ranked as the table ranks them; pooled Dice and macro by their resampled differences, Holm over all pairs.
    """
    tables = [list(group) for _, group in groupby(scored, key=lambda each: table_key(each.row))]
    return Robustness(tuple(_table(table) for table in tables if sum(each.row["ranked"] for each in table) > 1))


def _table(table: list[Scored]) -> Table:
    ranked = [each for each in table if each.row["ranked"]]
    row = ranked[0].row
    fixed = [_sibling(each, table) for each in ranked]
    clusters = ranked[0].cells[UNET].clusters
    columns: Mapping[str, Sequence[Ranks]] = {
        BASE: _means([_scores(each, UNET, "dice") for each in ranked], clusters),
        "rule fixed": _means([_scores(each, UNET, "dice") for each in fixed], clusters),
        "at 224 pixels": _means([_scores(each, UNET, "dice_224") for each in ranked], clusters),
        "pooled": _resampled([_statistic(each, _pooled) for each in ranked], clusters),
        "macro": _resampled([_statistic(each, _macro) for each in ranked], clusters),
        "init": _means([_scores(each, "test_init", "dice") for each in ranked], clusters),
    }
    title = table_title(row)
    names = tuple(method_title(each.row) for each in ranked)
    return Table(title, names, tuple(Variant(name, tuple(ranks)) for name, ranks in columns.items()))


def _sibling(ranked: Scored, table: Sequence[Scored]) -> Scored | None:
    """The same method under the fixed rule, with as many seeds as a ranked row needs."""
    name = method_title(ranked.row)
    same = [each for each in table if method_title(each.row) == name and each.row["rule"] == "fixed"]
    return same[0] if same else None


def _scores(scored: Scored | None, stage: str, column: str) -> RowScores | None:
    """(S, n) of a column of the images; None where it was not measured for all of them."""
    if scored is None or stage not in scored.cells:
        return None
    values = np.stack([frame[column].to_numpy() for frame in scored.frames[stage]])
    cell = scored.cells[stage].scores
    return RowScores(cell.name, values, cell.deterministic, cell.fits) if np.isfinite(values).all() else None


def _means(rows: Sequence[RowScores | None], clusters: npt.ArrayLike) -> list[Ranks]:
    """Ranks among the rows that were measured."""
    there = [row for row in rows if row is not None]
    places = iter(rank(there, clusters).places)
    found = [None if row is None else next(places) for row in rows]
    return [
        None if p is None or p.rank_low is None or p.rank_high is None else (p.rank_low, p.rank_high) for p in found
    ]


def _statistic(scored: Scored, of: Callable[[Sequence[DataFrame]], Weighted]) -> RowStatistic:
    cell = scored.cells[UNET].scores
    return RowStatistic(cell.name, _once(of(scored.frames[UNET])), cell.deterministic, cell.fits)


def _once(of: Weighted) -> Weighted:
    """`resampled` draws the same images for every pair (one seed): what a row gives for them is worked out once."""
    known: dict[tuple[int, ...], Floats] = {}

    def remembered(weights: Floats) -> Floats:
        if weights.shape not in known:
            known[weights.shape] = of(weights)
        return known[weights.shape]

    return remembered


def _pooled(frames: Sequence[DataFrame]) -> Weighted:
    return pooled_dice(
        *(np.stack([frame[name].to_numpy(np.float64) for frame in frames]) for name in ("tp", "fp", "fn"))
    )


def _macro(frames: Sequence[DataFrame]) -> Weighted:
    return macro(np.stack([frame["dice"] for frame in frames]), size_quartiles(frames[0]["share"].to_numpy()))


def _resampled(rows: Sequence[RowStatistic], clusters: npt.ArrayLike) -> list[Ranks]:
    """Ranks by the differences of all pairs; None for all where there is not enough data."""
    from scipy.special import stdtr

    pairs = list(combinations(range(len(rows)), 2))
    found = [resampled(rows[i], rows[j], clusters) for i, j in pairs]
    if not all(each.enough for each in found):
        return [None] * len(rows)
    value, se, df = (np.array([getattr(each, name) for each in found], np.float64) for name in ("value", "se", "df"))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(value == 0, 0, value / se)  # infinite for a difference without any variance
    p = 2 * stdtr(df, -abs(t))
    different = [pair for pair, adjusted in zip(pairs, holm(p), strict=True) if adjusted < LEVEL]
    values = {pair: each.value for pair, each in zip(pairs, found, strict=True)}
    better = [i if values[i, j] > 0 else j for i, j in different]
    worse = [j if values[i, j] > 0 else i for i, j in different]
    return [(1 + worse.count(n), len(rows) - better.count(n)) for n in range(len(rows))]


def rank_text(ranks: Ranks) -> str:
    """`1-3`, `2`, or a dash."""
    if ranks is None:
        return "-"
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}-{ranks[1]}"


EMPTY = f"robustness: {NOT_ENOUGH}; no table has two ranked methods"
