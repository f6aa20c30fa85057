"""The table of `bench runs list`: a line for each run, or a few where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from bench.disk import amount

LOOKS = {"finished": "", "failed": "red", "unfinished": "yellow", "unreadable": "red"}
WIDE = 130
"""From so many columns on everything stands in a column of its own."""

Row = Mapping[str, Any]


def table(rows: Sequence[Row], width: int) -> Table:
    """Rows of `Run.row`; why a run failed stands below its state, or below what it is."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    made.add_column("run", no_wrap=True)
    for heading in ("data set", "method", "protocol", "seed", "rules") if width >= WIDE else ("what",):
        made.add_column(heading, overflow="fold")
    made.add_column("state", overflow="fold", max_width=40)
    made.add_column("when (UTC)", no_wrap=True)
    made.add_column("size", justify="right", no_wrap=True)
    for row in rows:
        what = _what(row) if width >= WIDE else [_in_one(row)]
        made.add_row(Text(row["run"]), *map(Text, what), *_end(row, reason=width >= WIDE))
    return made


def _what(row: Row) -> list[str]:
    protocol, seed = ("" if row[name] is None else str(row[name]) for name in ("protocol", "seed"))
    method = "\n  ".join([row["method"], *filter(None, row["settings"].split(","))])
    return [_dataset(row), method, protocol, seed, str(row["rules"] or "")]


def _in_one(row: Row) -> str:
    _, method, protocol, seed, rules = _what(row)
    name, *settings = method.split("\n")
    rest = [protocol, f"seed {seed}" if seed else "", f"{rules} rules" if rules not in ("", "1") else ""]
    last = ", ".join(filter(None, rest))
    return "\n".join(
        [f"{name} on {_dataset(row)}", *settings, *([f"  {last}"] if last else []), *filter(None, [row["failed"]])]
    )


def _dataset(row: Row) -> str:
    return f"{row['dataset']} ({row['label']})" if row["label"] else str(row["dataset"])


def _end(row: Row, reason: bool) -> list[Text]:
    state = Text(row["state"], style=LOOKS[row["state"]])
    state.append(f"\n{row['failed']}" if reason and row["failed"] else "")
    return [state, Text(f"{row['when'][:10]} {row['when'][11:16]}"), Text(amount(row["bytes"]))]
