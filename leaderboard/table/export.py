"""The rows of finished runs as text: exact ones for programs (csv, json), rounded ones for readers (md, latex, html)."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

from bench.results.columns import LEADERBOARD_COLUMNS, Row
from bench.results.csv_files import print_rows
from bench.results.table_columns import Column
from bench.runs.sheets import in_order, sheets


def text_of(kind: str, rows: Sequence[Row], columns: Sequence[Column] | None = None, sort: str | None = None) -> str:
    """The rows as csv, md, latex, html or json. columns: of the tables to read; default those that `show` has."""
    if kind == "json":
        return json.dumps([_exact(row) for row in in_order(rows, sort)], indent=1) + "\n"
    if kind == "csv":
        file = io.StringIO()
        print_rows(file, LEADERBOARD_COLUMNS, in_order(rows, sort))
        return file.getvalue()
    if kind == "md":
        from bench.leaderboard.table.formats_markdown import markdown as written
    elif kind == "latex":
        from bench.leaderboard.table.formats_latex import latex as written
    else:
        from bench.leaderboard.table.formats_html import html as written
    return written(sheets(rows, columns, sort))


def _exact(row: Row) -> Row:
    return {column: row.get(column) for column in LEADERBOARD_COLUMNS}
