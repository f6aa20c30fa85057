"""The file of maps: what is stored, what becomes a proxy, what is counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench import PluginError
from bench.metrics import Truth, counts, score_image
from bench.pipeline import mapfile


def saved(tmp_path, *batches):
    mapfile.save_maps(tmp_path / mapfile.MAPS, sum(len(b) for b in batches), batches)
    return mapfile.open_maps(tmp_path)


def test_every_threshold_is_stored_exactly(tmp_path):
    """A value that equals T is not above T, neither before it was stored nor after (the threshold is strict)."""
    values = torch.arange(257).double().div(256).float()
    stored = saved(tmp_path, values[None, None, None])
    read = mapfile.as_floats(stored[0, 0, 0])
    assert read.tolist() == values.tolist()
    assert mapfile.proxies(saved(tmp_path, torch.full((1, 1, 2, 2), 0.5)), (0.5,), 4).max() == 0


def test_values_are_kept_to_the_last_of_16_bits(tmp_path):
    values = torch.rand(3, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    read = mapfile.as_floats(saved(tmp_path, values[:2], values[2:]))
    assert np.abs(read - values.numpy()).max() <= 0.5 / mapfile.FULL + 1e-7


def test_maps_of_two_sizes_are_refused(tmp_path):
    with pytest.raises(PluginError, match=r"one size for all images; it returned \(3, 3\) after \(2, 2\)"):
        saved(tmp_path, torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 3, 3))
    assert not list(tmp_path.iterdir())


def test_of_two_foregrounds_the_larger_map_above_the_threshold_wins(tmp_path):
    maps = torch.tensor([[[[0.9, 0.4, 0.6, 0.2]], [[0.7, 0.8, 0.3, 0.1]]]]).expand(1, 2, 4, 4)
    assert mapfile.proxies(saved(tmp_path, maps), (0.5, 0.5), 4)[0, 0].tolist() == [1, 2, 1, 0]


def test_otsu_is_of_each_image_by_itself(tmp_path):
    low = torch.tensor([0.1, 0.1, 0.2, 0.2]).expand(1, 1, 4, 4)
    maps = torch.cat([low, low * 4])
    for mask in mapfile.proxies(saved(tmp_path, maps), None, 4):
        assert mask[0].tolist() == [0, 0, 1, 1]


def test_maps_are_resized_before_they_are_cut(tmp_path):
    """Cut first, the left half of a 2-pixel ramp would be 2 of 4 columns; bilinearly it is above 0.5 in the last two and no more."""
    ramp = torch.tensor([[[[0.0, 0.9]]]])
    assert mapfile.proxies(saved(tmp_path, ramp), (0.25,), 4)[0, 0].tolist() == [0, 0, 1, 1]
    assert mapfile.proxies(saved(tmp_path, ramp), (0.203125,), 4)[0, 0].tolist() == [0, 1, 1, 1]


def test_counts_are_those_of_each_image_and_their_sum(tmp_path):
    random = np.random.default_rng(0)
    maps = torch.from_numpy(random.random((3, 2, 6, 6), dtype=np.float32))
    masks = [random.integers(0, 3, (9, 7), dtype=np.uint8) for _ in range(3)]
    stored = saved(tmp_path, maps)
    counted = mapfile.count(stored, map(Truth, masks), 2)
    assert counted["raw"].shape == (3, 2, 2, 257)
    fine = np.zeros((2, 2, 65536), int)
    for n, mask in enumerate(masks):
        for k in range(2):
            score = score_image(mapfile.as_floats(stored[n, k]), mask, k + 1)
            tp, fp, fn, tn = counts(counted["raw"][n, k], 0.5)
            assert tp + fn == (mask == k + 1).sum()
            assert tp + fp + fn + tn == mask.size
            assert counted["ap"][n, k] == score.ap
            fine[k] += score.fine
    assert np.array_equal(counted["fine"], fine)
