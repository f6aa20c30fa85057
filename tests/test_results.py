"""Seeds become rows: checked against values worked out by hand, and files against what must survive a round trip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import both_stages, finished, score

from bench import DataError
from bench.results import collected as results
from bench.results import columns, csv_files


def test_means_and_spread_over_seeds(tmp_path: Path) -> None:
    for seed, shift in enumerate((0.0, 0.1, 0.2)):
        finished(tmp_path, seed, both_stages(0.3 + shift, 0.4 + shift, 0.5 + shift, 0.6 + shift))
    (row,) = results.leaderboard(tmp_path)
    found = [row[stage] for stage in results.STAGES]
    assert found == pytest.approx([0.4, 0.5, 0.6, 0.7])
    assert [row[f"{stage}_sd"] for stage in results.STAGES] == pytest.approx(
        [0.1] * 4
    )  # of 0, .1, .2, divided by n - 1
    assert (row["seeds"], row["images"], row["ranked"], row["rule"], row["kind"]) == (3, 2, True, "otsu", "measured")
    assert row["test_dice_224"] == pytest.approx(0.35)
    assert row["test_ap_image"] == pytest.approx(0.25)
    assert (row["test_openings"], row["masks_eval"], row["seconds"]) == (6, 4, 10.0)
    assert row["run_ids"] == "r-000000000000 r-000000000001 r-000000000002"


def test_one_seed_has_no_spread_and_no_rank(tmp_path: Path) -> None:
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6))
    (row,) = results.collect(tmp_path)
    assert (row["test_unet_sd"], row["ranked"], row["tie_group"], row["energy_j"]) == (None, False, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "floor"},
        {"role": "full"},
        {"role": "control"},
        {"masks_train": 10},
        {"masks_tune": 1},
        {"masks_train": None},
    ],
)
def test_rows_that_used_masks_or_are_no_methods_stand_unranked(change: Mapping[str, Any], tmp_path: Path) -> None:
    for seed in range(3):
        finished(tmp_path, seed, both_stages(0.3, 0.4, 0.5, 0.6), **change)
    assert not results.collect(tmp_path)[0]["ranked"]


def test_the_fixed_rule_and_a_row_without_a_unet_are_never_ranked(tmp_path: Path) -> None:
    init = [line for line in both_stages(0.3, 0.4, 0.5, 0.6) if line["stage"] == "init"]
    for seed in range(3):
        finished(tmp_path / "1", seed, [{**line, "rule": "fixed"} for line in both_stages(0.1, 0.2, 0.3, 0.4)],
                 rows=[{"rule": "fixed", "threshold": 0.5, "degenerate": "covers all"}])  # fmt: skip
        finished(tmp_path / "2", seed, init)
    (fixed,) = results.collect(tmp_path / "1")
    (constant,) = results.collect(tmp_path / "2")
    assert (fixed["ranked"], fixed["degenerate"]) == (False, "covers all")
    assert (constant["ranked"], constant["test_unet"], constant["val_unet"]) == (False, None, None)
    assert constant["test_dice_224"] == pytest.approx(0.25)  # of the init stage


def test_two_rules_are_two_rows_with_their_own_scores(tmp_path: Path) -> None:
    lines = both_stages(0.3, 0.4, 0.5, 0.6)
    lines += [{**line, "rule": "fixed", "dice": line["dice"] / 2} for line in lines]
    rules = [{"rule": "otsu"}, {"rule": "fixed"}]
    finished(tmp_path, 0, lines, rows=rules, pxap={"otsu": 0.2, "fixed": 0.3})
    fixed, otsu = results.collect(tmp_path)
    assert (fixed["rule"], otsu["rule"]) == ("fixed", "otsu")
    assert (fixed["test_unet"], otsu["test_unet"]) == (pytest.approx(0.3), pytest.approx(0.6))
    assert (fixed["test_pxap"], otsu["test_pxap"]) == (0.3, 0.2)


def test_full_supervision_has_a_unet_alone(tmp_path: Path) -> None:
    lines = [{**line, "rule": ""} for line in both_stages(0.3, 0.4, 0.5, 0.6) if line["stage"] == "unet"]
    finished(tmp_path, 0, lines, role="full", rows=[{"rule": ""}], masks_train=1036, pxap={"": 0.9})
    (row,) = results.collect(tmp_path)
    assert [row[stage] for stage in results.STAGES] == [None, pytest.approx(0.4), None, pytest.approx(0.6)]
    assert (row["rule"], row["masks_train"], row["test_pxap"]) == ("", 1036, 0.9)


def test_pooled_macro_and_below_half_by_hand(tmp_path: Path) -> None:
    sizes = [10, 20, 30, 40, 50, 60, 70, 80]
    dice = [0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 0.8, 1.0]
    lines = [
        score(f"i{n}", "test", "unet", d, tp=n // 2, fn=n - n // 2, fp=5, tn=100 - n - 5)
        for n, d in zip(sizes, dice, strict=True)
    ]
    empty = score("none", "test", "unet", None, tp=0, fn=0, fp=40, tn=60, ap=None)
    finished(tmp_path, 0, [*lines, empty])
    (row,) = results.collect(tmp_path)
    assert row["test_unet"] == pytest.approx(4.8 / 8)  # the picture without foreground is no part of it
    assert row["test_dice_macro"] == pytest.approx((0.2 + 0.5 + 0.8 + 0.9) / 4)
    assert row["test_below_half"] == 3 / 8
    assert row["test_dice_pooled"] == pytest.approx(2 * 180 / (2 * 180 + 8 * 5 + 40 + 180))


def test_macro_weighs_quartiles_and_not_images(tmp_path: Path) -> None:
    sizes, dice = (
        [10, 20, 30, 40, 50],
        [0.1, 0.3, 0.5, 0.7, 0.9],
    )  # quartile borders 20, 30, 40: the first holds two images
    finished(
        tmp_path,
        0,
        [score(f"i{n}", "test", "unet", d, tp=n, fn=0, fp=0, tn=100 - n) for n, d in zip(sizes, dice, strict=True)],
    )
    assert results.collect(tmp_path)[0]["test_dice_macro"] == pytest.approx((0.2 + 0.5 + 0.7 + 0.9) / 4)


def test_an_image_of_two_classes_counts_once(tmp_path: Path) -> None:
    cat, dog = (score("a", "test", "unet", d, **{"class": c}) for d, c in ((0.2, "cat"), (0.6, "dog")))
    absent = score("b", "test", "unet", None, **{"class": "cat"}, tp=0, fn=0)
    finished(tmp_path, 0, [cat, dog, absent, score("b", "test", "unet", 1.0, **{"class": "dog"})])
    assert results.collect(tmp_path)[0]["test_unet"] == pytest.approx((0.4 + 1.0) / 2)


def test_settings_protocols_labels_and_fingerprints_do_not_mix(tmp_path: Path) -> None:
    for number, change in enumerate(
        [
            {},
            {"settings": {"k": 3}},
            {"protocol": "quick(steps=1)"},
            {"protocol_version": 2},
            {"label": ""},
            {"fingerprint": "f1"},
        ]
    ):
        finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6), run_id=f"r-{number:012x}", **change)
    assert len(results.collect(tmp_path)) == 6


def test_settings_are_one_cell() -> None:
    settings = {"lr": 1e-4, "k": None, "pretrained": False, "layers": [3, 4], "classifier": {"weights": "f"}}
    assert columns.settings_text(settings) == "classifier.weights=f,k=none,layers=3+4,lr=0.0001,pretrained=false"


def test_failures_are_rows_and_stop_nothing(tmp_path: Path) -> None:
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6))
    finished(tmp_path, 1, [], failed="loss is NaN at epoch 3, step 17")
    finished(tmp_path, 0, [], method="broken", failed="no weights", rows=None, plugin=None)
    broken, theirs = results.collect(tmp_path)
    assert (theirs["seeds"], theirs["failures"]) == (1, ["seed 1 failed: loss is NaN at epoch 3, step 17"])
    assert theirs["notes"] == "seed 1 failed: loss is NaN at epoch 3, step 17"
    assert (broken["method"], broken["seeds"], broken["test_unet"], broken["rule"]) == ("broken", None, None, "")
    assert broken["notes"] == "seed 0 failed: no weights"


def test_of_two_runs_of_one_seed_the_later_counts(tmp_path: Path) -> None:
    import os

    for run_id, shift, written in (("r-b", 0.1, 1), ("r-a", 0.0, 2)):
        folder = finished(tmp_path, 0, both_stages(0.3 + shift, 0.4, 0.5, 0.6), run_id=run_id)
        os.utime(folder / "result.json", (written, written))
    (row,) = results.collect(tmp_path)
    assert (row["run_ids"], row["val_init"]) == ("r-a", pytest.approx(0.3))


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for seed in range(3):
        finished(tmp_path, seed, both_stages(0.1 + 0.1 / 3 * seed, 0.4, 0.5, 0.6))
    results.leaderboard(tmp_path)
    first = (tmp_path / "leaderboard.csv").read_bytes()
    results.leaderboard(tmp_path)
    assert (tmp_path / "leaderboard.csv").read_bytes() == first
    header = first.decode().splitlines()[0].split(",")
    assert tuple(header) == results.LEADERBOARD_COLUMNS
    assert len(set(header)) == len(header) == 73
    assert first.decode().splitlines()[1].startswith("isic,reduced,f0,quick,1,theirs,method,,measured,true,,,,,3,2,2,")


IDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1)


@given(ids=st.lists(IDS, min_size=1, max_size=5), value=st.floats(0, 1))
def test_ids_and_numbers_survive_the_file(
    ids: list[str], value: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    csv_files.write_scores(path, [score(name, "test", "unet", value) for name in ids])
    read = csv_files.read_scores(path)
    assert list(read["image"]) == ids
    assert list(read["dice"]) == [value] * len(ids)


@pytest.mark.parametrize("name", ["007", "NA", "nan", "1e5", "=1+1", "-2", "@x", "'=x", "'"])
def test_awkward_ids_stay_text(name: str, tmp_path: Path) -> None:
    csv_files.write_scores(tmp_path / "s.csv", [score(name, "test", "unet", 0.5)])
    assert list(csv_files.read_scores(tmp_path / "s.csv")["image"]) == [name]
    cell = (tmp_path / "s.csv").read_text().splitlines()[1].split(",")[0]
    assert not cell.startswith(("=", "+", "-", "@"))


def test_a_formula_in_free_text_is_disarmed(tmp_path: Path) -> None:
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6), notes=["=HYPERLINK(1)"], pretraining="@x")
    results.leaderboard(tmp_path)
    text = (tmp_path / "leaderboard.csv").read_text()
    assert ",'=HYPERLINK(1)," in text
    assert ",'@x," in text


def test_a_faulty_file_is_named(tmp_path: Path) -> None:
    folder = finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6))
    (folder / "scores.csv").write_text("image,split\na,b\n")
    with pytest.raises(DataError, match=r"scores\.csv cannot be read \(it has no column cluster\); delete its folder"):
        results.collect(tmp_path)
    (folder / "result.json").write_text("{")
    with pytest.raises(DataError, match=r"result\.json is no result .*delete its folder and run again"):
        results.collect(tmp_path)
