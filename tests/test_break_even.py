"""`bench break-even`: how many masks a method is worth, on real cells of a small data set and on curves made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from worth_runs import SHORT, Command, command_into, worked_here

from bench import DataError, UsageError
from bench.api import Item
from bench.data.samples import first
from bench.pipeline.plan import plan
from bench.pipeline.request import RunRequest
from bench.pipeline.run import run
from bench.protocol import SMOKE, change
from bench.results import collected as results
from bench.statistics.row_scores import RowScores
from bench.worth.break_even import break_even_of, columns, points, worth
from bench.worth.counts import fitting, parse_counts, parse_draws
from bench.worth.label_budget import label_budget


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch, inline: None, tiny_file: Path) -> list[str]:
    return worked_here(monkeypatch, masks=8)


@pytest.fixture
def command(tiny_file: Path, tmp_path: Path) -> Command:
    return command_into(tmp_path / "runs")


def test_masks_worth_of_real_cells_and_nothing_twice(worked: list[str], command: Command, tmp_path: Path) -> None:
    words = ("break-even", "--method", "tiny,otsu", "--counts", "1,3,all,99", "--draws", "3")
    first_time = command(*words, "--json")
    assert first_time.exit_code == 0, first_time.output
    report = json.loads(first_time.stdout)
    assert "from scratch: 99 masks left out; the data set has 8 to train on" in first_time.stderr
    assert len(worked) == len(set(worked)) == 2 * 3 + 3 * 3
    assert "full_supervision on tiny_shapes, seed 2, 3 masks, from scratch" in worked

    (curve,) = report["curves"]
    assert [(p["masks"], p["draws"]) for p in curve["points"]] == [(1, 3), (3, 3), (8, 3)]
    table = pd.read_csv(tmp_path / "runs" / "leaderboard.csv")
    full = table[table["method"] == "full_supervision"].sort_values("masks_train")
    assert [p["dice"] for p in curve["points"]] == pytest.approx(list(full["test_unet"]))
    assert [p["sd"] for p in curve["points"]] == pytest.approx(list(full["test_unet_sd"]))
    assert list(full["settings"].fillna("")) == ["count=1", "count=3", ""]  # all is the row that `bench run` makes
    dice = {(a["method"], a["rule"]): a["dice"] for a in report["answers"]}
    weak = table[table["method"].isin(["tiny", "otsu"])]
    assert dice == {
        (m, r): pytest.approx(d) for m, r, d in zip(weak["method"], weak["rule"], weak["test_unet"], strict=True)
    }
    assert (report["images"], report["clusters"], report["dataset"]) == (24, 24, "tiny_shapes")
    assert all(a["worth"][0]["text"] not in ("", "not enough data") for a in report["answers"])

    worked.clear()
    again = command(*words)
    assert again.exit_code == 0
    assert not worked
    assert report["answers"][0]["worth"][0]["text"] in again.stdout
    assert f"{100 * curve['points'][0]['dice']:.2f} ±" in again.stdout
    assert command(*words, "--dry-run").stdout.count("finished  ") == 15


def test_a_pretrained_encoder_makes_a_second_curve_with_a_title_of_its_own(
    worked: list[str], command: Command, tmp_path: Path
) -> None:
    weights = tmp_path / "mobilenet.pth"
    torch.save(torchvision.models.mobilenet_v2().state_dict(), weights)
    encoder = ("--pretrained", str(weights), "--pretrained-encoder", "mobilenet_v2", "--pretrained-counts", "1,2,5")
    done = command(
        "break-even", "--method", "otsu", "--seed", "0", "--counts", "1,2,all", "--draws", "3", *encoder, "--json"
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    names = [curve["name"] for curve in report["curves"]]
    assert names == ["from scratch", "pretrained encoder"] == [w["curve"] for w in report["answers"][0]["worth"]]
    assert [[p["masks"] for p in curve["points"]] for curve in report["curves"]] == [[1, 2, 8], [1, 2, 5]]
    plain, pretrained = (curve["protocol"] for curve in report["curves"])
    assert "segmenter=smp-unet" in pretrained
    assert "encoder=mobilenet_v2" in pretrained
    assert "encoder_weights=mobilenet.pth" in pretrained
    assert "segmenter" not in plain
    titles = {row["protocol"]: row["method"] for row in results.collect(tmp_path / "runs")}
    assert titles[pretrained.removesuffix(" v1")] == "full_supervision"
    assert report["curves"][0]["points"][0]["dice"] != report["curves"][1]["points"][0]["dice"]


def test_a_failed_method_stops_nothing_and_shows_in_the_exit_code(worked: list[str], command: Command) -> None:
    done = command(
        "break-even", "--method", "broken,centre_disc", "--seed", "0", "--counts", "1,2,4", "--draws", "3", "--json"
    )
    assert done.exit_code == 1
    (answer,) = json.loads(done.stdout)["answers"]
    assert (answer["method"], answer["stage"]) == ("centre_disc", "init")  # a constant map: no U-Net to ask about


def test_the_subsets_of_one_draw_are_nested_and_those_of_two_draws_differ() -> None:
    items = [Item(f"i{n}", None) for n in range(60)]
    for seed in range(5):
        subsets = [set(first(items, count, seed)) for count in (1, 2, 5, 10, 20, 50, None)]
        assert all(small < large for small, large in pairwise(subsets))
    assert len({tuple(first(items, 10, seed)) for seed in range(5)}) == 5


def test_counts_and_draws_reach_the_cells(command: Command, tmp_path: Path) -> None:
    planned = command("break-even", "--method", "otsu", "--dry-run", "--json", dataset="synthetic")
    assert planned.exit_code == 0, planned.output
    cells = [cell["cell"] for cell in json.loads(planned.stdout)]
    assert "100, 200, 500 masks left out; the data set has 60 to train on" in planned.stderr
    draws = {n: sum(f", {n} masks," in cell for cell in cells) for n in (1, 2, 5, 10, 20, 50, 60)}
    assert draws == {1: 5, 2: 5, 5: 5, 10: 5, 20: 5, 50: 5, 60: 3}
    assert sum(cell.startswith("otsu on synthetic") for cell in cells) == 3
    rules = change(SMOKE, dict(rule.split("=") for rule in SHORT.split(",")))
    alone = plan(RunRequest(("full_supervision",), ("synthetic",), rules, out=tmp_path / "runs", device="cpu"))
    assert str(alone[0].folder) in planned.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--counts", "1,2"), "a curve takes at least 3 counts, as in --counts 1,5,20,all, not '1,2'"),
        (("--counts", "1,two,all"), "--counts takes numbers of masks from 1 and `all`, as in 1,5,20,all, not 'two'"),
        (("--counts", "0,1,2"), "not '0'"),
        (
            ("--draws", "5,3,2"),
            "--draws takes one or two numbers (up to 50 masks, above) from 3, as intervals need, as in 5,3",
        ),
        (("--draws", "2"), "not '2'"),
        (("--pretrained-encoder", "resnet18"), "need --pretrained FILE (or imagenet)"),
        (("--pretrained", "imagenet", "--pretrained-encoder", "resnet1"), "protocol.encoder: there is no resnet1"),
        (
            ("--method", "full_supervision"),
            "full_supervision is what methods are compared with; leave it out of --method",
        ),
        (("--dataset", "synthetic"), "one data set at a time, not tiny_shapes, synthetic; start the command for each"),
    ],
)
def test_wrong_usage_is_one_sentence(command: Command, words: tuple[str, ...], sentence: str) -> None:
    done = command("break-even", "--method", "otsu", "--dry-run", *words)
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())


def test_too_few_masks_are_a_fault_of_the_data_that_names_the_split() -> None:
    with pytest.raises(DataError, match=r"data set theirs has 4 masks .*\(split masks\); of the counts .* leaves 1"):
        fitting((5, 20, None), 4, "theirs")
    assert fitting((1, 2, 8, 9, None), 8, "theirs") == ([1, 2, 8], [9])


def test_counts_and_draws_are_read_in_any_order() -> None:
    assert parse_counts("all, 20,5,5") == (5, 20, None)
    assert (parse_draws("5,3"), parse_draws("4")) == ((5, 3), (4, 4))
    with pytest.raises(UsageError):
        parse_counts("")


def flat(name: str, dice: float, seeds: int = 3, images: int = 40) -> RowScores:
    """A row whose seeds vary next to nothing around a Dice."""
    wiggle = np.linspace(-1e-6, 1e-6, seeds)[:, None]
    return RowScores(name, np.full((seeds, images), dice) + wiggle)


def row(method: str, masks: int = 0, **more: Any) -> dict[str, Any]:
    return {"method": method, "masks_train": masks, **more}


def test_the_columns_of_a_table_by_hand() -> None:
    """A straight line in log N: 0.2 at 1, 0.4 at 10, 0.6 at 100 masks; 0.5 lies half way between 10 and 100, at 10^1.5."""
    rows = [row("full_supervision", 10), row("weak"), row("floor"), row("full_supervision", 1), row("absent")]
    rows += [row("full_supervision", 100), row("strong")]
    dice = (0.4, 0.5, 0.1, 0.2, None, 0.6, 0.9)
    scores = [None if d is None else flat(r["method"], d) for r, d in zip(rows, dice, strict=True)]
    found = break_even_of(rows, scores, [str(n) for n in range(40)])
    assert found[1] == {name: pytest.approx(10**1.5, rel=1e-3) for name in found[1]}
    empty = dict.fromkeys(found[1])
    assert [found[n] for n in (0, 3, 4, 5)] == [empty] * 4
    assert found[2] == {**empty, "break_even_hi": 1.0}  # fewer than 1
    assert found[6] == {**empty, "break_even_lo": 100.0}  # more than 100
    short = break_even_of(rows[:4], scores[:4], [str(n) for n in range(40)])
    assert short == [empty] * 4  # two counts are no curve


def test_one_seed_is_not_enough_and_says_so() -> None:
    draws = {n: flat("full", d).values for n, d in ((1, 0.2), (10, 0.4), (100, 0.6))}
    found = worth(draws, flat("weak", 0.5, seeds=1), [str(n) for n in range(40)])
    assert found is not None
    assert found.text == "not enough data"
    assert set(columns(found, [1, 10, 100]).values()) == {None}


def test_points_are_means_and_their_spread_over_draws() -> None:
    draws = {5: np.array([[0.2, 0.4], [0.6, 0.8], [0.4, 0.6]]), 1: np.array([[0.1, 0.3]])}
    assert points(draws) == [(1, pytest.approx(0.2), None, 1), (5, pytest.approx(0.5), pytest.approx(0.2), 3)]


def budget_row(protocol: str, labels: int | None, dice: float, **more: Any) -> Mapping[str, Any]:
    empty = dict.fromkeys(results.LEADERBOARD_COLUMNS)
    one = {**empty, "dataset": "d", "fingerprint": "f", "protocol": protocol, "method": "m", "rule": "otsu", "seeds": 3}
    return {**one, "labels_used": labels, "test_unet": dice, "test_unet_sd": 0.01, **more}


def test_rows_that_differ_in_weak_images_alone_make_a_curve() -> None:
    rows = [
        budget_row("quick", 2000, 0.6),
        budget_row("quick(weak_images=50)", 50, 0.4),
        budget_row("quick(weak_images=9000)", 2000, 0.7),  # the data set has no more: the first of the two stands
        budget_row("quick(weak_images=50)", 50, 0.1, rule="fixed"),  # alone under its rule
        budget_row("quick(weak_images=50,steps=9)", 50, 0.2),  # other rules
        budget_row("quick(weak_images=100)", 100, 0.2, fingerprint="g"),  # other data
        budget_row("quick", 2000, 0.5, method="n"),
        budget_row("quick(weak_images=None)", 9000, 0.6, method="n"),
        budget_row("quick", 0, 0.5, method="floor"),  # uses no label, or does not say
        budget_row("quick(weak_images=50)", None, 0.5, method="floor"),
    ]
    curves = label_budget(rows)
    assert [(c.row["method"], c.row["protocol"]) for c in curves] == [("m", "quick"), ("n", "quick")]
    assert [(p.labels, p.unet, p.unet_sd, p.init) for p in curves[0].points] == [
        (50, 0.4, 0.01, None),
        (2000, 0.6, 0.01, None),
    ]
    assert [p.labels for p in curves[1].points] == [2000, 9000]
    assert curves[0].points[0].protocol == "quick(weak_images=50)"


def test_a_label_budget_of_real_cells(worked: list[str], tmp_path: Path) -> None:
    for images in ("6", "12"):
        rules = change(SMOKE, {**dict(rule.split("=") for rule in SHORT.split(",")), "weak_images": images})
        request = RunRequest(("tiny", "otsu"), ("tiny_shapes",), rules, out=tmp_path, device="cpu", progress=False)
        assert run(request) == 0
    (curve,) = label_budget(results.collect(tmp_path))
    assert curve.row["method"] == "tiny"
    assert [point.labels for point in curve.points] == [6, 12]
