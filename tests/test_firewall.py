"""Masks decide nothing that a weak method makes, and its process can read none: proved on every registered method, and by a spy."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from spied import prepare, spied, surroundings, unconfined

from bench import plugins
from bench.api import Method
from bench.contract.firewall import check_firewall, declared, trace
from bench.contract.made import WORLDS
from bench.pipeline import cell_process
from bench.pipeline.confine import confine
from bench.pipeline.plan import plan
from bench.pipeline.request import RunRequest
from bench.pipeline.workbench import Workbench
from bench.protocol import SMOKE

SMALL = {"backbone": "test_resnet", "pretrained": "false", "batch": "8", "per_class": "4", "k": "2", "dimension": "8"}
SMALL |= {"width": "2", "classifier.pretrained": "false", "classifier.backbone": "test_resnet"}
METHODS = {name: plugins.load("methods", name) for name in sorted(plugins.offers("methods"))}
READS_MASKS = {"shape_prior": {}, "reconstruction_decomposition": {"area_prior": "masks"}}


def small(name: str, **settings: str) -> Method:
    cls = METHODS[name]
    usable = {k: v for k, v in SMALL.items() if k.partition(".")[0] in cls.model_fields}
    return plugins.instantiate(cls, usable | settings)


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    """Temporary folders in memory where the system has such a place: a proof writes many small files."""
    if os.path.isdir("/dev/shm"):
        monkeypatch.setattr("tempfile.tempdir", "/dev/shm")


@pytest.fixture
def place(memory):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def made(place: Path) -> dict[str, list[str]]:
    """By kind of artifact, what the manifests of a store say of its files: name and sha256."""
    found = defaultdict(list)
    for file in (place / "store").glob("*-*/manifest.json"):
        files = json.loads(file.read_text())["files"]
        found[file.parent.name.partition("-")[0]] += [f"{name} {told['sha256']}" for name, told in files.items()]
    return {kind: sorted(files) for kind, files in found.items()}


@pytest.mark.parametrize(
    "name",
    [name for name, cls in METHODS.items() if issubclass(cls, Method) and name != "shape_prior"],
)
def test_masks_decide_nothing_that_a_weak_method_makes(name, place):
    method = small(name)
    assert method.masks() is None
    for world in WORLDS:
        trace(method, place / world, world)
    true, *others = ({**made(place / world)} for world in WORLDS)
    scores = [one.pop("scores") for one in (true, *others)]
    assert set(true) == {"fit", "maps"} | (set() if method.constant else {"mirrored", "targets", "segment"})
    for world, other in zip(WORLDS[1:], others, strict=True):
        assert other == true, world
    assert len({str(score) for score in scores}) == len(WORLDS)  # the masks were others indeed
    maps = [np.load(file) for file in (place / "true" / "store").glob("maps-*/maps.npy")]
    assert method.binary or any(one.std() > 0 for one in maps)  # dead maps would prove nothing


@pytest.mark.parametrize(("name", "settings"), READS_MASKS.items())
def test_a_method_that_declares_masks_reads_those_and_no_others(name, settings, place):
    method = small(name, **settings)
    assert len(declared(method)) == method.masks().count or method.masks().count is None
    true, noise = (trace(method, place / world, world) for world in ("true", "noise"))
    assert {what.split()[0] for what in true if true[what] != noise[what]} >= {"network", "maps"}
    assert trace(method, place / "spared", "noise", declared(method)) == true


def test_full_supervision_differs_with_its_masks_and_says_when_there_are_none(place):
    method = small("full_supervision")
    true, noise = (trace(method, place / world, world) for world in ("true", "noise"))
    assert {what.split()[0] for what in true if true[what] != noise[what]} == {"proxies", "segmenter", "maps"}
    permuted = trace(method, place / "permuted", "permuted")
    assert permuted == true
    with pytest.raises(Exception, match="has no mask; add its mask or take the image out of the split"):
        trace(method, place / "removed", "removed")


def test_the_proof_leaves_the_cache_of_the_user_alone():
    before = os.environ["BENCH_CACHE"], sorted(Path(os.environ["BENCH_CACHE"]).glob("*/*"))
    check_firewall(small("centre_disc"))
    assert (os.environ["BENCH_CACHE"], sorted(Path(os.environ["BENCH_CACHE"]).glob("*/*"))) == before


@pytest.fixture
def watched_over(tmp_path, monkeypatch):
    for name, value in surroundings(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def told(text: str) -> list[dict]:
    return [json.loads(line.removeprefix("spy ")) for line in text.splitlines() if line.startswith("spy ")]


def has_landlock() -> bool:
    """The kernel's own word: the version of the interface (landlock_create_ruleset with LANDLOCK_CREATE_RULESET_VERSION)."""
    return sys.platform == "linux" and ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1


SEARCHES = {"objects", "frames", "words", "descriptors", "memory", "files", "by_a_child"}


def test_a_spy_in_the_method_process_reads_no_mask(watched_over):
    if not has_landlock():
        pytest.skip("this kernel has no Landlock: rows made here say `not confined`")
    assert spied(Workbench, watched_over, prepare(watched_over))
    reports = told((watched_over / "cell" / "log.txt").read_text())
    assert [one.pop("function") for one in reports] == ["fit", "maps"]
    for report in reports:
        assert set(report) == SEARCHES
        assert {name: search["found"] for name, search in report.items() if search["found"]} == {}
        assert all(report[name]["looked"] for name in SEARCHES - {"files"})


def test_without_the_wall_the_spy_finds_masks_by_every_way_but_its_callers(tmp_path):
    """Else the test above would prove nothing."""
    fit, _ = told(unconfined(tmp_path))
    found = {name for name in SEARCHES if fit[name]["found"]}
    assert found >= {"objects", "frames", "words", "memory", "files", "by_a_child"}


def test_where_the_kernel_has_no_landlock_nothing_is_confined_and_the_row_says_so(
    tmp_path, monkeypatch, inline_process
):
    class OldKernel:
        def syscall(self, *_):
            return -1

    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", lambda *_, **__: OldKernel())
        assert confine([tmp_path], [tmp_path]) is False
    assert list(tmp_path.iterdir()) == []  # still readable

    class Open(inline_process):
        def start(self, writable=()):
            super().start(writable)
            self.confined = False

    for process, expected in ((Open, True), (inline_process, False)):
        monkeypatch.setattr("bench.pipeline.workbench.MethodProcess", process)
        rules = replace(SMOKE, size=32, weak_images=8, settings={})
        (one,) = plan(RunRequest(("centre_disc",), ("synthetic",), rules, out=tmp_path / process.__name__))
        one.folder.mkdir(parents=True)
        cell_process.work(one.cell, one.folder, lambda *_: None)
        result = json.loads((one.folder / "result.json").read_text())
        assert result["confined"] is not expected
        notes = [*result["notes"], *(note for row in result["rows"] for note in row.get("notes", ()))]
        assert ("not confined" in notes) is expected
