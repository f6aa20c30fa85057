"""Reconstruction from decomposition: the networks' sizes, a g that stays as it is, maps, settings, and resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bench import plugins
from bench.api import Task
from bench.methods._decomposition_networks import Decomposition, divisible
from bench.methods._decomposition_parts import Pair, foreground_map, take_apart
from bench.methods.reconstruction_decomposition import ReconstructionDecomposition
from bench.testing import check_method, made_view
from bench.training import Training
from bench.view import View

ISIC = Task(classes=tuple("abcdefg"), foreground=("lesion",), shows=(0,) * 7)
DOGS = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))
LESION = Task(classes=("lesion",), foreground=("lesion",), shows=(0,))
THREE = Task(classes=("a", "b", "none"), foreground=("object",), shows=(0, 0, None))
CLASSIFIER = {"backbone": "test_resnet", "pretrained": False, "batch": 8, "epochs": 1}


def method(**settings: object) -> ReconstructionDecomposition:
    return ReconstructionDecomposition.model_validate({"width": 2, "epochs": 2, "classifier": CLASSIFIER, **settings})


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("arch", "encoder", "images", "masks", "whole"),
    [
        ("paper", 9_404_992, 12_576_070, 12_573_762, 34_554_824),
        ("code", 14_124_096, 7_853_504 + 3_462, 7_853_504 + 1_154, 29_835_720),
    ],
)
def test_the_networks_have_the_published_sizes(arch: Any, encoder: int, images: int, masks: int, whole: int) -> None:
    with torch.device("meta"):
        net = ReconstructionDecomposition(arch=arch).build(DOGS)
        taken = net(torch.zeros(1, 3, 224, 224))
    assert isinstance(net, Decomposition)
    assert [parameters(part) for part in (net.encoder, net.image_decoder, net.mask_decoder, net)] == [
        encoder,
        images,
        masks,
        whole,
    ]
    assert [tuple(each.shape) for each in taken] == [(1, 2, 224, 224), (1, 2, 3, 224, 224)]


def test_isic_has_eight_classes() -> None:
    with torch.device("meta"):
        assert parameters(ReconstructionDecomposition().build(ISIC)) == 34_568_672


@pytest.mark.parametrize("arch", ["paper", "code"])
def test_masks_sum_to_one_and_imagelets_lie_class_by_class(arch: Any) -> None:
    net = Decomposition(3, 2, arch)
    levels = torch.linspace(0.1, 0.9, 9)
    nn.init.zeros_(net.image_decoder.head.weight)
    net.image_decoder.head.bias.data = levels.logit()
    pictures = torch.rand(2, 3, 32, 48)
    masks, imagelets = net(pictures)
    assert torch.allclose(masks.sum(1), torch.ones(2, 32, 48))
    assert torch.allclose(imagelets[0, :, :, 5, 5], levels.view(3, 3))
    assert torch.allclose(net.masks(pictures), masks)


def test_every_layer_of_the_encoder_reaches_both_decoders() -> None:
    for arch in ("paper", "code"):
        net = Decomposition(2, 2, arch)  # type: ignore[arg-type]
        for output in (0, 1):
            net.zero_grad()
            net(torch.rand(1, 3, 32, 32))[output].square().sum().backward()
            assert all(p.grad is not None and p.grad.any() for p in net.encoder.parameters())


def test_sides_that_do_not_halve_four_times_are_squashed_up() -> None:
    assert divisible(torch.rand(1, 3, 32, 48)).shape == (1, 3, 32, 48)
    assert divisible(torch.rand(1, 3, 40, 50)).shape == (1, 3, 48, 64)
    maps = method().maps(method().build(DOGS), torch.rand(1, 3, 40, 50), None, DOGS)
    assert maps.shape == (1, 1, 48, 64)


class Fit(NamedTuple):
    net: nn.Module
    g: Spy
    training: Training


class Spy(nn.Module):
    """Wraps g and keeps the shapes that it was called with."""

    def __init__(self, g: nn.Module) -> None:
        super().__init__()
        self.g = g
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(images.shape))
        logits: torch.Tensor = self.g(images)
        return logits


def g_of(made: ReconstructionDecomposition, task: Task) -> Spy:
    torch.manual_seed(1)
    return Spy(made.classifier.build(task)).eval().requires_grad_(False)


def plain_g(outputs: int) -> nn.Module:
    """A fixed g that costs little, where a test is about something else."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, outputs)]
    return nn.Sequential(*layers).eval().requires_grad_(False)


