"""`--controls`: the same method on permuted labels, and untrained, as rows of their own in the same table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.pipeline.cell import read_result
from bench.pipeline.cell_process import work
from bench.pipeline.plan import plan, prepare
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, change
from bench.results import collected as results

SHORT = change(SMOKE, {"steps": "2", "size": "32", "base_channels": "2", "rules": "otsu"})


@pytest.fixture
def cells(inline: None, tiny_file: Path, tmp_path: Path) -> list[dict[str, Any]]:
    """A weak method and a floor with controls, worked out; results with their cells."""
    request = RunRequest(("tiny", "otsu"), ("tiny_shapes",), SHORT, controls=True, out=tmp_path)
    planned = plan(request)
    prepare(planned, lambda *_: None)
    for one in planned:
        one.folder.mkdir(parents=True, exist_ok=True)
        work(one.cell, one.folder, lambda *_: None)
    return [{**(read_result(p.folder / "result.json") or {}), "planned": p} for p in planned]


def test_controls_stand_beside_the_method_in_the_same_table(cells: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = {(row["method"], row["settings"]): row for row in results.collect(tmp_path)}
    assert {key: row["role"] for key, row in rows.items()} == {
        ("tiny", ""): "method",
        ("tiny", "labels=shuffled"): "control",
        ("tiny", "fit_share=0.0"): "control",
        ("otsu", ""): "floor",
    }
    assert {row["protocol"] for row in rows.values()} == {SHORT.title}
    assert not any(row["ranked"] for row in rows.values() if row["role"] == "control")
    titles = [cell["planned"].title for cell in cells]
    assert titles[1:3] == ["tiny (shuffled labels) on tiny_shapes", "tiny (untrained) on tiny_shapes"]


def test_an_untrained_network_has_no_history_and_another_fit(cells: list[dict[str, Any]], tmp_path: Path) -> None:
    true, shuffled, untrained = cells[:3]
    fits = [next(s["artifact"] for s in cell["stages"] if s["artifact"].startswith("fit-")) for cell in cells[:3]]
    assert len(set(fits)) == 3
    epochs = [len((tmp_path / "artifacts" / fit / "history.csv").read_text().splitlines()) - 1 for fit in fits]
    assert epochs[0] == epochs[1] > epochs[2] == 0
    assert [cell["labels_used"] for cell in (true, shuffled, untrained)] == [30, 30, 0]


def test_shuffled_labels_are_those_of_other_images_and_as_many_of_each() -> None:
    from bench.api import Item, Task
    from bench.data.pictures import one_hot

    task = Task(classes=("a", "b", "c"), foreground=("x",), shows=(0, 0, 0))
    items = [Item(f"i{n}", (n % 3,)) for n in range(60)]
    true, shuffled = one_hot(items, task), one_hot(items, task, "shuffled")
    assert (true.sum(0) == shuffled.sum(0)).all()
    assert 0.2 < np.mean((true == shuffled).all(1)) < 0.5  # a third by chance


def test_a_fit_share_of_nothing_gives_no_epoch(tmp_path: Path) -> None:
    from bench.training import Training

    training = Training(torch.nn.Linear(1, 1), tmp_path, seed=0, fit_share=0)
    assert list(training.epochs(300)) == []
    assert change(SMOKE, {"fit_share": "0"}).title == "smoke(fit_share=0.0)"


def test_a_twin_is_a_row_beside_its_method_from_the_same_fit(inline: None, tiny_file: Path, tmp_path: Path) -> None:
    rules = change(SHORT, {"rules": "fixed,otsu"})
    planned = plan(RunRequest(("tiny_twin",), ("tiny_shapes",), rules, out=tmp_path))
    assert [one.title for one in planned] == ["tiny_twin on tiny_shapes", "tiny_twin (sharpness=2.0) on tiny_shapes"]
    prepare(planned, lambda *_: None)
    for one in planned:
        one.folder.mkdir(parents=True, exist_ok=True)
        work(one.cell, one.folder, lambda *_: None)
    assert len(list((tmp_path / "artifacts").glob("fit-*"))) == 1
    assert {(row["settings"], row["rule"]) for row in results.collect(tmp_path)} == {
        ("", "fixed"),
        ("", "otsu"),
        ("sharpness=2.0", "fixed"),
    }


@pytest.mark.parametrize(("rules", "setting"), [("otsu", ()), ("fixed", ((None, "sharpness", "3"),))])
def test_no_twin_where_otsu_alone_is_asked_for_or_the_setting_is_chosen(
    tiny_file: Path, tmp_path: Path, rules: str, setting: tuple[Any, ...]
) -> None:
    request = RunRequest(
        ("tiny_twin",), ("tiny_shapes",), change(SHORT, {"rules": rules}), settings=setting, out=tmp_path
    )
    assert len(plan(request)) == 1


def test_the_rules_that_make_rows_are_no_part_of_the_title() -> None:
    assert change(SMOKE, {"rules": "fixed", "steps": "9"}).title == "smoke(steps=9)"
