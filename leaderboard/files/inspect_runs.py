"""What can be checked of a submission without data: hashes, columns, arithmetic, ids, aggregates recomputed from per-image lines."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.leaderboard.files import identity, lines, schema, table_files
from bench.leaderboard.files.findings import Finding, Refused, compare, shown
from bench.leaderboard.files.sealed import FOLDER, ROWS, RUNS, Header, Sealed, parse
from bench.pipeline.cell import RESULT
from bench.protocol import VERSION
from bench.results.collected import collect
from bench.results.columns import LEADERBOARD_COLUMNS, Row
from bench.results.csv_files import print_rows

SCORES = "scores.csv"
MOST_SIDE = 4096
"""Pixels of a map's side."""


def unpack(sealed: Sealed, to: Path, predictions: bool = False) -> list[Finding]:
    """The runs of a submission as a folder of runs, held to every hash; what is wrong with them. Predictions are
    only written if asked for."""
    found: list[Finding] = []
    if predictions:
        sealed.room(to)
    for number, folder in enumerate(sealed.manifest.runs, 1):
        if not FOLDER.fullmatch(folder):
            raise Refused(f"{sealed.file}: {shown(folder)!r} is no folder of a run; nothing of it was unpacked")
        found += _unpack_run(sealed, folder, to / folder, number, predictions)
    known = {ROWS, *(name for folder in sealed.manifest.runs for name in members_of(sealed, folder))}
    stray = [name for name in sealed.names if name not in known]
    return [*found, *(Finding(str(sealed.file), name, "", "a run of the manifest", "none") for name in stray)]


def members_of(sealed: Sealed, folder: str) -> list[str]:
    """The files of one run."""
    return [name for name in sealed.names if name.startswith(f"{RUNS}/{folder}/")]


def _unpack_run(sealed: Sealed, folder: str, to: Path, number: int, predictions: bool) -> list[Finding]:
    place = f"{RUNS}/{folder}"
    if f"{place}/{RESULT}" not in sealed.manifest.files or to.exists():
        return [Finding(str(sealed.file), place, RESULT, "one result", "none, or one twice")]
    sealed.extract(f"{place}/{RESULT}", to / RESULT)
    os.utime(to / RESULT, (number, number))  # of two runs of one seed the later counts
    result = parse((to / RESULT).read_bytes(), f"{sealed.file}, {place}/{RESULT}", schema.Result)
    wanted = f"{result['dataset']}/{result['method']}/{result['run_id']}"
    found = [Finding(f"{place}/{RESULT}", "", "run_id", folder, wanted)] if wanted != folder else []
    found += identity.faults(result, f"{place}/{RESULT}")
    if result.get("failed"):
        extra = [name for name in members_of(sealed, folder) if not name.endswith(RESULT)]
        return [
            *found,
            *(Finding(str(sealed.file), name, "", "nothing of a run that failed", "a file") for name in extra),
        ]
    if f"{place}/{SCORES}" not in sealed.manifest.files:
        return [*found, Finding(str(sealed.file), place, SCORES, "a scores.csv", "none")]
    sealed.extract(f"{place}/{SCORES}", to / SCORES)
    scores, wrong = table_files.score_lines((to / SCORES).read_bytes(), f"{place}/{SCORES}")
    found += wrong or [*_scores(scores, result, sealed, place), *_predictions(scores, sealed, folder)]
    for name in members_of(sealed, folder):
        if name.endswith(".npy"):
            sealed.extract(name, to / name.removeprefix(f"{place}/")) if predictions and not found else sealed.check(
                name
            )
    return found


def _scores(scores: list[Row], result: Mapping[str, Any], sealed: Sealed, place: str) -> Iterator[Finding]:
    """Lines against themselves, against result.json, and against the images of the table."""
    file = f"{place}/{SCORES}"
    yield from lines.faults(scores, file)
    test = [line for line in scores if line["split"] == "test"]
    told = {
        "images": len({line["image"] for line in test if line["dice"] is not None}),
        "clusters": len({line["cluster"] for line in test}),
    }
    yield from compare(f"{place}/{RESULT}", "", told, result)
    rules = sorted({line["rule"] for line in scores}), sorted({row["rule"] for row in result["rows"]})
    if scores and rules[0] != rules[1]:
        yield Finding(f"{place}/{RESULT}", "", "rows", f"the rules {rules[0]}", shown(rules[1]))
    known = sealed.manifest.images.get(result["fingerprint"])
    if scores and known != lines.images_of(scores):
        ours = lines.images_of(scores)
        said = f"{known.val} and {known.test} lines of val and test, hash {known.sha256[:12]}" if known else "none"
        yield Finding(file, "", "image, cluster, class", said, f"{ours.val} and {ours.test}, hash {ours.sha256[:12]}")


