"""Letters, ranks, what could have been found, and the family of floors."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.statistics.differences import Summary
from bench.statistics.families import Place, rank
from bench.statistics.letters import LEVEL, holm, letters, smallest_detectable, tie_groups
from bench.statistics.over_floors import BEATS, EQUIVALENT, NO_BETTER, UNDECIDED, FloorVerdict, over_floors
from bench.statistics.pairs import NOT_ENOUGH, pair
from bench.statistics.row_scores import RowScores

IMAGES = 60
ALONE = np.arange(IMAGES)


def row(name: str, mean: float, sd: float = 0.001, seeds: tuple[float, ...] = (-0.001, 0, 0.001)) -> RowScores:
    """Scores whose mean over everything is `mean`, whose images vary by `sd` and whose seeds lie at `seeds` around it."""
    images = np.random.default_rng(len(name) + ord(name[-1])).normal(0, 1, IMAGES)
    centred = sd * (images - images.mean()) / images.std()
    return RowScores(name, mean + centred + (np.array(seeds) - np.mean(seeds))[:, None])


def constant(name: str, mean: float, sd: float = 0.001) -> RowScores:
    return RowScores(name, row(name, mean, sd, (0,)).values, deterministic=True)


# --- Holm


def test_holm_is_what_r_gives() -> None:
    """p.adjust(c(.01, .04, .03, .005), "holm") in R."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.6])) == pytest.approx([1, 1])
    assert len(holm(np.array([]))) == 0


