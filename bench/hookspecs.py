"""What a plugin module may offer. Each hook is a function of that name, marked with `bench.hookimpl`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from bench.api import AnyMethod, Dataset

PROJECT = "wsss_bench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def bench_methods() -> Iterable[type[AnyMethod]]:
    """The methods of this module."""
    return ()


@hookspec
def bench_datasets() -> Iterable[type[Dataset]]:
    """The data sets of this module."""
    return ()


@hookspec
def bench_commands() -> Iterable[click.Command]:
    """Commands to add to `bench`."""
    return ()


@hookspec
def bench_run_finished(out: Path) -> None:
    """A run has written its results under `out`."""
