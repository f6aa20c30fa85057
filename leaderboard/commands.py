"""`bench leaderboard`: the rows of finished runs, shown and exported."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from bench import DataError, hookimpl
from bench.cli_flags import flags

RUNS = click.argument("runs", default="runs", envvar="BENCH_RUNS", type=click.Path(path_type=Path))


@click.group("leaderboard")
def leaderboard() -> None:
    """Show and export the rows of finished runs."""


@leaderboard.command()
@RUNS
def show(runs: Path) -> None:
    """Print the Dice tables of the runs under RUNS (default: runs)."""
    rows = _rows(runs)
    if flags().json:
        click.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console

    from bench import tables

    tables.show(rows, Console())


@leaderboard.command()
@RUNS
@click.option(
    "--format", "kind", type=click.Choice(["csv"]), default="csv", show_default=True, help="The form of the file."
)
@click.option("-o", "to", type=click.Path(path_type=Path), metavar="FILE", help="Write there instead of stdout.")
def export(runs: Path, kind: str, to: Path | None) -> None:
    """Write the rows of the runs under RUNS as one table."""
    from bench import results

    rows = _rows(runs)
    if to is None:
        results.print_rows(sys.stdout, results.LEADERBOARD_COLUMNS, rows)
        return
    results.write_rows(to, results.LEADERBOARD_COLUMNS, rows)
    click.echo(f"wrote {len(rows)} rows to {to}", err=True)


def _rows(runs: Path) -> list[dict[str, Any]]:
    from bench import results

    rows = results.collect(runs)
    if not rows:
        raise DataError(f"there is no finished run under {runs}; `bench run --out {runs} ...` makes one")
    return rows


@hookimpl
def bench_commands() -> Iterable[click.Command]:
    """The group that is added to `bench`."""
    return (leaderboard,)
