"""`bench doctor`: what it looks at, what it calls missing or broken, and its exit codes."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import plugins, weights
from bench.commands.cli import cli
from bench.doctor import machine as doctor_machine
from bench.doctor.findings import exit_code
from bench.doctor.machine import Line


def bench(*args, **environment):
    return CliRunner().invoke(cli, ["doctor", *map(str, args)], env=environment)


@pytest.fixture(scope="module")
def told():
    """Everything that is said of this machine, by section and name."""
    done = bench("--json")
    assert done.exit_code == 0, done.output
    return {(line["section"], line["name"]): line for line in json.loads(done.stdout)}


def test_it_looks_at_everything_a_run_needs(told):
    assert told["packages", "torch"]["text"] == version("torch")
    assert told["packages", "python"]["text"].startswith(".".join(map(str, sys.version_info[:3])))
    assert {name for section, name in told if section == "disk"} == {"results", "cache", "data"}
    assert {name for section, name in told if section == "data"} == set(plugins.offers("datasets"))
    for kind in ("methods", "datasets", "commands"):
        assert {name for section, name in told if section == kind} == set(plugins.offers(kind))
    assert ("confinement", "Landlock") in told
    assert {"resnet50", "resnet101"} <= {name for section, name in told if section == "weights"}


def test_weights_that_are_not_here_are_no_fault_and_nothing_is_downloaded(told):
    for (section, _), line in told.items():
        if section == "weights":
            assert line["state"] in ("ok", "to know")
            assert line["state"] == "ok" or ".weights=FILE" in line["text"]


def test_weights_that_are_here_are_named_by_their_file(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "_from_hub", lambda repository, filename, download: tmp_path / "model.safetensors")
    line = next(line for line in json.loads(bench("--json").stdout) if line["name"] == "resnet50")
    assert (line["state"], line["text"]) == ("ok", str(tmp_path / "model.safetensors"))


def test_for_people_it_ends_in_a_sentence(told):
    done = bench()
    assert done.stdout.splitlines()[-1] == "nothing is missing that every run needs, and every plugin loads"
    assert f"{len(plugins.offers('methods'))} load" in done.stdout


def test_a_broken_plugin_is_named_with_its_reason(package):
    package(
        "theirs",
        {"brokenmod": "print('hello')\nraise ImportError('no module called thing')"},
        methods={"fancy": "brokenmod"},
    )
    done = bench("--json")
    assert done.exit_code == 4
    line = next(
        line for line in json.loads(done.stdout) if line["name"] == "fancy"
    )  # what it prints is not in the JSON
    assert line["state"] == "broken"
    assert (
        "method fancy does not load (entry point fancy = 'brokenmod'): ImportError: no module called thing"
        in line["text"]
    )
    people = bench()
    assert people.exit_code == 4
    assert people.stdout.splitlines()[-1].startswith("fancy: method fancy does not load")


@pytest.mark.parametrize(
    ("there", "state", "said"),
    [("1.9.9", "missing", "1.9.9 is older than 2.10; pip install 'torch>=2.10'"), ("2.10.0+cpu", "ok", "2.10.0+cpu")],
)
def test_versions_are_compared_by_their_numbers(monkeypatch, there, state, said):
    monkeypatch.setattr(doctor_machine, "version", lambda name: there)
    line = doctor_machine._package("torch>=2.10")
    assert (line.state, line.text) == (state, said)


def test_a_package_that_is_not_there_is_exit_5(monkeypatch):
    def without_timm(name):
        if name == "timm":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor_machine, "version", without_timm)
    done = bench()
    assert done.exit_code == 5
    assert "MISSING  timm: is not installed; pip install 'timm>=" in done.stdout
    assert "weights:" not in done.stdout


def test_a_folder_that_cannot_be_written_is_exit_5(tmp_path):
    (tmp_path / "file").write_text("")
    done = bench(BENCH_CACHE=str(tmp_path / "file" / "cache"))
    assert done.exit_code == 5
    assert "the cache folder" in done.stdout
    assert "BENCH_CACHE" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_looking_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bench("--out", "results", BENCH_CACHE=str(tmp_path / "cache")).exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_landlock_is_said_and_no_fault(monkeypatch):
    monkeypatch.setattr(doctor_machine.sys, "platform", "darwin")
    (line,) = doctor_machine.confinement()
    assert (line.state, line.text) == ("to know", 'not here: rows will say "not confined"')


def test_the_machine_goes_before_a_plugin():
    lines = [Line("a", "b", "c", state) for state in ("ok", "broken", "missing")]
    assert [exit_code(lines[:n]) for n in (1, 2, 3)] == [0, 4, 5]


def test_data_that_is_here_is_named_by_its_folder(tmp_path):
    (tmp_path / "isic").mkdir()
    lines = {
        line["name"]: line
        for line in json.loads(bench("--json", BENCH_DATA=str(tmp_path)).stdout)
        if line["section"] == "data"
    }
    assert Path(lines["isic"]["text"]) == (tmp_path / "isic").resolve()
    assert lines["oxford_pets"]["state"] == "to know"
    assert lines["synthetic"]["text"] == "made by its own code"
