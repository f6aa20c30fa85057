"""The embedded presence data: frozen pixels, the object in every other picture, and nothing but hue and texture that tells."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from bench.api import Item
from bench.datasets import synthetic_presence
from bench.datasets._presence import draw, draw_mask, draw_patches
from bench.datasets.synthetic_presence import MASKED, SIZES, SyntheticPresence
from bench.errors import DataError

FROZEN = "195f60116e42afcef84eb8096b6e0155c66f97477e38083ae89980d975572464"
"""sha256 over pictures and masks, taken before any method was run on them."""


@pytest.fixture(scope="module")
def scenes():
    """Picture, mask and everything that stands out, of pictures that no split holds."""
    return [(*draw(9, number, number % 2 == 1), draw_patches(9, number)) for number in range(240)]


def test_pixels_are_frozen():
    content = hashlib.sha256()
    for split, size in enumerate(SIZES.values()):
        for number in (0, 1, 2, 3, size // 2, size - 1):
            for array in draw(split, number, number % 2 == 1):
                content.update(repr(array.shape).encode() + array.tobytes())
    assert content.hexdigest() == FROZEN


def test_splits_have_their_sizes_and_share_no_picture():
    data = SyntheticPresence()
    items = {split: data.items(split) for split in SIZES}
    assert {split: len(found) for split, found in items.items()} == SIZES
    assert len({data.image(item).tobytes() for split in ("val", "test") for item in items[split]}) == 120
    assert list(data.items("train")) == []


def test_every_picture_has_a_label_and_half_of_them_the_object():
    data = SyntheticPresence()
    for split in SIZES:
        labels = [item.labels for item in data.items(split)]
        assert set(labels) == {(0,), (1,)}
        assert labels.count((1,)) * 2 == len(labels)
    assert (data.task.classes, data.task.shows) == (("absent", "present"), (None, 0))


def test_masks_agree_with_labels_and_weak_pictures_have_none():
    data = SyntheticPresence()
    for split in SIZES:
        for item in data.items(split)[:20]:
            image, mask = data.image(item), data.mask(item)
            assert (mask is None) == (split not in MASKED)
            if mask is not None:
                assert (mask.dtype, mask.shape) == (np.uint8, image.shape[1:])
                assert mask.any() == (item.labels == (1,))
                assert set(np.unique(mask)) <= {0, 1}


def test_the_object_is_one_piece_and_one_of_several_patches(scenes):
    for number, (_, mask, patches) in enumerate(scenes):
        assert (mask <= patches).all()
        if number % 2:
            assert ndimage.label(mask)[1] == 1
            assert 0.03 < mask.mean() < 0.25
        assert patches.sum() > mask.sum()


def test_the_mask_drawn_alone_is_that_of_the_picture():
    for number in range(6):
        np.testing.assert_array_equal(draw_mask(3, number, number % 2 == 1), draw(3, number, number % 2 == 1)[1])


def test_the_object_lies_in_every_quarter(scenes):
    """A map that is the same for all pictures has nothing to win."""
    centres = [ndimage.center_of_mass(mask) / np.array(mask.shape) > 0.5 for _, mask, _ in scenes[1::2]]
    quarters = np.bincount([2 * below + right for below, right in centres], minlength=4)
    assert quarters.min() > 0.15 * len(centres)


def test_what_stands_out_is_not_the_object(scenes):
    """Even a perfect map of everything that stands out finds as much else as object, and finds something where there is nothing."""
    found = [_dice(patches > 0, mask > 0) for _, mask, patches in scenes[1::2]]
    assert 0.45 < np.mean(found) < 0.65
    assert all(patches.any() for _, _, patches in scenes)


@pytest.mark.parametrize("side", ["dark", "bright"])
def test_neither_side_of_a_grey_threshold_is_the_object(scenes, side):
    chosen = [_grey(image) <= _otsu(_grey(image)) for image, _, _ in scenes[1::2]]
    dice = [_dice(dark == (side == "dark"), mask > 0) for dark, (_, mask, _) in zip(chosen, scenes[1::2], strict=True)]
    assert np.mean(dice) < 0.35


def test_brightness_and_area_do_not_tell_the_label_and_hue_does(scenes):
    """Nearest class mean: chance is 50 %."""
    brightness = [(_grey(image).mean(), _grey(image).std()) for image, _, _ in scenes]
    area = [(patches.mean(), ndimage.label(patches)[1]) for _, _, patches in scenes]
    yellow = [(np.percentile(np.clip(_yellow(image), 0, None), 97),) for image, _, _ in scenes]
    assert _nearest_mean(brightness) < 0.65
    assert _nearest_mean(area) < 0.6
    assert _nearest_mean(yellow) > 0.8


def test_a_strange_id_is_refused():
    for strange in ("test-080", "test", "tset-000", "test-x"):
        with pytest.raises(DataError, match=f"synthetic_presence has no picture {strange}"):
            SyntheticPresence().image(Item(strange, None))


def test_the_module_offers_its_class():
    assert list(synthetic_presence.bench_datasets()) == [SyntheticPresence]
    assert SyntheticPresence.publishable


def _grey(image):
    return np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L"))


def _yellow(image):
    """How much less blue than red and green a pixel is, against the picture's median; smoothed."""
    red, green, blue = ndimage.uniform_filter(image.astype(float), (0, 5, 5))
    excess = np.minimum(red, green) - blue
    return excess - np.median(excess)


def _otsu(grey):
    """The threshold of the largest variance between classes, by trying all of them."""
    between = [_between(grey[grey <= t], grey[grey > t]) for t in range(256)]
    return int(np.argmax(between))


def _between(low, high):
    return low.size * high.size * (low.mean() - high.mean()) ** 2 if low.size and high.size else 0.0


def _dice(found, true):
    return 2 * (found & true).sum() / (found.sum() + true.sum())


def _nearest_mean(looks):
    """Accuracy on the second half of the nearest class mean of the first half."""
    looks = np.array(looks, float)
    looks = (looks - looks.mean(0)) / (looks.std(0) + 1e-9)
    half, label = len(looks) // 2, np.arange(len(looks)) % 2
    means = np.stack([looks[:half][label[:half] == k].mean(0) for k in (0, 1)])
    found = np.square(looks[half:, None] - means).sum(2).argmin(1)
    return float((found == label[half:]).mean())
