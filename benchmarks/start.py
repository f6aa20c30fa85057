"""What `--help` and `list` cost beside a bare click program of the same size (CPU seconds of a whole process)."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.commands.cli import cli
from benchmarks import Row

TURNS = 7


def measure(folder: Path) -> Iterator[Row]:
    """One row for each command, one for importing torch, which neither does."""
    bare = folder / "bare.py"
    bare.write_text(bare_program(), encoding="utf-8")
    for args in (["--help"], ["list"]):
        ours, theirs = alternate(["-P", "-m", "bench", *args], [str(bare), *args])
        yield Row(f"`bench {args[0]}`", ours, "bare click program", theirs)
    ours, theirs = alternate(["-P", "-m", "bench", "list"], ["-c", "import torch"])
    yield Row("`bench list`", ours, "`import torch` alone", theirs)


def alternate(one: list[str], other: list[str]) -> tuple[float, float]:
    """The smallest CPU time of each, taken turn by turn."""
    pairs = [(cpu_seconds(one), cpu_seconds(other)) for _ in range(TURNS)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def cpu_seconds(words: list[str]) -> float:
    """User and system time of a Python child."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def bare_program() -> str:
    """A click program with as many commands, options and printed lines as ours, and nothing behind them."""
    lines = ["import click", "@click.group()", "def cli(): pass"]
    for name, each in cli.commands.items():
        lines.append(f"@cli.command('{name}')")
        lines += [f"@click.option('--o{n}', help='{p.name} of something')" for n, p in enumerate(each.params)]
        lines += ["def f(**all):", "    for _ in range(20): click.echo('a name and its text')"]
    return "\n".join([*lines, "cli()"])
