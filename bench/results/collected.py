"""Rows: how the seeds of finished runs become the rows of a table. Empty means not measured, never 0."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import DataError
from bench.results.columns import (
    LEADERBOARD_COLUMNS,
    RANKED_RULE,
    ROLES,
    RULES,
    STAGES,
    Row,
    method_title,
    settings_text,
)
from bench.results.csv_files import read_scores, write_rows
from bench.results.seed_scores import by_stage, numbers, per_image
from bench.results.verdicts import Cell, Scored, judge
from bench.statistics.row_scores import RowScores

if TYPE_CHECKING:
    from pandas import DataFrame

RANKED_SEEDS = 3
"""A method with fewer seeds stands unranked."""
TABLE = ("dataset", "label", "fingerprint", "protocol", "protocol_version")
"""What rows must have in common to be compared at all."""


def leaderboard(out: Path) -> list[Row]:
    """The rows of every finished run under `out`, seeds aggregated; also written to `out`/leaderboard.csv."""
    rows = collect(out)
    if rows:
        write_rows(out / "leaderboard.csv", LEADERBOARD_COLUMNS, rows)
    return rows


def collect(out: Path) -> list[Row]:
    """One row per data set, protocol, method, settings and rule. A row's `failures` are the sentences of its failed seeds."""
    return [scored.row for scored in collect_scored(out)]


def collect_scored(out: Path) -> list[Scored]:
    """The same rows, with the scores of their images that they were made of; what a whole table knows is filled in."""
    results = sorted(_read_results(out), key=_order)
    owners = Counter(name for names in _artifacts(results).values() for name in names)
    rows = [scored for _, group in groupby(results, key=_identity) for scored in _rows_of(list(group), owners)]
    for _, table in groupby(rows, key=lambda scored: [scored.row[key] for key in TABLE]):
        judge(list(table))
    return rows


