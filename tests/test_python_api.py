"""From Python: `run` asks for what the command asks for, tables are DataFrames, one image of a run is an array and a picture."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

import bench
from bench import BenchError, DataError, UsageError, load_results, map_of, notebook, picture_of, plugins, run, scores_of
from bench.commands.cli import cli
from bench.commands.run import run as command
from bench.data.pictures import squash
from bench.pipeline.cell_process import work
from bench.pipeline.request import RunRequest
from bench.results.columns import LEADERBOARD_COLUMNS

SMALL = {"size": 32, "weak_images": 20, "steps": 3, "base_channels": 2, "batch": 4, "fit_share": 1}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, tiny_file: Path, inline_process: type) -> Path:
    """Results of four seeds, two of which failed; worked out in this process."""

    def in_this_process(planned: Any, *rest: Any) -> str:
        if planned.cell.method.name == "broken":
            return str(import_module("bench.pipeline.run").fail(planned, "on purpose"))
        work(replace(planned.cell, threads=1), planned.folder, lambda *_: None)
        return ""

    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.pipeline.workbench.MethodProcess", inline_process)
        patch.setattr(import_module("bench.pipeline.run"), "cell_in_a_child", in_this_process)
        names = ["tiny", "broken"]
        frame = run(names, "tiny_shapes", protocol="smoke", set={"protocol": SMALL}, seed=range(2), out=folder)
    frame.to_pickle(folder / "frame.pickle")
    return folder


def test_rows_are_those_of_the_leaderboard_and_a_failure_has_its_sentence(out: Path) -> None:
    frame = pd.read_pickle(out / "frame.pickle")
    assert list(frame.columns) == [*LEADERBOARD_COLUMNS, "failed"]
    assert dict(frame.groupby("method")["rule"].agg(list)) == {"broken": [""], "tiny": ["fixed", "otsu"]}
    tiny, broken = frame[frame["method"] == "tiny"], frame[frame["method"] == "broken"].iloc[0]
    assert tiny["failed"].eq("").all()
    assert "seed 1 failed: on purpose" in broken["failed"]
    assert np.isnan(broken["test_unet"])
    written = pd.read_csv(out / "leaderboard.csv", dtype=str, keep_default_na=False)
    for column in ("test_init", "test_unet", "val_init"):
        read = written.set_index(["method", "rule"])[column]
        for row in tiny.to_dict("records"):
            assert float(read[row["method"], row["rule"]]) == row[column]


def test_ids_are_text(out: Path) -> None:
    frame = load_results(out)
    assert all(isinstance(ids, str) and ids.startswith("r-") for ids in frame["run_ids"])
    assert all(isinstance(text, str) for text in frame["fingerprint"])
    scores = scores_of(tiny_run(out))
    assert set(scores["image"]) == {*(f"val-{n}" for n in range(4)), *(f"test-{n}" for n in range(6))}
    assert scores["dice"].between(0, 1).all()


def tiny_run(out: Path) -> Path:
    return sorted((out / "tiny_shapes" / "tiny").iterdir())[0]


def test_a_map_of_an_image_is_what_lies_in_the_artifact(out: Path) -> None:
    folder = tiny_run(out)
    stages = [out / "artifacts" / s["artifact"] for s in json.loads((folder / "result.json").read_text())["stages"]]
    manifests = {stage: json.loads((stage / "manifest.json").read_text())["inputs"] for stage in stages}
    stored = next(
        np.load(stage / "maps.npy")
        for stage, inputs in manifests.items()
        if stage.name.startswith("maps-") and "fit" in inputs and len(np.load(stage / "maps.npy")) == 6  # test
    )
    for image in range(6):
        values = map_of(folder, f"test-{image}")
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, stored[image] / 65_280, atol=1e-7)
    assert map_of(folder.name, "test-2", out=out) == pytest.approx(map_of(folder, "test-2"))
    predicted = map_of(folder, "test-0", "predictions", "otsu")
    assert (predicted.shape, predicted.dtype) == ((1, 32, 32), np.float32)
    proxy = map_of(folder, "weak-0", "proxies", "otsu")
    assert (proxy.shape, proxy.dtype) == ((32, 32), np.uint8)
    assert set(np.unique(proxy)) <= {0, 1}


def test_what_is_not_there_is_said_in_a_sentence(out: Path) -> None:
    folder = tiny_run(out)
    with pytest.raises(UsageError, match=r"has no maps of an image test-9; did you mean test-\d\?"):
        map_of(folder, "test-9")
    with pytest.raises(UsageError, match="are there for the rules fixed, otsu, not for 'none'"):
        map_of(folder, "test-0", "predictions")
    with pytest.raises(UsageError, match="kind is one of maps, proxies, predictions, not 'map'"):
        map_of(folder, "test-0", "map")
    with pytest.raises(DataError, match=r"there is no run r-000000000000; give its folder, or its id r-\.\.\."):
        map_of("r-000000000000", "test-0", out=out)
    with pytest.raises(DataError, match="holds no finished run"):
        map_of(next((out / "tiny_shapes" / "broken").iterdir()), "test-0")
    with pytest.raises(DataError, match=r"there is no finished run under .*nowhere; `bench run --out"):
        load_results(out / "nowhere")


def test_a_picture_shows_the_image_and_beside_it_the_map(
    out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = plugins.load("datasets", "tiny_shapes")()
    item = next(item for item in data.items("test") if item.id == "test-3")
    picture = picture_of(tiny_run(out), "test-3")
    assert isinstance(picture, Image.Image)
    assert picture.size == (64, 32)
    pixels = np.asarray(picture)
    np.testing.assert_array_equal(pixels[:, :32], squash(data.image(item), 32).transpose(1, 2, 0))
    assert (np.diff(pixels[:, 32:].astype(int), axis=2) <= 0).all()  # red first, then green, then blue
    mask = np.asarray(picture_of(tiny_run(out), "weak-0", "proxies", "otsu"))[:, 32:]
    proxy = map_of(tiny_run(out), "weak-0", "proxies", "otsu")
    np.testing.assert_array_equal(mask, np.repeat(proxy[:, :, None] * 255, 3, axis=2))
    monkeypatch.setattr(notebook, "cache_root", lambda: tmp_path)
    assert picture_of(tiny_run(out), "test-0", "predictions", "otsu").size == (32, 32)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[RunRequest]:
    """What is asked for; nothing is planned."""
    requests: list[RunRequest] = []

    def stop(request: RunRequest) -> None:
        requests.append(request)
        raise BenchError("stop here")

    monkeypatch.setattr("bench.pipeline.plan.plan", stop)
    monkeypatch.setattr(import_module("bench.pipeline.run"), "plan", stop)
    return requests


def test_run_asks_for_what_the_command_asks_for(
    planned: list[RunRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = "--method otsu,dcml_attention --dataset isic,synthetic --protocol quick --seed 0,2 --set lr=0.0001 --device cpu "
    words += (
        "--set isic.label=reduced --set protocol.steps=7 --set protocol.rules=fixed,otsu --data-root isic=ISIC --out o "
    )
    words += "--jobs 2 --timeout 9.5 --controls --accept no-masks --fresh"
    CliRunner().invoke(cli, ["run", *words.replace("no-masks", kind()).split()])
    (tmp_path / "bench.toml").write_text("jobs = 7\n")  # `run` reads none
    with pytest.raises(BenchError, match="stop here"):
        run(
            ["otsu", "dcml_attention"],
            ("isic", "synthetic"),
            protocol="quick",
            seed=[0, 2],
            set={"lr": 1e-4, "isic": {"label": "reduced"}, "protocol": {"steps": 7, "rules": ["fixed", "otsu"]}},
            data_root={"isic": Path("ISIC")},
            out="o",
            device="cpu",
            jobs=2,
            timeout=9.5,
            controls=True,
            accept=kind(),
            fresh=True,
        )
    typed, called = planned
    assert replace(typed, quiet=True, progress=False) == called


def kind() -> str:
    from bench.faults import ACCEPTABLE

    return sorted(ACCEPTABLE)[0]


def test_the_arguments_of_run_are_the_options_of_the_command() -> None:
    options = {max(p.opts, key=len).removeprefix("--").replace("-", "_"): p for p in command.params if p.expose_value}
    arguments = inspect.signature(run).parameters
    assert set(options) - {"dry_run"} == set(arguments) - {"progress"}
    defaults = command.make_context("run", ["--method", "otsu", "--dataset", "synthetic"]).params
    for name in ("protocol", "out", "device", "jobs", "controls", "fresh", "timeout"):
        typed, called = defaults[str(options[name].name)], arguments[name].default
        assert typed == (Path(called) if name == "out" else called), name


def test_errors_are_raised_and_nothing_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no method is called dcml; did you mean dcml_attention"):
        run("dcml", "synthetic", out=tmp_path / "runs")
    with pytest.raises(UsageError, match="no protocol is called quik"):
        run("otsu", "synthetic", protocol="quik", out=tmp_path / "runs")
    with pytest.raises(UsageError, match="--seed takes whole numbers"):
        run("otsu", "synthetic", seed=-1, out=tmp_path / "runs")
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_read_and_prints_nothing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = run("tiny", "tiny_shapes", protocol="smoke", set={"protocol": SMALL}, seed=(0, 1), out=out)
    assert list(again["rule"]) == ["fixed", "otsu"]
    assert (again["seeds"] == 2).all()
    assert capsys.readouterr() == ("", "")


def test_the_public_function_stays_the_function() -> None:
    import_module("bench.pipeline.run")
    assert bench.run is run
    assert callable(bench.run)
