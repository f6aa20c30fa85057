"""A folder with a few small finished runs, made once for all test files that look at runs; each test gets a copy."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from bench import plugins
from bench.pipeline import cell_process
from bench.pipeline.plan import plan, prepare
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, change

PLUGINS = Path(__file__).resolve().parent / "plugins"
SMALL = {"size": "32", "weak_images": "20", "base_channels": "4", "batch": "4"}
LEARNING = {"steps": "60", "segmenter_lr": "0.005"}
"""Enough that every U-Net finds some foreground."""
PROTOCOL = replace(change(SMOKE, SMALL | LEARNING), fit_share=1.0)
CORES = os.cpu_count() or 1
"""So many jobs leave one thread for each: threads that wait for each other on a busy machine cost minutes."""
CELLS = (
    ("tiny", "tiny_shapes", 0),
    ("tiny", "tiny_shapes", 1),
    ("full_supervision", "tiny_shapes", 0),
    ("centre_disc", "tiny_shapes", 0),
    ("class_maps", "three_classes", 0),
    ("class_maps", "unmasked", 0),
)


def work(out: Path, method: str, dataset: str = "tiny_shapes", seed: int = 0) -> Path:
    """The folder of one finished run, made in this process."""
    (one,) = plan(RunRequest((method,), (dataset,), PROTOCOL, (seed,), out=out, jobs=CORES))
    prepare([one], lambda *_: None)
    one.folder.mkdir(parents=True, exist_ok=True)
    cell_process.work(one.cell, one.folder, lambda *_: None)
    return one.folder


@cache
def made(inline_process: type, place: Path) -> Path:
    """A folder below `place` with the runs of `CELLS`; nobody changes it."""
    for name in ("tiny.py", "three_classes.py"):
        plugins.load_file(PLUGINS / name)
    out = place / "tiny-runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.pipeline.workbench.MethodProcess", inline_process)
        for cell in CELLS:
            work(out, *cell)
    shutil.rmtree(out / "artifacts" / ".scratch")  # the process that stands in leaves its folders
    return out


@pytest.fixture
def out(inline_process: type, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A copy of the runs; predictions are copies of artifacts here, not links."""
    shutil.copytree(made(inline_process, tmp_path_factory.getbasetemp()), tmp_path / "runs")
    return tmp_path / "runs"


def folder_of(out: Path, method: str, dataset: str = "tiny_shapes", seed: int = 0) -> Path:
    """The folder of one of the runs."""
    return next(p for p in out.glob(f"{dataset}/{method}/r-*") if result_of(p)["seed"] == seed)


def result_of(folder: Path) -> dict:
    """Its result.json."""
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))
