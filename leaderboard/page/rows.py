"""The rows of the page: text of every cell as all tables have it, the drawn interval, and what the filters look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from bench.leaderboard.page.gathered import Table
from bench.leaderboard.page.text import clean
from bench.results.columns import ROLES, STAGES, Row
from bench.results.remarks import remarks
from bench.results.table_columns import SMALL_IS_GOOD, Column, column
from bench.runs.sheets import SECTIONS

COLUMNS = (
    *"rule test_unet interval ranks tie_group test_init val_unet over_floor floor_verdict masks break_even".split(),
    *"false_positive_rate seeds".split(),
)
AREA = "foreground_share"
"""Says something where no mask measures a Dice; beside one it only takes room."""
ALWAYS = ("rule", "test_unet", "interval")
SCALE = 120
"""Pixels: the width of a drawn interval's scale."""
HEADINGS = {
    "tie_group": "group",
    "test_unet": "test U-Net",
    "interval": "95 % interval",
    "rule": "rule",
    "ranks": "rank",
    "seeds": "seeds",
}
TEXTS = ("rule", "floor_verdict", "tie_group")
"""Columns that are sorted as text."""


@dataclass(frozen=True)
class Line:
    """A row: its number in the table, its texts, and the path of its interval."""

    number: int
    name: str
    settings: str
    kind: str
    """what a role other than `method` is called beside the name"""
    cells: Sequence[str]
    bar: str
    pretraining: str
    masks: str
    ranked: bool
    best: bool
    failed: bool


@dataclass(frozen=True)
class Heading:
    """A column: its name, what stands over it, whether small values come first, whether it is text."""

    name: str
    text: str
    rising: bool
    words: bool


@dataclass(frozen=True)
class Part:
    """Rows of one role."""

    name: str
    title: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Shown:
    """A table as the page shows it; `low` and `high`: the ends of the drawn scale in % Dice."""

    number: int
    dataset: str
    protocol: str
    fingerprint: str
    images: str
    headings: Sequence[Heading]
    parts: Sequence[Part]
    low: int
    high: int
    remarks: Sequence[str]
    failures: Sequence[str]
    failed: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(len(part.lines) for part in self.parts)


def shown(number: int, table: Table) -> Shown:
    """A table for the template."""
    rows = table.rows
    names = COLUMNS if any(row[stage] is not None for row in rows for stage in STAGES) else (*COLUMNS, AREA)
    used = [column(name) for name in names if name in ALWAYS or any(_said(row, column(name)) for row in rows)]
    low, high = _range(rows)
    order = sorted(
        range(len(rows)), key=lambda n: (list(SECTIONS).index(_section(rows[n])), -(rows[n]["test_unet"] or -1.0), n)
    )
    parts = [
        Part(name, SECTIONS[name] or "methods", [_line(n, rows[n], used, low, high) for n in numbers])
        for name, numbers in groupby(order, key=lambda n: _section(rows[n]))
    ]
    first = rows[0]
    images = max((row["images"] or 0 for row in rows), default=0)
    failures = list(dict.fromkeys(f"{row['method']}, {text}" for row in rows for text in row.get("failures") or ()))
    return Shown(
        number,
        table.dataset,
        table.protocol,
        str(first["fingerprint"]),
        f"{images:,} test images" if images else "no scored image",
        [_heading(one) for one in used],
        parts,
        low,
        high,
        [clean(text) for text in remarks(rows)],
        [clean(text) for text in failures],
        len(failures),
    )  # fmt: skip


def _heading(one: Column) -> Heading:
    text = HEADINGS.get(one.name, one.heading.replace("\n", " "))
    return Heading(one.name, text, one.name in ("ranks", *SMALL_IS_GOOD), one.name in TEXTS)


def _line(number: int, row: Row, used: Sequence[Column], low: int, high: int) -> Line:
    section = _section(row)
    masks = [row.get("masks_train"), row.get("masks_tune")]
    return Line(
        number,
        str(row["method"]),
        clean(row["settings"] or ""),
        {"floor": "floor", "control": "control", "reported": "reported"}.get(section, ""),
        [" ".join(each.text(row)) for each in used],
        "".join(_bar(row, low, high)),
        str(row.get("pretraining") or "none"),
        "" if masks == [None, None] else str(sum(count or 0 for count in masks)),
        bool(row["ranked"]),
        (row["rank_lo"], row["rank_hi"]) == (1, 1) and row["mdd"] is not None,
        bool(row.get("failures")) and row["seeds"] is None,
    )  # fmt: skip


def _bar(row: Mapping[str, Any], low: int, high: int) -> Iterator[str]:
    """The path of an interval and its point; the point alone without interval."""
    value, start, end = (row.get(f"test_unet{name}") for name in ("", "_lo", "_hi"))
    if value is None:
        return
    if start is not None and end is not None:
        a, b = (_place(each, low, high) for each in (start, end))
        yield f"M{a} 6h{b - a}"
    yield f"M{_place(value, low, high)} 2v8"


def _place(value: float, low: int, high: int) -> int:
    share = (100 * value - low) / (high - low)
    return round(SCALE * min(1.0, max(0.0, share)))


def _range(rows: Sequence[Row]) -> tuple[int, int]:
    """The ends of a scale in tens of %, around every test U-Net and its interval."""
    found = [100 * v for row in rows for end in ("", "_lo", "_hi") if (v := row.get(f"test_unet{end}")) is not None]
    if not found:
        return 0, 100
    low, high = int(max(0.0, min(found)) // 10) * 10, -int(-min(100.0, max(found)) // 10) * 10
    return low, max(high, low + 10)


def _said(row: Row, one: Column) -> bool:
    return one.text(row) not in ((), ("-",))


def _section(row: Row) -> str:
    return "reported" if row["kind"] == "reported" else str(row["role"] if row["role"] in ROLES else "method")
