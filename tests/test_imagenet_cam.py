"""ImageNet's own class as a floor: against class activation mapping by hand, and what it needs of a file of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bench.api import Task
from bench.errors import MachineError, UsageError
from bench.methods.imagenet_cam import ImageNetCAM, bench_methods
from bench.plugins import instantiate
from bench.testing import check_method

DOGS = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))
TWO = Task(classes=("a", "b"), foreground=("x", "y"), shows=(0, 1), exclusive=False)


def published(folder: Path, classes: int = 1000) -> Path:
    torch.manual_seed(0)
    net = timm.create_model("test_resnet", num_classes=classes, zero_init_last=False)
    file = folder / "published.safetensors"
    save_file(net.state_dict(), file)
    return file


def method(file: Path) -> ImageNetCAM:
    return ImageNetCAM(backbone="test_resnet", weights=file)


def pictures(n: int, size: int = 96) -> Tensor:
    coarse = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, size=size, mode="nearest")


def test_it_is_a_floor_that_reads_no_label() -> None:
    (floor,) = bench_methods()
    assert floor.name == "imagenet_cam"
    assert floor.floor
    assert not floor.reads_labels
    assert floor().masks() is None


def test_the_map_is_what_speaks_for_the_likeliest_class_of_imagenet(tmp_path: Path) -> None:
    file, images = published(tmp_path), pictures(3)
    made = method(file).maps(method(file).build(DOGS).eval(), images, None, DOGS)
    assert made.shape == (3, 1, 96, 96)

    net = timm.create_model("test_resnet", num_classes=1000, checkpoint_path=file).eval()
    mean, std = (torch.tensor(net.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    features = net.forward_features((images - mean) / std)
    likeliest = net.forward_head(features).argmax(1)
    cam = torch.einsum("ba,bahw->bhw", net.fc.weight[likeliest], features).relu()[:, None]
    by_hand = nn.functional.interpolate(cam, size=96, mode="bilinear", align_corners=False)
    by_hand = (by_hand - by_hand.amin((2, 3), keepdim=True)) / (by_hand - by_hand.amin((2, 3), keepdim=True)).amax(
        (2, 3), keepdim=True
    )
    assert torch.allclose(made, by_hand, atol=1e-4)


def test_labels_and_classes_of_the_task_change_nothing(tmp_path: Path) -> None:
    file, images = published(tmp_path), pictures(4)
    net = method(file).build(DOGS).eval()
    maps = method(file).maps(net, images, None, DOGS)
    absent = torch.tensor([[True, False]]).expand(4, 2)
    assert maps.any()
    assert torch.equal(method(file).maps(net, images, absent, DOGS), maps)
    assert torch.equal(method(file).maps(net, images, None, TWO), maps.expand(-1, 2, -1, -1))
    assert net.model.fc.out_features == 1000


def test_it_keeps_the_contract_of_a_method(tmp_path: Path) -> None:
    check_method(method(published(tmp_path)))


def test_a_file_without_the_published_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        MachineError, match=r"published\.safetensors has no head of 1000 classes \(fc\.weight\), and imagenet_cam"
    ):
        method(published(tmp_path, classes=7)).build(DOGS)


def test_random_weights_are_said_in_the_row() -> None:
    bare = ImageNetCAM(backbone="test_resnet", pretrained=False)
    assert bare.notes() == ("random weights: no ImageNet class is seen",)
    assert ImageNetCAM().notes() == ()
    assert bare.maps(bare.build(DOGS).eval(), pictures(2), None, DOGS).shape == (2, 1, 96, 96)


def test_a_backbone_without_places_is_refused() -> None:
    with pytest.raises(UsageError, match=r"imagenet_cam\.backbone: the output of blocks\.5 is no map over places"):
        instantiate(ImageNetCAM, {"backbone": "test_vit"})


@pytest.mark.parametrize("pretrained", [True, False])
def test_only_published_weights_are_the_same_for_every_seed(pretrained: bool) -> None:
    assert ImageNetCAM(pretrained=pretrained).deterministic == pretrained
