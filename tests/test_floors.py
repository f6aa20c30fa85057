"""Floors: against thresholds by exhaustive search, areas by hand, and pictures whose answer is plain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.api import Masks, Method, Task
from bench.methods._shapes import (
    ball,
    classic_chain,
    darker_side,
    disc,
    grey_levels,
    largest_central,
    otsu_level,
)
from bench.methods.floors import (
    AllForeground,
    CentreDisc,
    MeanShape,
    Otsu,
    OtsuClassic,
    ShapePrior,
    bench_methods,
    mean_shape,
)
from bench.methods.random_network import RandomNetwork
from bench.training import Training
from bench.view import View

ONE = Task(classes=("a", "b"), foreground=("lesion",), shows=(0, 0))
TWO = Task(classes=("a", "b"), foreground=("x", "y"), shows=(0, 1))


def maps(method: Method, images: Tensor, task: Task = ONE) -> Tensor:
    return method.maps(method.build(task).eval(), images, None, task)


def test_every_floor_is_offered_and_marked() -> None:
    floors = {f.name: f for f in (*bench_methods(), RandomNetwork)}
    assert set(floors) == {"all_foreground", "centre_disc", "otsu", "otsu_classic", "shape_prior", "random_network"}
    assert all(f.floor and not f.reads_labels for f in floors.values())
    assert {n for n, f in floors.items() if f.constant} == {"all_foreground", "centre_disc", "shape_prior"}
    assert {n for n, f in floors.items() if f.binary} == {"all_foreground", "centre_disc", "otsu", "otsu_classic"}


@pytest.mark.parametrize("floor", [AllForeground(), CentreDisc(), Otsu(), OtsuClassic()])
def test_every_foreground_has_the_same_map(floor: Method) -> None:
    images = torch.rand(3, 3, 24, 24)
    made = maps(floor, images, TWO)
    assert made.shape[:2] == (3, 2)
    assert torch.equal(made[:, 0], made[:, 1])
    assert torch.equal(made[:, :1], maps(floor, images))


def test_all_foreground_is_all_ones() -> None:
    assert maps(AllForeground(), torch.rand(2, 3, 8, 8)).eq(1).all()


def test_the_disc_has_the_area_of_a_disc_and_lies_in_the_middle() -> None:
    made = maps(CentreDisc(), torch.rand(1, 3, 224, 224))[0, 0]
    assert float(made.mean()) == pytest.approx(np.pi * 0.6**2 / 4, abs=1e-3)
    assert torch.equal(made, made.flip(0))
    assert torch.equal(made, made.T)
    assert made[112, 111 + 67] == 1  # 0.6 of 112 pixels is 67.2
    assert made[112, 112 + 67] == 0
    assert maps(CentreDisc(radius=2), torch.rand(1, 3, 5, 9)).all()
    assert disc((4, 40), 1.0).sum(0).tolist() == disc((4, 40), 1.0).flip(1).sum(0).tolist()
    assert disc((4, 40), 1.0)[1].sum() == 38  # an ellipse: 40 sqrt(1 - 1/16) = 38.7 pixels wide in the middle rows


def by_search(grey: npt.NDArray[np.uint8]) -> tuple[set[int], bool]:
    """All thresholds with the least within-class variance, from the pixels themselves, and whether the image is flat."""
    costs = {}
    for t in range(256):
        sides = [grey[grey <= t].astype(float), grey[grey > t].astype(float)]
        if all(len(side) for side in sides):
            costs[t] = sum(float(((side - side.mean()) ** 2).sum()) for side in sides)
    least = min(costs.values(), default=0.0)
    return {t for t, cost in costs.items() if cost <= least * (1 + 1e-9) + 1e-9}, not costs


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=40))
def test_otsu_separates_as_exhaustive_search_does(levels: list[int]) -> None:
    grey = np.array([levels], np.uint8)
    best, flat = by_search(grey)
    assert otsu_level(grey) == -1 if flat else otsu_level(grey) in best


def test_otsu_takes_the_darker_side() -> None:
    images = torch.full((2, 3, 10, 10), 0.8)
    images[0, :, 2:5, 3:6] = 0.2
    made = maps(Otsu(), images)
    assert int(made[0].sum()) == 9
    assert made[0, 0, 2:5, 3:6].all()
    assert not made[1].any()  # a flat image shows nothing


def test_grey_is_the_luma_that_pillow_computes() -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(pixels).convert("L")).astype(int)
    ours = grey_levels(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)[0].astype(int)
    assert np.abs(ours - pillow).max() <= 1  # Pillow rounds its weights to sixteen bits
    assert (ours == pillow).mean() > 0.99


def dark_lesion(size: int = 96) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Light skin with a lesion that has a light spot in it, a dark corner larger than the lesion, and hairs."""
    rows, columns = np.mgrid[:size, :size] / size
    lesion = np.hypot(rows - 0.55, columns - 0.5) < 0.16
    grey = np.full((size, size), 200, np.uint8)
    grey[rows + columns < 0.5] = 30
    grey[lesion] = 70
    grey[np.hypot(rows - 0.55, columns - 0.5) < 0.04] = 190
    grey[::16, :] = 40
    return grey, lesion


