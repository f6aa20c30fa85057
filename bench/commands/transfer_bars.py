"""Bars on stderr for what comes over the network: one for each file, with its size and speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


@contextmanager
def transfer_bars(shown: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar on stderr for each file; nothing where `shown` is false or stderr is no terminal, and nothing before the first byte."""
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=console, disable=not (shown and console.is_terminal))
    tasks: dict[str, TaskID] = {}

    def report(name: str, done: int, total: int | None) -> None:
        if name not in tasks:  # what came earlier counts for the bar and not for the speed
            tasks[name] = progress.add_task(name, total=total, completed=done)
        progress.start()  # only now: a question may have been asked before
        progress.update(tasks[name], completed=done, total=total)

    try:
        yield report
    finally:
        progress.stop()
