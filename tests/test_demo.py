"""`bench demo` (README.md, getting-started.md): offline, frozen, continued, and in plain words about what its own rows say."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench import Pretrained, plugins
from bench.commands import demo
from bench.commands.cli import cli
from bench.pipeline import run as running
from bench.pipeline.cell_process import work
from bench.pipeline.plan import plan
from bench.results.orders import orders


def row(
    method: str, role: str, test_unet: float | None, test_init: float | None = None, masks: int = 0
) -> dict[str, Any]:
    return {"method": method, "role": role, "test_unet": test_unet, "test_init": test_init, "masks_train": masks}


def test_an_order_that_holds_and_one_that_does_not_are_both_said() -> None:
    rows = [
        row("good", "method", 0.61, 0.99),
        row("bad", "method", 0.3),
        row("disc", "floor", None, 0.5),
        row("grey", "floor", 0.2),
        row("full", "full", 0.6, masks=60),
    ]
    assert orders(rows) == [
        "good (61.0) is above every floor that uses no mask; the highest is disc (50.0)",
        "bad (30.0) is NOT above every floor that uses no mask: not above disc (50.0)",
        "full (60.0) is NOT above every method: not above good (61.0)",
    ]


def test_an_equal_floor_is_not_below_and_one_that_read_masks_is_not_asked() -> None:
    rows = [row("m", "method", 0.5), row("prior", "floor", 0.9, masks=10), row("same", "floor", 0.5)]
    assert orders(rows) == ["m (50.0) is NOT above every floor that uses no mask: not above same (50.0)"]


def test_nothing_is_said_of_rows_that_failed_or_have_nobody_to_compare_with() -> None:
    assert orders([row("m", "method", 0.5), row("gone", "floor", None), row("full", "full", None)]) == []


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch, inline: None) -> list[str]:
    """Two floors and full supervision for two steps, in this process; the cells that were worked at."""
    cells: list[str] = []

    def cell(planned: Any, *rest: Any) -> str:
        cells.append(planned.cell.method.name)
        work(replace(planned.cell, threads=1), planned.folder, lambda *_: None)
        return ""

    monkeypatch.setattr(running, "cell_in_a_child", cell)
    monkeypatch.setattr(demo, "METHODS", ())
    monkeypatch.setattr(demo, "FLOORS", ("centre_disc", "otsu"))
    monkeypatch.setattr(demo, "SETTINGS", ("protocol.steps=2", "protocol.base_channels=2", "protocol.rules=otsu"))
    return cells


def bench_demo(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, ["demo", *map(str, args)])


def test_it_ends_in_a_table_a_page_and_what_to_type_next_and_continues(tmp_path: Path, worked: list[str]) -> None:
    out = tmp_path / "try"
    first = bench_demo("--out", out)
    assert first.exit_code == 0, first.output
    assert sorted(worked) == ["centre_disc", "full_supervision", "otsu"]
    assert "centre_disc" in first.stdout
    assert "no Dice decided them" in first.stdout
    assert first.stdout.rstrip().endswith(f"page: {out / 'index.html'}")
    assert "synthetic" in (out / "index.html").read_text(encoding="utf-8")
    assert "Next:" in first.stderr
    assert f"bench runs list {out}" in first.stderr
    again = bench_demo("--out", out, "-q")
    assert again.exit_code == 0
    assert len(worked) == 3
    assert again.stderr == ""
    assert again.stdout == first.stdout
    document = json.loads(bench_demo("--out", out, "--json").stdout)
    assert {row["method"] for row in document["rows"]} == set(worked)
    assert document["page"] == str(out / "index.html")


def test_a_row_that_fails_leaves_the_others_and_exit_code_1(
    tmp_path: Path, worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = running.cell_in_a_child

    def cell(planned: Any, *rest: Any) -> str:
        return running.fail(planned, "it broke") if planned.cell.method.name == "otsu" else whole(planned, *rest)

    monkeypatch.setattr(running, "cell_in_a_child", cell)
    done = bench_demo("--out", tmp_path)
    assert done.exit_code == 1
    assert "it broke" in done.stdout
    assert (tmp_path / "index.html").is_file()
    assert "full_supervision" in done.stdout


def test_nothing_finished_makes_no_page(tmp_path: Path, worked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "cell_in_a_child", lambda planned, *rest: running.fail(planned, "it broke"))
    done = bench_demo("--out", tmp_path)
    assert done.exit_code == 1
    assert not (tmp_path / "index.html").exists()
    assert "page:" not in done.stdout
    assert "error:" not in done.stderr


def test_it_has_every_floor_that_needs_no_weights_and_asks_nobody_for_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {name: plugins.load("methods", name) for name in plugins.offers("methods")}
    floors = {name for name, cls in found.items() if cls.floor and not issubclass(cls, Pretrained)}
    assert set(demo.FLOORS) == floors

    def asked(*rest: Any) -> None:
        pytest.fail("weights were asked for")

    monkeypatch.setattr("bench.weights._published", asked)
    monkeypatch.setattr("bench.weights._named", asked)
    planned = plan(demo.frozen(tmp_path))
    methods = [p.cell.method for p in planned]
    assert {m.name for m in methods} == {*demo.METHODS, *floors, "full_supervision"}
    assert len(demo.METHODS) == 3
    assert {p.cell.dataset.name for p in planned} == {"synthetic"}
    assert {p.cell.device for p in planned} == {"cpu"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_demo_takes_300_cpu_seconds_at_most(tmp_path: Path) -> None:
    """User time of every process, imports too: two idle cores share it, so that it is done within three minutes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-P", "-m", "bench", "demo"]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "BENCH_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert after.ru_utime - before.ru_utime < 300
    assert (tmp_path / "demo" / "index.html").is_file()
