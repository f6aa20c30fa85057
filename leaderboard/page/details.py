"""What a row of the page unfolds into: settings, ledger, cost, scores, strata, the threshold curve, learning curves, failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.leaderboard.page.gathered import Table
from bench.leaderboard.page.strata import strata
from bench.leaderboard.page.text import clean
from bench.leaderboard.page.threshold_curves import ThresholdCurve, threshold_curves
from bench.results.columns import Row
from bench.results.table_columns import column
from bench.results.verdicts import Scored
from bench.runs.learning_curves import read_curves
from bench.runs.listing import read_run, segmenters

FINE, MIDDLE, COARSE = 65, 33, 13
"""Points of a curve on a page of few, many and very many rows; the figures have all."""
LEDGER = ("labels_used", "masks_train", "masks_tune", "masks_eval", "test_openings", "confined", "pretraining")
COST = ("seconds", "seconds_shared", "gpu_seconds", "peak_bytes", "energy_j")
SCORES = (
    *"val_init test_dice_224 test_dice_pooled test_dice_macro test_iou test_hd95".split(),
    *"test_ap_image test_pxap test_pxap_wsol foreground_share".split(),
)
COUNTED = ("dead_maps", "empty_maps", "test_below_half", "false_positive_rate", "false_positive_share")
SAID = {
    "labels_used": "image labels", "masks_train": "masks in training", "masks_tune": "masks in tuning",
    "masks_eval": "masks in evaluation", "test_openings": "times test masks were opened", "confined": "confined by Landlock",
    "pretraining": "pretraining", "seconds_shared": "of them shared with other rows, s", "seconds": "seconds a seed",
    "test_below_half": "images below 0.5, %", "false_positive_rate": "false positives, % of images without object",
    "false_positive_share": "their area, %", "interval": "test U-Net, 95 % interval", "foreground_share": "object area, %",
}  # fmt: skip

LEFT_OUT = "Left out on a page of so many rows; bench runs show RUN draws them."
MANY = 600

Pairs = list[tuple[str, str]]


def points_for(rows: int) -> int:
    """How many points a curve of the page has, so that very many rows stay a light page."""
    return FINE if rows <= 100 else MIDDLE if rows <= MANY else COARSE


def details(table: Table, marks: Mapping[str, Mapping[str, str]], points: int) -> list[dict[str, Any]]:
    """For each row of a table what it unfolds into, as plain values."""
    curves = {(curve.method, curve.settings): curve for curve in threshold_curves(table)}
    measured = [
        _measured(table, one, curves.get((one.row["method"], one.row["settings"])), marks, points)
        for one in table.scored
    ]
    return [*measured, *(_of_row(row) for row in table.reported)]


def packed(tables: Sequence[dict[str, Any]], points: int) -> dict[str, Any]:
    """The tables for the page: the labels of a group stand there once, not in each of thousands of rows."""
    kinds: dict[tuple[str, tuple[str, ...]], int] = {}
    for known in (row for table in tables for row in table["rows"]):
        known["groups"] = [
            (kinds.setdefault((title, tuple(label for label, _ in pairs)), len(kinds)), [text for _, text in pairs])
            for title, pairs in known["groups"]
        ]
    return {"kinds": list(kinds), "tables": tables, "left_out": LEFT_OUT if points == COARSE else ""}


def _measured(
    table: Table, one: Scored, curve: ThresholdCurve | None, marks: Mapping[str, Mapping[str, str]], points: int
) -> dict[str, Any]:
    runs = table.runs_of(one.row)
    found = _of_row(one.row)
    settings = _settings(runs[0].get("all_settings", {})) if runs else []
    found["groups"] = [*([("settings", settings)] if settings else []), *found["groups"]]
    found["strata"] = [(s.by, s.name, s.images, round(100 * s.dice, 1)) for s in strata(table, one, marks)]
    found["curve"] = None if curve is None else _curve(curve, points)
    found["history"] = [] if points == COARSE else _histories([run["folder"] for run in runs], one.row["rule"], points)
    return found


def _of_row(row: Row) -> dict[str, Any]:
    """What every row has; `groups` without what it does not say."""
    groups = [
        ("may read and did read", LEDGER),
        ("cost", COST),
        ("scores, Dice in %", SCORES),
        ("failures, counted", COUNTED),
    ]
    texts = [(title, list(_pairs(row, names))) for title, names in groups]
    failed = [(f"seeds that failed: {len(row.get('failures') or ())}", "")] if row.get("failures") else []
    texts[-1] = (texts[-1][0], [*texts[-1][1], *failed])
    about = [
        (label, str(row[name]))
        for name, label in (("plugin", "plugin"), ("plugin_version", "version"), ("run_ids", "runs"))
        if row.get(name)
    ]
    notes = [
        *(clean(note) for note in (row["notes"] or "").split("; ") if note),
        *([row["degenerate"]] if row.get("degenerate") else []),
    ]
    return {"groups": [pair for pair in [*texts, ("from", about)] if pair[1]], "notes": list(dict.fromkeys(notes))}


def _pairs(row: Row, names: Sequence[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        one = column(name)
        text = " ".join(one.text(row))
        if text and text != "-":
            yield SAID.get(name, one.heading.replace("\n", " ")), text


def _settings(given: Mapping[str, Any], prefix: str = "") -> Pairs:
    """Every setting with its value, dotted where a method lies inside a method."""
    found: Pairs = []
    for key, value in given.items():
        if isinstance(value, Mapping):
            found += _settings(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, clean(_plain(value))))
    return found


def _plain(value: Any) -> str:
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"{text[:12]}…" if len(text) == 64 and all(sign in "0123456789abcdef" for sign in text) else text


def _curve(curve: ThresholdCurve, points: int) -> dict[str, Any]:
    """Dice in % at evenly chosen thresholds; the marks are exact."""
    chosen = _evenly(len(curve.dice), points)
    marks = [("fixed", curve.fixed), ("val", curve.val), ("oracle", curve.oracle)]
    return {
        "x": [round(n / 256, 3) for n in chosen],
        "y": [round(100 * curve.dice[n], 1) for n in chosen],
        "marks": [(name, round(at, 4), round(100 * curve.at(at), 2)) for name, at in marks if at is not None],
        "otsu": None if curve.otsu is None else round(100 * curve.otsu, 2),
    }  # fmt: skip


def _histories(folders: Sequence[Path], rule: str, points: int) -> list[dict[str, Any]]:
    """Learning curves by title, a line for each seed: of the fits, and of the row's own U-Net."""
    found: dict[str, list[Any]] = {}
    for folder in folders:
        curves = read_curves(folder / "history.csv")
        own = segmenters(read_run(folder)).get(rule) if curves else None
        for (stage, name), values in curves.items():
            if stage.startswith("segment-") and stage != own:
                continue
            chosen = [values[n] for n in _evenly(len(values), points)]
            words = "U-Net" if stage.startswith("segment-") else stage.partition("-")[0]
            found.setdefault(clean(f"{words}: {name}"), []).append(
                [[_short(v) for v in axis] for axis in zip(*chosen, strict=True)]
            )
    return [{"title": title, "lines": lines} for title, lines in found.items()]


def _evenly(total: int, points: int) -> list[int]:
    """At most `points` of the numbers below `total`, the first and the last among them."""
    if total <= points:
        return list(range(total))
    return [round(n * (total - 1) / (points - 1)) for n in range(points)]


def _short(value: float) -> float:
    return float(f"{value:.4g}")
