"""Two rows on the same images: scipy's t tests where the recipe comes down to one, its own formula where all parts meet, and its limits."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from bench.statistics.pairs import Comparison, Interval, own_interval, pair
from bench.statistics.row_scores import Fits, RowScores

IMAGES = 60
ALONE = np.arange(IMAGES)
"""Every image a cluster of its own."""


def noise(seed: int, *shape: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.3, 2, shape)


def fits(*names: str) -> Fits:
    return tuple(frozenset({name, f"own of {name}"}) for name in names)


def deterministic(name: str, images: npt.NDArray[np.float64]) -> RowScores:
    return RowScores(name, images[None], deterministic=True)


def only_seeds(name: str, seeds: npt.NDArray[np.float64], shared: Fits = ()) -> RowScores:
    """All images alike: no variance but that of seeds."""
    return RowScores(name, np.repeat(seeds[:, None], IMAGES, 1), fits=shared)


def same_as_scipy(found: Comparison, test: Any, greater: Any, difference: float) -> None:
    assert found.p == pytest.approx(test.pvalue, rel=1e-9)
    assert found.df == pytest.approx(test.df, rel=1e-9)
    assert found.p_greater == pytest.approx(greater.pvalue, rel=1e-9)
    assert found.difference == pytest.approx(difference)
    for level, low, high in ((0.95, found.low, found.high), (0.9, found.low_90, found.high_90)):
        assert (low, high) == pytest.approx(tuple(test.confidence_interval(level)), rel=1e-9)


def test_rows_without_seeds_are_a_paired_t_test() -> None:
    a, b = noise(1, IMAGES), noise(2, IMAGES)
    found = pair(deterministic("a", a), deterministic("b", b), ALONE)
    same_as_scipy(found, stats.ttest_rel(a, b), stats.ttest_rel(a, b, alternative="greater"), (a - b).mean())
    assert (found.a, found.b) == ("a", "b")


def test_clusters_of_one_size_are_a_paired_t_test_of_their_means() -> None:
    """Images are in no order, and clusters have names."""
    a, b, mixed = noise(1, IMAGES), noise(2, IMAGES), np.random.default_rng(0).permutation(IMAGES)
    names = np.array([f"lesion {i // 2}" for i in range(IMAGES)])
    found = pair(deterministic("a", a[mixed]), deterministic("b", b[mixed]), names[mixed])
    one, two = (values.reshape(-1, 2).mean(1) for values in (a, b))
    same_as_scipy(found, stats.ttest_rel(one, two), stats.ttest_rel(one, two, alternative="greater"), (a - b).mean())


def test_rows_that_differ_by_seeds_alone_are_a_welch_test() -> None:
    a, b = noise(3, 3), noise(4, 5)
    test, greater = (stats.ttest_ind(a, b, equal_var=False, alternative=side) for side in ("two-sided", "greater"))
    same_as_scipy(pair(only_seeds("a", a), only_seeds("b", b), ALONE), test, greater, a.mean() - b.mean())


def test_rows_that_share_their_fits_are_compared_seed_by_seed() -> None:
    """Also where each row stands on other fits beside."""
    luck = noise(5, 5)
    a, b = luck + noise(6, 5) / 50, luck + noise(7, 5) / 50
    shared = fits("0", "1", "2", "3", "4")
    own = tuple(fit | {"another"} for fit in shared)
    found = pair(only_seeds("a", a, shared), only_seeds("b", b, own), ALONE)
    same_as_scipy(found, stats.ttest_rel(a, b), stats.ttest_rel(a, b, alternative="greater"), (a - b).mean())


@pytest.mark.parametrize("other", [(), fits("0", "1", "other"), fits("1", "0", "2"), fits("0", "1", "2", "3")])
def test_fits_are_shared_at_every_seed_or_not_at_all(other: Fits) -> None:
    a, b = noise(5, 3), noise(5, len(other) or 3)
    found = pair(only_seeds("a", a, fits("0", "1", "2")), only_seeds("b", b, other), ALONE)
    assert found.df == pytest.approx(stats.ttest_ind(a, b, equal_var=False).df)


def test_variances_of_images_and_of_both_rows_add_up() -> None:
    a, b, clusters = noise(1, 3, IMAGES), noise(2, 5, IMAGES), ALONE // 2
    of_images = pair(deterministic("a", a.mean(0)), deterministic("b", b.mean(0)), clusters).se
    assert of_images is not None
    parts = of_images**2, a.mean(1).var(ddof=1) / 3, b.mean(1).var(ddof=1) / 5
    found = pair(RowScores("a", a), RowScores("b", b), clusters)
    assert found.se == pytest.approx(sqrt(sum(parts)))
    assert found.df == pytest.approx(sum(parts) ** 2 / (parts[0] ** 2 / 29 + parts[1] ** 2 / 2 + parts[2] ** 2 / 4))


def test_the_other_way_round_is_the_same_with_the_other_sign() -> None:
    a, b = RowScores("a", noise(1, 3, IMAGES)), RowScores("b", noise(2, 4, IMAGES))
    one, two = pair(a, b, ALONE), pair(b, a, ALONE)
    assert one.low is not None
    assert two.high == pytest.approx(-one.low)
    assert one.p == pytest.approx(two.p)
    assert two.p_greater is not None
    assert one.p_greater == pytest.approx(1 - two.p_greater)


def test_the_interval_of_a_row_is_a_one_sample_t_test() -> None:
    images, seeds = noise(1, IMAGES), noise(3, 4)
    for row, sample in ((deterministic("a", images), images), (only_seeds("b", seeds), seeds)):
        found, test = own_interval(row, ALONE), stats.ttest_1samp(sample, 0)
        assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval()))
        assert (found.value, found.df) == pytest.approx((sample.mean(), test.df))


@pytest.mark.parametrize(
    ("values", "clusters"),
    [(noise(1, 3, IMAGES), ALONE % 19), (noise(1, 2, IMAGES), ALONE), (noise(1, 1, IMAGES), ALONE)],
    ids=["19 clusters", "2 seeds", "1 seed that is not declared"],
)
def test_not_enough_data_is_no_number(values: npt.NDArray[np.float64], clusters: npt.NDArray[np.intp]) -> None:
    row, other = RowScores("a", values), deterministic("b", noise(2, IMAGES))
    mean = values.mean() - other.values.mean()
    assert pair(row, other, clusters) == Comparison("a", "b", pytest.approx(mean))
    assert own_interval(row, clusters) == Interval(pytest.approx(values.mean()))
    assert not pair(row, other, clusters).enough
    assert not own_interval(row, clusters).enough


def test_twenty_clusters_and_three_seeds_are_enough() -> None:
    assert pair(RowScores("a", noise(1, 3, IMAGES)), deterministic("b", noise(2, IMAGES)), ALONE % 20).enough


def test_no_images_are_not_enough() -> None:
    none = RowScores("a", np.zeros((3, 0)))
    assert pair(none, none, []) == Comparison("a", "a", 0)


def test_without_any_variance_a_difference_is_certain() -> None:
    zero, one = deterministic("zero", np.zeros(IMAGES)), deterministic("one", np.ones(IMAGES))
    above, same = pair(one, zero, ALONE), pair(zero, zero, ALONE)
    assert (above.low, above.high, above.p, above.p_greater) == (1, 1, 0, 0)
    assert (same.low, same.high, same.p, same.p_greater) == (0, 0, 1, 0.5)


@pytest.mark.parametrize(
    ("values", "more", "sentence"),
    [
        ([1.0, 2.0], {}, r"mine: scores are \(seeds, images\), not \(2,\)"),
        (np.zeros((0, 3)), {}, r"mine: scores are \(seeds, images\), not \(0, 3\)"),
        ([[1.0, float("nan")]], {}, "mine: 1 of its scores are no numbers"),
        ([[1.0], [2.0]], {"deterministic": True}, "mine is declared deterministic, but its seeds differ"),
        ([[1.0], [2.0]], {"fits": fits("0")}, "mine: fits of 1 seeds for scores of 2"),
    ],
)
def test_scores_that_are_none_are_refused(values: object, more: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RowScores("mine", values, **more)  # type: ignore[arg-type]


def test_rows_and_clusters_are_of_the_same_images() -> None:
    with pytest.raises(ValueError, match="a: scores of 60 images, but clusters of 59"):
        own_interval(RowScores("a", noise(1, 3, IMAGES)), ALONE[1:])
