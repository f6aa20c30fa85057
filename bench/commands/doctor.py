"""`bench doctor`: what this installation has and lacks. Nothing here imports torch."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.flags import flags
from bench.errors import MachineError

if TYPE_CHECKING:
    from bench.doctor.machine import Line

PLUGINS = ("methods", "datasets", "commands")
MARKS = {"ok": "ok", "to know": "-", "missing": "MISSING", "broken": "BROKEN"}


@click.command()
@click.option(
    "--out",
    default="runs",
    envvar="BENCH_RUNS",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where results would go.",
)
def doctor(out: Path) -> int:
    """Look at versions, devices, disk, caches, weights, data and every plugin; exit 5 where no run can work, 4 for a broken plugin.

    \b
    bench doctor --json
    """
    try:
        from bench.doctor.findings import examine, exit_code
    except ModuleNotFoundError as error:
        raise MachineError(f"the package {error.name} is not installed; install wsss-bench again") from error

    with redirect_stdout(sys.stderr):  # what plugins print when they are imported
        lines = examine(out)
    if flags().json:
        click.echo(json.dumps([line.row() for line in lines], indent=1))
    else:
        _show(lines)
    return exit_code(lines)


def _show(lines: list[Line]) -> None:
    """Section by section; of plugins only those that are broken, and how many are not."""
    for section, members in groupby(lines, key=lambda line: line.section):
        click.echo(f"{section}:")
        shown = list(members)
        if section in PLUGINS:
            click.echo(f"  {MARKS['ok']:<8} {sum(line.state == 'ok' for line in shown)} load")
            shown = [line for line in shown if line.state != "ok"]
        for line in shown:
            click.echo(f"  {MARKS[line.state]:<8} {line.name}: {line.text}")
    bad = [f"{line.name}: {line.text}" for line in lines if line.state in ("missing", "broken")]
    click.echo("; ".join(bad) if bad else "nothing is missing that every run needs, and every plugin loads")