def test_the_classic_chain_finds_the_lesion_and_leaves_hair_corner_and_spot() -> None:
    grey, lesion = dark_lesion()
    found = classic_chain(grey, 0.02, 0.02)
    assert 2 * (found & lesion).sum() / (found.sum() + lesion.sum()) > 0.9
    assert 2 * (darker_side(grey) & lesion).sum() / (darker_side(grey).sum() + lesion.sum()) < 0.6
    assert found[53, 48]  # the spot is filled
    assert not found[:10, :10].any()


def test_opening_cuts_what_is_thin_and_holds_on_to_the_lesion() -> None:
    grey = np.full((50, 50), 200, np.uint8)
    grey[20:32, 20:32] = 60
    grey[26, :] = 60  # a hair across
    assert classic_chain(grey, blur=0, opening=0)[26].all()
    # A disc of radius 1 does not reach into the four corners, and from the edge it holds one pixel of the hair on each side.
    assert classic_chain(grey, blur=0, opening=0.02).sum() == 12 * 12 - 4 + 2


def test_the_largest_central_component_is_one_and_central() -> None:
    region = np.zeros((40, 40), bool)
    region[:12, :12] = True  # large, in the corner
    region[18:23, 18:23] = True
    region[30:32, 20:22] = True
    assert largest_central(region).nonzero()[0].min() == 18
    assert largest_central(region).sum() == 25
    assert not largest_central(np.zeros((5, 5), bool)).any()


def test_the_opening_disc_is_round() -> None:
    assert ball(0).tolist() == [[True]]
    assert ball(2).sum() == 13


def test_the_shape_prior_is_the_mean_of_its_masks_and_says_how_many(tmp_path: Path) -> None:
    assert ShapePrior().masks() == Masks("masks", 10, "training")
    targets = torch.zeros(4, 6, 6, dtype=torch.uint8)
    targets[:3, 2:4, 2:4] = 1
    targets[3, 2, 2] = 255
    targets[1, 0, 0] = 2
    pictures = np.zeros((4, 3, 6, 6), np.uint8)
    view = View(pictures, torch.eye(2).bool().repeat(2, 1), TWO)
    view.masks = View(pictures, None, TWO)
    view.masks.targets = targets
    method = ShapePrior(count=4)
    net = method.build(TWO)
    method.fit(net, view, Training(net, tmp_path, seed=0))
    made = method.maps(net, torch.rand(2, 3, 6, 6), None, TWO)
    assert made.shape == (2, 2, 6, 6)
    assert [float(made[1, 0, 2, 2]), float(made[1, 0, 3, 3]), float(made[0, 1, 0, 0])] == [1.0, 0.75, 0.25]
    again = method.build(TWO)
    again.load_state_dict(net.state_dict())
    assert torch.equal(method.maps(again, torch.rand(2, 3, 6, 6), None, TWO), made)


def test_the_mean_shape_survives_strict_loading_only_with_its_mean() -> None:
    net: nn.Module = MeanShape(1)
    net.load_state_dict({"mean": torch.ones(1, 7, 5)})
    assert net.state_dict()["mean"].shape == (1, 7, 5)
    assert mean_shape(torch.full((2, 3, 3), 255, dtype=torch.uint8), 1).eq(0).all()


def test_a_random_network_differs_from_seed_to_seed_and_repeats_itself() -> None:
    method, images = RandomNetwork(backbone="test_resnet"), torch.rand(3, 3, 64, 64)

    def of_seed(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return maps(method, images, Task(classes=tuple("abcdefg"), foreground=("x",), shows=(0,) * 7))

    assert torch.equal(of_seed(1), of_seed(1))
    assert not torch.equal(of_seed(1), of_seed(2))
    assert of_seed(1).shape == (3, 1, 64, 64)


@pytest.mark.parametrize(
    "floor", [AllForeground(), CentreDisc(), Otsu(), OtsuClassic(), ShapePrior(), RandomNetwork(backbone="resnet10t")]
)
def test_a_floor_says_whether_the_seed_changes_its_maps(floor: Method, tmp_path: Path) -> None:
    images, made = torch.rand(2, 3, 96, 96), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        net = floor.build(ONE)
        view = View(np.zeros((4, 3, 32, 32), np.uint8), None, ONE)
        view.masks = View(np.zeros((4, 3, 32, 32), np.uint8), None, ONE)
        view.masks.targets = torch.randint(
            0, 2, (4, 32, 32), dtype=torch.uint8
        )  # the door draws others for another seed
        floor.fit(net, view, Training(net, tmp_path / f"{seed}", seed=seed))
        with torch.no_grad():
            made.append(floor.maps(net.eval(), images, None, ONE))
    assert torch.equal(*made) == floor.deterministic


def test_floors_without_a_network_do_not_wait_for_timm() -> None:
    """Its import takes longer than all that they do."""
    loaded = "import sys, bench.methods.floors; print(sorted({'timm', 'torchvision'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
