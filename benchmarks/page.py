"""The page of a million scored images beside pandas reading them as one CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import Row
from benchmarks.start import cpu_seconds
from benchmarks.tables import READ, TURNS

BUILD = "import sys, pathlib; from bench.leaderboard.page.build import Options, page; page(pathlib.Path(sys.argv[1]), Options(images=0))"


def measure(folder: Path) -> Iterator[Row]:
    """CPU seconds of whole processes, on the runs that `tables.measure` has made in the folder."""
    ours = min(cpu_seconds(["-P", "-c", BUILD, str(folder / "many")]) for _ in range(TURNS))
    theirs = min(cpu_seconds(["-P", "-c", READ, str(folder / "whole.csv")]) for _ in range(TURNS))
    yield Row("page of the same (12 times is allowed)", ours, "pandas reads them as one CSV", theirs)
