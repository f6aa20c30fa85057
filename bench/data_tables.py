"""Comma-separated tables, read so that each fault is one sentence with file, line and what to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.errors import DataError
from bench.faults import Fault


class Table(NamedTuple):
    """The rows of a table with their line numbers, and the cells of rows that could not be read: what they name is not missing."""

    rows: list[tuple[int, dict[str, str]]]
    torn: frozenset[str] = frozenset()


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table with their line numbers; DataError for the first fault."""
    faults: list[Fault] = []
    table = collect_rows(path, columns, faults)
    if faults:
        raise DataError(faults[0].text, faults[0].kind)
    return table.rows


def collect_rows(path: Path, columns: Sequence[str], faults: list[Fault]) -> Table:
    """The rows of a table that has at least `columns`; what is wrong goes to `faults`, one for each row that cannot be read.

    A byte-order mark, CRLF, blank lines and spaces around cells do no harm. Empty where the file as a whole cannot be read.
    """
    try:
        (_, header), *lines = _cells(path)
        _check_header(path, header, columns)
        if not lines:
            raise DataError(f"{path} has a header and no rows; fill it or put the original back", "table")
    except DataError as error:
        faults.append(Fault(error.kind, str(path), str(error)))
        return Table([])
    width = 1 + max(header.index(column) for column in columns)
    rows, torn = [], set[str]()
    for line, row in lines:
        if len(row) < width or any(row[len(header) :]):
            faults.append(Fault("table", str(path), _misfit(path, line, row, header)))
            torn.update(row)
        else:
            rows.append((line, dict(zip(header, row, strict=False))))
    return Table(rows, frozenset(torn))


def _cells(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that are not blank, cell by cell; strict, since a stray quote would swallow the lines after it."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(
            f"{path} line {reader.line_num} is no comma-separated text ({error}); look for a stray quote", "table"
        ) from None
    if not rows:
        raise DataError(f"{path} is empty; fill it or put the original back", "table")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} is missing; put the file back", "layout") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as comma-separated UTF-8", "table") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check its rights", "table") from error


def _check_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise DataError(f"{path} separates its columns with {name}; save it with commas", "table")
    needed = f"the file needs {', '.join(columns)}"
    absent = [c for c in columns if c not in header]
    if absent:
        raise DataError(f"{path} has no column {', '.join(absent)}: it has {', '.join(header)}; {needed}", "table")
    twice = [c for c in columns if header.count(c) > 1]
    if twice:
        raise DataError(f"{path} has two columns {', '.join(twice)}; {needed}, each once", "table")


def _misfit(path: Path, line: int, row: list[str], header: list[str]) -> str:
    if len(row) < len(header):
        return f"{path} line {line} ends after {len(row)} fields; complete it or put the original file back"
    return (
        f"{path} line {line} has {len(row)} fields and the header {len(header)}; put quotes around a text with commas"
    )
