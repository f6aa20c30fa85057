"""Degraded masks: against scipy's morphology, hand-made cases, and what holds for every stack of masks."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from bench.methods._shapes import ball
from bench.methods.degraded_masks import DegradedMasks, applied, search
from bench.metrics import mean_dice
from bench.pipeline.cell import read_result
from bench.pipeline.cell_process import work
from bench.pipeline.plan import plan, prepare
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, change
from bench.results import collected as results
from bench.view import TARGETS

Masks = npt.NDArray[np.uint8]
KINDS = ("boundary", "size", "misses")


def discs(n: int = 24, size: int = 48, seed: int = 0, values: tuple[int, ...] = (1,)) -> Masks:
    """Masks of ellipses that may overlap, the last on top."""
    random, (rows, columns) = np.random.default_rng(seed), np.mgrid[:size, :size]
    made = np.zeros((n, size, size), np.uint8)
    for mask in made:
        for value in values:
            (y, x), (a, b) = random.uniform(0.25, 0.75, 2) * size, random.uniform(0.12, 0.3, 2) * size
            mask[((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1] = value
    return made


def degraded(masks: Masks, seed: int = 0, **settings: object) -> Masks:
    method = DegradedMasks.model_validate(settings)
    return method.targets(torch.from_numpy(masks), torch.Generator().manual_seed(seed)).numpy()


def at_strength(masks: Masks, strength: float, **settings: object) -> Masks:
    method = DegradedMasks.model_validate(settings)
    return applied(masks, [method._fate(mask, 0) for mask in masks], strength)


def two_dice(one: Masks, other: Masks) -> float:
    """Written out, for masks of one class."""
    return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in zip(one, other, strict=True)]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", [0.95, 0.8, 0.5])
def test_the_wanted_dice_is_met(kind: str, wanted: float) -> None:
    masks = discs(100 if kind == "misses" else 24)
    made = degraded(masks, kind=kind, dice=wanted)
    assert made.shape == masks.shape
    assert made.dtype == np.uint8
    assert two_dice(made, masks) == pytest.approx(wanted, abs=0.005)


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_one_result_and_another_seed_another(kind: str) -> None:
    masks = discs()
    assert np.array_equal(degraded(masks, 1, kind=kind, dice=0.75), degraded(masks, 1, kind=kind, dice=0.75))
    assert not np.array_equal(degraded(masks, 1, kind=kind, dice=0.75), degraded(masks, 2, kind=kind, dice=0.75))


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_masks_changes_nothing(kind: str) -> None:
    masks = discs()
    order = np.random.default_rng(3).permutation(len(masks))
    assert np.array_equal(degraded(masks[order], kind=kind, dice=0.75), degraded(masks, kind=kind, dice=0.75)[order])


@pytest.mark.parametrize("kind", KINDS)
def test_lower_dice_makes_the_same_errors_and_more(kind: str) -> None:
    masks = discs(40)
    wrong = [degraded(masks, kind=kind, dice=wanted) != masks for wanted in (0.9, 0.75, 0.5)]
    assert wrong[0].any()
    for fewer, more in itertools.pairwise(wrong):
        assert not (fewer & ~more).any()
        assert (more & ~fewer).any()


@pytest.mark.parametrize("kind", KINDS)
def test_dice_of_one_leaves_the_masks_as_they_are(kind: str) -> None:
    masks = discs(4)
    assert np.array_equal(degraded(masks, kind=kind, dice=1), masks)


@pytest.mark.parametrize("kind", KINDS)
def test_ignored_pixels_stay_and_count_nowhere(kind: str) -> None:
    masks = discs(100)
    masks[:, 20:23] = 255
    made = degraded(masks, kind=kind, dice=0.75)
    assert np.array_equal(made == 255, masks == 255)
    known = masks[0] != 255
    assert two_dice(made[:, known], masks[:, known]) == pytest.approx(0.75, abs=0.005)


@pytest.mark.parametrize("kind", KINDS)
def test_empty_masks_stay_empty_and_are_not_scored(kind: str) -> None:
    masks = discs(40)
    masks[::2] = 0
    made = degraded(masks, kind=kind, dice=0.75)
    assert not made[::2].any()
    assert two_dice(made[1::2], masks[1::2]) == pytest.approx(0.75, abs=0.005)


def test_masks_without_objects_come_back() -> None:
    assert not degraded(np.zeros((3, 8, 8), np.uint8)).any()


@pytest.mark.parametrize(("direction", "strength"), [("grow", 0.5), ("shrink", 0.5), ("grow", 0.23), ("shrink", 0.23)])
def test_size_is_dilation_and_erosion_by_a_disc(direction: str, strength: float) -> None:
    for mask in discs(6):
        radius = strength * np.sqrt((mask == 1).sum() / np.pi)
        made = at_strength(mask[None], strength, kind="size", direction=direction)[0]
        disc = ball(radius)
        expected = (
            ndimage.binary_dilation(mask, disc)
            if direction == "grow"
            else ndimage.binary_erosion(mask, disc, border_value=1)
        )
        assert np.array_equal(made, expected.astype(np.uint8))
        assert (made != mask).any()


def test_both_ways_grow_some_objects_and_shrink_others() -> None:
    masks = discs(40)
    change = degraded(masks, kind="size", dice=0.8).sum((1, 2)).astype(int) - masks.sum((1, 2))
    assert 8 < (change > 0).sum() < 32
    assert ((change > 0) | (change < 0)).all()


def test_misses_are_whole_objects() -> None:
    masks = discs(40)
    made = degraded(masks, kind="misses", dice=0.75)
    kept = [np.array_equal(a, b) for a, b in zip(made, masks, strict=True)]
    assert sum(kept) == 30
    assert not made[~np.array(kept)].any()


def test_a_noisy_boundary_keeps_the_size_on_average_and_errs_near_it() -> None:
    masks = discs(60)
    made = degraded(masks, kind="boundary", dice=0.9)
    assert made.mean() == pytest.approx(masks.mean(), rel=0.05)
    for new, mask in zip(made, masks, strict=True):
        depth = np.abs(ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(1 - mask))
        assert depth[new != mask].max() < np.sqrt(mask.sum() / np.pi)
    smooth, rough = (
        sum(int((np.diff(m.astype(int), axis=1) != 0).sum()) for m in degraded(masks, dice=0.9, roughness=r))
        for r in (1.0, 0.05)
    )
    assert smooth < rough


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_several_classes_is_degraded(kind: str) -> None:
    masks = discs(60, values=(1, 2))
    made = degraded(masks, kind=kind, dice=0.75)
    assert set(np.unique(made)) == {0, 1, 2}
    assert mean_dice(made, masks) == pytest.approx(0.75, abs=0.005)
    for value in (1, 2):
        assert 0.5 < two_dice(*(np.asarray(m == value, np.uint8) for m in (made, masks))) < 0.95
    gone = [(masks[i] == v).any() and not (made[i] == v).any() for i in range(60) for v in (1, 2)]
    assert (kind == "misses") is (sum(gone) > 10)


def test_where_two_classes_grow_a_pixel_goes_to_the_nearer_and_none_loses_its_own() -> None:
    mask = np.zeros((1, 3, 16), np.uint8)
    mask[0, :, 2:5], mask[0, :, 10:13] = 1, 2
    grown = at_strength(mask, 2.5, kind="size", direction="grow")[0, 1]  # of radius 1.69: by 4.2 pixels
    assert grown.tolist() == [1] * 8 + [2] * 8  # the one in the middle goes to the first of the two
    assert grown[2:5].tolist() == [1] * 3
    assert grown[10:13].tolist() == [2] * 3


def test_what_cannot_be_met_is_met_as_nearly_as_it_can() -> None:
    masks = discs(5)
    made = degraded(masks, kind="misses", dice=0.7)
    assert two_dice(made, masks) in (pytest.approx(0.6), pytest.approx(0.8))


def test_the_row_says_which_dice_was_reached(inline: None, tiny_file: Path, tmp_path: Path) -> None:
    rules = change(SMOKE, {"steps": "1", "size": "32", "base_channels": "2"})
    asked = (("degraded_masks", "kind", "misses"), ("degraded_masks", "dice", "0.7"), (None, "count", "5"))
    planned = plan(
        RunRequest(("degraded_masks", "full_supervision"), ("tiny_shapes",), rules, settings=asked, out=tmp_path)
    )
    prepare(planned, lambda *_: None)
    targets = []
    for one in planned:
        one.folder.mkdir(parents=True)
        work(one.cell, one.folder, lambda *_: None)
        stages = (read_result(one.folder / "result.json") or {})["stages"]
        name = next(stage["artifact"] for stage in stages if stage["artifact"].startswith("targets-"))
        targets.append(np.load(tmp_path / "artifacts" / name / TARGETS))
    notes = {row["method"]: row["notes"] for row in results.collect(tmp_path)}
    assert f"trained on masks with a mean Dice of {two_dice(*targets):.3f}" in notes["degraded_masks"]
    assert two_dice(*targets) < 1
    assert "mean Dice" not in notes["full_supervision"]


def test_a_full_mask_cannot_grow_or_shrink() -> None:
    full = np.ones((2, 6, 6), np.uint8)
    assert degraded(full, kind="size", dice=0.5).all()


def test_mean_dice_by_hand() -> None:
    true = np.array([[[1, 1, 0, 0]], [[2, 1, 255, 0]], [[0, 0, 0, 0]]], np.uint8)
    made = np.array([[[1, 0, 0, 0]], [[2, 0, 2, 1]], [[1, 0, 0, 0]]], np.uint8)
    assert mean_dice(made, true) == pytest.approx((2 / 3 + 1 + 0) / 3)  # the last has no object to be scored


def test_the_search_takes_the_nearer_end_of_a_step() -> None:
    def steps(strength: float) -> float:
        return 1.0 if strength < 0.3 else 0.7 if strength < 5 else 0.2

    assert search(steps, 0.6)[0] == 0.7
    assert search(steps, 0.3)[0] == 0.2
    assert search(steps, 0.9)[0] == 1.0
    assert search(lambda s: 1 / (1 + s), 0.25)[1] == pytest.approx(3, rel=0.01)


def test_its_row_is_a_control_and_says_what_was_done() -> None:
    method = DegradedMasks(kind="size", dice=0.7, count=20)
    assert method.role == "control"
    assert method.notes() == ("masks degraded to a mean Dice of 0.7 (size)",)
    with pytest.raises(ValueError, match="greater than 0"):
        DegradedMasks(dice=0)
