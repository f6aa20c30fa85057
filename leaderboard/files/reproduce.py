"""Rows of a submission trained again from their recorded settings, and held to their numbers within a stated tolerance."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import plugins
from bench.commands.config import text
from bench.errors import UsageError
from bench.leaderboard.files import sealed
from bench.leaderboard.files.findings import Finding, refuse
from bench.leaderboard.files.identity import CONTROLS, protocol_of
from bench.leaderboard.files.inspect_runs import SCORES, inspect, row_name
from bench.near import did_you_mean
from bench.pipeline.plan import Planned, plan
from bench.pipeline.request import RunRequest, Setting
from bench.results.columns import STAGES, Row, flat
from bench.results.csv_files import read_scores
from bench.results.seed_scores import by_stage, numbers, per_image
from bench.runs.listing import Run, read_run

Work = Callable[[Sequence[Planned], RunRequest], None]
"""Works out cells that are not finished."""


@dataclass(frozen=True)
class Reproduced:
    """The rows whose every seed was trained again, the differences beyond the tolerance, and the largest one found, in Dice points."""

    rows: list[Row]
    findings: list[Finding]
    largest: float


def reproduce(file: Path, wanted: Sequence[str], asked: RunRequest, points: float, work: Work) -> Reproduced:
    """Train the wanted rows of a submission again under `asked.out`. `wanted`: METHOD or METHOD:RULE; empty: all.

    `asked` says where data, plugins and files lie; what decides the numbers comes from the submission. Refused where the file is not what
    it says; UsageError where a row cannot be made from here with the same settings, weights and data.
    """
    with tempfile.TemporaryDirectory() as place, sealed.opened(file) as submission:
        rows, found = inspect(submission, Path(place))
        refuse(found, str(file))
        chosen = choose(rows, wanted)
        ids = {name for row in chosen for name in row["run_ids"].split()}
        runs = [read_run(Path(place) / name) for name in submission.manifest.runs if name.rpartition("/")[2] in ids]
        finished = [run for run in runs if run.state == "finished"]
        cells = [(run, cell_of(run, asked)) for run in finished]
        work([cell for _, cell in cells if not cell.finished], asked)
        differences = [each for run, cell in cells for each in compare_run(run, cell, chosen)]
    findings = [finding for finding, apart in differences if not apart <= points]
    largest = max((apart for _, apart in differences), default=0.0)
    return Reproduced([{**row, "kind": "reproduced"} for row in chosen], findings, largest)


def choose(rows: Sequence[Row], wanted: Sequence[str]) -> list[Row]:
    """The rows that are meant; UsageError, with near names, for one that is not there."""
    known = {name for row in rows for name in (row["method"], f"{row['method']}:{row['rule']}")}
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, sorted(known), f"there are {', '.join(sorted(known))}")
            raise UsageError(f"no row is called {name}; {hint}")
    scored = [row for row in rows if row["seeds"]]
    return [row for row in scored if not wanted or {row["method"], f"{row['method']}:{row['rule']}"} & set(wanted)]


def cell_of(run: Run, asked: RunRequest) -> Planned:
    """The cell of a run as it would be made here; UsageError where it would be another."""
    result = run.result
    rules = protocol_of(result)
    if rules is None:
        raise UsageError(
            f"{run.id}: the protocol {result['protocol']} starts from a file; its rows cannot be made again from its name"
        )
    request = replace(
        asked,
        methods=(result["method"],),
        datasets=(result["dataset"],),
        protocol=rules,
        seeds=(result["seed"],),
        accept=tuple(result["dataset_settings"]["settings"].get("accept", ())),
        settings=(*settings_of(result), *asked.settings),
    )
    planned = next((p for p in plan(request) if p.folder.name == run.id), None)
    if planned is None:
        files = ", ".join(f"{key} (sha256 {value[:12]}...)" for key, value in files_of(result).items())
        raise UsageError(
            f"{result['method']} with seed {result['seed']} would not be {run.id} here: its data, "
            f"{f'its files {files}, ' if files else ''}or the settings of its plugin are others; name them with --data-root, "
            f"--set {result['method']}.NAME=FILE or --plugin"
        )
    return planned


def settings_of(result: Mapping[str, Any]) -> Iterator[Setting]:
    """The recorded settings as `--set` takes them; those of a data set too. Files are named by whoever reproduces."""
    for key, value in result["settings"].items():
        if key not in CONTROLS and key not in files_of(result):
            yield result["method"], key, text(value)
    for key, value in result["dataset_settings"]["settings"].items():
        if key in plugins.load("datasets", result["dataset"]).model_fields and key != "accept":
            yield result["dataset"], key, text(value)
    if result["label"]:
        yield result["dataset"], "label", result["label"]


def files_of(result: Mapping[str, Any]) -> dict[str, str]:
    """The settings that are files, with the hashes of their content."""
    return {
        key: value
        for key, value in flat(result["all_settings"]).items()
        if key in result["settings"] and isinstance(value, str) and re.fullmatch(r"[0-9a-f]{12}|[0-9a-f]{64}", value)
    }


def compare_run(run: Run, cell: Planned, rows: Sequence[Row]) -> Iterator[tuple[Finding, float]]:
    """Each Dice of a run against the one trained again, and how far they lie apart in Dice points."""
    again = read_run(cell.folder)
    mine = [row for row in rows if run.id in row["run_ids"].split()]
    for row in mine:
        told = dice_of(run, row["rule"])
        made = dice_of(again, row["rule"]) if again.state == "finished" else {}
        for stage, value in told.items():
            found = made.get(stage)
            apart = float("inf") if found is None else 100 * abs(found - value)
            what = again.result.get("failed", "nothing") if found is None else f"{100 * found:.4f}"
            name = f"{row_name(row)}, seed {run.result['seed']}"
            yield Finding(run.id, name, stage, f"{100 * value:.4f} % as submitted", f"{what} when trained again"), apart


def dice_of(run: Run, rule: str) -> dict[str, float]:
    """The four Dice of one seed under a rule, those that it has."""
    parts = by_stage(read_scores(run.folder / SCORES), rule)
    found = numbers(parts, {stage: per_image(part) for stage, part in parts.items()})
    return {stage: value for stage in STAGES if (value := found.get(stage)) is not None}
