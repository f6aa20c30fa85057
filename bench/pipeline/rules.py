"""Threshold rules of a cell: where each cuts the maps of a split, and whose masks chose it. Never two of them in one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.errors import DataError
from bench.metrics import best_thresholds
from bench.pipeline import stages
from bench.pipeline.stages import SCORES
from bench.pipeline.workbench import Workbench
from bench.store import Artifact
from bench.thresholds import Cut


class Rule(NamedTuple):
    """A row has cells in the splits of `cuts`, and no others: where masks chose the threshold, scores on those masks say nothing."""

    name: str
    cuts: Mapping[str, Cut]
    chosen: Mapping[str, Cut]
    """by split, the thresholds that its masks chose; empty where no mask was looked at"""

    @property
    def trains(self) -> bool:
        """The oracle looks at test masks: it makes no targets, so that nothing is ever trained on what it knows."""
        return self.name != "oracle"


class Scored(NamedTuple):
    """The scores of a method's own maps by split, the rules that it is shown under, and why one that was asked for is not among them."""

    splits: dict[str, Artifact]
    rules: list[Rule]
    notes: list[str]


def score(bench: Workbench, made: Mapping[str, Artifact], names: Sequence[str]) -> Scored:
    """Score the maps of each split. `val` comes first: what it chooses is known when the masks of `test` are open, and they open once."""
    foreground = bench.samples.dataset.task.foreground
    cuts: dict[str, Cut] = {"fixed": (bench.protocol.threshold,) * len(foreground), "otsu": None}
    found: dict[str, Artifact] = {}
    notes = []
    for split in sorted(made, key=("val", "test").index):
        found[split] = stages.scores(bench, made[split], split, cuts)
        if split == "val" and "val" in names and (best := chosen(found[split])):
            cuts = {**cuts, "val": best}
    if "val" in names and "val" not in cuts:
        notes.append("no validation masks: no threshold can be chosen")
    rules = [rule for name in names if (rule := _rule(name, cuts, found)).cuts]
    if not rules:
        raise DataError(f"{'; '.join(notes) or 'no masks: no oracle threshold'}; add otsu to protocol.rules")
    return Scored(found, rules, notes)


def chosen(scored: Artifact) -> tuple[float, ...] | None:
    """The thresholds with the highest mean Dice on the masks of these scores; None where a foreground is in none of them."""
    with np.load(scored.folder / SCORES) as kept:
        best = [threshold for threshold in best_thresholds(kept["raw"]) if threshold is not None]
        return tuple(best) if len(best) == kept["raw"].shape[1] else None


def _rule(name: str, cuts: Mapping[str, Cut], scored: Mapping[str, Artifact]) -> Rule:
    if name == "oracle":
        best = {split: cut for split, one in scored.items() if (cut := chosen(one)) is not None}
        return Rule(name, best, best)
    if name == "val":
        return Rule(name, {"test": cuts[name]}, {"val": cuts[name]}) if name in cuts else Rule(name, {}, {})
    return Rule(name, dict.fromkeys(scored, cuts[name]), {})
