"""Rows: what a finished run leaves in files, and how seeds become one row of a table. Empty means not measured, never 0."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, TextIO

from bench.errors import DataError
from bench.metrics import below_half, macro, pooled_dice, size_quartiles
from bench.store import write_file

if TYPE_CHECKING:
    from pandas import DataFrame

Row = dict[str, Any]

SCORES_COLUMNS = (
    *"image cluster class split stage rule threshold tp fp fn tn dice dice_224 ap dead_map".split(),
    *"present foreground_share".split(),
)
FOLLOWING = ("present", "foreground_share")
"""Follow from the counts wherever there are any; an older file has none of them."""
SCORES_TEXT = ("image", "cluster", "class", "split", "stage", "rule")
STAGES = ("val_init", "val_unet", "test_init", "test_unet")
LEADERBOARD_COLUMNS = (
    *"dataset label fingerprint protocol protocol_version method role settings kind ranked".split(),
    *"tie_group rank_lo rank_hi mdd seeds images clusters".split(),
    *(f"{stage}{end}" for stage in STAGES for end in ("", "_sd", "_lo", "_hi")),
    *"test_dice_224 test_dice_pooled test_dice_macro test_below_half test_ap_image test_pxap rule degenerate".split(),
    *"floor_best floor_verdict over_floor over_floor_lo over_floor_hi".split(),
    *"labels_used masks_train masks_tune masks_eval test_openings confined".split(),
    *"break_even break_even_lo break_even_hi seconds seconds_shared gpu_seconds peak_bytes energy_j".split(),
    *"pretraining plugin plugin_version notes run_ids".split(),
    *"test_iou test_hd95 test_pxap_wsol dead_maps empty_maps false_positive_rate false_positive_share".split(),
    "foreground_share",
)
ROLES = ("method", "floor", "control", "full")
RULES = ("fixed", "otsu", "val", "oracle", "")
RANKED_SEEDS = 3
"""A method with fewer seeds stands unranked."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def leaderboard(out: Path) -> list[Row]:
    """The rows of every finished run under `out`, seeds aggregated; also written to `out`/leaderboard.csv."""
    rows = collect(out)
    if rows:
        write_rows(out / "leaderboard.csv", LEADERBOARD_COLUMNS, rows)
    return rows


def collect(out: Path) -> list[Row]:
    """One row per data set, protocol, method, settings and rule. A row's `failures` are the sentences of its failed seeds."""
    results = sorted(_newest(_read_results(out)), key=_order)
    return [row for _, group in groupby(results, key=_identity) for row in _rows_of(list(group))]


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file with these columns, whole or not at all; the same rows give the same bytes."""

    def write(to: Path) -> None:
        with to.open("w", encoding="utf-8", newline="") as file:
            print_rows(file, columns, rows)

    write_file(path, write)


def print_rows(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """The same as CSV text into an open file."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(row.get(column)) for column in columns] for row in rows)


