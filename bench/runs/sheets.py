"""What a table says, whatever it is printed on: sections of lines, notes with numbers, and sentences below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from bench.errors import UsageError
from bench.near import did_you_mean
from bench.results.columns import LEADERBOARD_COLUMNS, STAGES, Row
from bench.results.remarks import remarks
from bench.results.table_columns import MAIN, SMALL_IS_GOOD, Cell, Column, column

SECTIONS = {
    "method": "",
    "floor": "floors",
    "control": "controls",
    "full": "trained on masks",
    "reported": "reported by papers",
}


@dataclass(frozen=True)
class Line:
    """One row: its method with a setting a line, its rule, numbers of notes, and a cell for each column of the sheet.

    look: `best` (its rank interval is the first place alone), `dim` (an oracle, or reported), `failed` or nothing.
    """

    name: Cell
    rule: str
    notes: tuple[int, ...]
    cells: tuple[Cell, ...]
    look: str = ""


@dataclass(frozen=True)
class Section:
    """Lines of one role; methods have no title."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Sheet:
    """A table of one data set and protocol. Its texts are by strangers: what prints them has to escape them."""

    title: str
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def lines(self) -> list[Line]:
        """Of all sections."""
        return [line for section in self.sections for line in section.lines]


@dataclass
class _Notes:
    """The same sentence has the same number."""

    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, sentences: Iterable[str]) -> tuple[int, ...]:
        return tuple(self.numbers.setdefault(text, len(self.numbers) + 1) for text in sentences if text)


def sheets(rows: Sequence[Row], columns: Sequence[Column] | None = None, sort: str | None = None) -> list[Sheet]:
    """One sheet for each data set, fingerprint, protocol and version; reported rows stand in every sheet of their data set.

    columns: default those of `MAIN`. A column that is empty in every row is left out. sort: a column of leaderboard.csv.
    """
    asked = [column(name) for name in MAIN] if columns is None else columns
    tables = [list(group) for _, group in groupby(printed_once([r for r in rows if not _reported(r)]), key=table_key)]
    named = Counter(_names(table[0]) for table in tables)
    reported = [row for row in rows if _reported(row)]
    return [
        _sheet([*table, *(r for r in reported if r["dataset"] == table[0]["dataset"])], asked, sort, named)
        for table in tables
    ]


def printed_once(rows: Sequence[Row]) -> list[Row]:
    """Rows without the Otsu twin of a method: Otsu's rule is of the min-maxed map, whatever `map_norm` says."""
    kept: dict[Any, Row] = {}
    for number, row in enumerate(rows):
        settings = [s for s in (row["settings"] or "").split(",") if not s.startswith("map_norm=")]
        twin = (*table_key(row), row["method"], *settings) if row["rule"] == "otsu" else number
        kept.setdefault(twin, row)
    return list(kept.values())


def table_key(row: Row) -> tuple[Any, ...]:
    """What rows of one table have in common."""
    return tuple(row[key] for key in ("dataset", "label", "fingerprint", "protocol", "protocol_version"))


def dataset_title(row: Row) -> str:
    """The data set as tables show it: `isic`, or `isic (reduced)`."""
    return f"{row['dataset']} ({row['label']})" if row["label"] else str(row["dataset"])


def table_title(row: Row) -> str:
    """Data set and protocol of the row's table in one line."""
    return " · ".join(_names(row))


def in_order(rows: Sequence[Row], sort: str | None) -> list[Row]:
    """Rows sorted by a column of leaderboard.csv: scores from high to low, texts, ranks and costs from low to high, empty cells last."""
    if sort is None:
        return list(rows)
    if sort not in LEADERBOARD_COLUMNS:
        hint = did_you_mean(sort, LEADERBOARD_COLUMNS, f"known are {', '.join(LEADERBOARD_COLUMNS)}")
        raise UsageError(f"no column is called {sort}, nothing can be sorted by it; {hint}")
    there = [row for row in rows if row[sort] not in (None, "")]
    numbers = all(isinstance(row[sort], int | float) for row in there)
    down = numbers and sort not in SMALL_IS_GOOD
    return [*sorted(there, key=lambda row: row[sort], reverse=down), *(row for row in rows if row[sort] in (None, ""))]


def _sheet(rows: list[Row], asked: Sequence[Column], sort: str | None, named: Counter[Any]) -> Sheet:
    columns = [each for each in asked if any(each.text(row) not in ((), ("-",)) for row in rows)]
    columns = _areas_only_without_dice(columns, rows) if list(asked) == [column(name) for name in MAIN] else columns
    notes = _Notes()
    ordered = sorted(in_order(rows, sort), key=lambda row: list(SECTIONS).index(_section(row)))
    sections = [
        Section(SECTIONS[name], tuple(_line(row, columns, notes) for row in lines))
        for name, lines in groupby(ordered, key=_section)
    ]
    alone = named[_names(rows[0])] == 1
    return Sheet(_title(rows[0], alone), tuple(columns), tuple(sections), tuple(notes.numbers), tuple(remarks(rows)))


def _areas_only_without_dice(columns: list[Column], rows: Sequence[Row]) -> list[Column]:
    """The object's area says something where no mask measures a Dice; beside one it only takes room."""
    dice = any(row[stage] is not None for row in rows for stage in STAGES)
    return [each for each in columns if not (dice and each.name == "foreground_share")]


def _line(row: Row, columns: Sequence[Column], notes: _Notes) -> Line:
    failed = bool(row.get("failures")) and row["seeds"] is None
    settings = row["settings"].split(",") if row["settings"] else []
    return Line(
        (row["method"], *settings),
        "failed" if failed else row["rule"],
        notes.of([row["degenerate"] or "", *_sentences(row)]),
        tuple(each.text(row) for each in columns),
        "failed" if failed else _look(row),
    )


def _look(row: Row) -> str:
    """Bold is only who is declared better than every other: without another ranked row there is no smallest difference."""
    if row["rule"] == "oracle" or _reported(row):
        return "dim"
    first = (row["rank_lo"], row["rank_hi"]) == (1, 1)
    return "best" if first and row["mdd"] is not None else ""


def _sentences(row: Row) -> list[str]:
    """Sentences about this row alone; a failure names the method, for it is read apart from its row."""
    failures = [f"{row['method']}, {text}" for text in row.get("failures") or ()]
    others = [note for note in (row["notes"] or "").split("; ") if note and note not in (row.get("failures") or ())]
    return [*others, *failures]


def _reported(row: Row) -> bool:
    return bool(row["kind"] == "reported")


def _section(row: Row) -> str:
    return "reported" if _reported(row) else str(row["role"])


def _names(row: Row) -> tuple[str, str]:
    """Data set and protocol as a title shows them."""
    return dataset_title(row), f"protocol {row['protocol']} v{row['protocol_version']}"


def _title(row: Row, alone: bool) -> str:
    """The title of a table; where another has the same, the fingerprint tells them apart: its data is not the same."""
    dataset, protocol = _names(row)
    data = dataset if alone else f"{dataset}, data {row['fingerprint']}"
    return f"{data} · {protocol} · Dice in %, mean ± sd over seeds"
