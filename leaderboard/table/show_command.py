"""`bench leaderboard show`: the tables of finished runs at a terminal, and what else can be asked of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.commands.flags import flags
from bench.leaderboard.table.rows import COLUMNS, REPORTED, RUNS, SORT, asked, scored_rows, with_reported


@click.command()
@RUNS
@SORT
@COLUMNS
@REPORTED
@click.option(
    "--plan",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="An analysis plan: what was fixed beforehand, when, and where the table deviates from it.",
)
@click.option(
    "--robustness", is_flag=True, help="Rank intervals under other rules, stages and averages, one at a time."
)
@click.option("--signals", is_flag=True, help="How what is known without masks goes with Dice.")
@click.option(
    "--aa", is_flag=True, help="A/A test: how often rows that are one cell of 20 seeds are declared different."
)
def show(
    runs: Path,
    sort: str | None,
    columns: str | None,
    reported: bool,
    plan: Path | None,
    robustness: bool,
    signals: bool,
    aa: bool,
) -> None:
    """Print the Dice tables of the runs under RUNS (default: runs), the columns that fit.

    \b
    bench leaderboard show runs --sort test_unet
    bench leaderboard show runs --columns test_unet,seconds,gpu_seconds,peak_bytes
    bench leaderboard show runs --plan analysis-plan.md --robustness
    """
    shown = asked(columns)
    found = scored_rows(runs)
    rows = with_reported([scored.row for scored in found], reported)
    extras = _extras(found, plan, robustness, signals, aa)
    if flags().json:
        document = {"rows": rows, **{name: extra.to_json() for name, extra in extras.items()}} if extras else rows
        click.echo(json.dumps(document, indent=1))
        return
    from rich.console import Console

    from bench.results import tables

    console = Console(highlight=False)
    tables.show(rows, console, shown, sort)
    for extra in extras.values():
        extra.show(console)


def _extras(found: Any, plan: Path | None, robustness: bool, signals: bool, aa: bool) -> dict[str, Any]:
    """What was asked for beside the table, by name; each has `show` and `to_json`."""
    extras: dict[str, Any] = {}
    if plan is not None:
        from bench.leaderboard.table.plan import held_against

        extras["plan"] = held_against(plan, found)
    if robustness:
        from bench.leaderboard.table.robustness import robustness_of

        extras["robustness"] = robustness_of(found)
    if signals:
        from bench.leaderboard.table.signals import signals_of

        extras["signals"] = signals_of(found)
    if aa:
        from bench.leaderboard.table.aa import aa_of

        extras["aa"] = aa_of(found)
    return extras