def write_scores(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """scores.csv: one line per image, class, stage and rule (columns of `SCORES_COLUMNS`)."""
    write_rows(path, SCORES_COLUMNS, rows)


def read_scores(path: Path) -> DataFrame:
    """scores.csv as it was written: ids are text (also 007 and NA), numbers exact, empty cells NaN."""
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        missing = [column for column in SCORES_COLUMNS if column not in frame and column not in FOLLOWING]
        if missing:
            raise ValueError(f"it has no column {missing[0]}")
        for column in set(SCORES_COLUMNS) & set(frame):
            frame[column] = frame[column].map(_plain if column in SCORES_TEXT else _number)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete its folder and run again") from error
    return frame if set(FOLLOWING) <= set(frame) else frame.assign(**_following(frame))


def _following(frame: DataFrame) -> Row:
    """What follows from the counts: whether the foreground is there, and the share of pixels that is taken for it."""
    shown = frame["tp"] + frame["fn"]
    pixels = shown + frame["fp"] + frame["tn"]
    return {
        "present": (shown > 0).astype(float).where(pixels > 0),
        "foreground_share": (frame["tp"] + frame["fp"]) / pixels,
    }


def _text(value: Any) -> str:
    """A value as a cell. Text that a spreadsheet would take for a formula gets a leading apostrophe (`_plain` takes it off)."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(float(value))  # float(): NumPy's repr says np.float64(...)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _plain(text: str) -> str:
    return text.removeprefix("'")


def _number(text: str) -> float:
    return float(text) if text else float("nan")


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


def _newest(results: list[Row]) -> list[Row]:
    """One result per row and seed: where code changed between two runs, the later one."""
    kept = {(_identity(r), r["seed"]): r for r in sorted(results, key=lambda r: (r["written"], r["run_id"]))}
    return list(kept.values())


def _identity(result: Row) -> tuple[Any, ...]:
    """What makes two runs seeds of one row."""
    where = [result[key] for key in ("dataset", "label", "fingerprint", "protocol", "protocol_version")]
    return (*where, ROLES.index(result["role"]), result["method"], settings_text(result["settings"]))


def _order(result: Row) -> tuple[Any, ...]:
    return (*_identity(result), result["seed"])


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings that differ from their defaults as one cell: `k=3,lr=0.001`; dotted where a method lies inside a method."""
    return ",".join(f"{key}={_setting(value)}" for key, value in sorted(_flat(settings).items()))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _setting(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(map(_setting, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _rows_of(results: list[Row]) -> list[Row]:
    """The rows of one method: one per threshold rule, from the seeds that finished."""
    failures = [f"seed {r['seed']} failed: {r['failed']}" for r in results if r.get("failed")]
    done = [r for r in results if not r.get("failed")]
    if not done:
        return [{**_head(results, failures), "failures": failures}]
    scores = [read_scores(r["folder"] / "scores.csv") for r in done]
    rules = sorted({row["rule"] for r in done for row in r["rows"]}, key=RULES.index)
    return [{**_row(rule, done, scores, failures), "failures": failures} for rule in rules]


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


def _row(rule: str, done: list[Row], scores: list[DataFrame], failures: list[str]) -> Row:
    having = [(r, s) for r, s in zip(done, scores, strict=True) if any(row["rule"] == rule for row in r["rows"])]
    results = [r for r, _ in having]
    row = {**_head(results, failures), **_used(results), "rule": rule, "seeds": len(results)}
    of_seeds = [{**_seed_scores(s[s["rule"] == rule]), "test_pxap": _pxap(r, rule)} for r, s in having]
    for name in of_seeds[0]:
        values = [value for seed in of_seeds if (value := seed[name]) is not None]
        row[name] = fmean(values) if values else None
        if name in STAGES:
            row[f"{name}_sd"] = stdev(values) if len(values) > 1 else None
    flagged = [w["degenerate"] for r in results for w in r["rows"] if w["rule"] == rule and w.get("degenerate")]
    row["degenerate"] = "; ".join(dict.fromkeys(flagged))
    row["ranked"] = _ranked(row)
    return row


def _pxap(result: Row, rule: str) -> float | None:
    """PxAP of the last maps of a row on the test images: the U-Net's, or the method's own where it has no U-Net."""
    value = (result.get("pxap") or {}).get(rule)
    return None if value is None else float(value)


def _used(results: list[Row]) -> Row:
    """Ledger and cost over the seeds: the most that one seed used, the mean of its seconds, every opening of test masks."""
    most = "images clusters labels_used masks_train masks_tune masks_eval peak_bytes".split()
    return {
        **{key: max(_given(results, key), default=None) for key in most},
        **{
            key: fmean(_given(results, key)) if _given(results, key) else None
            for key in ("seconds", "gpu_seconds", "energy_j")
        },
        "test_openings": sum(_given(results, "test_openings")) if _given(results, "test_openings") else None,
        "confined": all(_given(results, "confined")) if _given(results, "confined") else None,
    }


def _given(results: list[Row], key: str) -> list[Any]:
    return [r[key] for r in results if r.get(key) is not None]


def _ranked(row: Row) -> bool:
    """Ranked are methods that used no mask, under the label-free rule, with enough seeds."""
    clean = row["masks_train"] == 0 and row["masks_tune"] == 0
    scored = row["seeds"] >= RANKED_SEEDS and row["test_unet"] is not None
    return bool(row["role"] == "method" and row["rule"] == "otsu" and clean and scored)


def _seed_scores(scores: DataFrame) -> dict[str, float | None]:
    """The numbers of one seed under one rule. Beside the four Dice columns they are the U-Net's where there is one."""
    part = {stage: scores[scores["split"] + "_" + scores["stage"] == stage] for stage in STAGES}
    dice = {stage: _mean(_images(rows)["dice"]) for stage, rows in part.items()}
    last = part["test_unet"] if len(part["test_unet"]) else part["test_init"]
    images = _images(last)
    dices = images["dice"].to_numpy()
    return {
        **dice,
        "test_dice_224": _mean(images["dice_224"]),
        "test_dice_pooled": _known(pooled_dice(last["tp"], last["fp"], last["fn"])),
        "test_dice_macro": _known(macro(dices, size_quartiles(images["share"].to_numpy()))) if len(images) else None,
        "test_below_half": _known(below_half(dices)),
        "test_ap_image": _mean(images["ap"]),
        **_image_level(last),
    }


def _image_level(rows: DataFrame) -> dict[str, float | None]:
    """What a label is enough for: of images without a foreground, how many get any pixel of it, and the share that they get; the share
    that images with it get. Each foreground by itself, then their mean.
    """
    marked = rows.assign(any=rows["foreground_share"] > 0)
    absent, there = (marked[marked["present"] == known].groupby("class") for known in (0, 1))
    return {
        "false_positive_rate": _mean(absent["any"].mean()),
        "false_positive_share": _mean(absent["foreground_share"].mean()),
        "foreground_share": _mean(there["foreground_share"].mean()),
    }


def _images(rows: DataFrame) -> DataFrame:
    """Per image with foreground: its scores (mean over the classes that it shows) and the share of it that is foreground."""
    truth = rows["tp"] + rows["fn"]
    share = truth / (truth + rows["fp"] + rows["tn"])
    shown = rows.assign(share=share)[truth > 0]
    grouped = shown.groupby("image", sort=True)
    return grouped[["dice", "dice_224", "ap"]].mean().assign(share=grouped["share"].sum())


def _mean(values: Any) -> float | None:
    kept = values.dropna()
    return fmean(kept.tolist()) if len(kept) else None


def _known(value: float) -> float | None:
    """None for what is not measured."""
    return None if value != value else value