def fitted(folder: Path, stop_after: int | None = None, made: ReconstructionDecomposition | None = None) -> Fit:
    folder.mkdir(exist_ok=True)
    made = made or method(epochs=3, lr=1e-3)
    g = g_of(made, THREE)
    torch.manual_seed(3)
    net = made.build(THREE)
    training = Training(
        net,
        folder,
        seed=3,
        fitted={made.classifier: g},
        report=lambda done, _: stop_if(done == stop_after),
    )
    made.fit(net, small_view(THREE, made), training)
    return Fit(net, g, training)


def small_view(task: Task, made: ReconstructionDecomposition, count: int = 18) -> View:
    view = made_view(task, count, 32)
    if made.masks() is None:
        view.masks = None
    return view


def stop_if(now: bool) -> None:
    if now:
        raise KeyboardInterrupt


def test_g_is_called_once_a_step_and_stays_as_it_was(tmp_path: Path) -> None:
    made = method(epochs=1)
    fit = fitted(tmp_path, made=made)
    assert fit.g.shapes == [(6 * 3, 3, 32, 32)] * 2 + [(18 * 3, 3, 32, 32), (18, 3, 32, 32)]  # two steps, one look
    before, after = g_of(made, THREE).state_dict(), fit.g.state_dict()
    assert any("running_mean" in name for name in after)
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert all(p.grad is None for p in fit.g.parameters())
    assert not any(module.training for module in fit.g.modules())


def test_through_a_fixed_g_both_decoders_learn() -> None:
    torch.manual_seed(0)
    net = Decomposition(3, 2, "paper")
    g = method().classifier.build(THREE).eval().requires_grad_(False)
    take_apart(Pair(net, g), torch.rand(2, 3, 32, 32)).logits.sum().backward()
    for decoder in (net.mask_decoder, net.image_decoder):
        assert decoder.head.weight.grad is not None
        assert decoder.head.weight.grad.any()


def test_parts_of_a_batch_do_not_mix_in_g() -> None:
    torch.manual_seed(0)
    net = Decomposition(3, 2, "paper")
    g = method().classifier.build(THREE).eval()
    images = torch.rand(2, 3, 32, 32)
    taken = take_apart(Pair(net, g), images)
    assert torch.allclose(taken.parts.sum(1), (taken.masks[:, :, None] * net(images)[1]).sum(1), atol=1e-6)
    one_call_each = torch.stack([g(taken.parts[:, k]) for k in range(3)], 1)
    assert torch.allclose(taken.logits, one_call_each, atol=1e-4)


def test_maps_above_one_half_are_the_argmax() -> None:
    masks = (3 * torch.randn(4, 8, 16, 16, generator=torch.Generator().manual_seed(0))).softmax(1)
    won = masks.argmax(1) != 7
    assert 0.1 < won.float().mean() < 0.99
    assert torch.equal(foreground_map(masks, ISIC, "argmax")[:, 0] > 0.5, won)
    assert torch.allclose(foreground_map(masks, ISIC, "sum")[:, 0], 1 - masks[:, 7], atol=1e-6)
    faint = torch.tensor([0.6 / 7] * 7 + [0.4])[None, :, None, None]  # no class beats the background, all together do
    assert float(foreground_map(faint, ISIC, "argmax")) == pytest.approx(0.6 / 7 / (0.6 / 7 + 0.4))
    assert float(foreground_map(faint, ISIC, "sum")) == pytest.approx(0.6)


def test_of_two_foregrounds_at_most_one_is_above_one_half() -> None:
    two = Task(classes=("cat", "tree", "dog", "cub"), foreground=("cat", "dog", "cow"), shows=(0, None, 1, 0))
    masks = (3 * torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))).softmax(1)
    maps, largest = foreground_map(masks, two, "argmax"), masks.argmax(1)  # cat, dog, cub, background
    assert torch.equal(maps[:, 0] > 0.5, (largest == 0) | (largest == 2))
    assert torch.equal(maps[:, 1] > 0.5, largest == 1)
    assert not maps[:, 2].any()
    assert torch.allclose(foreground_map(masks, two, "sum")[:, 0], masks[:, 0] + masks[:, 2])


