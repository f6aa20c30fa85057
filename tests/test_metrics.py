"""Counts, thresholds and scores against hand-computed values, torch, Pillow and scikit-learn."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from torch.nn import functional

from bench import metrics, thresholds
from bench.metrics import (
    LEVELS,
    average_precision,
    below_half,
    binarise,
    bins,
    counts,
    dice,
    fine_histogram,
    histogram,
    macro,
    minmax,
    otsu,
    pooled_dice,
    resize,
    resize_nearest,
    score_image,
    size_quartiles,
)

unit = st.floats(0, 1, width=32)
multiple = st.integers(0, 256).map(lambda j: float(np.float32(j / 256)))
beside = st.builds(
    lambda v, to: float(np.clip(np.nextafter(np.float32(v), np.float32(to)), 0, 1)), multiple, st.sampled_from([0, 1])
)


def random_map(seed, shape=(9, 11)):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def disc(size, radius, centre):
    y, x = np.mgrid[:size, :size]
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).astype(np.uint8)


@given(st.lists(unit | multiple | beside, min_size=1, max_size=40))
def test_a_value_is_above_a_threshold_exactly_when_its_bin_is(values):
    v = np.array(values, np.float32)
    j = np.arange(257)
    assert ((v[:, None] > (j / 256).astype(np.float32)) == (bins(v)[:, None] > j)).all()


@pytest.mark.parametrize("threshold", [0, 1 / 256, 0.25, 0.5, 0.75, 255 / 256, 1])
def test_counts_are_those_of_comparing_pixel_by_pixel(threshold):
    values = np.round(random_map(0, (40, 50)) * 64) / np.float32(64)  # many pixels exactly at a threshold
    mask = np.random.default_rng(1).choice(np.uint8([0, 1, 2, 255]), (40, 50), p=[0.6, 0.2, 0.1, 0.1])
    hist = histogram(values, mask)
    above, valid, true = values > threshold, mask != 255, mask == 1
    expected = (above & true, above & ~true & valid, ~above & true, ~above & ~true & valid)
    assert [int(n) for n in counts(hist, threshold)] == [int(n.sum()) for n in expected]


def test_counts_of_many_images_are_the_counts_of_each():
    hists = np.stack([histogram(random_map(s), disc(11, 4, (3, 5))[:9]) for s in range(3)])
    together = np.stack(counts(hists, 0.25), 1)
    assert together.tolist() == [[int(n) for n in counts(h, 0.25)] for h in hists]


@pytest.mark.parametrize("threshold", [0.3, -1 / 256, 257 / 256])
def test_a_threshold_between_bins_is_refused(threshold):
    with pytest.raises(ValueError, match="multiple of 1/256"):
        counts(histogram(random_map(0)), threshold)


def test_without_a_mask_all_pixels_are_background():
    hist = histogram(random_map(0))
    assert hist.sum(1).tolist() == [99, 0]


def test_dice_of_hand_counted_pixels_and_none_without_foreground():
    scores = dice([2, 0, 0, 0], [1, 0, 7, 3], [1, 0, 0, 4])
    np.testing.assert_array_equal(scores, [2 / 3, np.nan, np.nan, 0])


def test_pooled_dice_adds_pixels_before_it_divides():
    assert pooled_dice([90, 0], [0, 5], [10, 0]) == pytest.approx(180 / 195)
    assert np.isnan(pooled_dice([0], [3], [0]))


def test_below_half_counts_scored_images_only():
    assert below_half(np.array([0.1, 0.5, 0.9, np.nan])) == pytest.approx(1 / 3)
    assert np.isnan(below_half(np.array([np.nan])))


def test_quarters_hold_equal_numbers_and_equal_areas_stay_together():
    areas = np.array([8, 1, 7, 2, 6, 3, 5, 4]) / 100
    assert size_quartiles(areas).tolist() == [3, 0, 3, 0, 2, 1, 2, 1]
    assert size_quartiles(np.arange(5.0)).tolist() == [
        0,
        0,
        1,
        2,
        3,
    ]  # one that lies on a border belongs to the smaller
    assert len(set(size_quartiles(np.full(5, 0.2)).tolist())) == 1


def test_macro_weighs_groups_alike_and_leaves_unscored_images_out():
    scores = np.array([1.0, 1.0, 1.0, 0.0, np.nan, np.nan])
    assert macro(scores, np.array([0, 0, 0, 1, 1, 2])) == 0.5
    assert np.isnan(macro(np.array([np.nan]), np.array([0])))


def test_minmax_spans_zero_to_one_and_a_constant_map_is_dead():
    stretched = minmax(random_map(0) * np.float32(0.1) + np.float32(0.4))
    assert (stretched.min(), stretched.max(), stretched.dtype) == (0, 1, np.float32)
    np.testing.assert_array_equal(minmax(np.full((3, 4), 0.7, np.float32)), np.zeros((3, 4)))


def brute_force_otsu(hist):
    """The lowest j with the greatest variance between pixels in bins up to j and those above, from the pixels themselves."""
    pixels = np.repeat(np.arange(257), hist)
    best, chosen = -1.0, 0
    for j in range(256):
        low, high = pixels[pixels <= j], pixels[pixels > j]
        if len(low) and len(high):
            variance = len(low) * len(high) * (low.mean() - high.mean()) ** 2
            if variance > best * (1 + 1e-12):
                best, chosen = variance, j
    return chosen / 256


@given(st.dictionaries(st.integers(0, 256), st.integers(1, 9), min_size=2, max_size=12))
def test_otsu_is_the_greatest_variance_between_classes(occupied):
    hist = np.zeros(257, np.int64)
    hist[list(occupied)] = list(occupied.values())
    assert otsu(hist) == brute_force_otsu(hist)


def test_otsu_takes_the_lowest_of_equal_maxima():
    hist = np.zeros(257, np.int64)
    hist[[10, 20, 30]] = 5  # 10 | 20 30 is as good as 10 20 | 30
    assert otsu(hist) == 10 / 256


def test_otsu_sees_no_label():
    hist = histogram(random_map(0), disc(11, 4, (3, 5))[:9])
    assert otsu(hist) == otsu(hist[::-1]) == otsu(hist.sum(0)) == otsu(histogram(random_map(0)))


@pytest.mark.parametrize("occupied", [{}, {0: 50}, {77: 50}, {256: 50}])
def test_where_otsu_has_nothing_to_separate_nothing_is_foreground(occupied):
    hist = np.zeros((2, 257), np.int64)
    hist[0, list(occupied)] = list(occupied.values())
    _, false_positives, _, _ = counts(hist, otsu(hist))
    assert false_positives == 0


def test_rules_decide_pixels_as_the_counts_do():
    values, mask = random_map(3, (30, 30)) * np.float32(0.4), disc(30, 9, (12, 20))
    stretched = histogram(minmax(values), mask)
    for rule, hist, t in [("fixed", histogram(values, mask), 0.25), ("otsu", stretched, otsu(stretched))]:
        tp, fp, _, _ = counts(hist, t)
        chosen = binarise(values, rule, 0.25)
        assert (chosen[mask == 1].sum(), chosen[mask == 0].sum()) == (tp, fp)
    assert not binarise(np.full((4, 4), 0.5, np.float32), "fixed", 0.5).any()  # strict
    assert not binarise(np.full((4, 4), 0.9, np.float32), "otsu", 0.5).any()
    with pytest.raises(ValueError, match="fixed or otsu"):
        binarise(values, "oracle", 0.5)


@pytest.mark.parametrize(
    ("old", "new"), [((7, 7), (224, 224)), ((112, 112), (91, 257)), ((5, 9), (5, 31)), ((1, 3), (8, 8))]
)
def test_maps_are_resized_as_torch_does(old, new):
    values = random_map(1, old)
    exact = torch.from_numpy(values).double()[None, None]  # in float32 torch rounds positions too, to 1e-5
    expected = functional.interpolate(exact, new, mode="bilinear", align_corners=False)[0, 0]
    made = resize(values, new)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=2e-7)


@given(unit, st.integers(1, 40), st.integers(1, 40))
def test_a_constant_map_stays_constant_to_the_last_bit(value, height, width):
    assert (resize(np.full((6, 5), value, np.float32), (height, width)) == np.float32(value)).all()


@pytest.mark.parametrize("old", [(450, 601), (7, 5), (256, 256), (224, 224), (640, 96)])
def test_masks_are_resized_as_torch_does(old):
    mask = np.random.default_rng(0).integers(0, 256, old, dtype=np.uint8)
    expected = functional.interpolate(torch.from_numpy(mask)[None, None], (224, 224), mode="nearest-exact")[0, 0]
    np.testing.assert_array_equal(resize_nearest(mask, (224, 224)), expected)


@pytest.mark.parametrize("old", [(450, 601), (7, 5), (13, 1000)])
def test_masks_are_resized_as_pillow_does_where_no_centre_lies_on_a_border(old):
    mask = np.random.default_rng(0).integers(0, 256, old, dtype=np.uint8)
    expected = Image.fromarray(mask).resize((224, 224), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(resize_nearest(mask, (224, 224)), np.asarray(expected))


def test_average_precision_of_five_pixels_by_hand():
    values = np.float32([[0.9, 0.8, 0.8, 0.4, 0.1]])
    mask = np.uint8([[1, 1, 0, 0, 1]])  # recall 1/3 at precision 1, 2/3 at 2/3 (tie), 1 at 3/5
    assert average_precision(fine_histogram(values, mask)) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_average_precision_without_foreground_is_not_a_number():
    assert np.isnan(average_precision(fine_histogram(random_map(0), np.zeros((9, 11), np.uint8))))


@pytest.mark.oracle
@pytest.mark.parametrize("levels", [3, 500, 65535])
def test_average_precision_is_scikit_learns(levels):
    from sklearn.metrics import average_precision_score

    values = (np.round(random_map(2, (80, 80)) * levels) / levels).astype(np.float32)
    mask = np.random.default_rng(3).choice(np.uint8([0, 1, 255]), (80, 80), p=[0.7, 0.2, 0.1])
    scores, valid = np.round(values.astype(np.float64) * 65535), mask != 255
    expected = average_precision_score(mask[valid], scores[valid])
    assert average_precision(fine_histogram(values, mask)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.oracle
def test_pooled_average_precision_is_that_of_all_pixels_together():
    from sklearn.metrics import average_precision_score

    images = [((random_map(s) * 1000).round() / np.float32(1000), disc(11, 3 + s, (4, 5))[:9]) for s in range(3)]
    pooled = sum(fine_histogram(v, m) for v, m in images)
    truth = np.concatenate([m.ravel() for _, m in images])
    scores = np.concatenate([np.round(v.ravel().astype(np.float64) * 65535) for v, _ in images])
    assert average_precision(pooled) == pytest.approx(average_precision_score(truth, scores), abs=1e-9)


@pytest.mark.oracle
def test_dice_is_scikit_learns_f1():
    from sklearn.metrics import f1_score

    values, mask = random_map(5, (50, 50)), disc(50, 14, (20, 30))
    tp, fp, fn, _ = counts(histogram(values, mask), 0.75)
    assert dice(tp, fp, fn) == pytest.approx(f1_score(mask.ravel(), values.ravel() > 0.75))


def naive_dice(values, mask, size, threshold, stretch):
    """Dice as torch resizes and compares, without any histogram."""
    v = functional.interpolate(torch.from_numpy(values)[None, None], size, mode="bilinear")[0, 0]
    m = functional.interpolate(torch.from_numpy(mask)[None, None], size, mode="nearest-exact")[0, 0]
    if stretch:
        v = (v - v.min()) / (v.max() - v.min())
    predicted, true = (v > threshold) & (m != 255), m == 1
    return float(2 * (predicted & true).sum() / (predicted.sum() + true.sum()))


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.75])
def test_an_image_is_scored_as_resizing_and_comparing_does(threshold):
    values, mask = random_map(7, (14, 14)), disc(300, 80, (120, 170))
    mask[:, 295:] = 255
    score = score_image(values, mask)
    for name, size, stretch in [
        ("raw", (300, 300), False),
        ("minmax", (300, 300), True),
        ("raw_224", (224, 224), False),
        ("minmax_224", (224, 224), True),
    ]:
        tp, fp, fn, _ = counts(getattr(score, name), threshold)
        assert dice(tp, fp, fn) == pytest.approx(naive_dice(values, mask, size, threshold, stretch), abs=1e-4), name


def test_an_image_keeps_its_own_threshold_whatever_the_mask_ignores():
    values, mask = random_map(7, (14, 14)), disc(64, 20, (30, 30))
    everywhere = score_image(values, mask)
    assert everywhere.otsu == otsu(everywhere.minmax)
    assert everywhere.otsu_224 == otsu(everywhere.minmax_224)
    mask[10:] = 255
    part = score_image(values, mask)
    assert (part.otsu, part.otsu_224) == (everywhere.otsu, everywhere.otsu_224)
    assert part.raw.sum() == 640


def test_a_bright_object_scores_high_and_its_negative_low():
    mask = disc(100, 30, (40, 55))
    good, bad = (score_image(v, mask) for v in (mask.astype(np.float32), 1 - mask.astype(np.float32)))
    assert dice(*counts(good.raw, 0.5)[:3]) == good.ap == 1
    assert dice(*counts(bad.raw, 0.5)[:3]) == 0
    assert bad.ap < mask.mean() + 0.01


def test_one_of_several_foregrounds_is_scored_against_the_rest():
    mask = np.uint8([[0, 1, 2, 255]])
    values = np.float32([[0.9, 0.1, 0.9, 0.9]])
    score = score_image(values, mask, value=2)
    assert [int(n) for n in counts(score.raw, 0.5)] == [1, 1, 0, 1]
    assert (
        counts(score.raw_224, 0.5)[0] == 56 * 224
    )  # the bright quarter that value 2 marks, not the dark one beside it
    np.testing.assert_array_equal(score.fine, fine_histogram(values, np.uint8([[0, 0, 1, 255]])))


@pytest.mark.parametrize("level", [0.0, 0.7, 1.0])
def test_a_constant_map_is_dead_and_its_twin_empty(level):
    score = score_image(np.full((7, 7), level, np.float32), disc(64, 20, (30, 30)))
    assert score.dead
    assert [int(n) for n in counts(score.minmax, score.otsu)[:2]] == [0, 0]
    assert score.raw[:, int(bins(np.float32([level]))[0])].sum() == 64 * 64
    assert not score_image(random_map(0), disc(64, 20, (30, 30))).dead


@given(arrays(np.float32, (3, 4), elements=unit), st.integers(1, 9), st.integers(1, 9))
def test_every_pixel_is_counted_once(values, height, width):
    score = score_image(values, np.ones((height, width), np.uint8))
    assert score.raw.sum() == score.minmax.sum() == score.fine.sum() == height * width
    assert score.fine.shape == (2, LEVELS)
    assert score.raw_224.sum() == 224 * 224


@pytest.mark.parametrize("module", [metrics, thresholds])
def test_the_examples_in_the_docstrings_are_true(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