def _read_results(out: Path) -> list[Row]:
    found = []
    for path in sorted(out.glob("*/*/r-*/result.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            result = {**result, "folder": path.parent, "written": path.stat().st_mtime_ns}
            _order(result)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path} is no result ({error!r}); delete its folder and run again") from error
        found.append(result)
    return found


def _artifacts(results: list[Row]) -> dict[Any, set[str]]:
    """The artifacts that each row (method with its settings) rests on."""
    found: dict[Any, set[str]] = {}
    for result in results:
        found.setdefault(_identity(result), set()).update(s["artifact"] for s in result.get("stages") or ())
    return found


def _identity(result: Row) -> tuple[Any, ...]:
    """What makes two runs seeds of one row."""
    return (
        *(result[key] for key in TABLE),
        ROLES.index(result["role"]),
        result["method"],
        settings_text(result["settings"]),
    )


def _order(result: Row) -> tuple[Any, ...]:
    return (*_identity(result), result["seed"])


def _rows_of(results: list[Row], owners: Counter[str]) -> list[Scored]:
    """The rows of one method: one per threshold rule, from the seeds that finished."""
    failures = [f"seed {r['seed']} failed: {r['failed']}" for r in _latest(results) if r.get("failed")]
    done = [r for r in results if not r.get("failed")]
    if not done:
        return [Scored({**_head(results, failures), "failures": failures}, {}, {})]
    lines = {r["run_id"]: read_scores(r["folder"] / "scores.csv") for r in done}
    rules = sorted({row["rule"] for r in done for row in r["rows"]}, key=RULES.index)
    return [_row(rule, _having(rule, done), lines, failures, owners) for rule in rules]


def _having(rule: str, done: list[Row]) -> list[Row]:
    """The results that have a row of this rule, one for each seed: two runs may have asked for different rules."""
    return [_of_rule(r, rule) for r in _latest([r for r in done if any(row["rule"] == rule for row in r["rows"])])]


def _of_rule(result: Row, rule: str) -> Row:
    """A result as one of its rows knows it: its own ledger, cost and artifacts; an older one has only those of the whole run."""
    (row,) = [row for row in result["rows"] if row["rule"] == rule]
    own = set(row.get("artifacts") or ())
    stages = [stage for stage in result.get("stages") or () if not own or stage["artifact"] in own]
    return {**result, **row, "stages": stages}


def _latest(results: list[Row]) -> list[Row]:
    """One result for each seed: where code changed between two runs, the later one."""
    latest = {r["seed"]: r for r in sorted(results, key=lambda r: (r["written"], r["run_id"]))}
    return [latest[seed] for seed in sorted(latest)]


def _head(results: list[Row], failures: list[str]) -> Row:
    """What all rows of a method share: who, under which rules, what it used and what it cost."""
    first = results[0]
    copied = "dataset label fingerprint protocol protocol_version method role plugin plugin_version pretraining".split()
    notes = dict.fromkeys([*(note for r in results for note in r.get("notes") or ()), *failures])
    return {
        **dict.fromkeys(LEADERBOARD_COLUMNS),
        **{key: first.get(key) for key in copied},
        "settings": settings_text(first["settings"]),
        "kind": "measured",
        "ranked": False,
        "rule": "",
        "notes": "; ".join(notes),
        "run_ids": " ".join(sorted(r["run_id"] for r in results)),
    }


def _row(
    rule: str, results: list[Row], lines: Mapping[str, DataFrame], failures: list[str], owners: Counter[str]
) -> Scored:
    row = {**_head(results, failures), **_used(results, owners), "rule": rule, "seeds": len(results)}
    seeds = [by_stage(lines[r["run_id"]], rule) for r in results]
    images = [{stage: per_image(part) for stage, part in parts.items()} for parts in seeds]
    of_seeds = [numbers(parts, frames) for parts, frames in zip(seeds, images, strict=True)]
    row |= _over_seeds([{**seed, **_pooled(r, rule)} for seed, r in zip(of_seeds, results, strict=True)])
    flagged = [w["degenerate"] for r in results for w in r["rows"] if w["rule"] == rule and w.get("degenerate")]
    row |= {"degenerate": "; ".join(dict.fromkeys(flagged)), "failures": failures}
    row["ranked"] = _ranked(row)
    shown = [stage for stage in STAGES if all(stage in seed and len(seed[stage]) for seed in images)]
    frames = {stage: [seed[stage] for seed in images] for stage in shown}
    return Scored(row, {stage: _cell(row, results, stage, found) for stage, found in frames.items()}, frames, results)


def _over_seeds(of_seeds: list[Row]) -> Row:
    """The mean of each number over the seeds that have it, and the spread of the four Dice columns."""
    row: Row = {}
    for name in dict.fromkeys(name for seed in of_seeds for name in seed):
        values = [value for seed in of_seeds if (value := seed.get(name)) is not None]
        row[name] = fmean(values) if values else None
        if name in STAGES:
            row[f"{name}_sd"] = stdev(values) if len(values) > 1 else None
    return row


def _cell(row: Row, results: list[Row], stage: str, frames: Sequence[DataFrame]) -> Cell:
    """Dice of all seeds, image by image. A method's own maps are deterministic where it says so; a U-Net never is."""
    first, init = frames[0], stage.endswith("init")
    return Cell(
        tuple(first.index.to_numpy(object).tolist()),
        tuple(first["cluster"].to_numpy(object).tolist()),
        RowScores(
            f"{method_title(row)} ({'maps' if init else 'U-Net'})",
            np.stack([_aligned(frame, first)["dice"].to_numpy() for frame in frames]),
            deterministic=init and all(result.get("deterministic") for result in results),
            fits=tuple(_fitted(result) for result in results),
        ),
    )


def _aligned(frame: DataFrame, first: DataFrame) -> DataFrame:
    if not frame.index.equals(first.index):
        raise DataError(
            "two seeds of one row are scored on different images: a scores.csv was changed or is not whole; delete its folder and run again"
        )
    return frame


def _fitted(result: Row) -> frozenset[str]:
    """The trained networks that a seed rests on: rows that have one in common share its luck."""
    names = (stage["artifact"] for stage in result.get("stages", ()))
    return frozenset(name for name in names if name.startswith(("fit-", "segment-")))


def _pooled(result: Row, rule: str) -> Row:
    """PxAP of the last maps of a row on the test images: the U-Net's, or the method's own where it has no U-Net."""
    found = {f"test_{name}": (result.get(name) or {}).get(rule) for name in ("pxap", "pxap_wsol")}
    return {name: None if value is None else float(value) for name, value in found.items()}


def _used(results: list[Row], owners: Counter[str]) -> Row:
    """Ledger and cost over the seeds: the most that one seed used, the mean of its seconds, every opening of test masks."""
    most = "images clusters labels_used masks_train masks_tune masks_eval peak_bytes".split()
    means = ("seconds", "gpu_seconds", "energy_j")
    return {
        **{key: max(_given(results, key), default=None) for key in most},
        **{key: fmean(_given(results, key)) if _given(results, key) else None for key in means},
        "seconds_shared": fmean(_shared_seconds(result, owners) for result in results),
        "test_openings": sum(_given(results, "test_openings")) if _given(results, "test_openings") else None,
        "confined": all(_given(results, "confined")) if _given(results, "confined") else None,
    }


def _shared_seconds(result: Row, owners: Counter[str]) -> float:
    """What artifacts cost that another row rests on too; they are counted to each of them."""
    return sum(float(stage["seconds"]) for stage in result.get("stages") or () if owners[stage["artifact"]] > 1)


def _given(results: list[Row], key: str) -> list[Any]:
    return [r[key] for r in results if r.get(key) is not None]


def _ranked(row: Row) -> bool:
    """Ranked are methods that used no mask, under the label-free rule, with enough seeds."""
    clean = row["masks_train"] == 0 and row["masks_tune"] == 0
    scored = row["seeds"] >= RANKED_SEEDS and row["test_unet"] is not None
    return bool(row["role"] == "method" and row["rule"] == RANKED_RULE and clean and scored)