@given(st.lists(st.floats(0, 0.1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(p: list[float]) -> None:
    """Declared is a difference all of whose intersections Bonferroni rejects."""
    members = range(len(p))
    subsets = [s for size in range(1, len(p) + 1) for s in combinations(members, size)]
    kept = {i for s in subsets if min(p[j] for j in s) * len(s) >= LEVEL for i in s}
    assert {i for i, adjusted in enumerate(holm(np.array(p))) if adjusted >= LEVEL} == kept


# --- letters


def rows_and_differences() -> st.SearchStrategy[tuple[int, set[tuple[int, int]]]]:
    """Any graph of differences on up to 8 rows."""
    return st.integers(1, 8).flatmap(
        lambda count: (
            st.tuples(st.just(count), st.sets(st.sampled_from([*combinations(range(max(count, 2)), 2)])))
            if count > 1
            else st.just((1, set[tuple[int, int]]()))
        )
    )


@given(rows_and_differences())
def test_rows_share_a_letter_exactly_where_no_difference_is_declared(drawn: tuple[int, set[tuple[int, int]]]) -> None:
    count, different = drawn
    groups = tie_groups(count, different)
    marks = letters(count, groups)
    for i, j in combinations(range(count), 2):
        assert bool(set(marks[i]) & set(marks[j])) == ((i, j) not in different)
    assert all(marks)
    assert not any(set(one) < set(two) for one in groups for two in groups)
    assert [min(group) for group in groups] == sorted(min(group) for group in groups)


def test_differences_need_not_be_transitive() -> None:
    assert letters(3, tie_groups(3, [(0, 2)])) == ["a", "ab", "b"]
    assert letters(4, tie_groups(4, [(0, 3), (1, 2)])) == ["ab", "ac", "bd", "cd"]


def test_there_are_letters_after_z() -> None:
    marks = letters(30, tie_groups(30, combinations(range(30), 2)))
    assert (marks[0], marks[25], marks[26], marks[29]) == ("a", "z", "a1", "d1")


# --- ranks


def test_places_say_what_was_declared_and_no_more() -> None:
    """c and b lie 0.0002 apart, a far above and d far below; the order of the rows stays."""
    family = rank([row("c", 0.5), row("a", 0.9), row("d", 0.1), row("b", 0.5002)], ALONE)
    assert family.places == (
        Place("c", "b", 2, 3),
        Place("a", "a", 1, 1, bold=True),
        Place("d", "c", 4, 4),
        Place("b", "b", 2, 3),
    )
    assert set(family.different) == {(1, 0), (1, 3), (1, 2), (0, 2), (3, 2)}


def test_nobody_is_bold_whose_lead_was_not_declared() -> None:
    family = rank([row("a", 0.9), row("b", 0.9001), row("c", 0.1)], ALONE)
    assert [(place.rank_low, place.rank_high, place.bold) for place in family.places] == [
        (1, 2, False),
        (1, 2, False),
        (3, 3, False),
    ]


def test_rows_without_enough_seeds_have_no_place_and_take_none() -> None:
    family = rank([RowScores("two", np.ones((2, IMAGES))), row("a", 0.9), row("b", 0.1)], ALONE)
    assert family.places == (Place("two"), Place("a", "a", 1, 1, bold=True), Place("b", "b", 2, 2))


def test_too_few_clusters_rank_nobody() -> None:
    family = rank([row("a", 0.9), row("b", 0.1)], ALONE % 19)
    assert family == type(family)((Place("a"), Place("b")), (), None)


def test_a_row_alone_has_won_nothing() -> None:
    family = rank([row("a", 0.9)], ALONE)
    assert family == type(family)((Place("a", "a", 1, 1),), (), None)
    assert rank([], []) == type(family)((), (), None)


def test_seeds_that_lie_close_by_chance_count_as_the_median() -> None:
    """b and c would differ by their own seeds; among rows whose seeds differ as those of a and d they do not."""
    lucky, usual = (-1e-5, 0.0, 1e-5), (-0.02, 0.0, 0.02)
    rows = [
        row("a", 0.9, 0.001, usual),
        row("b", 0.51, 0.001, lucky),
        row("c", 0.5, 0.001, lucky),
        row("d", 0.1, 0.001, usual),
        row("e", 0.3, 0.001, usual),
    ]
    assert pair(rows[1], rows[2], ALONE).p < 1e-6  # type: ignore[operator]
    assert rank(rows[1:3], ALONE).different == ((0, 1),)
    assert (1, 2) not in rank(rows, ALONE).different


def test_the_median_is_that_of_rows_that_learn() -> None:
    rows = [row("a", 0.5, seeds=(-0.3, 0, 0.3)), row("b", 0.5), constant("c", 0.5), constant("d", 0.5)]
    summary = Summary.of(rows, ALONE)
    least = np.median([0.09 / 3, 1e-6 / 3])
    assert summary.variances == pytest.approx([0.09 / 3, 1e-6 / 3, 0, 0])
    assert summary.floored().variances == pytest.approx([0.09 / 3, least, 0, 0])


def test_the_median_holds_for_pairs_that_share_their_fits() -> None:
    shared = tuple(frozenset({f"fit {seed}"}) for seed in range(3))
    rows = [
        RowScores(each.name, each.values, fits=shared)
        for each in (row("a", 0.5, seeds=(-0.3, 0, 0.3)), row("b", 0.4, seeds=(-0.3, 0, 0.3)))
    ]
    rows.append(row("c", 0.5, seeds=(-0.3, 0, 0.3)))
    summary = Summary.of(rows, ALONE)
    plain, floored = (each.differences([0], [1]).variance[0] for each in (summary, summary.floored()))
    assert floored - plain == pytest.approx(0.09 / 3)


# --- what could have been found


@pytest.mark.parametrize(("pairs", "df"), [(1, 4), (15, 8.5), (15, 150), (190, 30)])
def test_the_smallest_detectable_difference_is_found_in_four_tables_of_five(pairs: int, df: float) -> None:
    draw, se = np.random.default_rng(0), 1.7
    delta = smallest_detectable(pairs, se, df)
    t = (delta / se + draw.normal(size=400_000)) / np.sqrt(draw.chisquare(df, 400_000) / df)
    assert np.mean(abs(t) > stats.t.isf(LEVEL / (2 * pairs), df)) == pytest.approx(0.8, abs=0.003)


@pytest.mark.parametrize(
    ("seeds", "spread", "low", "high"), [(3, 0.6, 3.2, 3.6), (5, 0.6, 2.8, 3.3), (3, 2, 10.6, 10.6), (5, 2, 6.5, 6.5)]
)
def test_what_1038_images_and_15_pairs_can_find(seeds: int, spread: float, low: float, high: float) -> None:
    """In points of Dice, at SDs of paired differences of 20 and 25, as computed before this was written."""
    found = []
    for sd in (20, 25):
        parts = sd**2 / 1038, spread**2 / seeds, spread**2 / seeds
        df = sum(parts) ** 2 / (parts[0] ** 2 / 1037 + 2 * parts[1] ** 2 / (seeds - 1))
        found.append(smallest_detectable(15, sum(parts) ** 0.5, df))
    assert found[0] == pytest.approx(low, abs=0.6)
    assert found[1] == pytest.approx(high, abs=0.6)


def test_a_table_says_the_difference_of_its_median_pair() -> None:
    rows = [row("a", 0.9, 0.02), row("b", 0.5, 0.05), row("c", 0.1, 0.01)]
    found = Summary.of(rows, ALONE).floored().differences([0, 0, 1], [1, 2, 2])
    expected = smallest_detectable(3, np.sqrt(np.median(found.variance)), float(np.median(found.df)))
    assert rank(rows, ALONE).smallest_detectable == pytest.approx(expected)
    assert rank([rows[1], rows[2], rows[0]], ALONE).smallest_detectable == pytest.approx(expected)


# --- floors


def verdict(method: RowScores, *floors: RowScores, clusters: npt.ArrayLike = ALONE) -> FloorVerdict:
    (found,) = over_floors([method], floors, clusters)
    return found


def test_a_method_beats_floors_only_if_it_beats_all() -> None:
    low, high = constant("low", 0.3), row("high", 0.6)
    assert verdict(row("m", 0.9), low, high).verdict == BEATS
    assert verdict(row("m", 0.5), low).verdict == BEATS
    assert verdict(row("m", 0.5), low, high).verdict == NO_BETTER


def test_verdicts_are_against_the_strongest_floor() -> None:
    weak, strong = constant("weak", 0.3), row("strong", 0.6)
    found = verdict(row("m", 0.9), weak, strong, constant("between", 0.5))
    assert found.over == pair(row("m", 0.9), strong, ALONE)
    assert found.p == pytest.approx(
        max(pair(row("m", 0.9), floor, ALONE).p_greater for floor in (weak, strong)), abs=1e-6
    )  # type: ignore[type-var]


def test_equivalent_is_within_two_points_and_undecided_is_not_equal() -> None:
    floor = constant("floor", 0.5)
    assert verdict(row("m", 0.501, 0.03), floor).verdict == EQUIVALENT
    assert verdict(row("m", 0.501, 0.2), floor).verdict == UNDECIDED
    assert verdict(row("m", 0.499, 0.03), floor).verdict == EQUIVALENT
    assert over_floors([row("m", 0.501, 0.03)], [floor], ALONE, margin=0.001)[0].verdict == UNDECIDED
    below = verdict(row("m", 0.492, 0.06), floor)
    assert below.verdict == UNDECIDED
    assert below.over is not None
    assert below.over.low_90 == pytest.approx(-0.021, abs=5e-4)


def test_a_method_that_is_surely_below_is_no_better_even_within_two_points() -> None:
    assert verdict(row("m", 0.49), constant("floor", 0.5)).verdict == NO_BETTER
    assert verdict(row("m", 0.51), constant("floor", 0.5)).verdict == BEATS


def test_methods_are_a_family() -> None:
    """One in 20 tests finds by chance what is not there: with twenty methods a p of .01 is not enough for one of them."""
    floor = constant("floor", 0.5, 0.05)
    methods = [row(f"m{number}", 0.4) for number in range(19)]
    close = row("close", 0.5143, 0.02)
    alone = verdict(close, floor)
    assert alone.verdict == BEATS
    assert alone.p is not None
    assert 0.0025 < alone.p < LEVEL
    among = over_floors([*methods, close], [floor], ALONE)
    assert among[-1].verdict != BEATS
    assert among[-1].p == pytest.approx(20 * alone.p, rel=0.1)


def test_seeds_that_lie_close_by_chance_do_not_beat_floors() -> None:
    floor, lucky = constant("floor", 0.5), row("m", 0.55)
    usual = [row(f"usual {number}", 0.3, seeds=(-0.05, 0, 0.05)) for number in range(3)]
    assert verdict(lucky, floor).verdict == BEATS
    assert over_floors([lucky, *usual], [floor], ALONE)[0].verdict == UNDECIDED


def test_a_floor_that_cannot_be_tested_is_named_and_not_beaten() -> None:
    """It is not dropped: of a method that beats the others it is not known whether it beats them all."""
    short = RowScores("random_network U-Net", np.full((1, IMAGES), 0.7))
    found = verdict(row("m", 0.9), constant("floor", 0.5), short)
    assert (found.verdict, found.untested) == (UNDECIDED, ("random_network U-Net",))
    assert found.over is not None
    assert found.over.b == "floor"
    assert verdict(row("m", 0.4), constant("floor", 0.5), short).verdict == NO_BETTER


@pytest.mark.parametrize("floors", [[], [RowScores("short", np.ones((2, IMAGES)))]])
def test_without_a_floor_there_is_no_verdict(floors: list[RowScores]) -> None:
    found = verdict(row("m", 0.9), *floors)
    assert found == FloorVerdict("m", NOT_ENOUGH, None, None, tuple(floor.name for floor in floors))


def test_a_method_without_enough_seeds_or_clusters_has_no_verdict() -> None:
    floor = constant("floor", 0.5)
    short = RowScores("short", np.ones((2, IMAGES)))
    assert [each.verdict for each in over_floors([short, row("m", 0.9)], [floor], ALONE)] == [NOT_ENOUGH, BEATS]
    assert verdict(row("m", 0.9), floor, clusters=ALONE % 19).verdict == NOT_ENOUGH
