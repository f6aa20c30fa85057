"""What a run says on stderr while it works: a bar at a terminal, one line a cell elsewhere, nothing with -q."""

from __future__ import annotations

import io

import pytest

from bench.pipeline import progress
from bench.pipeline.progress import Display
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE


def display(monkeypatch, terminal=False, **flags):
    request = RunRequest(("otsu",), ("synthetic",), SMOKE, **flags)
    shown = Display(request)
    shown.errors.file = io.StringIO()
    clock = iter(range(0, 10_000, 30))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    return shown


def work(shown):
    with shown:
        shown.expect(3)
        for title, failed in (("a", ""), ("b", "the loss is nan"), ("c", "")):
            with shown.cell(title) as line:
                line("fit", 0, 0)
                line("", 1, 4)
                line.finish(failed)
    return shown.errors.file.getvalue().splitlines()


def test_one_line_a_cell_with_what_remains(monkeypatch):
    lines = work(display(monkeypatch))
    assert len(lines) == 3
    assert lines[0].startswith("[1/3] a: done in ")
    assert "min for the 2 to come" in lines[0]
    assert lines[1].startswith("[2/3] b: failed: the loss is nan; about ")
    assert lines[2].startswith("[3/3] c: done in ")
    assert "to come" not in lines[2]


def test_verbose_names_the_stages(monkeypatch):
    assert "a: fit" in work(display(monkeypatch, verbose=True))


def test_quiet_says_nothing(monkeypatch):
    assert work(display(monkeypatch, quiet=True)) == []


@pytest.mark.parametrize(
    ("done", "cells", "seconds", "said"), [(1, 3, 90, "about 3 min for the 2"), (2, 3, 90, "about 1 min for the 1")]
)
def test_the_estimate_is_the_mean_of_what_is_done(monkeypatch, done, cells, seconds, said):
    shown = Display(RunRequest(("otsu",), ("synthetic",), SMOKE))
    shown.cells, shown.done, shown.began = cells, done, 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(seconds))
    assert said in shown.remaining()


def test_a_second_lot_of_cells_is_counted_from_its_beginning(capsys):
    """`bench attribution` works out cells twice."""
    shown = Display(RunRequest(("otsu",), ("synthetic",), SMOKE))
    for cells in (2, 3):
        shown.expect(cells)
        for _ in range(cells):
            with shown.cell("otsu on synthetic") as line:
                line.finish("")
    told = [text.split("]")[0] for text in capsys.readouterr().err.splitlines()]
    assert told == ["[1/2", "[2/2", "[1/3", "[2/3", "[3/3"]
