"""What is told of a run without masks, by hand and by properties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import entropy
from tiny_runs import result_of, work

from bench import plugins
from bench.evenly import evenly
from bench.pipeline import signals


def test_entropy_is_one_for_an_even_map_and_zero_for_a_single_pixel():
    even = np.full((1, 1, 4, 5), 700, np.uint16)
    single = np.zeros((1, 1, 4, 5), np.uint16)
    single[0, 0, 2, 3] = 9
    assert signals.map_entropy(even) == pytest.approx(1)
    assert signals.map_entropy(single) == 0
    assert signals.map_entropy(np.concatenate([even, single])) == pytest.approx(0.5)


def test_entropy_is_scipys_and_knows_no_scale():
    maps = np.random.default_rng(0).integers(0, 30_000, (3, 2, 6, 7), dtype=np.uint16)
    expected = np.mean([entropy(m.ravel().astype(float)) / np.log(42) for image in maps for m in image])
    assert signals.map_entropy(maps) == pytest.approx(expected)
    assert signals.map_entropy(maps * np.uint16(2)) == pytest.approx(expected)


def test_dead_maps_have_no_entropy_and_count_in_no_mean():
    assert signals.map_entropy(np.zeros((2, 1, 3, 3), np.uint16)) is None
    assert signals.map_entropy(np.ones((2, 1, 1, 1), np.uint16)) is None
    maps = np.ones((2, 1, 3, 3), np.uint16)
    maps[1] = 0
    assert signals.map_entropy(maps) == pytest.approx(1)


def test_agreement_is_dice_over_images_and_the_foregrounds_that_either_has():
    one = np.uint8([[[1, 1, 0, 0]], [[0, 0, 2, 2]], [[0, 0, 0, 0]]])
    other = np.uint8([[[0, 1, 1, 0]], [[1, 0, 2, 2]], [[0, 0, 0, 0]]])
    assert signals.agreement(one, other) == pytest.approx((0.5 + 0 + 1) / 3)  # of the third image nothing can be said
    assert signals.agreement(one, one) == 1
    assert signals.agreement(one[2:], one[2:]) is None


def test_foreground_share_is_of_all_pixels():
    assert signals.foreground_share(np.uint8([[[1, 2, 0, 0]], [[0, 0, 0, 0]]])) == 0.25


def test_the_last_held_out_accuracy_of_a_fit_counts(tmp_path):
    file = tmp_path / "history.csv"
    assert signals.held_out_accuracy(file) is None
    file.write_text(
        "epoch,name,value\n0,accuracy,0.9\n0,heldout_accuracy,0.5\n1,heldout_accuracy,0.75\n1,accuracy,1.0\n"
    )
    assert signals.held_out_accuracy(file) == 0.75
    file.write_text("epoch,name,value\n0,accuracy,0.9\n")
    assert signals.held_out_accuracy(file) is None


@pytest.mark.parametrize(("method", "expected"), [("brightest", 1), ("lopsided", 0)])
def test_maps_of_mirrored_images_agree_where_a_method_knows_no_left_and_right(
    method, expected, tmp_path, inline, tiny_file
):
    plugins.load_file(Path(__file__).parent / "plugins" / f"{method}.py")
    result = result_of(work(tmp_path, method))
    assert {told["flip_agreement"] for told in result["signals"]["rules"].values()} == {expected}
    mirrored = set(result_artifacts(result)) - {name for row in result["rows"] for name in row["artifacts"]}
    assert len(mirrored) == 1  # made for the signal, and no row pays for it
    assert mirrored.pop().startswith("mirrored-")


def result_artifacts(result):
    return [stage["artifact"] for stage in result["stages"]]


def test_a_constant_map_is_not_mirrored(tmp_path, inline, tiny_file):
    result = result_of(work(tmp_path, "centre_disc"))
    assert "flip_agreement" not in result["signals"]["rules"]["fixed"]


def test_at_most_so_many_from_the_first_to_the_last():
    assert evenly("abc", 3) == evenly("abc", 99) == ["a", "b", "c"]
    assert evenly("abc", 1) == ["a"]
    assert evenly([], 3) == evenly("abc", 0) == []
    many = evenly(range(1038), signals.SPREAD)
    assert (len(many), many[0], many[-1]) == (100, 0, 1037)
    assert set(np.diff(many)) == {10, 11}
    assert many == np.linspace(0, 1037, 100).round().tolist()
