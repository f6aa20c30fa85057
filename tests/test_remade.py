"""What decides what: each setting in turn, and the artifacts that it makes anew. Nothing else may be made again, and nothing less."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from bench import plugins
from bench.pipeline import cell as cells
from bench.pipeline import cell_process
from bench.pipeline.plan import plan, prepare
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, Protocol, change
from bench.store import cache_root

SMALL = {"size": "32", "weak_images": "20", "steps": "2", "base_channels": "2", "batch": "4", "fit_share": "1"}
ALL = {"fit", "maps", "mirrored", "targets", "segment", "scores"}
AFTER_FIT = ALL - {"fit"}


@pytest.fixture(scope="module")
def small() -> Protocol:
    return replace(change(SMOKE, SMALL), settings=MappingProxyType({}))


@pytest.fixture(scope="module")
def base(tmp_path_factory, tiny_file, small, inline_process):
    """A folder with the artifacts of all base cells; copied for every test."""
    out = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.pipeline.workbench.MethodProcess", inline_process)
        for method in ("tiny", "tiny_eroded", "full_supervision", "tiny_masks", "tiny_nested"):
            work(out, small, method)
    return out


def work(out: Path, protocol: Protocol, method: str = "tiny", settings: tuple = (), seed: int = 0) -> set[str]:
    """Work one cell out in this process; the kinds of the artifacts it made (views and masks too)."""
    request = RunRequest((method,), ("tiny_shapes",), protocol, (seed,), settings, out=out)
    before = names(out)
    planned = plan(request)
    prepare(planned, lambda *_: None)
    for one in planned:
        one.folder.mkdir(parents=True, exist_ok=True)
        cell_process.work(one.cell, one.folder, lambda *_: None)
    return {name.partition("-")[0] for name in names(out) - before}


def names(out: Path) -> set[str]:
    return {p.name for p in (out / "artifacts").glob("*-*")} if out.exists() else set()


@pytest.fixture
def out(base, tmp_path, inline) -> Path:
    shutil.copytree(base, tmp_path / "runs")
    return tmp_path / "runs"


def test_the_same_again_makes_nothing(out, small):
    assert work(out, small) == set()


@pytest.mark.parametrize(
    ("settings", "made"),
    [
        ((("tiny", "lr", "0.02"),), ALL),
        ((("tiny", "epochs", "3"),), ALL),
        ((("tiny", "sharpness", "2"),), AFTER_FIT),
        ((("tiny_shapes", "label", "mine"),), set()),
    ],
)
def test_settings_of_plugins(out, small, settings, made):
    assert work(out, small, settings=settings) == made


@pytest.mark.parametrize(
    ("field", "text", "made"),
    [
        ("size", "16", ALL),
        ("weak_images", "21", ALL),
        ("class_cap", "4", ALL),
        ("fit_share", "0.5", ALL),
        ("precision", "bf16", ALL),
        ("labels", "shuffled", ALL),
        ("threshold", "0.25", {"targets", "segment", "maps", "scores"}),
        ("rules", "otsu", set()),
        ("segment_on", "masks", AFTER_FIT - {"mirrored"}),
        ("steps", "3", {"segment", "maps", "scores"}),
        ("batch", "5", {"segment", "maps", "scores"}),
        ("base_channels", "3", {"segment", "maps", "scores"}),
        ("segmenter_lr", "0.002", {"segment", "maps", "scores"}),
        ("schedule", "constant", {"segment", "maps", "scores"}),
        ("augment", "flips", {"segment", "maps", "scores"}),
        ("encoder", "resnet50", set()),
    ],
)
def test_fields_of_the_protocol(out, small, field, text, made):
    assert work(out, change(small, {field: text})) == made


def test_every_field_of_the_protocol_is_in_the_list_above():
    from bench.protocol import SETTABLE

    listed = {case[0] for case in test_fields_of_the_protocol.pytestmark[0].args[1]}
    assert set(SETTABLE) - listed == {
        "segmenter",
        "encoder_weights",
    }  # they need another network: tests/test_segmenter.py


def test_the_name_of_the_protocol_decides_nothing(out, small):
    assert work(out, replace(small, name="mine", changed=())) == set()


def test_the_seed_is_in_every_fit(out, small):
    assert work(out, small, seed=1) == ALL


def test_full_supervision_by_count_and_seed(out, small):
    assert work(out, small, "full_supervision") == set()
    assert work(out, small, "full_supervision", (("full_supervision", "count", "5"),)) == AFTER_FIT - {"mirrored"}
    assert work(out, small, "full_supervision", seed=1) == {"segment", "maps", "scores"}


def test_masks_that_a_method_reads_are_in_its_key_and_ledger(out, small):
    assert work(out, small, "tiny_masks") == set()
    assert work(out, small, "tiny_masks", seed=1) == ALL
    result = cells.read_result(next((out / "tiny_shapes" / "tiny_masks").glob("r-*/result.json")))
    assert (result["masks_train"], result["labels_used"], result["masks_eval"]) == (5, 20, 10)


def test_a_method_field_is_fitted_first_and_shared(out, small):
    assert work(out, small, "tiny_nested") == set()
    assert work(out, small, "tiny_nested", (("tiny_nested", "classifier.lr", "0.02"),)) == ALL
    assert work(out, small, "tiny_nested", (("tiny_nested", "classifier.sharpness", "3"),)) == set()


def test_changed_targets_make_another_segmenter(out, small):
    """tiny_eroded and full_supervision read the same masks; only what is done to them differs."""
    results = [
        cells.read_result(next((out / "tiny_shapes" / m).glob("r-*/result.json")))
        for m in ("tiny_eroded", "full_supervision")
    ]
    stages = [{stage["artifact"].partition("-")[0]: stage["artifact"] for stage in r["stages"]} for r in results]
    assert stages[0]["targets"] != stages[1]["targets"]
    assert stages[0]["segment"] != stages[1]["segment"]
    assert [r["masks_train"] for r in results] == [6, 6]


def test_data_masks_and_results_must_not_lie_where_a_method_may_read(out, small, monkeypatch, inline_process):
    seen = []

    class Watched(inline_process):
        def __init__(self, job, readable, hidden, *rest):
            seen.append((set(readable), set(hidden)))
            super().__init__(job, readable, hidden, *rest)

    monkeypatch.setattr("bench.pipeline.workbench.MethodProcess", Watched)
    work(out, small, "tiny", (("tiny", "lr", "0.5"),))
    assert len(seen) == 2  # one process to fit, one to make maps
    for _, hidden in seen:
        assert {cache_root() / "masks", out.resolve() / "artifacts"} <= hidden
    views = [path for path in seen[0][0] if path.name.startswith("view-")]
    assert len(views) == 2  # weak and weak_heldout: no test picture while it is fitted


def test_a_found_artifact_brings_its_ledger_and_cost(out, small, tmp_path):
    folder = next((out / "tiny_shapes" / "tiny_masks").iterdir())
    before = cells.read_result(folder / "result.json")
    work(out, small, "tiny_masks")
    after = cells.read_result(folder / "result.json")
    for name in (
        "masks_train",
        "masks_eval",
        "test_openings",
        "labels_used",
        "seconds",
        "peak_bytes",
        "stages",
        "rows",
        "confined",
    ):
        assert after[name] == before[name], name
    assert after["seconds"] > 0
    assert plugins.load("methods", "tiny_masks").name in str(folder)
