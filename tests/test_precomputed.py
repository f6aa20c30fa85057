"""Maps of another program: the same files give the same proxies, segmenter and scores as the method that made them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import DataError, plugins
from bench.methods.precomputed import Precomputed
from bench.pipeline.plan import load_methods
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, change
from bench.runs.export import export

SHORT = change(SMOKE, {"steps": "2", "size": "32", "base_channels": "2"})


def ask(tmp_path: Path, methods: tuple[str, ...], *settings: tuple[str | None, str, str], **more: Any) -> RunRequest:
    return RunRequest(
        methods=methods, datasets=("tiny_shapes",), protocol=SHORT, settings=settings, out=tmp_path / "runs", **more
    )


@pytest.fixture
def work(inline: None, tiny_file: Path) -> Callable[[RunRequest], list[dict[str, Any]]]:
    """Works out a request in this process; the results."""
    from bench.pipeline.cell import read_result
    from bench.pipeline.cell_process import work as work_out
    from bench.pipeline.plan import plan, prepare

    def run(request: RunRequest) -> list[dict[str, Any]]:
        planned = plan(request)
        prepare(planned, lambda *_: None)
        for one in planned:
            one.folder.mkdir(parents=True, exist_ok=True)
            work_out(one.cell, one.folder, lambda *_: None)
        return [{**(read_result(one.folder / "result.json") or {}), "at": one.folder} for one in planned]

    return run


@pytest.mark.parametrize("form", ["npy", "png"])
def test_exported_maps_come_back_as_the_same_row(work: Any, tmp_path: Path, form: str) -> None:
    (made,) = work(ask(tmp_path, ("tiny",)))
    written = export(made["at"], tmp_path / "tiny_maps", "maps", form)
    assert written == 24 + 6 + 4 + 6  # weak, weak_heldout, val, test
    given = (None, "folder", str(tmp_path / "tiny_maps"))
    (row,) = work(ask(tmp_path, ("precomputed",), given))
    ours, theirs = ((result["at"] / "scores.csv").read_text() for result in (row, made))
    if form == "npy":
        assert ours == theirs
    else:  # 16 bits of 65,535 steps for 65,280: the last digit of a score may differ
        assert [line.split(",")[:6] for line in ours.splitlines()] == [
            line.split(",")[:6] for line in theirs.splitlines()
        ]
        dice = [[float(line.split(",")[11] or 0) for line in text.splitlines()[1:]] for text in (ours, theirs)]
        assert np.abs(np.subtract(*dice)).max() < 0.02
    assert "supervision declared, not observed" in row["notes"]
    assert row["masks_train"] == 0


def test_declared_masks_stand_in_the_ledger_and_in_no_fit(work: Any, tmp_path: Path) -> None:
    (made,) = work(ask(tmp_path, ("tiny",)))
    export(made["at"], tmp_path / "maps", "maps", "npy")
    settings = [(None, "folder", str(tmp_path / "maps")), (None, "masks_train", "25"), (None, "labels_used", "7")]
    (row,) = work(ask(tmp_path, ("precomputed",), *settings))
    assert (row["masks_train"], row["labels_used"]) == (25, 7)
    assert not any(stage["artifact"].startswith("fit-") for stage in row["stages"])


def test_another_map_is_another_row(work: Any, tmp_path: Path) -> None:
    (made,) = work(ask(tmp_path, ("tiny",)))
    export(made["at"], tmp_path / "maps", "maps", "npy")
    given = (None, "folder", str(tmp_path / "maps"))
    (row,) = work(ask(tmp_path, ("precomputed",), given))
    one = next((tmp_path / "maps").glob("test-*.npy"))
    np.save(one, 1 - np.load(one))
    (other,) = work(ask(tmp_path, ("precomputed",), given))
    assert row["run_id"] != other["run_id"]


def test_proxies_and_predictions_are_exported_by_rule(work: Any, tmp_path: Path) -> None:
    (made,) = work(ask(tmp_path, ("tiny",)))
    assert export(made["at"], tmp_path / "p", "proxies", "png") == 2 * 30
    assert export(made["at"], tmp_path / "u", "predictions", "npy") == 2 * (4 + 6)
    proxy = np.asarray(Image.open(next((tmp_path / "p" / "otsu").glob("weak-*.png"))))
    assert proxy.dtype == np.uint8
    assert set(np.unique(proxy)) <= {0, 1}
    predictions = np.load(made["at"] / "predictions" / "unet-otsu-test.npy")
    assert np.allclose(np.load(tmp_path / "u" / "otsu" / "test-0.npy"), predictions[0, 0] / 65_280)


def test_maps_of_several_sizes_are_resized_to_the_views(work: Any, tmp_path: Path) -> None:
    (made,) = work(ask(tmp_path, ("tiny",)))
    export(made["at"], tmp_path / "maps", "maps", "npy")
    np.save(next((tmp_path / "maps").glob("val-*.npy")), np.zeros((5, 7), np.float32))
    (row,) = work(ask(tmp_path, ("precomputed",), (None, "folder", str(tmp_path / "maps"))))
    assert np.load(row["at"] / "predictions" / "init-val.npy").shape[2:] == (SHORT.size, SHORT.size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "a.npy", np.full((2, 3), 0.5))
    return tmp_path


def test_a_png_of_either_depth_and_an_array_say_the_same(folder: Path) -> None:
    method = Precomputed(folder=folder)
    Image.fromarray(np.full((2, 3), 51, np.uint8)).save(folder / "b.png")
    Image.fromarray(np.full((2, 3), 13_107, np.uint16)).save(folder / "c.png")
    read = [method.read(file, 1) for file in method.files(["a", "b", "c"])]
    assert [one.shape for one in read] == [(1, 2, 3)] * 3
    assert [float(one.max()) for one in read] == pytest.approx([0.5, 0.2, 0.2])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((2, 3), 1.5), "has float64 values from 1.5 to 1.5; write floats from 0 to 1"),
        (np.full((2, 3), np.nan), "has float64 values from nan to nan"),
        (np.ones((2, 3), np.int64), "has int64 values from 1 to 1"),
        (np.ones((2, 2, 3)), r"is a map of shape \(2, 2, 3\); write it as \(h, w\)"),
        (np.ones(3), r"is a map of shape \(3,\)"),
        (np.ones((0, 3)), r"is a map of shape \(0, 3\)"),
    ],
)
def test_a_map_that_means_nothing_is_refused(folder: Path, values: Any, said: str) -> None:
    np.save(folder / "a.npy", values)
    with pytest.raises(DataError, match=rf"a.npy {said}"):
        Precomputed(folder=folder).read(folder / "a.npy", 1)


def test_a_broken_or_missing_or_doubled_file_is_named(folder: Path) -> None:
    method = Precomputed(folder=folder)
    with pytest.raises(DataError, match=r"has no map b.npy or b.png; precomputed needs one map for every image"):
        method.files(["a", "b"])
    (folder / "a.png").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"has both a.npy and a.png"):
        method.files(["a"])
    with pytest.raises(DataError, match=r"a.png cannot be read as a map .*; write it again"):
        method.read(folder / "a.png", 1)
    (folder / "a.npy").write_bytes((folder / "a.npy").read_bytes()[:90])
    with pytest.raises(DataError, match=r"a.npy cannot be read as a map"):
        method.read(folder / "a.npy", 1)


def test_all_leaves_out_what_cannot_do_without_a_setting(tmp_path: Path) -> None:
    names = ("otsu", "precomputed")
    assert [m.name for m in load_methods(ask(tmp_path, names, every_method=True))] == ["otsu"]
    given = (None, "folder", str(tmp_path))
    assert [m.name for m in load_methods(ask(tmp_path, names, given, every_method=True))] == ["otsu", "precomputed"]
    with pytest.raises(plugins.UsageError, match=r"precomputed\.folder"):
        load_methods(ask(tmp_path, names))
