"""What every liar of this folder is, but for its one sin: a linear map over colours, trained."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from bench import Method, Task, hookimpl
from bench.training import shuffled


class Honest(Method):
    """A linear map over colours, trained."""

    name: ClassVar[str] = "honest"
    epochs: int = Field(3, description="passes over the images")

    def build(self, task: Task) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, len(task.foreground), 1), nn.Sigmoid())

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        optimizer = torch.optim.Adam(net.parameters())
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            for images, labels in view.batches(shuffled(len(view), 8, training.generator)):
                training.step((net(images).mean((1, 2, 3)) - labels[:, 0].float()).square().mean(), optimizer)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        return net(images)


@hookimpl
def bench_methods():
    return [Honest]
