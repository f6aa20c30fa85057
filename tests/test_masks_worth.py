"""Break-even: by hand where nothing varies, in words, and, drawn again and again, whether the interval holds the truth."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from bench.statistics.masks_worth import MasksWorth, masks_worth
from bench.statistics.pairs import NOT_ENOUGH, pair
from bench.statistics.row_scores import Floats, RowScores

IMAGES = 200
CLUSTERS = np.arange(IMAGES) // 2


def flat(mean: float, seeds: int = 3) -> Floats:
    return np.full((seeds, IMAGES), mean)


def exact(curve: dict[int, float], method: float) -> MasksWorth:
    """Nothing varies: the interval is the point."""
    return masks_worth([*curve], [flat(mean) for mean in curve.values()], RowScores("m", flat(method)), CLUSTERS)


@pytest.mark.parametrize(
    ("curve", "method", "masks"),
    [
        ({1: 20, 10: 40, 100: 60}, 30, 10**0.5),
        ({1: 20, 10: 40, 100: 60}, 55, 10**1.75),
        ({1: 20, 10: 40, 100: 60}, 40, 10),
        ({1: 20, 10: 40, 100: 60}, 60, 100),
        ({1: 20, 10: 50, 20: 30, 100: 60}, 30, 10**0.5),  # 10 and 20 masks are worth 40 each
        ({1: 20, 10: 50, 20: 30, 100: 60}, 50, 20 * 5**0.5),
        ({1: 20, 10: 40, 20: 40, 100: 60}, 40, 10),  # the fewest that suffice
    ],
)
def test_read_between_counts_on_a_logarithmic_scale(curve: dict[int, float], method: float, masks: float) -> None:
    found = exact(curve, method)
    assert found.point == pytest.approx(masks)
    assert (found.low, found.high) == (found.point, found.point)


def test_a_count_is_read_back_from_its_logarithm_as_itself() -> None:
    for count in range(2, 1036):
        assert exact({1: 20, count: 40, 2000: 60}, 40).text == f"{count} masks ({count} to {count})"


def test_off_the_grid_there_is_no_number() -> None:
    curve = {1: 20.0, 10: 40.0, 1036: 60.0}
    assert exact(curve, 10) == MasksWorth(None, None, None, "fewer than 1")
    assert exact(curve, 70) == MasksWorth(None, None, None, "more than 1036")


@pytest.mark.parametrize(
    ("method", "half", "text"),
    [
        (30, 0, "3 masks (3 to 4)"),
        (30, 5, "3 masks (1 to 6)"),
        (30, 9, "3 masks (1 to 9)"),
        (30, 12, "3 masks (fewer than 1 to 16)"),
        (22, 1, "1 mask (1 to 2)"),
        (19, 0.5, "fewer than 1"),
        (19, 2, "fewer than 1 (to 2)"),
        (15, 60, "fewer than 1 (to more than 1000)"),
        (65, 1, "more than 1000"),
        (65, 10, "more than 1000 (from 316)"),
        (65, 60, "more than 1000 (from fewer than 1)"),
        (58, 5, "631 masks (199 to more than 1000)"),
        (40, 50, "10 masks (fewer than 1 to more than 1000)"),
        (20, 0, "1 mask (fewer than 1 to 1)"),
    ],
)
def test_words(method: float, half: float, text: str) -> None:
    """Only the method varies, so that its 95 % interval reaches `half` to both sides; the ends are rounded outwards."""
    curve = {1: 20.0, 10: 40.0, 100: 50.0, 1000: 60.0}
    seeds = method + np.array([-1, 0, 1])[:, None] * half * sqrt(3) / stats.t.ppf(0.975, 2)
    found = masks_worth([*curve], [flat(mean) for mean in curve.values()], RowScores("m", seeds + flat(0)), CLUSTERS)
    assert found.text == text


def draws(
    curve: Sequence[float], spread: Sequence[float], seeds: Sequence[int], draw: np.random.Generator
) -> list[Floats]:
    """Scores of full supervision on images that are hard or easy for every number of masks."""
    of_images = draw.normal(0, 15, IMAGES // 2)[CLUSTERS]
    return [
        mean
        + of_images
        + draw.normal(0, 10, IMAGES)
        + draw.normal(0, sd, (count, 1))
        + draw.normal(0, 5, (count, IMAGES))
        for mean, sd, count in zip(curve, spread, seeds, strict=True)
    ]


def test_variances_of_draws_do_not_grow_with_masks() -> None:
    """With a method that is deterministic the ends follow from `pair` at each count, the draws' variances made to fall (PAVA)."""
    draw = np.random.default_rng(3)
    full = draws((20, 35, 50, 65), (1, 4, 1, 2), (5, 5, 3, 3), draw)
    method = RowScores("m", 42 + draw.normal(0, 10, (1, IMAGES)), deterministic=True)
    still = [RowScores("full", each.mean(0, keepdims=True), deterministic=True) for each in full]
    of_images = np.array([pair(each, method, CLUSTERS).se for each in still]) ** 2
    raw = np.array([each.mean(1).var(ddof=1) / len(each) for each in full])
    assert (np.diff(raw) > 0).any()
    of_draws = raw.copy()
    of_draws[:2], of_draws[2:] = raw[:2].mean(), raw[2:].mean()  # both pairs stand in the wrong order
    total = of_images + of_draws
    df = total**2 / (of_images**2 / 99 + of_draws**2 / (np.array([len(each) for each in full]) - 1))
    gap = np.array([each.mean() for each in full]) - method.values.mean()
    half = stats.t.ppf(0.975, df) * np.sqrt(total)
    found = masks_worth([1, 10, 100, 1000], full, method, CLUSTERS)
    assert found.low == pytest.approx(10 ** np.interp(0, gap + half, range(4)))
    assert found.high == pytest.approx(10 ** np.interp(0, gap - half, range(4)))
    assert found.point == pytest.approx(10 ** np.interp(0, gap, range(4)))


