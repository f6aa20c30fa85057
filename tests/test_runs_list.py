"""`bench runs list`, and how a run is named: its states, its row, ids that are near, folders that are no runs."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner
from tiny_runs import CELLS, folder_of, out, result_of

from bench.commands.cli import cli
from bench.errors import DataError, UsageError
from bench.runs.listing import find_finished, find_run, runs, segmenters, taken

__all__ = ["out"]


def bench(*args, **environment):
    return CliRunner().invoke(cli, [str(a) for a in args], env={"COLUMNS": "200", **environment})


def test_every_run_is_a_row_with_what_its_result_says(out):
    rows = json.loads(bench("runs", "list", out, "--json").stdout)
    assert sorted((r["method"], r["dataset"], r["seed"]) for r in rows) == sorted(CELLS)
    row = next(r for r in rows if r["method"] == "tiny" and r["seed"] == 1)
    folder = folder_of(out, "tiny", seed=1)
    assert (row["run"], row["state"], row["rules"]) == (folder.name, "finished", 2)
    assert row["protocol"].startswith("smoke(size=32")
    own = [p for p in folder.rglob("*") if p.is_file()]
    for stage in {stage["artifact"] for stage in result_of(folder)["stages"]}:
        own += list((out / "artifacts" / stage).iterdir())
    assert row["bytes"] == sum(p.stat().st_size for p in own)


def test_states_are_told_apart_and_the_table_says_why_a_run_failed(out):
    folders = [folder_of(out, "tiny", seed=0), folder_of(out, "tiny", seed=1), folder_of(out, "centre_disc")]
    (folders[0] / "result.json").unlink()
    (folders[1] / "result.json").write_text("[1, 2")
    failed = {key: result_of(folders[2])[key] for key in ("run_id", "label", "seed", "protocol", "settings")}
    (folders[2] / "result.json").write_text(json.dumps({**failed, "failed": "no room on the disk"}))
    states = {run.id: run.state for run in runs(out)}
    assert [states[f.name] for f in folders] == ["unfinished", "unreadable", "failed"]
    shown = bench("runs", "list", out)
    assert shown.exit_code == 0
    assert "no room on the disk" in shown.stdout
    assert folders[1].name in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("6 runs, ")


@pytest.mark.parametrize(
    "text", ['{"stages": 3}', '{"rows": [[]]}', "null", "3", '"x"', "[]", "{}", '{"stages": [{}]}', "["]
)
def test_no_result_json_stops_the_list(out, text):
    folder = folder_of(out, "centre_disc")
    (folder / "result.json").write_text(text)
    assert {run.id: run.state for run in runs(out)}[folder.name] == "unreadable"
    assert bench("runs", "list", out).exit_code == 0


def test_the_folders_of_method_processes_are_no_runs(out):
    (out / "artifacts" / ".scratch" / "r-0123456789ab").mkdir(parents=True)
    (out / "tiny_shapes" / "tiny" / "r-backup").mkdir()
    assert len(runs(out)) == len(CELLS)


def test_a_run_is_meant_by_folder_id_and_unique_beginning(out, monkeypatch):
    folder = folder_of(out, "centre_disc")
    for text in (str(folder), f"{folder}/", folder.name, folder.name[:10], folder.name[2:10]):
        assert find_run(text, out).folder == folder
    monkeypatch.chdir(folder.parent)
    assert find_run(folder.name, out / "elsewhere").folder == folder
    monkeypatch.chdir(out.parent)
    assert find_run(folder.name, out.relative_to(out.parent)).folder == folder


def test_what_is_meant_by_nobody_or_by_several_is_said(out):
    folder = folder_of(out, "centre_disc")
    misspelled = folder.name[:-1] + ("0" if folder.name[-1] != "0" else "1")
    with pytest.raises(UsageError, match=f"neither the folder nor the id.*did you mean {folder.name}"):
        find_run(misspelled, out)
    with pytest.raises(UsageError, match=r"r- is the beginning of 6 runs: r-.*; give more of the id"):
        find_run("r-", out)
    with pytest.raises(UsageError, match="neither the folder nor the id"):
        find_run(str(out), out)  # a folder that is no run is never taken for one
    with pytest.raises(UsageError, match="neither the folder nor the id"):
        find_run("", out)
    done = bench("runs", "export", "r-nothing", "--runs", out, "-o", out / "x")
    assert done.exit_code == 2


def test_commands_that_need_a_finished_run_say_what_it_is(out):
    folder = folder_of(out, "centre_disc")
    (folder / "result.json").unlink()
    with pytest.raises(DataError, match="holds no finished run, it is unfinished; the same `bench run` again"):
        find_finished(folder.name, out)
    assert bench("runs", "list", out / "nowhere").exit_code == 3


def test_the_folder_of_runs_comes_from_the_environment(out):
    assert len(json.loads(bench("runs", "list", "--json", BENCH_RUNS=str(out)).stdout)) == 6


def test_a_file_with_two_names_is_counted_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 1000)
    os.link(tmp_path / "a" / "file", tmp_path / "b" / "file")
    assert taken([tmp_path / "a", tmp_path / "b"]) == 1000


def test_each_rule_has_its_segmenter(out):
    assert set(segmenters(find_run(str(folder_of(out, "tiny")), out))) == {"fixed", "otsu"}
    assert set(segmenters(find_run(str(folder_of(out, "full_supervision")), out))) == {""}
    assert segmenters(find_run(str(folder_of(out, "centre_disc")), out)) == {}
