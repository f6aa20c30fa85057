"""What a run shows: progress on stderr (a bar at a terminal, a line a cell elsewhere), the table on stdout."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.pipeline.request import RunRequest

if TYPE_CHECKING:
    from bench.pipeline.plan import Planned
    from bench.results.columns import Row


class Display:
    """Where a run's words go."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self.errors = Console(stderr=True, quiet=request.quiet, highlight=False)
        self.shows_bars = request.progress and not request.quiet and self.errors.is_terminal
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=self.errors, disable=not self.shows_bars)
        self.bar = self.progress.add_task("pictures", total=None, visible=False)
        self.cells = 0
        self.done = 0
        self.began = time.monotonic()

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def say(self, sentence: str) -> None:
        """A line on stderr."""
        self.errors.print(sentence, markup=False, soft_wrap=True)

    def note(self, sentence: str, done: int = 0, total: int = 0) -> None:
        """A passing line, at a terminal or with -v; with a total, a bar at the terminal of how far that is."""
        if sentence and (self.shows_bars or self.request.verbose):
            self.say(sentence)
        if total:
            self.progress.update(self.bar, completed=done, total=total, visible=done < total)

    def expect(self, cells: int) -> None:
        """How many cells will be worked out now; those before are not counted with them."""
        self.cells, self.done, self.began = cells, 0, time.monotonic()

    def remaining(self) -> str:
        """What the cells to come will take if they take as long as those that are done; nothing after the last."""
        left = self.cells - self.done
        seconds = (time.monotonic() - self.began) / max(1, self.done) * left
        return f"; about {math.ceil(seconds / 60)} min for the {left} to come" if left else ""

    def cell(self, title: str) -> CellLine:
        """The line of one cell."""
        return CellLine(self, title)

    def plan(self, planned: Sequence[Planned]) -> None:
        """What a dry run shows: every cell, and whether it is there already."""
        if self.request.json:
            rows = [{"cell": p.title, "finished": p.finished, "folder": str(p.folder)} for p in planned]
            print(json.dumps(rows, indent=1))
            return
        for p in planned:
            print(f"{'finished' if p.finished else 'to do   '}  {p.title}, {p.cell.protocol.title}  {p.folder}")
        print(f"{sum(not p.finished for p in planned)} of {len(planned)} cells to do")

    def table(self, rows: Sequence[Row], out: Path) -> None:
        """The Dice table on stdout, then the paths written."""
        if self.request.json:
            print(json.dumps(list(rows), indent=1, default=str))
            return
        from bench.results.tables import show

        show(rows, Console(file=sys.stdout, highlight=False))
        print(f"{out / 'leaderboard.csv'}")
        for folder in sorted({f"{out / row['dataset'] / row['method']}" for row in rows}):
            print(folder)


class CellLine:
    """The progress of one cell: stage, how far, and at the end one line with how long it took."""

    def __init__(self, display: Display, title: str) -> None:
        self.display = display
        self.title = title
        self.stage = ""
        self.started = time.monotonic()
        self.task: TaskID | None = None

    def __enter__(self) -> CellLine:
        self.task = self.display.progress.add_task(self.title, total=None)
        return self

    def __exit__(self, *error: object) -> None:
        if self.task is not None:
            self.display.progress.remove_task(self.task)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """A stage begins (total 0) or goes on; an empty stage is the one that runs."""
        assert self.task is not None
        if stage and stage != self.stage:
            self.stage = stage
            self.display.progress.reset(self.task, description=f"{self.title}: {stage}", total=None)
            if self.display.request.verbose:
                self.display.say(f"{self.title}: {stage}")
        if total:
            self.display.progress.update(self.task, completed=done, total=total)

    def finish(self, failed: str) -> None:
        """Say how it ended."""
        self.display.done += 1
        seconds = time.monotonic() - self.started
        end = f"failed: {failed}" if failed else f"done in {seconds:.0f} s"
        remaining = self.display.remaining()
        self.display.say(f"[{self.display.done}/{self.display.cells}] {self.title}: {end}{remaining}")
