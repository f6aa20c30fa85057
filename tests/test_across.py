"""Several data sets: scipy's Friedman test, Demsar's tables, and a published comparison whose ranking does not hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.statistics.across import Across, across, critical_difference, groups, iman_davenport

PUBLISHED = """
.14507 .10730 .08826 .15068 .13255    .20997 .13597 .13458 .21450 .27546
.14946 .11409 .08011 .15546 .16159    .21426 .13369 .10835 .21737 .26156
.34813 .28232 .37193 .35016 .44215    .35233 .32216 .28625 .34730 .50663
.38187 .28097 .44726 .36318 .44115    .37910 .30828 .31734 .38943 .48020
.26262 .37058 .32129 .31198 .22707    .14946 .37629 .35004 .17844 .09201
.28037 .24005 .28841 .29405 .24019    .21260 .24841 .35258 .24620 .29398
.28083 .25512 .32017 .29207 .30410    .22266 .20050 .26470 .21303 .21617
"""
"""Mean IoU of Grad-CAM, SEC, DSRG, IRNet and HistoSegNet with two networks on seven test sets: Chan, Hosseini and Plataniotis, "A
comprehensive analysis of weakly-supervised semantic segmentation in different image domains" (2019), as the repository wsss-analysis
has it at 005bb71 (README)."""
SCORES = np.array(PUBLISHED.split(), float).reshape(14, 5)


def test_a_published_ranking_does_not_pass_the_gate() -> None:
    found = across(SCORES)
    assert [round(rank, 3) for rank in found.mean_ranks] == [3.214, 3.929, 2.929, 2.643, 2.286]
    assert found.chi_square == pytest.approx(8.6857, abs=5e-5)
    assert found.p_chi_square == pytest.approx(0.06945, abs=5e-6)
    assert found.critical == pytest.approx(1.630, abs=5e-4)
    assert found.p is not None
    assert found.p > 0.05
    assert found.groups == ((4, 3, 2, 0, 1),)


def test_the_same_table_without_the_gate_would_tell_two_methods_apart() -> None:
    found = across(SCORES)
    assert found.critical is not None
    assert groups(found.mean_ranks, found.critical) == [(4, 3, 2, 0), (3, 2, 0, 1)]


@pytest.mark.parametrize("ties", [False, True])
def test_friedman_is_that_of_scipy(ties: bool) -> None:
    scores = np.random.default_rng(0).normal(size=(9, 4))
    scores = scores.round() if ties else scores
    expected = stats.friedmanchisquare(*scores.T)
    found = across(scores)
    assert found.chi_square == pytest.approx(expected.statistic)
    assert found.p_chi_square == pytest.approx(expected.pvalue)
    assert found.mean_ranks == pytest.approx(stats.rankdata(-scores, axis=1).mean(0))
    assert found.f == pytest.approx(8 * expected.statistic / (27 - expected.statistic))
    assert found.p == pytest.approx(stats.f.sf(found.f, 3, 24))


def test_demsar_s_example() -> None:
    """Section 3.2.2: four classifiers on 14 data sets, chi square 9.28, F 3.69, critical difference 1.25."""
    assert iman_davenport(9.28, 14, 4)[0] == pytest.approx(3.69, abs=0.005)
    assert critical_difference(14, 4) == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize(
    ("methods", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_critical_values_are_those_of_demsar_s_table(methods: int, q: float) -> None:
    assert critical_difference(6, methods) == pytest.approx(q * np.sqrt(methods * (methods + 1) / 36), abs=1e-3)


def test_behind_the_gate_methods_are_told_apart() -> None:
    """On ten data sets the order is always the same."""
    found = across(np.arange(10)[:, None] + np.array([3.0, 1.0, 2.0, 0.0]))
    assert (found.f, found.p) == (float("inf"), 0)
    assert found.mean_ranks == (1, 3, 2, 4)
    assert found.groups == ((0, 2), (2, 1), (1, 3))  # the critical difference is 1.48


def test_methods_that_are_the_same_are_one_group() -> None:
    found = across(np.zeros((6, 3)))
    assert (found.chi_square, found.p, found.groups) == (0, 1, ((0, 1, 2),))


@pytest.mark.parametrize("blocks", [0, 1, 5])
def test_five_data_sets_are_not_enough(blocks: int) -> None:
    found = across(np.random.default_rng(0).normal(size=(blocks, 3)))
    assert found == Across(found.mean_ranks)
    assert not found.enough
    assert sum(found.mean_ranks) == pytest.approx(6)


@pytest.mark.parametrize("scores", [np.ones((6, 1)), np.ones(6), [[1.0, float("nan")]] * 6])
def test_every_data_set_has_a_score_of_every_method(scores: object) -> None:
    with pytest.raises(ValueError, match="every data set needs a score of every method"):
        across(scores)  # type: ignore[arg-type]
