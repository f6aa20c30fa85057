"""Every number of a submission again, from its predictions and the data that lie here, row by row. Arithmetic, not honesty."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import plugins
from bench.api import MaskMethod
from bench.leaderboard.files import sealed, table_files
from bench.leaderboard.files.findings import Finding, compare, refuse
from bench.leaderboard.files.identity import CONTROLS
from bench.leaderboard.files.inspect_runs import SCORES, compare_rows, inspect, recompute
from bench.leaderboard.files.lines import name_of, stage_of
from bench.leaderboard.files.recount import Recounted, Report, images_of, recount
from bench.leaderboard.files.submission import MASKS_ONLY
from bench.pipeline.cell import RESULT
from bench.results.columns import Row
from bench.results.csv_files import write_scores
from bench.runs.listing import Run, read_run

POOLED = ("pxap", "pxap_wsol")


@dataclass(frozen=True)
class Verified:
    """The rows of a submission as recomputed, their kind with them, and what differs from what it says."""

    rows: list[Row]
    findings: list[Finding]
    left_out: list[str]
    """what could not be recomputed, one sentence each"""


def verify(file: Path, roots: Mapping[str | None, Path], report: Report = lambda *_: None) -> Verified:
    """Recompute all rows of a submission. `roots`: the folder of each data set; under None of those not named.

    Refused where the file itself is not what it says; DataError where data are missing or others.
    """
    with tempfile.TemporaryDirectory() as place, sealed.opened(file) as submission:
        folder = Path(place)
        found = inspect(submission, folder, predictions=True)[1]
        refuse(found, str(file))
        left_out: list[str] = []
        for number, name in enumerate(submission.manifest.runs, 1):
            run = read_run(folder / name)
            if run.state == "finished":
                differing, sentence = verify_run(run, roots, number, report)
                found += differing
                left_out += sentence
        stated, _ = table_files.leaderboard_rows(submission.read(sealed.ROWS), sealed.ROWS)
        recomputed = recompute(folder)
        found += compare_rows(recomputed, stated, sealed.ROWS)
    return Verified([{**row, "kind": "recomputed"} for row in recomputed], found, left_out)


def verify_run(
    run: Run, roots: Mapping[str | None, Path], number: int, report: Report
) -> tuple[list[Finding], list[str]]:
    """Count one run again; its files become what was counted. What differs, and what could not be counted."""
    place = f"{sealed.RUNS}/{'/'.join(run.folder.parts[-3:])}"
    name = run.result["dataset"]
    images = images_of(run, roots.get(name) or roots.get(None))
    counted = recount(run, images, report)
    stated, _ = table_files.score_lines((run.folder / SCORES).read_bytes(), SCORES)
    lines = with_stated(counted, stated)
    write_scores(run.folder / SCORES, lines)
    recounted, _ = table_files.score_lines((run.folder / SCORES).read_bytes(), SCORES)
    found = list(compare_lines(recounted, stated, f"{place}/{SCORES}"))
    found += of_plugin(run.result, f"{place}/{RESULT}")
    for key, values in counted.pooled.items():
        told = run.result.get(key, {})
        found += compare(
            f"{place}/{RESULT}", key, {r: v for r, v in values.items() if r in told or key == "pxap"}, told
        )
    result = {**run.result, **{key: {**run.result[key], **counted.pooled[key]} for key in POOLED if key in run.result}}
    (run.folder / RESULT).write_text(json.dumps(result), encoding="utf-8")
    os.utime(run.folder / RESULT, (number, number))
    return found, left_out(run, counted)


def with_stated(counted: Recounted, stated: Sequence[Row]) -> list[Row]:
    """The counted lines, without distances where an older file has none.

    Where only a decision was stored, what needs a map is as stated.
    """
    told = {key_of(line): line for line in stated}
    lines = counted.lines if not stated or "hd95" in stated[0] else [{**line, "hd95": None} for line in counted.lines]
    return [
        {**{name: told.get(key_of(line), {}).get(name) for name in MASKS_ONLY}, **line}
        if stage_of(line)[1:] in counted.masks_only
        else line
        for line in lines
    ]


def key_of(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two lines of scores.csv the same line."""
    return line["image"], line["class"], *stage_of(line)


def compare_lines(expected: Sequence[Row], found: Sequence[Row], file: str) -> Iterable[Finding]:
    """Two scores.csv, line by line."""
    there = {key_of(line): line for line in found}
    for line in expected:
        stated = there.pop(key_of(line), None)
        if stated is None:
            yield Finding(file, name_of(line), "", "this line", "no such line")
            continue
        yield from compare(file, name_of(line), {name: value for name, value in line.items() if name in stated}, stated)
    yield from (
        Finding(file, name_of(line), "", "no such line", "a line that no prediction gives") for line in there.values()
    )


def of_plugin(result: Mapping[str, Any], file: str) -> list[Finding]:
    """What the method itself says, where it is installed here: its role, and whether its maps depend on the seed."""
    if result["method"] not in plugins.names("methods"):
        return []
    method = plugins.load("methods", result["method"])
    if issubclass(method, MaskMethod):
        return compare(file, "", {"role": method.role}, result)
    role = "control" if set(CONTROLS) & set(result["settings"]) else "floor" if method.floor else "method"
    return compare(file, "", {"role": role}, result)


def left_out(run: Run, counted: Recounted) -> list[str]:
    """What needs more than the masks that were stored."""
    rules = ", ".join(sorted(rule or "no rule" for _, rule in counted.masks_only))
    columns = ", ".join((*MASKS_ONLY, *POOLED))
    return (
        [f"{run.id}: {columns} of the U-Net ({rules}) are not recomputable, only its masks were stored"]
        if rules
        else []
    )