@pytest.mark.parametrize(
    ("seeds", "of_one", "clusters"), [(2, 3, CLUSTERS), (3, 2, CLUSTERS), (3, 3, CLUSTERS % 19)], ids=str
)
def test_not_enough_data_is_no_number(seeds: int, of_one: int, clusters: npt.NDArray[np.intp]) -> None:
    full = [flat(20, 5), flat(40, of_one), flat(60, 3)]
    found = masks_worth([1, 10, 100], full, RowScores("m", flat(30, seeds)), clusters)
    assert found == MasksWorth(None, None, None, NOT_ENOUGH)
    assert not found.enough
    assert exact({1: 20, 10: 40}, 30).enough


@pytest.mark.parametrize(("counts", "sets"), [([10, 1], 2), ([1, 1], 2), ([0, 1], 2), ([1, 10], 3), ([], 0)])
def test_counts_grow_and_have_draws(counts: list[int], sets: int) -> None:
    with pytest.raises(ValueError, match=f"numbers of masks have to grow, one for each of {sets} sets of draws"):
        masks_worth(counts, [flat(20)] * sets, RowScores("m", flat(30)), CLUSTERS)


# --- does the interval hold the truth?

GRID = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1036)


def learning(masks: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Dice in points: steep at first, slow at last, as a small U-Net's on reduced ISIC."""
    return np.asarray(84 - 44 * np.asarray(masks, float) ** -0.3)


def cover(truth: float, repeats: int, seed: int) -> tuple[float, float]:
    """How often the interval holds `truth` masks, and the median of the factor that it spans where both ends are on the grid."""
    draw, held, spans = np.random.default_rng(seed), 0, []
    spread = 6 * np.asarray(GRID, float) ** -0.35
    for _ in range(repeats):
        *full, method = draws([*learning(GRID), float(learning(truth))], [*spread, 0.8], [5] * 6 + [3] * 4 + [3], draw)
        found = masks_worth(GRID, full, RowScores("m", method + draw.normal(0, 12, IMAGES)), CLUSTERS)
        held += (found.low or 0) <= truth <= (found.high or np.inf) and found.text not in (
            "fewer than 1",
            "more than 1036",
        )
        spans += [found.high / found.low] if found.low and found.high else []
    return held / repeats, float(np.median(spans)) if spans else float("nan")


def test_the_interval_holds_the_truth() -> None:
    held, _ = cover(77, 60, seed=6)
    assert held >= 0.95 - 2 * sqrt(0.95 * 0.05 / 60)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [1.1, 9.5, 77, 364, 870])
def test_the_interval_holds_the_truth_along_the_grid(truth: float) -> None:
    held, span = cover(truth, 400, seed=6)
    print(
        f"break-even, seed 6, truth {truth} masks: cover {100 * held:.1f} %, the median interval spans a factor of {span:.1f}"
    )
    assert held >= 0.95 - 2 * sqrt(0.95 * 0.05 / 400)
