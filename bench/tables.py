"""The Dice table, as Table 1 of the first paper: rows of bench.results, floors and bounds apart, failures with their sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results import STAGES, Row

HEADINGS = {"val_init": "val\ninit", "val_unet": "val\nU-Net", "test_init": "test\ninit", "test_unet": "test\nU-Net"}
IMAGE_LEVEL = {
    "false_positive_rate": "false\npos. %",
    "false_positive_share": "their\narea %",
    "foreground_share": "object\narea %",
}
"""Of images without the object: how many get any pixel of it, and how much of them; what images with it get. Only where measured."""
SECTIONS = {"method": "", "floor": "floors", "control": "controls", "full": "trained on masks"}
NARROW = 110
"""Below this many columns the spread stands under the mean."""
ASCII_BOX = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""rich's SIMPLE_HEAD in ASCII; rich's own answer to an ASCII terminal draws every line and costs 9 columns"""


def show(rows: Sequence[Row], console: Console) -> None:
    """Print one table per data set and protocol, with the notes that its rows need."""
    tables = [list(group) for _, group in groupby(printed_once(rows), key=_table_key)]
    named = Counter(_names(table_rows[0]) for table_rows in tables)
    for table_rows in tables:
        marks = _Marks()
        console.print(_title(table_rows[0], console, alone=named[_names(table_rows[0])] == 1))
        console.print(dice_table(table_rows, console, marks))
        for line in marks.lines:
            console.print(Text(line))
        console.print()


def printed_once(rows: Sequence[Row]) -> list[Row]:
    """Rows without the Otsu twin of a method: Otsu's rule is of the min-maxed map, whatever `map_norm` says."""
    kept: dict[Any, Row] = {}
    for number, row in enumerate(rows):
        settings = [s for s in (row["settings"] or "").split(",") if not s.startswith("map_norm=")]
        twin = (*_table_key(row), row["method"], *settings) if row["rule"] == "otsu" else number
        kept.setdefault(twin, row)
    return list(kept.values())


def dice_table(rows: Sequence[Row], console: Console, marks: _Marks) -> Table:
    """Dice in %, mean and spread over seeds; sections in the order of `SECTIONS`."""
    lines = ASCII_BOX if _ascii(console) else box.SIMPLE_HEAD
    table = Table(box=lines, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("method", overflow="fold")
    table.add_column("rule", overflow="fold", max_width=8 if console.width < NARROW else None)
    more = image_level(rows)
    stages = shown_stages(rows, more, console)
    headings = (*(HEADINGS[stage] for stage in stages), *(IMAGE_LEVEL[name] for name in more))
    for heading in (*headings, "images", "masks\nused"):
        table.add_column(heading, justify="right", no_wrap=True, vertical="top")
    for role, section in groupby(sorted(rows, key=_section), key=lambda row: row["role"]):
        table.add_section()
        if SECTIONS[role]:
            table.add_row(Text(SECTIONS[role], style="italic"))
        for row in section:
            table.add_row(*_cells(row, stages, more, console, marks))
    return table


def shown_stages(rows: Sequence[Row], more: Sequence[str], console: Console) -> list[str]:
    """The columns of Dice. Where there are others beside them, a narrow terminal has no room for those that are empty in every row."""
    if console.width >= NARROW or not more:
        return list(STAGES)
    return [stage for stage in STAGES if any(row[stage] is not None for row in rows)]


def image_level(rows: Sequence[Row]) -> list[str]:
    """The columns beside Dice that these rows need: false positives where images are without the object; the area where no Dice is."""
    names = [name for name in list(IMAGE_LEVEL)[:2] if any(row[name] is not None for row in rows)]
    measured = [row for row in rows if row["foreground_share"] is not None]
    dice = any(row[stage] is not None for row in rows for stage in STAGES)
    return names if dice or not measured else [*names, "foreground_share"]


class _Marks:
    """Notes under a table: the same sentence has the same number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, sentences: Iterable[str]) -> str:
        """` [1] [2]` for these sentences."""
        return "".join(f" [{self.numbers.setdefault(text, len(self.numbers) + 1)}]" for text in sentences if text)

    @property
    def lines(self) -> list[str]:
        return [f"[{number}] {text}" for text, number in self.numbers.items()]


def _table_key(row: Row) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("dataset", "label", "fingerprint", "protocol", "protocol_version"))


def _section(row: Row) -> int:
    return list(SECTIONS).index(row["role"])


def dataset_title(row: Row) -> str:
    """The data set as tables show it: `isic`, or `isic (reduced)`."""
    return f"{row['dataset']} ({row['label']})" if row["label"] else str(row["dataset"])


def _names(row: Row) -> tuple[str, str]:
    """Data set and protocol as a title shows them."""
    return dataset_title(row), f"protocol {row['protocol']} v{row['protocol_version']}"


def _title(row: Row, console: Console, alone: bool) -> Text:
    """The title of a table; where another has the same, the fingerprint tells them apart: its data is not the same."""
    dot, plus_minus = ("-", "+-") if _ascii(console) else ("·", "±")
    dataset, protocol = _names(row)
    parts = [dataset if alone else f"{dataset}, data {row['fingerprint']}", protocol, "Dice in %"]
    return Text(f" {dot} ".join(parts) + f", mean {plus_minus} sd over seeds")


def _cells(row: Row, stages: Sequence[str], more: Sequence[str], console: Console, marks: _Marks) -> list[Text]:
    name = row["method"] + (f"\n  {row['settings'].replace(',', f'{chr(10)}  ')}" if row["settings"] else "")
    failed = "failed" if row.get("failures") and row["seeds"] is None else ""
    rule = Text(failed or row["rule"], style="red" if failed else "")
    rule.append(marks.of([row["degenerate"], *_notes(row)]))
    dice = [Text(_dice(row, stage, console)) for stage in stages]
    areas = [Text("-" if row[name] is None else f"{100 * row[name]:.1f}") for name in more]
    return [Text(name), rule, *dice, *areas, Text(_count(row["images"])), Text(_masks(row))]


def _notes(row: Row) -> list[str]:
    """Sentences about this row alone; a failure names the method, for it is read apart from its row."""
    failures = [f"{row['method']}, {text}" for text in row.get("failures") or ()]
    others = [note for note in (row["notes"] or "").split("; ") if note and note not in (row.get("failures") or ())]
    return [*others, *failures]


def _dice(row: Row, stage: str, console: Console) -> str:
    """`52.31`, or with a spread `52.31 ±1.20`; a dash where nothing was measured."""
    if row[stage] is None:
        return "-"
    mean = f"{100 * row[stage]:.2f}"
    if row[f"{stage}_sd"] is None:
        return mean
    between = "\n" if console.width < NARROW else " "
    return f"{mean}{between}{'+-' if _ascii(console) else '±'}{100 * row[f'{stage}_sd']:.2f}"


def _masks(row: Row) -> str:
    """Masks that training and tuning used; those of evaluation are no part of it."""
    counts = [row["masks_train"], row["masks_tune"]]
    return "" if counts == [None, None] else str(sum(count or 0 for count in counts))


def _count(value: Any) -> str:
    return "" if value is None else str(value)


def _ascii(console: Console) -> bool:
    return console.options.ascii_only
