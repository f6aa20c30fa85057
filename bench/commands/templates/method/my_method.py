"""my_method: where a small network, trained on image labels alone, sees evidence for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bench import Method, hookimpl
from bench.training import shuffled

if TYPE_CHECKING:
    from bench import Task
    from bench.training import Training
    from bench.view import View


class MyMethod(Method):
    """Evidence of a small classifier with global average pooling."""

    name: ClassVar[str] = "my_method"
    paper: ClassVar[str] = "Zhou et al. 2016, Learning deep features for discriminative localization"

    width: int = Field(16, ge=1, description="channels of the first layer; the second has twice as many")
    epochs: int = Field(30, ge=1, description="epochs; a protocol shortens them by its fit_share")
    batch: int = Field(16, ge=1, description="images in a step")
    lr: float = Field(1e-3, gt=0, description="Adam's learning rate")

    def build(self, task: Task) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, self.width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(self.width, 2 * self.width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * self.width, len(task.classes), 1),  # (B, C, H/4, W/4)
        )

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        optimizer = torch.optim.Adam(net.parameters(), self.lr)
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            for images, labels in view.batches(shuffled(len(view), self.batch, training.generator)):
                logits = net(images).mean((2, 3))  # (B, C)
                training.step(binary_cross_entropy_with_logits(logits, labels.float()), optimizer)

    def maps(self, net: nn.Module, images: torch.Tensor, labels: torch.Tensor | None, task: Task) -> torch.Tensor:
        return task.union(net(images).sigmoid())  # (B, C, H/4, W/4) -> (B, K, H/4, W/4)


@hookimpl
def bench_methods() -> list[type[MyMethod]]:
    return [MyMethod]
