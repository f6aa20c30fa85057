"""The contract test passes what keeps the contract, every built-in method among them, and catches one liar for each sin."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from bench import Method, PluginError, Task, plugins
from bench.api import MaskMethod
from bench.testing import check_dataset, check_method
from bench.training import shuffled

SMALL = {"backbone": "resnet10t", "pretrained": "false", "batch": "8", "per_class": "4", "k": "2", "dimension": "8"}
SMALL |= {"width": "2", "classifier.pretrained": "false", "classifier.backbone": "resnet10t"}


METHODS = {name: plugins.load("methods", name) for name in sorted(plugins.offers("methods"))}


@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if issubclass(cls, Method)])
def test_built_in_methods_keep_the_contract_also_when_killed_after_every_epoch(name):
    cls = METHODS[name]
    check_method(plugins.instantiate(cls, {k: v for k, v in SMALL.items() if k.partition(".")[0] in cls.model_fields}))


@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if issubclass(cls, MaskMethod)])
def test_methods_on_masks_give_the_same_masks_again_and_leave_the_true_ones_alone(name):
    masks = torch.zeros(3, 24, 24, dtype=torch.uint8)
    masks[:, 6:18, 4:20] = 1
    before, method = masks.clone(), plugins.instantiate(METHODS[name], {})
    one, other = (method.targets(masks, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(masks, before)
    assert (one.shape, one.dtype) == (masks.shape, masks.dtype)
    assert set(one.unique().tolist()) <= {0, 1}
    assert torch.equal(one, masks) == (name == "full_supervision")


@pytest.mark.parametrize("name", sorted(plugins.offers("datasets")))
def test_embedded_data_sets_keep_the_contract(name):
    cls = plugins.load("datasets", name)
    if cls.embedded:
        check_dataset(cls())


class Honest(Method):
    """A linear map over colours, trained."""

    name: ClassVar[str] = "honest"
    epochs: int = 3

    def build(self, task: Task) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, len(task.foreground), 1), nn.Sigmoid())

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        optimizer = torch.optim.Adam(net.parameters())
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            for images, labels in view.batches(shuffled(len(view), 8, training.generator)):
                training.step((net(images).mean((1, 2, 3)) - labels[:, 0].float()).square().mean(), optimizer)

    def maps(self, net: nn.Module, images: Any, labels: Any, task: Task) -> Any:
        return net(images)


class WrongShape(Honest):
    def maps(self, net, images, labels, task):
        return net(images)[:, 0]


class OutOfRange(Honest):
    def maps(self, net, images, labels, task):
        return net(images) + 1


class NotANumber(Honest):
    def maps(self, net, images, labels, task):
        return net(images) * float("nan")


class WholeNumbers(Honest):
    def maps(self, net, images, labels, task):
        return (net(images) > 0.5).int()


class NeedsLabels(Honest):
    def maps(self, net, images, labels, task):
        return None if labels is None else net(images)


class LooksAtTheBatch(Honest):
    def maps(self, net, images, labels, task):
        maps = net(images)
        return maps / maps.max()


class RollsDice(Honest):
    def maps(self, net, images, labels, task):
        return torch.rand_like(net(images))


class ChangesItsNetwork(Honest):
    def maps(self, net, images, labels, task):
        with torch.no_grad():
            net[0].bias += 1e-3
        return net(images).clone()


class ForgetsItsOptimizer(Honest):
    def fit(self, net, view, training):
        optimizer = torch.optim.Adam(net.parameters())
        for _ in training.epochs(self.epochs):
            for images, labels in view.batches(shuffled(len(view), 8, training.generator)):
                training.step((net(images).mean((1, 2, 3)) - labels[:, 0].float()).square().mean(), optimizer)


class DrawsFromTheClock(Honest):
    def fit(self, net, view, training):
        for _ in training.epochs(self.epochs):
            with torch.no_grad():
                net[0].bias += float(np.random.default_rng().random())


class NoNetwork(Honest):
    def build(self, task):
        return object()


class TwoLoops(Honest):
    def fit(self, net, view, training):
        super().fit(net, view, training)
        super().fit(net, view, training)


class ReadsMasksItDidNotDeclare(Honest):
    def fit(self, net, view, training):
        view.masks.targets.float().mean()


class Crashes(Honest):
    def fit(self, net, view, training):
        raise KeyError("x")


class DrawsFromGlobals(Honest):
    """Python's and NumPy's own generators are seeded and survive a kill, too."""

    def fit(self, net, view, training):
        for _ in training.epochs(self.epochs):
            with torch.no_grad():
                net[0].bias += float(np.random.rand()) + random.random() + float(torch.rand(1))


@pytest.mark.parametrize("method", [Honest, DrawsFromGlobals])
def test_an_honest_method_passes(method):
    check_method(method())


@pytest.mark.parametrize(
    ("liar", "said"),
    [
        (WrongShape, r"must return \(24, 1, h, w\) floats in \[0, 1\]; it returned \(24, 64, 64\)"),
        (OutOfRange, "its values run from"),
        (NotANumber, "its values run from nan"),
        (WholeNumbers, "it returned .* torch.int32"),
        (NeedsLabels, "it returned a NoneType"),
        (LooksAtTheBatch, "depends on the other images of a batch"),
        (RollsDice, "gives other maps when called again"),
        (ChangesItsNetwork, "gives other maps when called again"),
        (ForgetsItsOptimizer, "killed after epoch 1 and continued is another network"),
        (DrawsFromTheClock, "fitted twice with one seed is another network"),
        (NoNetwork, r"build\(\) of honest must return a torch.nn.Module; it returned object"),
        (TwoLoops, "this one starts a second"),
        (ReadsMasksItDidNotDeclare, "'NoneType' object has no attribute 'targets'"),
        (Crashes, r"fit\(\) of honest failed: KeyError"),
    ],
)
def test_a_liar_is_caught(liar, said):
    with pytest.raises(PluginError, match=said):
        check_method(liar())
