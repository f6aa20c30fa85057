"""The first principal component of features as a floor: against NumPy's SVD and scikit-learn, and pictures whose answer is plain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.api import Task
from bench.errors import UsageError
from bench.methods.pretrained_pca import PretrainedPCA, bench_methods, first_component, low_border
from bench.plugins import instantiate
from bench.testing import check_method

ONE = Task(classes=("a", "b"), foreground=("lesion",), shows=(0, 0))
TWO = Task(classes=("a", "b"), foreground=("x", "y"), shows=(0, 1))


def method(**settings: object) -> PretrainedPCA:
    return PretrainedPCA.model_validate({"backbone": "test_resnet", "pretrained": False, **settings})


def features(seed: int = 0, n: int = 3, channels: int = 20, height: int = 5, width: int = 7) -> Tensor:
    """With a component that stands out."""
    random = torch.Generator().manual_seed(seed)
    noise, direction, amount = (
        torch.randn(shape, generator=random)
        for shape in ((n, channels, height, width), (n, channels, 1, 1), (n, 1, height, width))
    )
    return 10 + noise + 2 * direction * amount


def agree_up_to_sign(ours: Tensor, scores: Any) -> bool:
    found, wanted = ours.flatten().numpy(), np.asarray(scores).ravel()
    return bool(np.abs(found * np.sign(found @ wanted) - wanted).max() <= 1e-9 * np.abs(wanted).max())


def test_it_is_a_floor_that_reads_no_label() -> None:
    (floor,) = bench_methods()
    assert floor.name == "pretrained_pca"
    assert floor.floor
    assert not floor.reads_labels


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(3, 8))
def test_scores_equal_those_of_a_singular_value_decomposition(seed: int, channels: int, side: int) -> None:
    given_features = features(seed, channels=channels, height=side)
    ours = first_component(given_features)
    assert ours.shape == (3, 1, side, 7)
    for one, found in zip(given_features.double(), ours, strict=True):
        places = one.flatten(1).T.numpy()
        left, values, _ = np.linalg.svd(places - places.mean(0), full_matrices=False)
        assert agree_up_to_sign(found, left[:, 0] * values[0])


@pytest.mark.oracle
def test_scores_equal_those_of_scikit_learn() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    given_features = features(1, n=4)
    for one, found in zip(given_features.double(), first_component(given_features), strict=True):
        assert agree_up_to_sign(found, decomposition.PCA(1).fit_transform(one.flatten(1).T.numpy()))


def test_each_image_has_its_own_component() -> None:
    images = torch.rand(4, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    net = method().build(ONE).eval()
    with torch.no_grad():
        together = method().maps(net, images, None, ONE)
        alone = torch.cat([method().maps(net, image[None], None, ONE) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.shape == (4, 1, 8, 8)
    assert together.amin((1, 2, 3)).tolist() == [0] * 4
    assert together.amax((1, 2, 3)).tolist() == pytest.approx([1] * 4, abs=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_border_is_low_whatever_the_sign(sign: float) -> None:
    square = torch.zeros(1, 1, 6, 8)
    square[:, :, 2:4, 3:6] = 1
    centred = square - square.mean()
    assert torch.equal(low_border(sign * centred), centred)


def test_what_stands_out_in_the_middle_is_high() -> None:
    images = torch.full((2, 3, 128, 128), 0.5)
    images[0, :, 40:88, 40:88] = 0.1
    images[1, :, 40:88, 40:88] = 0.9
    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool2d(16), nn.Conv2d(3, 8, 1))
    with torch.no_grad():
        maps = method().maps(net, images, None, ONE)
    assert maps[:, :, 3:5, 3:5].min() > 0.9
    assert maps[:, :, 0].max() < 0.1


def test_features_without_a_difference_give_a_map_of_zeros() -> None:
    maps = method().maps(nn.Identity(), torch.full((2, 3, 6, 6), 0.3), None, ONE)
    assert not maps.any()


def test_it_looks_at_the_layer_that_is_named_and_at_no_label() -> None:
    images = torch.rand(2, 3, 64, 64)
    for layer, side in (("layer2", 8), ("layer3", 4)):
        net = method(layer=layer).build(TWO).eval()
        with torch.no_grad():
            maps = method(layer=layer).maps(net, images, torch.eye(2).bool(), TWO)
            assert torch.equal(maps, method(layer=layer).maps(net, images, None, TWO))
        assert maps.shape == (2, 2, side, side)
        assert torch.equal(maps[:, 0], maps[:, 1])


def test_it_keeps_the_contract_of_a_method() -> None:
    check_method(method())


def test_random_weights_are_said_in_the_row() -> None:
    assert method().notes() == ("random weights: features of an untrained network",)
    assert PretrainedPCA().notes() == ()


@pytest.mark.parametrize("backbone", ["test_vit", "test_convnext"])
def test_a_network_that_is_no_resnet_is_refused(backbone: str) -> None:
    with pytest.raises(
        UsageError, match=r"pretrained_pca\.backbone: this network has no layer3; name a ResNet of timm"
    ):
        instantiate(PretrainedPCA, {"backbone": backbone})


@pytest.mark.parametrize("pretrained", [True, False])
def test_only_published_weights_are_the_same_for_every_seed(pretrained: bool) -> None:
    assert PretrainedPCA(pretrained=pretrained).deterministic == pretrained
