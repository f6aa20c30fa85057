"""Tables on a terminal: as many columns as it has room for, the important ones first; floors, controls and bounds apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.columns import Row
from bench.results.remarks import across_data_sets
from bench.results.table_columns import FIRST, Cell, Column
from bench.results.visible import visible
from bench.runs.sheets import Line, Sheet, dataset_title, printed_once, sheets

__all__ = ["ASCII_BOX", "dataset_title", "paper", "printed_once", "show"]

NAME = 24
"""Columns of a terminal that a method's name may take, or a fifth of it."""
RULE = 12
LOOKS = {"best": "bold", "dim": "dim", "failed": "red", "": ""}
IN_ASCII = str.maketrans({"±": "+-", "·": "-"})
ASCII_BOX = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""rich's SIMPLE_HEAD in ASCII; rich's own answer to an ASCII terminal draws every line and costs 9 columns"""


def show(
    rows: Sequence[Row], console: Console, columns: Sequence[Column] | None = None, sort: str | None = None
) -> None:
    """Print one table per data set and protocol, with its notes and what it cannot decide.

    columns: what to show, whatever the width: what does not fit stands in further blocks below. sort: a column of leaderboard.csv.
    """
    for sheet in sheets(rows, columns, sort):
        console.print(paper(sheet.title, console))
        _print(sheet, console, every=columns is not None)
        for number, note in enumerate(sheet.notes, 1):
            console.print(paper(f"[{number}] {note}", console))
        for sentence in sheet.remarks:
            console.print(paper(sentence, console))
        console.print()
    for sentence in across_data_sets(rows):
        console.print(paper(sentence, console))


def paper(text: str, console: Console, style: str = "") -> Text:
    """Text as this console can print it: nothing that it would obey, no markup, no sign that its encoding lacks."""
    shown = visible(text)
    if console.options.ascii_only:
        shown = shown.translate(IN_ASCII)
    return Text(shown.encode(console.encoding, "backslashreplace").decode(console.encoding), style=style)


def _print(sheet: Sheet, console: Console, every: bool) -> None:
    """One block with the columns that fit; with `every` further blocks for the others."""
    page = _Page(sheet, console)
    left = list(sheet.columns)
    while left:
        shown = page.from_the_left(left) if every else page.most_important(left)
        console.print(page.table(shown))
        left = [column for column in left if column not in shown]
        if not every:
            break
    if left:
        names = ", ".join(column.heading.replace("\n", " ") for column in left)
        console.print(paper(f"more with a wider terminal or --columns all: {names}", console, "dim"))


class _Page:
    """A sheet on a console of some width."""

    def __init__(self, sheet: Sheet, console: Console) -> None:
        self.sheet, self.console = sheet, console
        names = [self.cell("\n".join(_indented(line.name))) for line in sheet.lines]
        allowed = min(max(map(_widest, names)), max(NAME, console.width // 5))
        folds = [fold for name in names for part in name.split("\n") for fold in _folded(part, allowed)]
        titles = [word for section in sheet.sections for word in section.title.split()]
        self.name = max(map(cell_len, [*folds, *titles]))
        self.rule = max(_widest("\n".join(self.rule_of(line))) for line in sheet.lines)
        self.room = console.width - self.name - max(self.rule, len("rule")) - 4

    def from_the_left(self, columns: Sequence[Column]) -> list[Column]:
        """As many as there is room for, one at least."""
        wide = [self.width(column) for column in columns]
        return [c for number, c in enumerate(columns) if not number or sum(wide[: number + 1]) <= self.room]

    def most_important(self, columns: Sequence[Column]) -> list[Column]:
        """Those that there is room for when the parts of every cell stand under each other."""
        room = self.room
        kept: list[Column] = []
        for column in sorted(columns, key=_importance):
            if not kept or self.width(column, "\n") <= room:
                kept.append(column)
                room -= self.width(column, "\n")
        return [column for column in columns if column in kept]

    def gaps(self, columns: Sequence[Column]) -> dict[str, str]:
        """What stands between the parts of a column's cells: a line break first where that saves most, as long as room is lacking."""
        gaps = {column.name: " " for column in columns}
        saved = {column.name: self.width(column) - self.width(column, "\n") for column in columns}
        lacking = sum(map(self.width, columns)) - self.room
        for name in sorted(saved, key=lambda name: -saved[name]):
            if lacking > 0:
                gaps[name], lacking = "\n", lacking - saved[name]
        return gaps

    def width(self, column: Column, gap: str = " ") -> int:
        """Of a column and the space beside it."""
        place = self.sheet.columns.index(column)
        cells = (self.cell(gap.join(line.cells[place])) for line in self.sheet.lines)
        return max(map(_widest, (column.heading, *cells))) + 2

    def table(self, columns: Sequence[Column]) -> Table:
        """A block of the table."""
        lines = ASCII_BOX if self.console.options.ascii_only else box.SIMPLE_HEAD
        table = Table(box=lines, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("method", overflow="fold")
        table.add_column("rule", overflow="fold")
        for column in columns:
            table.add_column(Text(column.heading), justify="right", overflow="fold", vertical="top")
        gaps = self.gaps(columns)
        for section in self.sheet.sections:
            table.add_section()
            if section.title:
                table.add_row(Text("\n".join(_folded(section.title, self.name)), style="italic"))
            for line in section.lines:
                table.add_row(*self.row(line, gaps), style=LOOKS[line.look])
        return table

    def row(self, line: Line, gaps: Mapping[str, str]) -> Iterator[Text]:
        """The cells of a line; `gaps` names the columns that are shown."""
        name = [fold for part in _indented(line.name) for fold in _folded(self.cell(part), self.name)]
        yield Text("\n".join(name))
        yield Text("\n".join(self.rule_of(line)))
        for column, cell in zip(self.sheet.columns, line.cells, strict=True):
            if column.name in gaps:
                yield Text(self.cell(gaps[column.name].join(cell)))

    def rule_of(self, line: Line) -> list[str]:
        """The rule, and below it the numbers of its notes, two a line."""
        marks = [f"[{number}]" for number in line.notes]
        return [
            *_folded(self.cell(line.rule), RULE),
            *("".join(marks[start : start + 2]) for start in range(0, len(marks), 2)),
        ]

    def cell(self, text: str) -> str:
        """Text as this console can print it; our own line breaks stay, those of strangers are gone by then."""
        return "\n".join(paper(part, self.console).plain for part in text.split("\n"))


def _importance(column: Column) -> int:
    return FIRST.index(column.name) if column.name in FIRST else len(FIRST)


def _indented(name: Cell) -> list[str]:
    return [visible(name[0]), *(f"  {visible(setting)}" for setting in name[1:])]


def _widest(text: str) -> int:
    return max(map(cell_len, text.split("\n")))


def _folded(text: str, width: int) -> list[str]:
    """Lines of this width at most, broken behind a sign between words where there is one."""
    lines = [""]
    for word in re.findall(r".*?[_=./+ -]|.+", text):
        if cell_len(lines[-1] + word) <= width:
            lines[-1] += word
        else:
            lines += chop_cells(word, width)
    return [line for line in lines if line]
