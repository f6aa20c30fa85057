"""The 95th percentile of the Hausdorff distance, by hand, by distance transforms, and as MONAI has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion, distance_transform_edt

from bench.metrics import score_image
from bench.pipeline.distances import Outline, outline

regions = arrays(np.bool_, (7, 9)).filter(lambda r: r.any())


def square(top, left, side, shape=(40, 60)):
    region = np.zeros(shape, bool)
    region[top : top + side, left : left + side] = True
    return region


def by_transforms(region, true):
    a, b = (r & ~binary_erosion(r) for r in (region, true))
    there, back = distance_transform_edt(~b)[a], distance_transform_edt(~a)[b]
    return max(np.percentile(there, 95), np.percentile(back, 95))


def test_two_pixels_are_as_far_as_pythagoras_says():
    assert Outline(square(3, 4, 1)).hd95(square(6, 8, 1)) == 5


def test_a_shifted_square_is_as_far_as_it_was_shifted():
    assert Outline(square(10, 10, 12)).hd95(square(10, 17, 12)) == 7
    assert Outline(square(10, 10, 12)).hd95(square(10, 10, 12)) == 0


def test_one_far_pixel_in_twenty_one_is_forgiven_and_two_are_not():
    """Twenty outline pixels that agree and one far away: the 95th percentile lies on the last that agrees."""
    true = np.zeros((40, 60), bool)
    true[20, :20] = True
    one, two = true.copy(), true.copy()
    one[0, 59] = two[0, 59] = two[1, 59] = True
    assert Outline(true).hd95(one) == 0
    assert Outline(true).hd95(two) > 10


def test_a_missed_object_is_as_far_as_the_image_is_long_and_an_absent_one_has_no_distance():
    nothing = np.zeros((30, 40), bool)
    assert Outline(square(3, 4, 5, (30, 40))).hd95(nothing) == 50
    assert np.isnan(Outline(nothing).hd95(square(3, 4, 5, (30, 40))))
    assert np.isnan(Outline(nothing).hd95(nothing))


@given(regions, regions)
def test_it_is_what_distance_transforms_of_the_whole_image_give(region, true):
    assert Outline(true).hd95(region) == pytest.approx(by_transforms(region, true), abs=1e-12)


@given(regions, regions)
def test_it_does_not_matter_which_of_two_regions_is_the_truth(one, other):
    assert Outline(one).hd95(other) == Outline(other).hd95(one)


@given(regions)
def test_an_outline_is_what_erosion_takes(region):
    assert np.array_equal(outline(region), np.argwhere(region & ~binary_erosion(region)))


@given(
    arrays(np.float32, (5, 6), elements=st.floats(0, 1, width=32)),
    arrays(np.uint8, (9, 8), elements=st.sampled_from([0, 1, 255])),
)
def test_ignored_pixels_lie_in_no_outline(values, mask):
    found = score_image(values, mask, cuts={"half": 0.5, "otsu": None}).hd95
    assert set(found) == {"half", "otsu"}
    other = np.where(mask == 255, 0, mask).astype(np.uint8)
    if not (mask == 1).any():
        assert np.isnan(list(found.values())).all()
    elif not (mask == 255).any():
        assert found == score_image(values, other, cuts={"half": 0.5, "otsu": None}).hd95


def test_what_is_predicted_on_ignored_pixels_is_forgiven():
    mask = square(10, 10, 10).astype(np.uint8)
    mask[8:22, 8:22][mask[8:22, 8:22] == 0] = 255
    generous = square(8, 8, 14).astype(np.float32)
    assert score_image(generous, mask, cuts={"half": 0.5}).hd95["half"] == 0
    mask[mask == 255] = 0
    assert score_image(generous, mask, cuts={"half": 0.5}).hd95["half"] > 1


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:monai:FutureWarning")
@pytest.mark.parametrize("seed", range(6))
def test_it_is_monais(seed):
    torch, metrics = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
    random = np.random.default_rng(seed)
    one, other = (
        square(*random.integers(0, 20, 2), int(random.integers(3, 20))) ^ (random.random((40, 60)) < 0.03)
        for _ in range(2)
    )
    theirs = metrics.compute_hausdorff_distance(
        torch.from_numpy(one)[None, None].float(), torch.from_numpy(other)[None, None].float(), True, percentile=95
    )
    assert Outline(other).hd95(one) == pytest.approx(float(theirs), abs=1e-5)
