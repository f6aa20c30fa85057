"""GradCAM: against pytorch-grad-cam, a hand-made network, and the contract of a method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from bench.api import Task
from bench.errors import BenchError, UsageError
from bench.methods._gradcam import Classifier, class_maps, gradcam, predicted
from bench.methods.gradcam import GradCAM, classification_loss
from bench.training import Training
from bench.view import View

LESION = Task(classes=("a", "b", "c"), foreground=("lesion",), shows=(0, 0, 0))
DOGS = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))
BACKBONE = "test_resnet"


def classifier(classes: int = 3, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return Classifier(timm.create_model(BACKBONE, num_classes=classes, zero_init_last=False), "test").eval()


def pictures(n: int, size: int = 64, seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=size, mode="nearest")


def method(**settings: object) -> GradCAM:
    return GradCAM.model_validate({"backbone": BACKBONE, "pretrained": False, **settings})


@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_cut_in_two_it_is_the_same_network(layer: str) -> None:
    net, images = classifier(), pictures(2)
    assert torch.allclose(net.head(net.features(images, layer), layer), net(images), atol=1e-5)


def test_the_network_normalises_images_as_imagenet_weights_expect() -> None:
    net = Classifier(timm.create_model("resnet10t"), "test")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    grey = torch.full((1, 3, 32, 32), 0.5)
    assert torch.allclose(net.normalise(grey)[0, :, 0, 0], (0.5 - mean) / std)


def one_dead_map(net: Classifier, images: torch.Tensor, layer: str) -> None:
    """Let the head predict class 1, which every feature speaks against, for the first image alone."""
    scores = net.features(images, layer)
    with torch.no_grad():
        net.model.fc.weight.zero_()
        net.model.fc.bias.zero_()
        net.model.fc.weight[0], net.model.fc.weight[1] = 1, -1
        sums = net.head(scores, layer)[:, 0]
        net.model.fc.bias[1] = sums[0] + sums[1]  # between twice the one and twice the other
        net.model.fc.bias[2] = -1e3
    assert (net(images).argmax(1) == 1).sum() == 1


@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_maps_do_not_depend_on_the_batch(layer: str) -> None:
    net, images = classifier(), pictures(5)
    together = method(layer=layer).maps(net, images, None, LESION)
    alone = torch.cat([method(layer=layer).maps(net, image[None], None, LESION) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.shape == (5, 1, 64, 64)
    assert together.amax((1, 2, 3)).tolist() == pytest.approx([1] * 5, abs=1e-5)


def test_a_map_without_evidence_is_zero() -> None:
    net, images = classifier(), pictures(2)
    one_dead_map(net, images, "layer4")
    maps = gradcam(net, images, "layer4", predicted(True), LESION)
    dead = net(images).argmax(1) == 1
    assert not maps[dead].any()
    assert maps[~dead].max() > 0.99


def test_faint_evidence_is_stretched_like_strong() -> None:
    net, images = classifier(), pictures(3)
    nn.init.zeros_(net.model.fc.bias)
    strong = gradcam(net, images, "layer4", predicted(True), LESION)
    with torch.no_grad():
        net.model.fc.weight *= 1e-6
    assert strong.any()
    assert torch.allclose(gradcam(net, images, "layer4", predicted(True), LESION), strong, atol=0.01)


def test_a_bright_square_that_decides_scores_high() -> None:
    net = classifier(2)
    net.model.layer4 = nn.Sequential(nn.AvgPool2d(2), Brightness())
    net.model.fc = nn.Linear(2, 2, bias=False)
    net.model.fc.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    for part in ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3"):
        setattr(net.model, part, nn.Identity())
    images = torch.full((1, 3, 32, 32), 0.2)
    images[:, :, 4:12, 16:28] = 0.9
    maps = method().maps(net, images, None, DOGS.model_copy(update={"shows": (None, 0)}))
    assert maps[0, 0, 6:10, 18:26].min() > 0.9
    assert maps[0, 0, 16:, :].max() < 0.1


class Brightness(nn.Module):
    """Two features: how dark, and (more strongly) how bright a place is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        level = images.mean(1, keepdim=True)
        return torch.cat([(-level).relu() * 0.01, level.relu()], 1)


