"""How a command line names runs: the folder that they lie under, or one of them."""

from __future__ import annotations

from pathlib import Path

import click

OUT = click.argument("out", metavar="[RUNS]", default="runs", envvar="BENCH_RUNS", type=click.Path(path_type=Path))


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Ids of runs, for the shell."""
    out = Path(context.params.get("out") or "runs")
    return [folder.name for folder in sorted(out.glob("*/*/r-*")) if folder.name.startswith(incomplete)]


RUN = click.argument("run", shell_complete=complete_run)
UNDER = click.option(
    "--runs",
    "out",
    default="runs",
    envvar="BENCH_RUNS",
    show_default=True,
    is_eager=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where RUN is looked for by its id.",
)
