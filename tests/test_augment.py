"""Augmentation against hand-made pictures: exact flips, pairs that move alike, windows whose place a ramp gives away."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional

from bench.augment import CROPS, DRAWS, FLIPS, STRONG, Augmentation, _upright_grid


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def disc(size=64, radius=15.0, centre=(40.0, 22.0)):
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).to(torch.uint8)


def ramps(n, size=48):
    """n pictures whose channels are x, y (0 to 1 from border to border) and 1/2."""
    place = (torch.arange(size) + 0.5) / size
    x, y = place.expand(size, size), place[:, None].expand(size, size)
    return torch.stack([x, y, torch.full((size, size), 0.5)]).repeat(n, 1, 1, 1)


def symmetries(picture):
    """The eight pictures that flips and transposition make of (3, H, H)."""
    flips = [picture.flip(list(d)) for d in [(), (1,), (2,), (1, 2)]]
    return [p.transpose(1, 2) if t else p for p, t in product(flips, (False, True))]


@pytest.mark.parametrize(("augmentation", "ways"), [(FLIPS, 4), (Augmentation(flip=True, transpose=True), 8)])
def test_flips_move_pixels_and_change_none_and_every_way_comes_up(augmentation, ways):
    picture = torch.rand(3, 17, 17, generator=generator(1))
    made = augmentation(picture.expand(200, 3, 17, 17), generator())
    seen = [next(i for i, s in enumerate(symmetries(picture)) if torch.equal(m, s)) for m in made]
    assert len(set(seen)) == ways
    assert min(seen.count(i) for i in set(seen)) > 200 / ways / 2


def test_pictures_that_are_not_square_are_flipped_but_not_transposed():
    images = torch.rand(8, 3, 10, 20)
    assert FLIPS(images, generator()).shape == images.shape
    with pytest.raises(ValueError, match="square"):
        STRONG(images, generator())


@pytest.mark.parametrize("augmentation", [FLIPS, STRONG, CROPS])
def test_a_mask_moves_with_its_picture(augmentation):
    mask = disc().repeat(32, 1, 1)
    images, moved = augmentation.pair(mask[:, None].float().repeat(1, 3, 1, 1), mask, generator())
    brightest, darkest = images.amax((1, 2, 3), keepdim=True), images.amin((1, 2, 3), keepdim=True)
    assert ((images[:, 0] > (brightest + darkest)[:, 0] / 2) == (moved == 1)).float().mean() > 0.98
    assert (moved != mask).any()


def test_pure_flips_of_a_pair_are_exact():
    mask = torch.randint(0, 256, (16, 12, 12), generator=generator(), dtype=torch.uint8)
    images, moved = FLIPS.pair((mask[:, None] / 255).repeat(1, 3, 1, 1), mask, generator())
    assert torch.equal((images[:, 1] * 255).round().to(torch.uint8), moved)


@pytest.mark.parametrize("augmentation", [STRONG, CROPS])
def test_zoom_invents_no_mask_value(augmentation):
    mask = torch.tensor([0, 1, 255], dtype=torch.uint8)[torch.randint(0, 3, (32, 40, 40), generator=generator())]
    _, moved = augmentation.pair(torch.rand(32, 3, 40, 40), mask, generator())
    assert moved.dtype == torch.uint8
    assert set(moved.unique().tolist()) == {0, 1, 255}


def windows(augmentation, n=400):
    """Left border, top border, width and height of n windows, in pictures, as the ramps show them away from the picture's border."""
    made = augmentation(ramps(n), generator())
    middle = made[:, :2, 20:28, 20:28]
    width, height = (
        ((middle[:, 0, 0, 7] - middle[:, 0, 0, 0]) / 7 * 48),
        ((middle[:, 1, 7, 0] - middle[:, 1, 0, 0]) / 7 * 48),
    )
    left, top = middle[:, 0, 0, 0] - width * 20.5 / 48, middle[:, 1, 0, 0] - height * 20.5 / 48
    return left, top, width, height


def test_a_window_has_the_area_and_the_ratio_asked_for_and_lies_in_the_picture():
    left, top, width, height = windows(Augmentation(area=(0.1, 0.5), ratio=(0.75, 4 / 3)))
    area, ratio = width * height, width / height
    assert 0.1 - 1e-4 < area.min() < 0.12
    assert 0.48 < area.max() < 0.5 + 1e-4
    assert area.mean() == pytest.approx(0.3, abs=0.02)
    assert 0.75 - 1e-3 < ratio.min() < 0.77
    assert 1.3 < ratio.max() < 4 / 3 + 1e-3
    assert ratio.log().mean().abs() < 0.03  # as often flat as tall
    for first, side in [(left, width), (top, height)]:
        share = first / (1 - side)  # 0: at the first border, 1: at the last
        assert -1e-3 < share.min() < 0.03
        assert 0.97 < share.max() < 1 + 1e-3
    assert torch.corrcoef(torch.stack([left / (1 - width), top / (1 - height)]))[0, 1].abs() < 0.2


