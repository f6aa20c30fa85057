"""The rows of many groups as one table: nothing is replaced silently, and what cannot be compared is not joined."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.leaderboard.files import sealed, table_files
from bench.leaderboard.files.findings import Refused, compare, refuse, same, shown
from bench.leaderboard.files.inspect_runs import inspect, recompute, row_name
from bench.leaderboard.files.table_files import identity
from bench.results.collected import TABLE
from bench.results.columns import ROLES, RULES, Row

OF_THE_TABLE = (
    *"tie_group rank_lo rank_hi mdd floor_best floor_verdict over_floor over_floor_lo over_floor_hi".split(),
    *"break_even break_even_lo break_even_hi seconds_shared".split(),
)
"""Columns that only a whole table knows: computed again from per-image scores where every row of the table has them, else empty."""
COST = "seconds seconds_shared gpu_seconds peak_bytes energy_j test_openings confined plugin_version notes".split()
"""What two runs of the same thing need not have in common; the first file's stands."""
KINDS = ("reported", "measured", "recomputed", "reproduced")
"""Each says more than the one before it."""
Key = tuple[Any, ...]
Joined = dict[Key, tuple[Path, Row]]
"""Every row by its identity, with the file that it came from first."""


@dataclass
class Merged:
    """The joined rows, and what was joined or left empty, one sentence each."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merge(files: Sequence[Path]) -> Merged:
    """Join leaderboard.csv files and submissions. Refused names both files where rows contradict each other or cannot be compared."""
    with tempfile.TemporaryDirectory() as place:
        union = Path(place) / "union"
        given = [(file, _rows(file, Path(place) / str(number), union)) for number, file in enumerate(files)]
        computed = recompute(union) if union.exists() else []
    merged = Merged()
    joined = _join(given, merged)
    require_comparable([(file, row) for file, row in joined.values()])
    _fill_table(joined, computed, merged)
    merged.rows = sorted((row for _, row in joined.values()), key=_order)
    return merged


def _order(row: Row) -> tuple[str | int, ...]:
    """As the rows of one folder of runs stand."""
    table = tuple(str(row[name]) for name in TABLE)
    return (*table, ROLES.index(row["role"]), row["method"], row["settings"], RULES.index(row["rule"]))


def is_submission(file: Path) -> bool:
    """Whether a file is to be read as a submission."""
    return file.suffix.lower() == ".zip"


def _rows(file: Path, place: Path, union: Path) -> list[Row]:
    """The rows of a file; the runs of a submission go to `union`, those that are there already stay."""
    if not is_submission(file):
        return table_files.read_leaderboard(file)
    with sealed.opened(file) as submission:
        rows, found = inspect(submission, place)
        refuse(found, str(file))
        for name in submission.manifest.runs:
            if not (union / name).exists():
                (union / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(place / name, union / name)
    return rows


def _join(given: Iterable[tuple[Path, list[Row]]], merged: Merged) -> Joined:
    joined: Joined = {}
    for file, rows in given:
        for row in rows:
            first, known = joined.setdefault(identity(row), (file, row))
            if known is not row:
                joined[identity(row)] = (first, _one_of(known, first, row, file, merged))
    return joined


def _one_of(known: Row, first: Path, row: Row, file: Path, merged: Merged) -> Row:
    """One row of two that say the same; Refused where they do not."""
    ignored = {*OF_THE_TABLE, *COST, "kind"}
    numbers = {name: value for name, value in known.items() if name not in ignored and name in row}
    differing = compare(str(file), row_name(row), numbers, row)
    if differing:
        one = differing[0]
        raise Refused(
            f"{row_name(row)} is in {first} and in {file} with different numbers: {one.column} is {one.expected} in the "
            f"first and {one.found} in the second ({len(differing)} columns differ); leave it out of one of "
            "them (`bench leaderboard submit --method`)"
        )
    if costs := [name for name in COST if name in row and not same(known[name], row[name])]:
        merged.notes.append(f"{row_name(row)} is in {first} and in {file}; {', '.join(costs)} are those of {first}")
    return {**known, "kind": max(known["kind"], row["kind"], key=KINDS.index)}


def require_comparable(rows: Sequence[tuple[Path, Row]]) -> None:
    """Refused where two rows of one table have other data or another version of the protocol. Reported rows are beside the tables."""
    tables: dict[Key, tuple[Path, Row]] = {}
    versions: dict[object, Path] = {}
    for file, row in rows:
        if row["kind"] == "reported":
            continue
        other = next(iter(versions.items()), (row["protocol_version"], file))
        versions.setdefault(row["protocol_version"], file)
        if other[0] != row["protocol_version"]:
            raise Refused(
                f"{other[1]} has rows of protocol version {other[0]} and {file} of version {row['protocol_version']}: "
                "they are never compared; make a file for each"
            )
        place = (row["dataset"], row["label"], row["protocol"])
        first, known = tables.setdefault(place, (file, row))
        if known["fingerprint"] != row["fingerprint"]:
            where = shown(" ".join(str(part) for part in place if part))
            raise Refused(
                f"{where}: {first} was run on the data {known['fingerprint']} and {file} on {row['fingerprint']}; they are other images, "
                "labels or masks, and never stand in one table"
            )


def _fill_table(joined: Joined, computed: Sequence[Row], merged: Merged) -> None:
    """What only a whole table knows: computed where all of its rows come with scores per image, kept where they come from one file."""
    known = {identity(row): row for row in computed}
    tables: dict[Key, list[Key]] = {}
    for key, (_, row) in joined.items():
        if row["kind"] != "reported":
            tables.setdefault((row["dataset"], row["label"], row["protocol"]), []).append(key)
    for place, keys in tables.items():
        from_files = {joined[key][0] for key in keys}
        if all(key in known for key in keys):
            values = {key: known[key] for key in keys}
        elif len(from_files) == 1:
            continue
        else:
            values = {key: dict.fromkeys(OF_THE_TABLE) for key in keys}
            where = shown(" ".join(str(part) for part in place if part))
            merged.notes.append(
                f"{where}: letters, ranks, floors and break-even stay empty: they need the submissions of all rows"
            )
        for key in keys:
            file, row = joined[key]
            joined[key] = (file, {**row, **{name: values[key].get(name) for name in OF_THE_TABLE}})
