"""Dice of a method's own maps at every threshold, from the counts of each test image that its run has stored; no mask is opened for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.leaderboard.page.gathered import Table
from bench.metrics import dice
from bench.runs.listing import ARTIFACTS, inputs_of
from bench.thresholds import STEPS, all_counts

FIXED = 0.5

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ThresholdCurve:
    """Mean test Dice at j/256, j from 0 to 255, over images and seeds; the thresholds are multiples of 1/256.

    fixed: the protocol's T. val: the best of the mean curve of the validation images (None without their masks). oracle: the best of this
    curve itself, which nobody can choose without test masks. otsu: the Dice under Otsu's rule, whose threshold is each image's own.
    """

    name: str
    method: str
    settings: str
    dice: tuple[float, ...]
    fixed: float
    val: float | None
    oracle: float
    otsu: float | None

    def at(self, threshold: float) -> float:
        """The Dice at a threshold."""
        return self.dice[min(STEPS - 1, round(threshold * STEPS))]


def threshold_curves(table: Table) -> list[ThresholdCurve]:
    """The curve of every method of a table whose counts are still on the disk, in the order of the rows."""
    rows = (one.row for one in table.scored)
    found = [
        _of_method(table, list(group)) for _, group in groupby(rows, key=lambda row: (row["method"], row["settings"]))
    ]
    return [curve for curve in found if curve is not None]


def _of_method(table: Table, rows: list[dict[str, Any]]) -> ThresholdCurve | None:
    by_rule = {row["rule"]: row for row in rows}
    if not set(by_rule) - {""}:
        return None  # trained on masks: nothing was cut
    results = table.runs_of(rows[0])
    test, val = (_mean(curve for r in results for curve in _stored(table.out, r, split)) for split in ("test", "val"))
    if test is None:
        return None
    return ThresholdCurve(
        table.name(rows[0], rule=False),
        rows[0]["method"],
        rows[0]["settings"],
        tuple(test.tolist()),
        _fixed(results),
        None if val is None else int(val.argmax()) / STEPS,
        int(test.argmax()) / STEPS,
        by_rule["otsu"]["test_init"] if "otsu" in by_rule else None,
    )


def _fixed(results: list[dict[str, Any]]) -> float:
    """The threshold of the rule `fixed`, as the runs have it."""
    found = [row.get("threshold") for result in results for row in result["rows"] if row["rule"] == "fixed"]
    return next((float(value) for value in found if isinstance(value, int | float)), FIXED)


def _mean(curves: Iterator[Curve]) -> Curve | None:
    found = list(curves)
    return np.mean(found, 0) if found else None


def _stored(out: Path, result: Mapping[str, Any], split: str) -> Iterator[Curve]:
    """The curve of one seed, where its scores are still there."""
    for stage in result.get("stages", ()):
        folder = out / ARTIFACTS / str(stage["artifact"])
        if folder.name.startswith("scores-") and _of_maps(out, folder, split):
            curve = _curve(folder / "scores.npz")
            if curve is not None:
                yield curve


def _of_maps(out: Path, folder: Path, split: str) -> bool:
    """Whether an artifact holds the counts of the method's own maps on a split, not the U-Net's."""
    inputs = inputs_of(folder)
    if not inputs or (inputs.get("masks") or {}).get("split") != split:
        return False
    maps = inputs_of(out / ARTIFACTS / str(inputs.get("maps")))
    return maps is not None and "segment" not in maps


def _curve(file: Path) -> Curve | None:
    """Mean Dice over the images that show an object; an image that shows several foregrounds counts with their mean."""
    try:
        with np.load(file) as kept:
            raw = kept["raw"]  # (N, K, 2, 257)
    except (OSError, ValueError, KeyError):
        return None
    shown = raw[:, :, 1].any(-1)  # (N, K)
    there = shown.any(1)
    if not there.any():
        return None
    tp, fp, fn, _ = all_counts(raw[there])
    each = np.where(shown[there][..., None], dice(tp, fp, fn)[..., :STEPS], 0.0)
    of_images = each.sum(1) / shown[there].sum(1)[:, None]
    curve: Curve = of_images.mean(0)
    return curve
