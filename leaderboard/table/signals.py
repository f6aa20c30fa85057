"""Does anything that is known without masks go with Dice? Within methods (from seed to seed) and between them, never mixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.api import Pixels
from bench.evenly import evenly
from bench.pipeline import mapfile
from bench.pipeline.signals import SPREAD, agreement
from bench.results.columns import RANKED_RULE, Row
from bench.results.verdicts import Scored
from bench.runs.sheets import table_key, table_title

if TYPE_CHECKING:
    from rich.console import Console

ADVICE = 10
"""With fewer methods a correlation between them is no ground for any advice."""


@dataclass(frozen=True)
class Correlation:
    """A coefficient of n pairs; None for fewer than three, or where one side never changes."""

    value: float | None
    n: int


@dataclass(frozen=True)
class Signal:
    """One signal against test Dice.

    within: Pearson's, of runs, both sides less the mean of their method (n runs of `methods` methods with two seeds at least). between:
    Spearman's, of the methods' means.
    """

    name: str
    within: Correlation
    methods: int
    between: Correlation

    @property
    def advice(self) -> str:
        """What may be made of it."""
        n = self.between.n
        return f"{n} method{'' if n == 1 else 's'}: no advice below {ADVICE}" if n < ADVICE else ""


@dataclass(frozen=True)
class Table:
    """The signals of one data set and protocol, of its methods without masks under one rule."""

    title: str
    rule: str
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class Signals:
    """Of every table whose runs recorded any."""

    tables: tuple[Table, ...]

    def to_json(self) -> Any:
        """Plain values, with the advice."""
        return [
            {**asdict(table), "signals": [{**asdict(each), "advice": each.advice} for each in table.signals]}
            for table in self.tables
        ]

    def show(self, console: Console) -> None:
        """Print a small table for each."""
        from bench.leaderboard.table.show_extras import show_signals

        show_signals(self, console)


@dataclass(frozen=True)
class _Run:
    method: int
    signals: dict[str, float]
    dice: float


def signals_of(scored: Sequence[Scored]) -> Signals:
    """The correlations of every table and of the ranked rule, otsu: of methods that used no mask, floors and controls left out."""
    tables = []
    for _, group in groupby(scored, key=lambda each: table_key(each.row)):
        rows = [s for s in group if s.row["role"] == "method" and s.row["rule"] == RANKED_RULE and _maskless(s.row)]
        runs = [run for number, each in enumerate(rows) for run in _runs(number, each)]
        if names := list(dict.fromkeys(name for run in runs for name in run.signals)):
            row = rows[0].row
            title = table_title(row)
            tables.append(Table(title, RANKED_RULE, tuple(_signal(name, runs) for name in names)))
    return Signals(tuple(tables))


def _maskless(row: Row) -> bool:
    return not (row["masks_train"] or row["masks_tune"])


def _runs(number: int, scored: Scored) -> Iterator[_Run]:
    """The seeds of a row, with the Dice of its last stage."""
    frames = scored.frames.get("test_unet", scored.frames.get("test_init", ()))
    agreed = seed_agreement(scored.results)
    for place, (result, frame) in enumerate(zip(scored.results, frames, strict=False)):
        known = dict(_known(result.get("signals") or {}, scored.row["rule"]))
        yield _Run(number, known | agreed.get(place, {}), float(frame["dice"].mean()))


def seed_agreement(results: Sequence[Row]) -> dict[int, dict[str, float]]:
    """How a row's maps agree with those of its other seeds: mean Dice of the masks that Otsu's rule cuts, on a hundred test images.

    By the place of the seed; without those whose maps are not at hand (of results that were submitted only tables are kept), or whose
    result is too old to say its rules.
    """
    there = [place for place, result in enumerate(results) if "rules" in result and _maps_of(result).exists()]
    cuts = {place: _cut_by_otsu(results[place]) for place in there}
    return {
        place: {"seed_agreement": fmean(found)}
        for place, mine in cuts.items()
        if (found := [d for other in cuts if other != place if (d := agreement(mine, cuts[other])) is not None])
    }


def _maps_of(result: Row) -> Path:
    return Path(result["folder"]) / "predictions" / "init-test.npy"


def _cut_by_otsu(result: Row) -> Pixels:
    stored = np.load(_maps_of(result), mmap_mode="r")
    return mapfile.proxies(stored[evenly(range(len(stored)), SPREAD)], None, result["rules"]["size"])


def _known(signals: Row, rule: str) -> Iterator[tuple[str, float]]:
    """The numbers among a run's signals: those of the maps, and those of what the rule makes of them."""
    of_rule = (signals.get("rules") or {}).get(rule) or {}
    for name, value in {**signals, **of_rule}.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _signal(name: str, runs: Sequence[_Run]) -> Signal:
    by_method: dict[int, list[tuple[float, float]]] = {}
    for run in runs:
        if name in run.signals:
            by_method.setdefault(run.method, []).append((run.signals[name], run.dice))
    several = [points for points in by_method.values() if len(points) > 1]
    within = [(x - _mean(points, 0), y - _mean(points, 1)) for points in several for x, y in points]
    between = [(_mean(points, 0), _mean(points, 1)) for points in by_method.values()]
    return Signal(name, _correlation(within, "pearson"), len(several), _correlation(between, "spearman"))


def _mean(points: Sequence[tuple[float, float]], side: int) -> float:
    return fmean(point[side] for point in points)


def _correlation(points: Sequence[tuple[float, float]], kind: str) -> Correlation:
    import pandas as pd

    frame = pd.DataFrame(points, columns=["signal", "dice"])
    if len(frame) < 3 or ((frame.max() - frame.min()) < 1e-12).any():
        return Correlation(None, len(frame))
    ranked = frame.rank() if kind == "spearman" else frame
    return Correlation(float(ranked["signal"].corr(ranked["dice"])), len(frame))