def test_where_labels_know_of_no_object_the_map_is_empty() -> None:
    net, images = method().build(DOGS), torch.rand(2, 3, 32, 32)
    maps = method().maps(net, images, torch.eye(2).bool(), DOGS)
    assert not maps[0].any()
    assert torch.equal(maps[1], method().maps(net, images, None, DOGS)[1])
    assert maps[1].all()


@pytest.mark.parametrize("after", [1, 2, 3])
def test_killed_after_an_epoch_it_ends_in_the_same_weights(tmp_path: Path, after: int) -> None:
    whole = fitted(tmp_path / "whole").net.state_dict()
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "killed", after)
    resumed = fitted(tmp_path / "killed").net.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_it_keeps_the_contract_of_a_method() -> None:
    check_method(
        method(epochs=1, g_negatives="borders", area_prior="masks", batch=24, classifier={**CLASSIFIER, "batch": 24})
    )


def test_the_learning_curves_tell_what_is_reconstructed_and_what_g_sees(tmp_path: Path) -> None:
    curves = {name for _, name, _ in fitted(tmp_path, made=method(epochs=1)).training.history}
    assert curves == {
        "loss",
        "reconstruction",
        "mask",
        "guidance",
        "area_error",
        "g_background",
        "g_background_real",
    }


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({}, 1 / 2),
        ({"area_prior": "class", "areas": (0.25,)}, 1 / 4),
        ({"area_prior": "masks"}, (32 // 3) ** 2 / 32**2),
    ],
)
def test_the_mask_loss_drives_areas_to_the_wanted_ones(
    tmp_path: Path, settings: dict[str, object], share: float
) -> None:
    made = method(lambda_m=10, lambda_c=0, lr=0.01, epochs=30, batch=16, g_negatives="borders", **settings)
    torch.manual_seed(0)
    net, view = made.build(LESION), small_view(LESION, made, 16)
    made.fit(net, view, Training(net, tmp_path, seed=0, fitted={made.classifier: plain_g(1)}))
    with torch.no_grad():
        maps = made.model_copy(update={"map": "sum"}).maps(net, view.images(torch.arange(16)), None, LESION)
    area = float(maps.mean())
    assert area == pytest.approx(share, abs=0.03)


class Written(Training):
    """Keeps the objective of every step."""

    objective: list[float]

    def step(self, loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        self.objective.append(float(loss.detach()))
        super().step(loss, optimizer)


def dermoscopy(count: int = 32, size: int = 32) -> View:
    """Embedded pictures without their finest detail; the lesions of half of them pass for dogs."""
    data = plugins.load("datasets", "synthetic")()
    items = data.items("weak")[:count]
    pictures = [torch.from_numpy(data.image(item))[None].float() for item in items]
    small = torch.cat([functional.interpolate(each, (8, 8), mode="area") for each in pictures])
    coarse = functional.interpolate(small, (size, size), mode="bilinear")
    return View(coarse.byte().numpy(), torch.eye(2).bool()[torch.arange(count) % 2], DOGS)


def test_it_can_overfit(tmp_path: Path) -> None:
    """In 240 steps of 16 pictures to a tenth, though its floor is no zero: L_mask alone weighs at least 0.00035."""
    made = method(width=4, lr=5e-3, epochs=12, batch=16)
    torch.manual_seed(0)
    net, view = made.build(DOGS), dermoscopy()
    assert view.labels is not None
    view = View(
        view.pictures[np.arange(320) % 32], view.labels.repeat(10, 1), DOGS
    )  # 20 steps an epoch: fewer checkpoints
    training = Written(net, tmp_path, seed=0, fitted={made.classifier: plain_g(1)})
    training.objective = []
    made.fit(net, view, training)
    assert len(training.objective) == 240
    assert np.mean(training.objective[-10:]) < training.objective[0] / 10