def test_a_window_larger_than_the_picture_contains_it_and_is_mirrored():
    left, top, width, height = windows(Augmentation(area=(1.5, 1.5)), 50)
    torch.testing.assert_close(width, torch.full((50,), 1.5**0.5), atol=1e-3, rtol=0)
    torch.testing.assert_close(height, width, atol=1e-3, rtol=0)
    assert ((left <= 1e-3) & (left + width >= 1 - 1e-3) & (top <= 1e-3) & (top + height >= 1 - 1e-3)).all()
    made = Augmentation(area=(1.5, 1.5))(ramps(50), generator())
    assert made[:, 2].sub(0.5).abs().max() < 1e-5  # no border of another colour
    assert (made[:, :2].diff(dim=-1).abs().amax((1, 2, 3)) < 0.05).all()  # and no seam


def test_only_the_ratio_cuts_a_side_to_the_picture():
    _, _, width, height = windows(Augmentation(area=(1.0, 1.0), ratio=(2.0, 2.0)), 4)
    torch.testing.assert_close(width, torch.ones(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(height, torch.full((4,), 0.5**0.5), atol=1e-3, rtol=0)


def test_colour_stays_in_range_and_moves_brightness_as_far_as_allowed():
    images = torch.full((300, 3, 4, 4), 0.5)
    made = Augmentation(colour=0.2)(images, generator())
    assert 0.4 - 1e-6 < made.min() < 0.41
    assert 0.59 < made.max() < 0.6 + 1e-6
    wild = Augmentation(colour=0.9)(torch.rand(64, 3, 8, 8), generator())
    assert wild.min() == 0
    assert wild.max() == 1


def test_saturation_scales_distance_from_grey_and_contrast_distance_from_the_mean():
    images = torch.rand(400, 3, 6, 6, generator=generator(2)) * 0.2 + 0.4  # nothing is cut at 0 or 1
    made = Augmentation(colour=0.2)(images, generator())

    def spreads(pictures):
        grey = pictures.mean(1, keepdim=True)
        return grey.std((1, 2, 3)) / grey.mean((1, 2, 3)), (pictures - grey).std((1, 2, 3)) / grey.std((1, 2, 3))

    for before, after in zip(spreads(images), spreads(made), strict=True):
        assert 0.8 - 1e-3 < (after / before).min() < 0.82
        assert 1.18 < (after / before).max() < 1.2 + 1e-3


def test_grey_pictures_stay_grey():
    images = torch.rand(16, 1, 8, 8).repeat(1, 3, 1, 1)
    made = STRONG(images, generator())
    torch.testing.assert_close(made[:, 0], made[:, 2])


@pytest.mark.parametrize("augmentation", [STRONG, CROPS])
def test_each_image_has_its_own_draw_and_the_same_seed_gives_the_same_pictures(augmentation):
    images = ramps(6)
    first, again = augmentation(images, generator(3)), augmentation(images, generator(3))
    assert torch.equal(first, again)
    assert len({tuple(m.flatten().tolist()) for m in first}) == 6
    assert not torch.equal(first, augmentation(images, generator(4)))


@pytest.mark.parametrize("augmentation", [Augmentation(), FLIPS, STRONG, CROPS])
def test_settings_do_not_shift_the_draws_that_follow_and_nothing_else_is_drawn_from(augmentation):
    used, counted, before = generator(), generator(), torch.get_rng_state()
    augmentation.pair(ramps(5), torch.zeros(5, 48, 48, dtype=torch.uint8), used)
    torch.rand(5, DRAWS, generator=counted)
    assert torch.equal(used.get_state(), counted.get_state())
    assert torch.equal(torch.get_rng_state(), before)


def test_pictures_alone_and_with_masks_are_changed_alike_and_the_input_is_kept():
    images = ramps(4)
    kept = images.clone()
    paired, _ = STRONG.pair(images, torch.zeros(4, 48, 48, dtype=torch.uint8), generator())
    assert torch.equal(STRONG(images, generator()), paired)
    assert torch.equal(images, kept)


def test_nothing_switched_on_changes_nothing():
    images = torch.rand(3, 3, 5, 7)
    assert torch.equal(Augmentation()(images, generator()), images)


def test_the_grid_is_affine_grid_to_the_last_bit():
    draws = torch.rand(5, 4, generator=torch.Generator().manual_seed(0))
    theta = torch.cat([torch.diag_embed(draws[:, :2]), draws[:, 2:, None] - 0.5], 2)
    expected = functional.affine_grid(theta, [5, 3, 12, 20], align_corners=False)
    assert torch.equal(_upright_grid(theta, 12, 20), expected)


@pytest.mark.parametrize("augmentation", [CROPS, FLIPS, STRONG, Augmentation()])
def test_bytes_give_the_same_pictures_to_the_last_bit_and_stay_as_they_are(augmentation):
    stored = torch.randint(0, 256, (6, 3, 20, 20), generator=generator(3)).to(torch.uint8)
    before, masks = stored.clone(), stored[:, 0] % 2
    floats = stored.float() / 255
    assert torch.equal(augmentation(stored, generator()), augmentation(floats, generator()))
    for one, other in zip(
        augmentation.pair(stored, masks, generator()), augmentation.pair(floats, masks, generator()), strict=True
    ):
        assert torch.equal(one, other)
    assert torch.equal(stored, before)
