"""The rows that a command of the leaderboard works on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import DataError

if TYPE_CHECKING:
    from bench.results.columns import Row
    from bench.results.table_columns import Column
    from bench.results.verdicts import Scored

RUNS = click.argument("runs", default="runs", envvar="BENCH_RUNS", type=click.Path(path_type=Path))
REPORTED = click.option(
    "--reported", is_flag=True, help="With the rows that the papers report on the same data set; never ranked."
)

SORT = click.option("--sort", metavar="COLUMN", help="Sort by a column of leaderboard.csv, scores from high to low.")
COLUMNS = click.option(
    "--columns", metavar="LIST|all", help="Show these columns (names of leaderboard.csv, interval, ranks, masks)."
)


def asked(columns: str | None) -> list[Column] | None:
    """The columns of `--columns`; UsageError for one that does not exist."""
    if columns is None:
        return None
    from bench.results.table_columns import chosen

    return chosen([name.strip() for name in columns.split(",") if name.strip()])


def scored_rows(runs: Path) -> list[Scored]:
    """The rows of the runs under a folder with the scores behind them; DataError where there is none."""
    from bench.results import collected as results

    found = results.collect_scored(runs)
    if not found:
        raise DataError(f"there is no finished run under {runs}; `bench run --out {runs} ...` makes one")
    return found


def with_reported(rows: Sequence[Row], wanted: bool) -> list[Row]:
    """The rows, and those that papers report on their data sets where that is wanted."""
    if not wanted:
        return list(rows)
    from bench.leaderboard.table.reported import reported

    datasets = {row["dataset"] for row in rows}
    return [*rows, *(row for row in reported() if row["dataset"] in datasets)]
