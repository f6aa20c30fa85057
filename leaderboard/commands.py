"""`bench leaderboard`: the rows of finished runs, shown, compared and exported."""

from __future__ import annotations

from collections.abc import Iterable

import click

from bench import hookimpl
from bench.leaderboard.files.commands import FILE_COMMANDS
from bench.leaderboard.page.commands import PAGE_COMMANDS
from bench.leaderboard.table.compare_command import compare
from bench.leaderboard.table.export_command import export
from bench.leaderboard.table.show_command import show


@click.group("leaderboard")
def leaderboard() -> None:
    """Show, compare and export the rows of finished runs."""


for command in (show, export, compare, *FILE_COMMANDS, *PAGE_COMMANDS):
    leaderboard.add_command(command)


@hookimpl
def bench_commands() -> Iterable[click.Command]:
    """The group that is added to `bench`."""
    return (leaderboard,)
