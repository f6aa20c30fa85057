"""Whether scores.csv says what was counted: against its own arithmetic, against result.json, against the counts of the artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.metrics import counts, dice
from bench.results.columns import LATER
from bench.results.csv_files import later, read_scores
from bench.runs.listing import ARTIFACTS, Run, inputs_of

if TYPE_CHECKING:
    from pandas import DataFrame

COUNTS = ("tp", "fp", "fn", "tn")
CLOSE = 1e-9
SHOWN = 3
"""Lines that are named of a column that differs; how many there are is said."""


class Counted(NamedTuple):
    """The counts of one stage and split, and the maps that were counted; the rule of the proxies that a U-Net was trained on."""

    folder: Path
    maps: Path
    split: str
    stage: str
    rule: str


def faults(run: Run) -> Iterator[str]:
    """Everything in which scores.csv differs, one sentence each; of a finished run."""
    try:
        frame = read_scores(run.folder / "scores.csv")
    except DataError as error:
        yield str(error)
        return
    yield from _against_result(frame, run)
    yield from _compare(frame, "dice", dice(*(frame[name] for name in COUNTS[:3])), "its own tp, fp and fn give")
    derived = later(frame.drop(columns=list(LATER)))
    drawn = frame["tp"].notna()  # where no mask was drawn, the labels say what is present
    for column in ("present", "foreground_share"):
        yield from _compare(frame[drawn], column, derived[column][drawn].to_numpy(), "its own counts give")
    for each in counted(run):
        yield from _against_counts(frame, each)


def _against_result(frame: DataFrame, run: Run) -> Iterator[str]:
    """The rules and the number of images that result.json names."""
    unknown = sorted(set(frame["rule"]) ^ set(run.rules))
    if unknown:
        yield f"rules: only one of scores.csv and result.json has {', '.join(rule or 'a row without rule' for rule in unknown)}"
    scored = frame[(frame["split"] == "test") & frame["dice"].notna()]["image"].nunique()
    if scored != run.result.get("images"):
        yield f"images: {scored} test images have a Dice, result.json says {run.result.get('images')}"
    repeated = frame.duplicated(["image", "class", "split", "stage", "rule"])
    if repeated.any():
        yield f"lines: {repeated.sum()} stand there twice, first that of {frame[repeated]['image'].iloc[0]}"


def counted(run: Run) -> Iterator[Counted]:
    """The scores artifacts of a run that are there."""
    store = run.out / ARTIFACTS
    inputs = {name: told for name in run.artifacts if (told := inputs_of(store / name)) is not None}
    for name, told in inputs.items():
        if name.startswith("scores-") and told["maps"] in inputs:
            maps = inputs[told["maps"]]
            targets = inputs.get(inputs.get(maps.get("segment", ""), {}).get("targets", ""), {})
            stage = "unet" if "segment" in maps else "init"
            file = store / told["maps"] / "maps.npy"
            yield Counted(store / name, file, told["masks"]["split"], stage, targets.get("rule", ""))


def _against_counts(frame: DataFrame, each: Counted) -> Iterator[str]:
    """The lines of one stage and split against the counts that they were made from."""
    try:
        with np.load(each.folder / "scores.npz") as kept:
            found = {name: kept[name] for name in ("raw", "minmax", "ap", "dead")}
            missing = kept["missing"] if "missing" in kept.files else np.zeros(found["ap"].shape, bool)
    except (OSError, ValueError, LookupError):  # damaged: named by the check of artifacts
        return
    lines = frame[(frame["split"] == each.split) & (frame["stage"] == each.stage)]
    for rule, group in lines.groupby("rule", sort=False):
        if each.stage == "unet" and rule != each.rule:
            continue
        if len(group) != found["ap"].size:
            yield f"lines: {each.split} {each.stage} {rule} has {len(group)}, its counts are of {found['ap'].size}"
            continue
        where = f"the counts of {each.folder.name} give"
        expected = _expected(group, found, missing, minmax=each.stage == "init" and rule == "otsu")
        for column, values in expected.items():
            yield from _compare(group, column, values, where)


def _expected(
    group: DataFrame, found: Mapping[str, npt.NDArray[Any]], missing: npt.NDArray[np.bool_], minmax: bool
) -> dict[str, npt.NDArray[np.float64]]:
    """What the columns are by the counts (N, K, 2, 257), at the thresholds that the lines name; the lines run over images, then classes."""
    histograms = found["minmax" if minmax else "raw"].reshape(len(group), 2, -1)
    unknown = missing.reshape(-1)
    cut = [counts(each, float(t)) for each, t in zip(histograms, group["threshold"], strict=True)]
    columns = {
        name: np.where(unknown, np.nan, values)
        for name, values in zip(COUNTS, np.array(cut, float).reshape(-1, 4).T, strict=True)
    }
    return {**columns, "ap": found["ap"].reshape(-1), "dead_map": found["dead"].reshape(-1).astype(float)}


def _compare(frame: DataFrame, column: str, expected: npt.NDArray[np.float64], where: str) -> Iterator[str]:
    there = frame[column].to_numpy()
    wrong = np.flatnonzero(~np.isclose(there, expected, rtol=0, atol=CLOSE, equal_nan=True))
    for number in wrong[:SHOWN]:
        line = frame.iloc[number]
        name = f"{line['image']} ({line['class']}, {line['split']}, {line['stage']}, {line['rule'] or 'no rule'})"
        yield f"{column} of {name} is {_shown(there[number])}, {where} {_shown(expected[number])}"
    if len(wrong) > SHOWN:
        yield f"{column}: {len(wrong) - SHOWN} more such lines"


def _shown(value: float) -> str:
    return "empty" if np.isnan(value) else f"{value:.10g}"
