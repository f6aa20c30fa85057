"""`bench run` as a user sees it: real processes, a table, rows of failures, kills that lose nothing, and a method that cannot look."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from bench.pipeline import run
from bench.pipeline.children import Children, Stopped
from bench.pipeline.plan import plan
from bench.pipeline.progress import Display
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE

pytestmark = pytest.mark.timeout(600)  # several real processes, each of which starts torch

SMALL = ("size=32", "weak_images=20", "steps=100", "base_channels=2", "batch=4", "fit_share=1")


def command(tiny_file: Path, out: Path, *more: str, method: str = "tiny") -> list[str]:
    small = [word for setting in SMALL for word in ("--set", f"protocol.{setting}")]
    head = [sys.executable, "-P", "-m", "bench", "run", "--plugin", str(tiny_file), "--method", method]
    return [*head, "--dataset", "tiny_shapes", "--protocol", "smoke", *small, "--out", str(out), *more]


def bench(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=500)


def results(out: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(p.read_text()) for p in out.glob("*/*/r-*/result.json")]
    return {result["method"]: result for result in found}


def test_one_failing_cell_stops_no_other_and_a_second_run_shows_the_same(tiny_file, tmp_path):
    out = tmp_path / "runs"
    words = command(tiny_file, out, method="tiny,broken,full_supervision")
    first = bench(words)
    assert first.returncode == 1, first.stderr
    assert "method broken failed: ZeroDivisionError: on purpose" in " ".join(first.stdout.split())
    found = results(out)
    assert {name for name, result in found.items() if "failed" in result} == {"broken"}
    assert "Traceback" not in first.stdout + first.stderr
    assert "ZeroDivisionError" in next((out / "tiny_shapes" / "broken").glob("r-*/log.txt")).read_text()

    artifacts = {p: p.stat().st_mtime_ns for p in (out / "artifacts").glob("*-*")}
    written = (out / "leaderboard.csv").read_bytes()
    again = bench(words)
    assert again.stdout == first.stdout
    assert {p: p.stat().st_mtime_ns for p in (out / "artifacts").glob("*-*") if not p.name.endswith(".part")} == {
        p: t for p, t in artifacts.items() if not p.name.endswith(".part")
    }
    assert (out / "leaderboard.csv").read_bytes() == written
    check_files(out, found)


def check_files(out: Path, found: dict[str, dict[str, Any]]) -> None:
    """What interface.md promises of a run's folder."""
    folder = next((out / "tiny_shapes" / "tiny").iterdir())
    assert {p.name for p in folder.iterdir()} - {".lock"} == {
        "result.json",
        "scores.csv",
        "history.csv",
        "log.txt",
        "predictions",
    }
    assert sorted(p.name for p in (folder / "predictions").iterdir()) == sorted(
        f"{stage}-{split}.npy" for stage in ("init", "unet-fixed", "unet-otsu") for split in ("val", "test")
    )
    tiny, full = found["tiny"], found["full_supervision"]
    assert [row["rule"] for row in tiny["rows"]] == ["fixed", "otsu"]
    assert (tiny["masks_train"], tiny["labels_used"], tiny["role"]) == (0, 20, "method")
    assert (full["masks_train"], full["role"], full["rows"][0]["rule"]) == (6, "full", "")
    assert {"torch", "numpy", "wsss-bench"} <= set(tiny["versions"])
    assert set(tiny["split_hashes"]) == {"weak", "weak_heldout", "masks", "val", "test"}
    with (folder / "history.csv").open() as file:
        lines = list(csv.DictReader(file))
    fit = [line for line in lines if line["stage"].startswith("fit-") and line["name"] == "loss"]
    assert [line["epoch"] for line in fit] == ["0", "1", "2", "3"]
    with (out / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    full_row = next(row for row in rows if row["method"] == "full_supervision")
    assert full_row["test_init"] == ""
    assert float(full_row["test_unet"]) > 0
    assert all(0 < float(row["test_pxap"]) <= 1 for row in rows if row["test_init"] or row["test_unet"])


def killed_when(words: list[str], seen: Callable[[], bool]) -> None:
    """Start a run and SIGKILL it as soon as `seen`; its children go with it."""
    parent = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 400
    while not seen():
        assert parent.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = descendants(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert children
    while any(running(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def descendants(pid: int) -> set[int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found - {pid}


def running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def checkpoints(out: Path, kind: str) -> Callable[[], bool]:
    return lambda: bool(list((out / "artifacts").glob(f"{kind}-*.part/checkpoint.pt")))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_in_fit_and_in_segment_the_same_command_ends_in_the_same_bytes(tiny_file, tmp_path):
    slow = ("--set", "tiny.pause=0.3", "--set", "protocol.rules=fixed")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert bench(command(tiny_file, whole, *slow)).returncode == 0
    words = command(tiny_file, broken, *slow)
    killed_when(words, checkpoints(broken, "fit"))
    assert not results(broken)
    killed_when(words, checkpoints(broken, "segment"))
    assert not results(broken)
    assert bench(words).returncode == 0
    one, other = (next((out / "tiny_shapes" / "tiny").iterdir()) for out in (whole, broken))
    for name in ("scores.csv", "history.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    for kind in ("fit", "segment"):
        nets = [next((out / "artifacts").glob(f"{kind}-*")) / "net.safetensors" for out in (whole, broken)]
        assert nets[0].read_bytes() == nets[1].read_bytes()
    assert not list((broken / "artifacts").glob("*.part"))


def test_a_method_sees_no_mask_and_no_path(tiny_file, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "mask.png").write_bytes(b"mask")
    cache = Path(os.environ["BENCH_CACHE"])
    places = [
        secret,
        secret / "mask.png",
        cache / "masks",
        cache / "views",
        f"/proc/{os.getpid()}/environ",
        Path(__file__),
    ]
    spy = ("--set", f"spy.places={':'.join(map(str, places))}", "--set", "protocol.rules=fixed")
    out = tmp_path / "runs"
    done = bench(command(tiny_file, out, *spy, method="spy"))
    assert done.returncode == 0, done.stderr
    result = results(out)["spy"]
    if not result["confined"]:
        assert "not confined" in result["notes"]
        pytest.skip("this kernel has no Landlock; the row says so")
    log = next((out / "tiny_shapes" / "spy").glob("r-*/log.txt")).read_text()
    seen = {line.removeprefix("spy saw ") for line in log.splitlines() if line.startswith("spy saw ")}
    assert seen
    assert not seen & {str(place) for place in places}
    assert not any(str(cache) in text or str(secret) in text for text in seen)
    assert result["rows"][0]["coverage"] == 0


@pytest.fixture
def planned(tiny_file, tmp_path):
    """One cell, planned in this process, and its request."""
    request = RunRequest(("tiny",), ("tiny_shapes",), SMOKE, out=tmp_path / "runs", timeout=0.5)
    (one,) = plan(request)
    return one, request


def test_a_child_that_takes_too_long_is_stopped(tmp_path, planned):
    one, request = planned
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (tmp_path / "log").open("w") as log:
        said = Children().run(words, run.environment(one), log, request.timeout, lambda *_: None)
    assert said == "stopped after 0.5 seconds (--timeout)"


def test_a_cell_that_ends_without_a_result_is_a_row_with_its_reason(planned, monkeypatch):
    one, request = planned
    monkeypatch.setattr(Children, "run", lambda *_: "the cell was ended by signal 9")
    run.work_out([one], request, Display(request))
    result = results(request.out)["tiny"]
    assert result["failed"] == f"the cell was ended by signal 9; its log is {one.folder / 'log.txt'}"
    assert not one.finished


def test_an_interrupted_run_writes_no_failure_and_starts_nothing_more(planned, monkeypatch):
    one, request = planned
    began = []

    def interrupted(children, *_):
        began.append(1)
        children.stop()
        raise Stopped

    monkeypatch.setattr(Children, "run", interrupted)
    run.work_out([one], request, Display(request))
    assert began == [1]
    assert not results(request.out)
    children = Children()
    children.stop()
    with pytest.raises(Stopped):
        children._start([sys.executable, "-c", ""], {}, sys.stderr)


def test_a_cell_that_another_process_works_at_is_left_alone(planned, capsys):
    one, request = planned
    one.folder.mkdir(parents=True)
    with FileLock(one.folder / ".lock"):
        run.work_out([one], request, Display(request))
    assert "another process is working at it" in " ".join(capsys.readouterr().err.split())
    assert not results(request.out)


def test_a_dry_run_makes_nothing(planned, capsys):
    one, request = planned
    assert run.run(replace(request, dry_run=True, seeds=(0, 1))) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 cells to do" in shown
    assert str(one.folder) in shown
    assert not request.out.exists()