def test_the_class_that_shows_nothing_has_an_empty_map() -> None:
    net, images = classifier(2), pictures(4)
    maps = {c: method(target="label").maps(net, images, one_hot(c, 4), DOGS) for c in (0, 1)}
    assert not maps[0].any()
    by_prediction = method().maps(net, images, one_hot(1, 4), DOGS)
    says_dog = net(images).argmax(1) == 1
    assert torch.equal(by_prediction[says_dog], maps[1][says_dog])
    assert not by_prediction[~says_dog].any()


def one_hot(c: int, n: int) -> torch.Tensor:
    return torch.eye(2).bool()[c].expand(n, 2)


def test_of_classes_that_go_together_each_present_one_has_its_map() -> None:
    task = Task(classes=("cat", "dog"), foreground=("cat", "dog"), shows=(0, 1), exclusive=False)
    net, images = classifier(2), pictures(3)
    present = torch.tensor([[True, True], [True, False], [False, False]])
    maps = method(target="label").maps(net, images, present, task)
    alone = [class_maps(net, images, "layer4", lambda _, c=c: one_hot(c, 3)) for c in (0, 1)]
    assert (maps.amax((2, 3)) > 0).tolist() == [
        [bool(alone[c][i, c].any()) and bool(present[i, c]) for c in (0, 1)] for i in range(3)
    ]
    assert torch.equal(
        predicted(False)(torch.tensor([[1.0, 2.0], [-1.0, 0.5]])), torch.tensor([[True, True], [False, True]])
    )


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_maps_equal_pytorch_grad_cam(layer: str) -> None:
    theirs = pytest.importorskip("pytorch_grad_cam")
    net, images = classifier(), pictures(2, 96)
    one_dead_map(net, images, layer)
    ours = gradcam(net, images, layer, predicted(True), LESION)[:, 0].numpy()
    with theirs.GradCAM(model=net, target_layers=[getattr(net.model, layer)]) as cam:
        expected = cam(input_tensor=images, targets=None)
    assert np.abs(ours - expected).max() <= 1e-5
    assert sorted(ours.max((1, 2)) > 0) == [False, True]


def view(labels: torch.Tensor, size: int = 32) -> View:
    images = (pictures(len(labels), size) * 255).byte().numpy()
    return View(images, labels, LESION)


def fitted(folder: Path, stop_after: int | None = None, **settings: object) -> dict[str, torch.Tensor]:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(3)
    made = method(epochs=3, batch=8, per_class=4, lr=1e-3, **settings)
    net = made.build(LESION)
    training = Training(net, folder, seed=3, report=lambda done, _: stop_if(done == stop_after))
    made.fit(net, view(torch.eye(3).bool().repeat(6, 1)), training)
    return net.state_dict()


def stop_if(now: bool) -> None:
    if now:
        raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 2, 3])
def test_killed_after_an_epoch_it_ends_in_the_same_weights(tmp_path: Path, after: int) -> None:
    whole = fitted(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "killed", after)
    resumed = fitted(tmp_path / "killed")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_training_lowers_the_loss_and_moves_batchnorm(tmp_path: Path) -> None:
    net = method().build(LESION)
    before = net.model.bn1.running_mean.clone()
    training = Training(net, tmp_path, seed=0)
    method(epochs=8, batch=8, per_class=4, lr=1e-3).fit(net, view(torch.eye(3).bool().repeat(6, 1)), training)
    losses = [value for _, name, value in training.history if name == "loss"]
    assert losses[-1] < losses[0]
    assert not torch.equal(net.model.bn1.running_mean, before)


def test_the_loss_is_softmax_where_classes_exclude_each_other_and_sigmoid_where_not() -> None:
    logits, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([[True, False]])
    assert float(classification_loss(logits, labels, True)) == pytest.approx(np.log(1 + np.exp(-2)))
    assert float(classification_loss(logits, labels, False)) == pytest.approx((np.log(1 + np.exp(-2)) + np.log(2)) / 2)


def test_one_class_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    net = method().build(LESION)
    with pytest.raises(
        BenchError, match=r"gradcam_resnet50 learns by telling classes apart: .* two classes with two images each"
    ):
        method().fit(net, view(torch.eye(3).bool()[:1].expand(6, 3)), Training(net, tmp_path, seed=0))


def test_a_network_that_is_no_resnet_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(UsageError, match=r"gradcam_resnet50\.backbone: this network has no layer4"):
        method(backbone="test_vit").build(LESION)
