"""leaderboard.csv and scores.csv of strangers, read as text and held to their models; every fault by row and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from bench.errors import DataError
from bench.leaderboard.files.findings import Finding, refuse, shown
from bench.leaderboard.files.schema import LeaderboardRow, ScoreLine
from bench.results.columns import LATER, LEADERBOARD_COLUMNS, SCORES_COLUMNS, Row
from bench.results.csv_files import FORMULA

OPTIONAL = {"leaderboard.csv": LEADERBOARD_COLUMNS[LEADERBOARD_COLUMNS.index("run_ids") + 1 :], "scores.csv": LATER}
"""Columns that an older file lacks: its rows are without them."""


def read_leaderboard(path: Path) -> list[Row]:
    """The rows of a leaderboard.csv with values of their types; Refused names row and column, DataError where there is no such file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); name a leaderboard.csv or a submission") from None
    rows, found = leaderboard_rows(content, str(path))
    refuse(found, str(path))
    return rows


def leaderboard_rows(content: bytes, file: str) -> tuple[list[Row], list[Finding]]:
    """The rows of a leaderboard.csv, and what is wrong with it; there are no rows where anything is."""
    return _typed(content, file, LeaderboardRow, LEADERBOARD_COLUMNS, OPTIONAL["leaderboard.csv"])


def score_lines(content: bytes, file: str) -> tuple[list[Row], list[Finding]]:
    """The lines of a scores.csv, and what is wrong with it; there are no lines where anything is."""
    return _typed(content, file, ScoreLine, SCORES_COLUMNS, OPTIONAL["scores.csv"])


def _typed(
    content: bytes, file: str, model: type[BaseModel], columns: tuple[str, ...], optional: tuple[str, ...]
) -> tuple[list[Row], list[Finding]]:
    try:
        header, cells = _cells(content)
    except (csv.Error, UnicodeDecodeError) as error:
        return [], [Finding(file, "", "", "CSV in UTF-8 with cells of at most 131072 characters", shown(str(error)))]
    if wrong := _columns(file, header, columns, optional):
        return [], wrong
    absent = {name: "" for name in optional if name not in header}
    rows = [{**absent, **dict(zip(header, line, strict=False))} for line in cells]
    found = [*_shape(file, header, cells), *_formulas(file, header, cells)]
    lines = [{name: str(cell).removeprefix("'") for name, cell in row.items()} for row in rows]
    found += _faults(file, model, lines)
    if found:
        return [], found
    models = _adapter(model).validate_python(lines)
    typed = [one.model_dump(by_alias=True, exclude=set(absent)) for one in models]
    return typed, list(_twice(file, model, typed))


def _cells(content: bytes) -> tuple[list[str], list[list[str]]]:
    text = content.decode("utf-8")
    if text and not text.endswith("\n"):
        raise csv.Error("a last line without its end: the file is cut off")
    if "\0" in text:
        raise csv.Error("a zero byte")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    return next(reader, []), list(reader)


def _columns(file: str, header: list[str], columns: tuple[str, ...], optional: tuple[str, ...]) -> list[Finding]:
    missing = [name for name in columns if name not in header and name not in optional]
    unknown = [name for name in header if name not in columns]
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    return [
        *(Finding(file, "header", name, "this column", "no such column") for name in missing),
        *(Finding(file, "header", shown(name), "no such column", "a column") for name in unknown),
        *(Finding(file, "header", shown(name), "one column of this name", str(header.count(name))) for name in twice),
    ]


def _shape(file: str, header: list[str], cells: list[list[str]]) -> Iterator[Finding]:
    for number, line in enumerate(cells, 2):
        if len(line) != len(header):
            yield Finding(file, f"line {number}", "", f"{len(header)} cells", str(len(line)))


def _formulas(file: str, header: list[str], cells: list[list[str]]) -> Iterator[Finding]:
    """Text that a spreadsheet would take for a formula is written with an apostrophe; a number may begin with a sign."""
    for number, line in enumerate(cells, 2):
        for name, cell in zip(header, line, strict=False):
            if cell.startswith(FORMULA) and not cell.startswith("'") and not _is_number(cell):
                yield Finding(file, f"line {number}", name, "no formula", shown(cell))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _faults(file: str, model: type[BaseModel], lines: list[dict[str, str]]) -> list[Finding]:
    try:
        _adapter(model).validate_python(lines)
    except ValidationError as error:
        return [_finding(file, fault, lines) for fault in error.errors(include_url=False)]
    return []


@cache
def _adapter(model: type[BaseModel]) -> TypeAdapter[list[Any]]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def _finding(file: str, fault: Mapping[str, Any], lines: list[dict[str, str]]) -> Finding:
    """pydantic's fault of one cell; of the whole row, where it belongs to none."""
    place = fault["loc"]
    column = str(place[1]) if len(place) > 1 else ""
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    cell = lines[place[0]].get(column) if column else lines[place[0]].get("method")
    return Finding(file, f"line {place[0] + 2}", column, message, shown(cell))


def _twice(file: str, model: type[BaseModel], rows: Iterable[Row]) -> Iterator[Finding]:
    """Rows that stand there twice."""
    seen: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows, 2):
        first = seen.setdefault(identity(row, model.key), number)  # type: ignore[attr-defined]
        if first != number:
            yield Finding(file, f"line {number}", "", "each row once", f"the row of line {first} again")


def identity(row: Mapping[str, Any], key: Iterable[str] = LeaderboardRow.key) -> tuple[Any, ...]:
    """What makes two rows the same row. A reported row is never one of ours."""
    return (*(row[name] for name in key), row.get("kind") == "reported")
