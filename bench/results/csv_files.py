"""CSV as the suite writes and reads it: ids stay text, floats exact, empty is not measured, and no cell is a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from bench.errors import DataError
from bench.results.columns import LATER, SCORES_COLUMNS, SCORES_TEXT, Row
from bench.store import write_file

if TYPE_CHECKING:
    from pandas import DataFrame

FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
"""A spreadsheet takes text that begins so for a formula (the apostrophe is what disarms it)."""


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file with these columns, whole or not at all; the same rows give the same bytes."""

    def write(to: Path) -> None:
        with to.open("w", encoding="utf-8", newline="") as file:
            print_rows(file, columns, rows)

    write_file(path, write)


def print_rows(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """The same as CSV text into an open file."""
    plain, quoted = (csv.writer(file, lineterminator="\n", quoting=how) for how in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    plain.writerow(columns)
    for row in rows:
        cells = [_text(row.get(column)) for column in columns]
        broken = any(
            "\r" in cell for cell in cells
        )  # which Python's csv leaves unquoted, and readers take for the end of the line
        (quoted if broken else plain).writerow(cells)


def write_scores(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """scores.csv: one line per image, class, stage and rule (columns of `SCORES_COLUMNS`)."""
    write_rows(path, SCORES_COLUMNS, rows)


def read_scores(path: Path) -> DataFrame:
    """scores.csv as it was written: ids are text (also 007 and NA), numbers exact, empty cells NaN."""
    import pandas as pd

    numbers = [column for column in SCORES_COLUMNS if column not in SCORES_TEXT]
    types = {**dict.fromkeys(SCORES_TEXT, str), **dict.fromkeys(numbers, float)}
    empty = {column: [""] for column in numbers}
    try:
        whole = path.read_bytes()
        frame = pd.read_csv(BytesIO(whole), dtype=types, na_values=empty, keep_default_na=False)
        missing = [column for column in SCORES_COLUMNS if column not in frame and column not in LATER]
        if missing:
            raise ValueError(f"it has no column {missing[0]}")
        for column in SCORES_TEXT if b"'" in whole else ():
            frame[column] = frame[column].str.removeprefix("'")  # of what a spreadsheet would take for a formula
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete its folder and run again") from error
    return frame.assign(**later(frame))


def later(frame: DataFrame) -> Row:
    """Those of `LATER` that a table lacks: whether the foreground is there, the share of pixels that is taken for it; no distances."""
    if all(name in frame for name in LATER):
        return {}
    shown = frame["tp"] + frame["fn"]
    pixels = shown + frame["fp"] + frame["tn"]
    columns = {
        "present": (shown > 0).astype(float).where(pixels > 0),
        "foreground_share": (frame["tp"] + frame["fp"]) / pixels,
        "hd95": float("nan"),
    }
    return {name: values for name, values in columns.items() if name not in frame}


def _text(value: Any) -> str:
    """A value as a cell. Text that a spreadsheet would take for a formula gets a leading apostrophe (`read_scores` takes it off)."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(float(value))  # float(): NumPy's repr says np.float64(...)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text
