"""The contract test passes what keeps the contract, every built-in method among them, and catches one liar for each sin."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from bench import Dataset, Item, Method, PluginError, Task, plugins
from bench.api import MaskMethod
from bench.testing import check_dataset, check_method
from bench.training import shuffled

SMALL = {"backbone": "resnet10t", "pretrained": "false", "batch": "8", "per_class": "4", "k": "2", "dimension": "8"}


@pytest.mark.parametrize("name", sorted(plugins.offers("methods")))
def test_built_in_methods_keep_the_contract_also_when_killed_after_every_epoch(name):
    cls = plugins.load("methods", name)
    if issubclass(cls, MaskMethod):
        masks = torch.randint(0, 2, (3, 8, 8), dtype=torch.uint8)
        assert torch.equal(plugins.instantiate(cls, {}).targets(masks.clone(), torch.Generator()), masks)
    else:
        check_method(plugins.instantiate(cls, {k: v for k, v in SMALL.items() if k in cls.model_fields}))


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


class Good(Dataset):
    """Two pictures of each split."""

    name: ClassVar[str] = "good"

    @property
    def task(self):
        return Task(classes=("a", "b"), foreground=("x",), shows=(0, None))

    def items(self, split):
        return [Item(f"{split}{n}", (n,) if split.startswith("weak") else None) for n in range(2)]

    def image(self, item):
        return np.zeros((3, 6, 5), np.uint8)

    def mask(self, item):
        return np.full((6, 5), 1, np.uint8)


def changed(**methods: Any) -> Dataset:
    return type("Changed", (Good,), methods)()


def test_an_honest_data_set_passes():
    check_dataset(Good())


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"items": lambda self, split: [Item("same", (0,))]}, "image same of good is in weak_heldout and in weak"),
        ({"items": lambda self, split: [Item(f"{split}{n}", None) for n in range(2)]}, "is in weak and has no label"),
        ({"items": lambda self, split: [Item(f"{split}0", (5,))]}, r"has labels \(5,\); there are 2 classes"),
        ({"items": lambda self, split: [Item(f"{split}{np.random.rand()}", (0,))]}, "changes from call to call"),
        ({"image": lambda self, item: np.zeros((6, 5, 3), np.uint8)}, r"must be \(3, H, W\) uint8; it is \(6, 5, 3\)"),
        ({"mask": lambda self, item: np.zeros((5, 6), np.uint8)}, r"must be \(6, 5\) uint8; it is \(5, 6\)"),
        ({"mask": lambda self, item: np.full((6, 5), 9, np.uint8)}, r"has the values \[9\]"),
    ],
)
def test_a_lying_data_set_is_caught(methods, said):
    with pytest.raises(PluginError, match=said):
        check_dataset(changed(**methods))
