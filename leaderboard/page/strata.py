"""Dice in parts of the test images: quarters of object size, classes, objects that touch the border."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.leaderboard.page.gathered import Table
from bench.metrics import QUARTERS, size_quartiles
from bench.results.csv_files import read_scores
from bench.results.verdicts import Scored

if TYPE_CHECKING:
    from pandas import DataFrame

SOME = 2
"""Strata with one member only say what the row says."""


class Stratum(NamedTuple):
    """A part of the test images: by what, which, how many, and the mean Dice (over seeds) of a row's last stage there, 0 to 1."""

    by: str
    name: str
    images: int
    dice: float


def strata(table: Table, scored: Scored, marks: Mapping[str, Mapping[str, str]]) -> list[Stratum]:
    """The strata of a row. marks: by what -> image id -> which, for what the scores do not know (`border`, `image class`)."""
    frames = scored.frames.get("test_unet") or scored.frames.get("test_init")
    if not frames or not len(frames[0]):
        return []
    dice = np.mean([frame["dice"] for frame in frames], 0)
    quarters = size_quartiles(frames[0]["share"].to_numpy())
    found = list(_means("object size", [QUARTERS[q] for q in quarters], dice, QUARTERS))
    for by, of_image in marks.items():
        names = [of_image.get(str(image), "") for image in frames[0].index]
        found += _means(by, names, dice, sorted(set(names) - {""}))
    return [*found, *_foregrounds(table, scored)]


def _means(by: str, names: Sequence[str], dice: np.ndarray, order: Sequence[str]) -> Iterator[Stratum]:
    of = np.asarray(names)
    there = [name for name in order if (of == name).any()]
    if len(there) >= SOME:
        yield from (Stratum(by, name, int((of == name).sum()), float(dice[of == name].mean())) for name in there)


def _foregrounds(table: Table, scored: Scored) -> Iterator[Stratum]:
    """Where masks show several foregrounds, each by itself; its lines of scores.csv are read again."""
    runs = table.runs_of(scored.row)
    if not runs or not _several(runs[0]["folder"] / "scores.csv"):
        return
    stage = "unet" if "test_unet" in scored.frames else "init"
    parts = [_of_classes(read_scores(run["folder"] / "scores.csv"), stage, scored.row["rule"]) for run in runs]
    for name in sorted(set.intersection(*(set(part.index) for part in parts))):
        count = int(parts[0].loc[name, "count"])
        yield Stratum("foreground", str(name), count, float(np.mean([part.loc[name, "mean"] for part in parts])))


def _of_classes(lines: DataFrame, stage: str, rule: str) -> DataFrame:
    ours = lines[(lines["split"] == "test") & (lines["stage"] == stage) & (lines["rule"] == rule)].dropna(subset="dice")
    return ours.groupby("class")["dice"].agg(["mean", "count"])


def _several(file: Path) -> bool:
    """Whether a scores.csv is of several foregrounds: its first two lines are of one image then."""
    with file.open(newline="", encoding="utf-8") as lines:
        first = [
            tuple(line[name] for name in ("image", "split", "stage", "rule"))
            for line in islice(csv.DictReader(lines), 2)
        ]
    return len(first) == SOME and first[0] == first[1]