def _predictions(scores: Sequence[Row], sealed: Sealed, folder: str) -> Iterator[Finding]:
    """Every stage that was scored has the maps that it was scored from, as many as there are images."""
    place = f"{RUNS}/{folder}/predictions"
    there = {name for name in members_of(sealed, folder) if name.endswith(".npy")}
    wanted: dict[str, list[Row]] = {}
    for (split, stage, rule), part in lines.stages(scores).items():
        wanted.setdefault(prediction_of(split, stage, rule), part)
    for name, part in wanted.items():
        stored = [form for form in (f"{place}/{name}.npy", f"{place}/{name}.rle.npy") if form in there]
        there -= set(stored)
        if len(stored) != 1:
            yield Finding(str(sealed.file), place, name, "one file of predictions", f"{len(stored)}")
            continue
        yield from _shape(stored[0], sealed.header(stored[0]), part, sealed)
    for name in sorted(there):
        yield Finding(str(sealed.file), name, "", "predictions that were scored", "others")


def prediction_of(split: str, stage: str, rule: str) -> str:
    """The name of the maps that a stage was scored from, as bench.pipeline.rows gives it."""
    return f"init-{split}" if stage == "init" else f"unet-{rule}-{split}" if rule else f"unet-{split}"


def _shape(name: str, header: Header, part: Sequence[Row], sealed: Sealed) -> Iterator[Finding]:
    images, classes = len({line["image"] for line in part}), len({line["class"] for line in part})
    if name.endswith(".rle.npy"):
        fits, wanted = header.kind == "<u4" and len(header.shape) == 1, "run lengths in uint32"
    else:
        fits = header.kind == "<u2" and len(header.shape) == 4 and header.shape[:2] == (images, classes)
        fits = fits and all(0 < side <= MOST_SIDE for side in header.shape[2:])
        wanted = f"({images}, {classes}, h, w) in uint16 with sides of at most {MOST_SIDE}"
    if not fits:
        yield Finding(str(sealed.file), name, "", wanted, f"{header.shape} in {header.kind}")


def recompute(folder: Path) -> list[Row]:
    """The rows of a folder of runs with values of their types, as a leaderboard.csv of it would be read."""
    try:
        rows = collect(folder)
    except DataError as error:
        raise Refused(str(error).replace(f"{folder}/", "")) from error
    except (TypeError, ValueError, LookupError, AttributeError) as error:  # a value that no model looks at
        raise Refused(f"its results give no rows ({type(error).__name__}: {shown(str(error))})") from error
    file = io.StringIO()
    print_rows(file, LEADERBOARD_COLUMNS, rows)
    typed, found = table_files.leaderboard_rows(file.getvalue().encode(), ROWS)
    if found:
        raise Refused("\n".join(["rows that may not stand in a leaderboard:", *(one.sentence() for one in found[:5])]))
    return typed


def compare_rows(
    expected: Sequence[Row], found: Sequence[Row], file: str, skip: tuple[str, ...] = ()
) -> Iterator[Finding]:
    """Two tables, row by row and column by column but for those in `skip`; rows that only one has."""
    there = {table_files.identity(row): row for row in found}
    for row in expected:
        key = table_files.identity(row)
        if key not in there:
            yield Finding(file, row_name(row), "", "this row", "no such row")
            continue
        stated = there.pop(key)
        columns = {name: value for name, value in row.items() if name in stated and name not in skip}
        yield from compare(file, row_name(row), columns, stated)
    for row in there.values():
        yield Finding(file, row_name(row), "", "no such row", "a row that no run gives")


def row_name(row: Mapping[str, Any]) -> str:
    """A row as a sentence names it."""
    settings = f" ({row['settings']})" if row["settings"] else ""
    return shown(f"{row['dataset']}, {row['method']}{settings}, {row['rule'] or 'no rule'}")


def inspect(sealed: Sealed, to: Path, predictions: bool = False) -> tuple[list[Row], list[Finding]]:
    """The recomputed rows of a submission, unpacked below `to`, and everything that differs from what it says."""
    if sealed.manifest.protocol_version != VERSION:
        said = shown(sealed.manifest.protocol_version)
        return [], [Finding(str(sealed.file), "manifest.json", "protocol_version", str(VERSION), said)]
    found = unpack(sealed, to, predictions)
    if ROWS not in sealed.manifest.files:
        return [], [*found, Finding(str(sealed.file), ROWS, "", "a table", "none")]
    stated, wrong = table_files.leaderboard_rows(sealed.read(ROWS), ROWS)
    found += wrong
    if found:
        return [], found
    rows = recompute(to)
    return rows, list(compare_rows(rows, stated, ROWS))
