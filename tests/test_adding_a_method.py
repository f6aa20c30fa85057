"""docs/adding-a-method.md: its file is tests/plugins/input_gradient.py, and that keeps the contract and does what the page says."""

from __future__ import annotations

import pytest
import torch
from pages import ROOT, blocks
from torch import nn

from bench import Task, plugins
from bench.testing import check_method

FILE = ROOT / "tests" / "plugins" / "input_gradient.py"
PAGE = ROOT / "docs" / "adding-a-method.md"
DOGS = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))


@pytest.fixture(scope="module")
def method() -> type:
    (cls,) = plugins.load_file(FILE)
    return cls


def test_the_page_shows_the_file() -> None:
    (shown,) = [block.text for block in blocks(PAGE) if block.mark == f"file: {FILE.name}"]
    assert shown == FILE.read_text(encoding="utf-8")


def test_it_keeps_the_contract(method: type) -> None:
    check_method(plugins.instantiate(method, {"backbone": "test_resnet", "pretrained": "false", "batch": "8"}))


class Sees(nn.Module):
    """Two logits, each hanging on the pixels of one place."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        other, spot = images[:, :, 12, 3].sum(1), images[:, :, 5, 9].sum(1)
        return torch.stack([0.1 * other, spot - 1], 1)


def test_the_map_is_high_where_the_evidence_hangs_on_a_pixel_and_empty_without_the_object(method: type) -> None:
    images = torch.zeros(2, 3, 16, 16)
    images[0] = 0.9  # 0.27 against 1.7: a dog; the other is none, by another place's evidence
    maps = plugins.instantiate(method, {"radius": "1"}).maps(Sees(), images, None, DOGS)
    expected = torch.zeros(16, 16)
    expected[4:7, 8:11] = 1  # the mean of three by three places spreads one pixel
    assert torch.equal(maps[0, 0], expected)
    assert not maps[1].any()


def test_a_network_that_looks_at_nothing_has_a_map_of_zeros(method: type) -> None:
    constant = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    nn.init.zeros_(constant[2].weight)
    nn.init.constant_(constant[2].bias, 1.0)
    maps = plugins.instantiate(method, {}).maps(constant, torch.rand(2, 3, 8, 8), None, DOGS)
    assert not maps.any()
    assert maps.isfinite().all()
