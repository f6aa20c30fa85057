"""`bench break-even` and `bench attribution` on real cells: a small data set, short rules, every cell in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench import plugins
from bench.commands.break_even import attribution, break_even
from bench.commands.cli import Bench
from bench.commands.flags import with_flags
from bench.pipeline.cell_process import work
from bench.pipeline.run import fail

SHORT = "size=32,base_channels=2,batch=4,steps=2,fit_share=1,weak_images=12,rules=otsu"
Command = Callable[..., Result]


def worked_here(monkeypatch: pytest.MonkeyPatch, masks: int) -> list[str]:
    """The titles of the cells that were worked out, to be filled; the data set has enough test images for an interval. A method called
    `broken` fails."""
    titles: list[str] = []

    def in_this_process(planned: Any, *rest: Any) -> str:
        titles.append(planned.title)
        if planned.cell.method.name == "broken":
            return fail(planned, "on purpose")
        work(replace(planned.cell, threads=1), planned.folder, lambda *_: None)
        return ""

    monkeypatch.setattr(import_module("bench.pipeline.run"), "cell_in_a_child", in_this_process)
    monkeypatch.setattr("bench.store.sync", lambda path: None)  # nothing here outlives a crash
    for split, images in {"val": 0, "test": 24, "masks": masks}.items():
        monkeypatch.setitem(plugins.load("datasets", "tiny_shapes").sizes, split, images)
    return titles


def command_into(out: Path) -> Command:
    """A function that runs `bench` of its words, on the small data set under short rules, into a folder."""
    group = Bench("bench")
    for each in (break_even, attribution):
        group.add_command(with_flags(each))
    rules = [word for rule in SHORT.split(",") for word in ("--set", f"protocol.{rule}")]
    place = ["--protocol", "smoke", "--out", str(out), "--device", "cpu", "--no-progress"]

    def run(*words: str, dataset: str = "tiny_shapes") -> Result:
        return CliRunner().invoke(group, [words[0], "--dataset", dataset, *place, *rules, *words[1:]])

    return run
