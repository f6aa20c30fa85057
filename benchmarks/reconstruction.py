"""A step of the reconstruction method beside a straightforward one that calls g once for each class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.api import Task
from bench.methods._decomposition_labels import presence
from bench.methods._decomposition_losses import guidance_loss, mask_loss, reconstruction_loss
from bench.methods._decomposition_networks import Decomposition
from bench.methods._decomposition_parts import Pair, take_apart
from bench.methods._folding import folded
from benchmarks import Race, race, seconds

BATCH, SIZE, WIDTH = 8, 64, 16
"""As for small budgets; g is a ResNet-18."""

Step = Callable[[], float]


def measure() -> Iterator[Race]:
    """One race for two classes and one for eight, the background among them."""
    for k, target in ((2, 1.1), (8, 1.25)):
        ours, theirs = batched(k), plain(k)
        if abs(ours() - theirs()) > 1e-5:
            raise ValueError("the two steps start from the same weights and must have the same loss")
        yield race(
            f"reconstruction step, K = {k}",
            partial(seconds, ours),
            "g called class by class",
            partial(seconds, theirs),
            target,
        )


def batched(k: int) -> Step:
    """The step of the method."""
    task = Task(classes=tuple(map(str, range(k - 1))), foreground=("object",), shows=(0,) * (k - 1))
    images, labels, g, net = start(k)
    net.to(memory_format=torch.channels_last)
    pair = Pair(net, folded(g))
    present = presence(labels, task)

    def objective() -> Tensor:
        taken = take_apart(pair, images)
        loss = reconstruction_loss(taken.parts, taken.images)
        loss = loss + 1e-3 * mask_loss(taken.masks.mean((2, 3)), present.float(), "paper")
        return loss + 1e-3 * guidance_loss(taken.logits, present, "paper", "mean")

    return stepping(net, objective)


def plain(k: int) -> Step:
    """Eq. 2, 4 and 6 as they are read, the mean over g's outputs."""
    images, labels, g, net = start(k)
    wanted = torch.cat([labels, labels.new_ones(len(labels), 1)], 1).float()

    def objective() -> Tensor:
        masks, imagelets = net(images)
        loss = ((masks[:, :, None] * imagelets).sum(1) - images).square().mean()
        loss = loss + 1e-3 * functional.binary_cross_entropy(masks.mean((2, 3)), wanted)
        for c in range(k):
            chances = g(masks[:, c, None] * imagelets[:, c]).sigmoid()
            target, asked = torch.zeros_like(chances), torch.ones_like(chances)
            if c < k - 1:
                target[:, c] = asked[:, c] = wanted[:, c]
            entropy = functional.binary_cross_entropy(chances, target, asked)
            loss = loss + 1e-3 * entropy / k
        return loss

    return stepping(net, objective)


def start(k: int) -> tuple[Tensor, Tensor, nn.Module, Decomposition]:
    """Images and labels (B, K - 1), g and the networks, the same at every call."""
    torch.manual_seed(0)
    labels = torch.eye(k - 1).bool()[torch.arange(BATCH) % (k - 1)]
    g = timm.create_model("resnet18", num_classes=k - 1).eval().requires_grad_(False)
    return torch.rand(BATCH, 3, SIZE, SIZE), labels, g, Decomposition(k, WIDTH, "paper")


def stepping(net: nn.Module, objective: Callable[[], Tensor]) -> Step:
    """A step of Adam; it returns the loss."""
    optimizer = torch.optim.Adam(net.parameters(), 1e-4)

    def step() -> float:
        loss = objective()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.detach())

    return step
