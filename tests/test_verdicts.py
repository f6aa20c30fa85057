"""What a table says of its rows: tables made by hand, in which everybody can see what is true."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_results import run

from bench import DataError
from bench.results import collected as results


def rows_of(out: Path) -> dict[str, results.Row]:
    """By method, and settings where there are any."""
    return {" ".join(filter(None, (row["method"], row["settings"]))): row for row in results.collect(out)}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three methods of which two are alike, and floors of which the best is a U-Net."""
    for seed in range(3):
        run(tmp_path, "good", seed, test_unet=0.8)
        run(tmp_path, "fair", seed, test_unet=0.6)
        run(tmp_path, "alike", seed, test_unet=0.6)
        run(tmp_path, "weak_floor", seed, test_unet=0.65, test_init=0.4, role="floor")
        run(tmp_path, "best_floor", seed, test_unet=0.70, test_init=0.5, role="floor")
        run(tmp_path, "shape_prior", seed, test_unet=0.95, role="floor", masks_train=10)
    return tmp_path


def test_letters_and_ranks_say_what_differs(table: Path) -> None:
    rows = rows_of(table)
    assert {name: rows[name]["tie_group"] for name in ("good", "fair", "alike")} == {
        "good": "a",
        "fair": "b",
        "alike": "b",
    }
    assert [(rows[name]["rank_lo"], rows[name]["rank_hi"]) for name in ("good", "fair", "alike")] == [
        (1, 1),
        (2, 3),
        (2, 3),
    ]
    assert 0 < rows["good"]["mdd"] < 0.05
    assert all(rows[name]["tie_group"] is None for name in ("best_floor", "shape_prior"))


def test_methods_are_set_against_the_strongest_floor_that_needs_no_mask(table: Path) -> None:
    rows = rows_of(table)
    assert rows["good"]["floor_best"] == "best_floor (U-Net)"
    assert (rows["good"]["floor_verdict"], rows["fair"]["floor_verdict"]) == ("beats floors", "no better")
    for name, difference in (("good", 0.1), ("fair", -0.1)):
        row = rows[name]
        assert row["over_floor"] == pytest.approx(difference, abs=0.02)
        assert row["over_floor"] == pytest.approx(row["test_unet"] - rows["best_floor"]["test_unet"])
        assert row["over_floor_lo"] < row["over_floor"] < row["over_floor_hi"]


def test_a_floor_whose_maps_are_better_than_its_unet_counts_by_its_maps(table: Path) -> None:
    run(table, "classic", 0, test_unet=0.6, test_init=0.85, role="floor", deterministic=True)
    assert rows_of(table)["good"]["floor_best"] == "classic (maps)"


def test_a_floor_with_too_few_seeds_lets_no_method_beat_them_all(table: Path) -> None:
    run(table, "untested", 0, test_unet=0.4, test_init=0.4, role="floor")
    assert rows_of(table)["good"]["floor_verdict"] == "undecided"


def test_one_seed_says_nothing_and_a_rule_that_is_not_ranked_has_an_interval_alone(table: Path) -> None:
    run(table, "once", 0, test_unet=0.75)
    for seed in range(3):
        run(table, "other", seed, test_unet=0.75, rule="fixed")
    rows = rows_of(table)
    assert (rows["once"]["ranked"], rows["once"]["test_unet_lo"], rows["once"]["over_floor_lo"]) == (False, None, None)
    assert rows["once"]["over_floor"] == pytest.approx(0.05, abs=0.03)
    assert (rows["other"]["floor_verdict"], rows["other"]["tie_group"]) == (None, None)
    assert rows["other"]["over_floor_lo"] < rows["other"]["over_floor"] < rows["other"]["over_floor_hi"]


def test_intervals_hold_the_mean_and_grow_with_the_luck_of_the_seed(tmp_path: Path) -> None:
    for seed in range(3):
        run(tmp_path, "steady", seed, test_unet=0.7, luck=0.0)
        run(tmp_path, "moody", seed, test_unet=0.7, luck=0.1)
    rows = rows_of(tmp_path)
    widths = {}
    for name, row in rows.items():
        assert row["test_unet_lo"] < row["test_unet"] < row["test_unet_hi"]
        assert row["val_init_lo"] < row["val_init"] < row["val_init_hi"]
        widths[name] = row["test_unet_hi"] - row["test_unet_lo"]
    assert widths["moody"] > 5 * widths["steady"]


def test_no_table_mixes_versions_or_fingerprints(table: Path) -> None:
    for seed in range(3):
        run(table, "elsewhere", seed, test_unet=0.9, protocol_version=2)
        run(table, "others", seed, test_unet=0.95, fingerprint="f1")
    rows = rows_of(table)
    assert rows["good"]["tie_group"] == "a"  # not behind better rows of other tables
    assert (rows["elsewhere"]["floor_best"], rows["others"]["floor_best"]) == (None, None)
    assert rows["elsewhere"]["floor_verdict"] == "not enough data"


def test_what_a_method_is_worth_in_masks(table: Path) -> None:
    for count, mean in ((1, 0.3), (10, 0.7), (100, 0.9)):
        for seed in range(5):
            settings = {"count": count}
            run(
                table,
                "full_supervision",
                seed,
                test_unet=mean,
                role="full",
                rule="",
                settings=settings,
                masks_train=count,
            )
    rows = rows_of(table)
    assert 10 < rows["good"]["break_even"] < 100
    assert rows["good"]["break_even_lo"] < rows["good"]["break_even"] < rows["good"]["break_even_hi"]
    assert 1 < rows["fair"]["break_even"] < 10
    assert rows["full_supervision count=10"]["break_even"] is None


def test_other_images_under_one_fingerprint_are_refused(table: Path) -> None:
    (file,) = table.glob("isic/good/*00/scores.csv")
    kept = file.read_text()
    file.write_text(kept.replace("i07,i07", "i99,i99"))
    with pytest.raises(
        DataError, match=r"two seeds of one row are scored on different images: a scores\.csv was changed"
    ):
        results.collect(table)
    for each in table.glob("isic/good/*/scores.csv"):
        each.write_text(kept.replace("i07,i07", "i99,i99"))
    with pytest.raises(DataError, match=r"under one fingerprint: a scores\.csv was changed"):
        results.collect(table)


def test_a_lone_ranked_row_has_no_letter_and_no_rank(tmp_path: Path) -> None:
    for seed in range(3):
        run(tmp_path, "alone", seed, test_unet=0.7)
    row = rows_of(tmp_path)["alone"]
    assert row["ranked"]
    assert (row["tie_group"], row["rank_lo"], row["rank_hi"], row["mdd"]) == (None, None, None, None)
