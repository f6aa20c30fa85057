"""`bench runs rm` and `gc`: what nobody needs goes, what a result rests on or a process works at stays."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock
from tiny_runs import CELLS, folder_of, out, result_of, work

from bench.commands.cli import cli
from bench.errors import DataError, MachineError
from bench.results.collected import collect
from bench.runs import clean as runs_clean
from bench.runs.check import check
from bench.runs.clean import carry_out, plan_gc, plan_rm
from bench.runs.listing import find_run

__all__ = ["out"]


def bench(*args):
    return CliRunner().invoke(cli, [str(a) for a in args])


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.glob("*-*")}


def rests_on(out: Path, *but: Path) -> set[str]:
    """The artifacts that all results but some rest on, read by hand."""
    results = [result_of(p.parent) for p in out.glob("*/*/r-*/result.json") if p.parent not in but]
    return {stage["artifact"] for result in results for stage in result["stages"]}


def test_a_removed_run_takes_only_what_it_alone_rests_on(out):
    run = folder_of(out, "tiny", seed=0)
    before = rests_on(out)
    done = bench("runs", "rm", run.name, "--runs", out, "--yes")
    assert done.exit_code == 0, done.output
    assert not run.exists()
    assert names(out / "artifacts") == rests_on(out) < before
    assert [finding for finding in check(out) if finding.differs] == []


def test_what_two_runs_share_goes_with_the_last_of_them(out, inline, tiny_file):
    """Another protocol name shares every artifact; the first removal frees none of them."""
    run = folder_of(out, "centre_disc")
    twin = run.with_name("r-0123456789ab")
    shutil.copytree(run, twin)
    (twin / "result.json").write_text(json.dumps({**result_of(run), "run_id": twin.name}))
    shared = {stage["artifact"] for stage in result_of(run)["stages"]} - rests_on(out, run, twin)
    assert shared
    assert plan_rm([find_run(str(run), out)]).artifacts == []
    carry_out(plan_rm([find_run(str(run), out)]))
    assert shared <= names(out / "artifacts")
    carry_out(plan_rm([find_run(str(twin), out)]))
    assert not shared & names(out / "artifacts")
    assert not twin.parent.exists()  # an empty folder of a method goes too
    assert out.exists()


def test_the_bytes_that_are_said_are_those_that_come_free(out, tmp_path):
    run = folder_of(out, "tiny", seed=1)
    for file in (run / "predictions").iterdir():  # linked as `bench run` does it
        source = next(p for p in (out / "artifacts").glob("maps-*/maps.npy") if p.read_bytes() == file.read_bytes())
        file.unlink()
        file.hardlink_to(source)
    (tmp_path / "mine.npy").hardlink_to(run / "predictions" / "init-test.npy")  # stays, and takes its place

    def taken() -> int:
        states = {(s.st_dev, s.st_ino): s.st_size for s in (p.stat() for p in tmp_path.rglob("*") if p.is_file())}
        return sum(states.values())

    before, lock = taken(), sum(p.stat().st_size for p in out.rglob(".lock"))
    freed = carry_out(plan_rm([find_run(str(run), out)]))
    assert lock == 0
    assert before - taken() == freed > 0


def test_a_dry_run_removes_nothing_and_no_answer_is_no_yes(out):
    run = folder_of(out, "tiny")
    before = set(out.rglob("*"))
    for args in (["rm", run, "--dry-run"], ["gc", out, "--dry-run"]):
        done = bench("runs", *args)
        assert done.exit_code == 0
        assert "would free" in done.stdout
    told = json.loads(bench("runs", "rm", run, "--dry-run", "--json").stdout)
    assert (told["runs"], told["dry_run"]) == ([str(run)], True)
    assert set(told["artifacts"]) == rests_on(out) - rests_on(out, run)
    unasked = bench("runs", "rm", run)
    assert unasked.exit_code == 2
    assert "nobody is there to be asked" in unasked.output
    assert set(out.rglob("*")) == before


def test_who_is_asked_and_says_no_keeps_everything(out, monkeypatch):
    monkeypatch.setattr("bench.commands.clean._asked", lambda question: False)
    run = folder_of(out, "tiny")
    assert bench("runs", "rm", run).exit_code == 1
    assert run.exists()


def test_the_table_of_results_loses_the_removed_rows(out):
    done = bench(
        "runs", "rm", *(folder_of(out, *cell[:2], seed=cell[2]).name for cell in CELLS[:3]), "--runs", out, "--yes"
    )
    assert done.exit_code == 0, done.output
    lines = (out / "leaderboard.csv").read_text().splitlines()
    assert len(lines) - 1 == len(collect(out))
    assert not any(",full_supervision," in line for line in lines)
    rest = list(out.glob("*/*/r-*"))
    assert bench("runs", "rm", *rest, "--yes").exit_code == 0
    assert not (out / "leaderboard.csv").exists()
    assert names(out / "artifacts") == set()


def test_orphans_and_what_killed_runs_left_go(out):
    store = out / "artifacts"
    orphan = store / "maps-ffffffffffff"
    shutil.copytree(next(store.glob("maps-*")), orphan)
    part, scratch = store / "fit-ffffffffffff.part", store / ".scratch" / "r-ffffffffffff" / "tmp"
    for folder in (part, scratch):
        folder.mkdir(parents=True)
        (folder / "checkpoint.pt").write_bytes(b"x" * 1000)
    done = bench("runs", "gc", out, "--yes")
    assert done.exit_code == 0
    assert "artifacts: 1 left by method processes, 1 maps, 1 unfinished" in done.stdout
    assert not any(folder.exists() for folder in (orphan, part, scratch))
    assert names(store) == rests_on(out)
    assert check(out) == []
    assert bench("runs", "gc", out).stdout == "freed 0 bytes\n"  # nothing to remove: nobody is asked


def test_what_an_unfinished_run_has_made_goes_only_after_a_warning(out):
    run = folder_of(out, "tiny", seed=1)
    (run / "result.json").unlink()
    done = bench("runs", "gc", out, "--dry-run")
    assert f"what 1 unfinished or failed runs ({run.name}) have made goes too: they would begin again" in done.stdout


HOLD = (
    "import sys; from filelock import FileLock\nwith FileLock(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holding():
    """Another process that holds a lock."""
    started = []

    def hold(place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-c", HOLD, str(place)]
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "held\n"

    yield hold
    for process in started:
        process.communicate("")


def test_a_running_cell_keeps_its_folder_and_every_orphan(out, holding):
    run, other = folder_of(out, "tiny", seed=1), folder_of(out, "tiny", seed=0)
    (run / "result.json").unlink()  # it is being worked out: what it has made is named by no result yet
    holding(run / ".lock")
    before = names(out / "artifacts")
    done = bench("runs", "gc", out, "--yes")
    assert f"artifacts stay: {run.name} is being worked out and may need them" in done.stdout
    assert bench("runs", "rm", other, "--yes").exit_code == 0
    assert names(out / "artifacts") == before
    assert not other.exists()
    held = bench("runs", "rm", run, folder_of(out, "centre_disc"), "--yes")
    assert held.exit_code == 5
    assert f"{run} stays: a running process works at it" in held.output
    assert folder_of(out, "centre_disc").exists()  # nothing was removed


def test_an_artifact_that_is_being_made_stays(out):
    part = out / "artifacts" / "segment-ffffffffffff.part"
    part.mkdir()
    lock = out / "artifacts" / ".locks" / "segment-ffffffffffff"
    lock.parent.mkdir(exist_ok=True)
    with FileLock(lock):
        plan = plan_gc(out)
        assert plan.artifacts == []
        assert plan.stays == [f"{part.name} stays: a running process works at it"]
    assert [p.name for p in plan_gc(out).artifacts] == [part.name]


def test_what_came_to_be_used_after_the_question_stays(out):
    run = folder_of(out, "tiny", seed=1)
    result = (run / "result.json").read_text()
    (run / "result.json").unlink()
    plan = plan_gc(out)
    assert plan.artifacts
    (run / "result.json").write_text(result)  # it finished while somebody was asked
    assert carry_out(plan) == 0
    assert check(out) == []


def test_a_result_that_cannot_be_read_stops_removals_but_its_own(out):
    broken, other = folder_of(out, "tiny", seed=0), folder_of(out, "tiny", seed=1)
    (broken / "result.json").write_text("{")
    for plan in (lambda: plan_gc(out), lambda: plan_rm([find_run(str(other), out)])):
        with pytest.raises(DataError, match=f"nobody knows which artifacts {broken.name} rests on: .*`bench runs rm"):
            plan()
    assert other.exists()
    assert bench("runs", "rm", broken, "--yes").exit_code == 0
    assert not broken.exists()


def test_a_removal_that_is_cut_short_leaves_no_result_without_its_artifacts(out, monkeypatch):
    run = folder_of(out, "tiny", seed=0)
    plan = plan_rm([find_run(str(run), out)])

    def refused(folder, *_):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(runs_clean.shutil, "rmtree", refused)
    with pytest.raises(MachineError, match="cannot be removed \\(Permission denied\\); check its rights"):
        carry_out(plan)
    monkeypatch.undo()
    assert find_run(str(run), out).state == "unfinished"
    assert [finding for finding in check(out) if finding.differs] == []


def test_runs_of_two_folders_are_not_removed_at_once(out, tmp_path):
    shutil.copytree(out, tmp_path / "others")
    done = bench("runs", "rm", folder_of(out, "tiny"), folder_of(tmp_path / "others", "tiny"), "--yes")
    assert done.exit_code == 2
    assert "lie under 2 folders" in done.output


def test_a_run_that_was_removed_is_made_again_by_the_same_command(out, inline):
    run = folder_of(out, "centre_disc")
    scores = (run / "scores.csv").read_bytes()
    carry_out(plan_rm([find_run(str(run), out)]))
    assert work(out, "centre_disc") == run
    assert (run / "scores.csv").read_bytes() == scores
