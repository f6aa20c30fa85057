"""Drawn intervals: where a statistic is a mean they are those of `pair`, where it is not those of scipy's bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench import metrics
from bench.statistics.pairs import Interval, own_interval, pair
from bench.statistics.resampling import RowStatistic, macro, mean, pooled_dice, resampled
from bench.statistics.row_scores import Fits, RowScores

IMAGES = 120
CLUSTERS = np.arange(IMAGES) // 2
ALONE = np.arange(IMAGES)


def scores(seed: int, seeds: int, luck: float = 1) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.normal(0, luck, (seeds, 1)) + draw.normal(0, 3, IMAGES) + draw.normal(0, 1, (seeds, IMAGES))


def both(seed: int, seeds: int, deterministic: bool = False, fits: Fits = ()) -> tuple[RowScores, RowStatistic]:
    values = scores(seed, seeds)
    return RowScores("a", values, deterministic, fits), RowStatistic("a", mean(values), deterministic, fits)


def counts(seed: int, seeds: int) -> np.ndarray:
    """tp, fp, fn: (3, S, n) pixels of images of very different sizes."""
    draw = np.random.default_rng(seed)
    return np.floor(draw.lognormal(4, 1, (3, seeds, IMAGES)) + 1)


@pytest.mark.parametrize(("seeds", "others"), [(3, 3), (5, 3)])
def test_of_a_mean_they_are_the_intervals_of_pair(seeds: int, others: int) -> None:
    (a, a_mean), (b, b_mean) = both(1, seeds), both(2, others)
    expected, found = pair(a, b, CLUSTERS), resampled(a_mean, b_mean, CLUSTERS, draws=20_000)
    assert found.value == pytest.approx(expected.difference)
    assert found.se == pytest.approx(expected.se, rel=0.03)
    assert found.df == pytest.approx(expected.df, rel=0.06)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.06)


def test_a_row_alone_has_its_own_interval() -> None:
    a, a_mean = both(1, 3)
    expected, found = own_interval(a, CLUSTERS), resampled(a_mean, None, CLUSTERS, draws=20_000)
    assert (found.value, found.se, found.df) == (
        pytest.approx(expected.value),
        pytest.approx(expected.se, rel=0.03),
        pytest.approx(expected.df, rel=0.06),
    )


def test_rows_that_share_their_fits_draw_the_same_seeds() -> None:
    fits = tuple(frozenset({f"fit {seed}"}) for seed in range(4))
    luck = np.random.default_rng(0).normal(0, 5, (4, 1))
    rows = [RowScores("row", scores(seed, 4, luck=0) + luck, fits=fits) for seed in (1, 2)]
    statistics = [RowStatistic("row", mean(row.values), fits=fits) for row in rows]
    expected, found = pair(*rows, CLUSTERS), resampled(*statistics, CLUSTERS, draws=20_000)
    assert found.se == pytest.approx(expected.se, rel=0.03)
    assert found.df == pytest.approx(expected.df, rel=0.1)
    apart = [RowStatistic("row", mean(row.values)) for row in rows]
    se = resampled(*apart, CLUSTERS).se
    assert se is not None
    assert expected.se is not None
    assert se > 3 * expected.se


def test_pooled_dice_varies_as_scipy_says() -> None:
    """Of a deterministic row, over images."""
    tp, fp, fn = counts(1, 1)
    found = resampled(RowStatistic("otsu", pooled_dice(tp, fp, fn), deterministic=True), None, ALONE, draws=10_000)

    def dice(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(2 * tp.sum(axis) / (2 * tp + fp + fn).sum(axis))

    expected = stats.bootstrap(
        (tp[0], fp[0], fn[0]), dice, paired=True, vectorized=True, n_resamples=10_000, rng=np.random.default_rng(1)
    )
    assert found.value == pytest.approx(metrics.pooled_dice(tp, fp, fn))
    assert found.se == pytest.approx(expected.standard_error, rel=0.03)
    assert found.df == pytest.approx(IMAGES - 1)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole weights (2, n), and the images that the second of them stands for."""
    weights = np.random.default_rng(seed).integers(0, 3, IMAGES)
    return np.stack([np.ones(IMAGES), weights]).astype(float), np.repeat(ALONE, weights)


def test_weights_of_pooled_dice_stand_for_repeated_images() -> None:
    (tp, fp, fn), (weights, images) = counts(2, 2), drawn(0)
    expected = [
        [metrics.pooled_dice(tp[s, some], fp[s, some], fn[s, some]) for s in (0, 1)] for some in (ALONE, images)
    ]
    assert pooled_dice(tp, fp, fn)(weights) == pytest.approx(np.array(expected))


def test_weights_of_macro_stand_for_repeated_images() -> None:
    values, groups, (weights, images) = scores(1, 2), ALONE % 4, drawn(1)
    expected = [[metrics.macro(values[s, some], groups[some]) for s in (0, 1)] for some in (ALONE, images)]
    assert macro(values, groups)(weights) == pytest.approx(np.array(expected))


def test_a_group_that_is_not_drawn_is_left_out_of_macro() -> None:
    values, groups = np.array([[1.0, 2.0, 4.0]]), ["small", "large", "large"]
    assert macro(values, groups)(np.array([[0.0, 1, 1], [1, 0, 0], [1, 1, 1]])).tolist() == [[3], [1], [2]]


def test_the_same_seed_draws_the_same_interval() -> None:
    (_, a), (_, b) = both(1, 3), both(2, 3)
    assert resampled(a, b, CLUSTERS, seed=4) == resampled(a, b, CLUSTERS, seed=4)
    assert resampled(a, b, CLUSTERS, seed=4) != resampled(a, b, CLUSTERS, seed=5)


@pytest.mark.parametrize(
    ("seeds", "deterministic", "clusters", "enough"),
    [(3, False, CLUSTERS, True), (2, False, CLUSTERS, False), (1, True, CLUSTERS, True), (3, False, ALONE % 19, False)],
)
def test_not_enough_data_is_no_number(seeds: int, deterministic: bool, clusters: np.ndarray, enough: bool) -> None:
    row, statistic = both(1, seeds, deterministic)
    found = resampled(statistic, None, clusters)
    assert found.enough is enough
    assert enough or found == Interval(pytest.approx(row.values.mean()))


def test_a_statistic_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="HD95 of mine: the statistic of 1 of its seeds is no number"):
        resampled(RowStatistic("HD95 of mine", mean(np.array([[1.0, float("nan")], [1.0, 1.0]]))), None, [0, 1])
