"""A bar on stderr for reading many files: one stage after the other, nothing where stderr is no terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from bench.commands.flags import Flags


class Reading:
    """Called with what is being done, how many are done, and of how many (0: not known)."""

    def __init__(self, flags: Flags) -> None:
        console = Console(stderr=True, quiet=flags.quiet, highlight=False)
        shown = flags.progress and not flags.quiet and console.is_terminal
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not shown, transient=True)
        self._task: TaskID | None = None
        self._stage = ""

    def __enter__(self) -> Reading:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._task is None or stage != self._stage:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task, self._stage = self._progress.add_task(stage, total=None), stage
        self._progress.update(self._task, completed=done, total=total or None)
