"""A floor with a network: what GradCAM shows of a classifier that has learned nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

import timm
from pydantic import Field
from torch import Tensor, nn

from bench.api import Method, Task
from bench.hookspecs import hookimpl
from bench.methods._floor import Floor
from bench.methods._gradcam import Classifier, gradcam, predicted


class RandomNetwork(Floor):
    """GradCAM of a ResNet-50 with random weights, another for every seed."""

    name: ClassVar[str] = "random_network"

    backbone: str = Field("resnet50", description="timm name of the classifier")

    @property
    def deterministic(self) -> bool:
        """The seed draws the weights."""
        return False

    def build(self, task: Task) -> nn.Module:
        """An untrained classifier, drawn by the run's seed."""
        # timm's default zeroes the end of every block: nothing but the shortcuts would be left of the network.
        net = timm.create_model(self.backbone, num_classes=len(task.classes), zero_init_last=False)
        return Classifier(net, self.name)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, H, W): the evidence for the class that the network happens to predict."""
        return gradcam(cast(Classifier, net), images, "last", predicted(task.exclusive), task)


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """A random network."""
    return (RandomNetwork,)
