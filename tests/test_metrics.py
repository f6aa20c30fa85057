"""Counts, thresholds and scores against hand-computed values, torch, Pillow and scikit-learn."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

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
    all_counts,
    average_precision,
    below_half,
    best_thresholds,
    binarise,
    bins,
    counts,
    dice,
    dice_of_regions,
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
    wsol_bins,
)
from bench.thresholds import split, split_counts

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
    for cut, hist, t in [(0.25, histogram(values, mask), 0.25), (None, stretched, otsu(stretched))]:
        tp, fp, _, _ = counts(hist, t)
        chosen = binarise(values, cut)
        assert (chosen[mask == 1].sum(), chosen[mask == 0].sum()) == (tp, fp)
    assert not binarise(np.full((4, 4), 0.5, np.float32), 0.5).any()  # strict
    assert not binarise(np.full((4, 4), 0.9, np.float32), None).any()


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


# --- every threshold at once -----------------------------------------------------------------------------------------------------------


def test_all_thresholds_at_once_are_the_thresholds_one_by_one():
    values = np.round(random_map(0, (40, 50)) * 256) / np.float32(256)
    mask = np.random.default_rng(1).choice(np.uint8([0, 1, 255]), (40, 50))
    found = np.stack(all_counts(np.stack([histogram(values, mask)] * 2)), -1)  # (2, 257, 4)
    above, valid, true = values[None] > (np.arange(257) / 256)[:, None, None], mask != 255, mask == 1
    expected = [above & true, above & ~true & valid, ~above & true, ~above & ~true & valid]
    assert np.array_equal(found[1], np.stack([e.sum((1, 2)) for e in expected], -1))


@given(st.integers(0, 2**32 - 1))
def test_the_best_threshold_is_the_best_of_trying_all(seed):
    random = np.random.default_rng(seed)
    values = random.integers(0, 9, (3, 2, 4, 5)).astype(np.float32) / 8
    masks = random.integers(0, 3, (3, 4, 5)).astype(np.uint8)
    masks[0] %= 2  # the second foreground is not on the first image
    raw = np.array([[histogram(values[n, k], masks[n], k + 1) for k in range(2)] for n in range(3)])
    for k, found in enumerate(best_thresholds(raw)):
        shown = [n for n in range(3) if (masks[n] == k + 1).any()]
        tried = [
            np.mean([naive(values[n, k] > j / 256, masks[n] == k + 1) for n in shown]) for j in range(0, 256, 16)
        ]  # no value lies between
        assert found == (np.argmax(np.round(tried, 12)) * 16 / 256 if shown else None)


def naive(region, true):
    return 2 * (region & true).sum() / (region.sum() + true.sum())


def test_where_no_mask_shows_a_foreground_there_is_no_best_threshold():
    raw = np.array([[histogram(random_map(0), np.zeros((9, 11), np.uint8), k + 1) for k in range(2)]])
    assert best_thresholds(raw) == [None, None]


# --- wsolevaluation's PxAP -------------------------------------------------------------------------------------------------------------

CODES = Path(__file__).with_name("fixtures")


def test_pxap_at_intervals_is_wsolevaluations():
    """On the 20 maps of the fixture, pixels that a mask ignores left out: their evaluator was run on the same."""
    inputs, numbers = np.load(CODES / "other_codes.npz"), json.loads((CODES / "other_codes.json").read_text())
    pooled = np.zeros((2, 1001), np.int64)
    for values, mask in zip(inputs["pxap_maps"], inputs["pxap_masks"], strict=True):
        pooled += split_counts(wsol_bins(values), split(mask), 1001)
    assert 100 * average_precision(pooled) == pytest.approx(numbers["pxap_wsol_0.001"], abs=1e-9)


def test_exact_pxap_lies_beside_it():
    inputs, numbers = np.load(CODES / "other_codes.npz"), json.loads((CODES / "other_codes.json").read_text())
    pooled = sum(
        fine_histogram(v.astype(np.float32), m) for v, m in zip(inputs["pxap_maps"], inputs["pxap_masks"], strict=True)
    )
    assert 100 * average_precision(pooled) == pytest.approx(
        numbers["pxap_exact_sklearn"], abs=1e-3
    )  # theirs is of floats


@given(st.lists(unit | multiple | beside | st.integers(0, 1000).map(lambda n: float(np.float32(n / 1000))), min_size=1))
def test_its_bins_are_numpys_with_its_edges(values):
    v = np.array(values, np.float32)
    edges = np.append(np.arange(0, 1, 0.001), [1.0, 2.0])
    assert np.array_equal(np.bincount(wsol_bins(v), minlength=1001), np.histogram(v.astype(np.float64), edges)[0])


@given(st.integers(0, 999), st.sampled_from([0.0, 1.0]))
def test_no_float_beside_an_edge_lies_on_its_wrong_side(number, towards):
    v = np.nextafter(np.float32(number * 0.001), np.float32(towards))
    edges = np.arange(0, 1.0005, 0.001)
    assert wsol_bins(v[None])[0] == np.searchsorted(edges, np.float64(v), side="right") - 1


def test_an_image_is_counted_in_its_bins_at_the_masks_size():
    values, mask = random_map(7, (14, 14)), disc(64, 20, (30, 30))
    mask[:, 60:] = 255
    score = score_image(values, mask)
    native = resize(values, (64, 64))
    assert np.array_equal(score.wsol[1], np.bincount(wsol_bins(native[mask == 1]), minlength=1001))
    assert score.wsol.sum() == 64 * 60


# --- average precision and scale -------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([lambda v: v / 2, lambda v: v * 0.5 + 0.25, np.sqrt, np.square, lambda v: v**3, minmax]),
)
def test_average_precision_of_an_image_does_not_move_when_its_map_is_rescaled(seed, rescale):
    """250 values far enough apart that no two of them become one of the 16-bit scores, whatever the (increasing) change."""
    random = np.random.default_rng(seed)
    values = ((random.integers(0, 250, (16, 16)) + 25) / 300).astype(np.float32)
    mask = (random.random((16, 16)) < values).astype(np.uint8)
    before = average_precision(fine_histogram(values, mask))
    after = average_precision(fine_histogram(rescale(values).astype(np.float32), mask))
    assert after == before or (np.isnan(before) and np.isnan(after))
    assert score_image(rescale(values).astype(np.float32), mask).ap == pytest.approx(before, nan_ok=True)


def test_pooled_precision_does_move():
    """Why the column of single images is the one without a scale: two maps that rank their own pixels perfectly, at two levels."""
    mask = disc(30, 9, (15, 15))
    bright, dim = (np.where(mask == 1, *levels).astype(np.float32) for levels in ((0.9, 0.6), (0.5, 0.1)))
    pooled, stretched = (sum(fine_histogram(f(v), mask) for v in (bright, dim)) for f in (np.copy, minmax))
    assert [average_precision(fine_histogram(v, mask)) for v in (bright, dim)] == [1, 1]
    assert average_precision(stretched) == 1
    both = 2 * (mask == 1).sum()  # half of the foreground comes after the background of the bright map
    assert average_precision(pooled) == pytest.approx(0.5 + 0.5 * both / (both + (mask == 0).sum()))


def test_dice_of_two_regions_does_not_ask_which_is_the_truth():
    one, other = disc(30, 9, (15, 15)) == 1, disc(30, 9, (15, 19)) == 1
    assert dice_of_regions(one, other) == dice_of_regions(other, one) == naive(one, other)
    assert np.isnan(dice_of_regions(one & False, one & False))
