"""input_gradient: the pixels that the evidence for the predicted class hangs on."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.v2 import Normalize

from bench import Pretrained, Task, hookimpl, maps_only
from bench.training import Training, shuffled
from bench.view import View
from bench.weights import load_backbone


class InputGradient(Pretrained):
    """How much each pixel changes the evidence for the predicted class."""

    name: ClassVar[str] = "input_gradient"
    paper: ClassVar[str] = "Simonyan et al., Deep inside convolutional networks, 2014"

    backbone: str = Field("resnet18", description="timm name of the classifier")
    epochs: int = Field(60, ge=1, description="passes over the labelled images; a protocol shortens them")
    batch: int = Field(16, ge=2, description="images in a step")
    lr: float = Field(1e-4, gt=0, description="Adam's learning rate")
    radius: Annotated[int, Field(ge=0)] = maps_only(3, "pixels around each one that its saliency is the mean of")

    def build(self, task: Task) -> nn.Module:
        normalise = Normalize(list(IMAGENET_DEFAULT_MEAN), list(IMAGENET_DEFAULT_STD))
        return nn.Sequential(normalise, load_backbone(self, len(task.classes)))

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        optimizer = torch.optim.Adam(net.parameters(), self.lr)
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            net.train()
            for images, labels in view.batches(shuffled(len(view), self.batch, training.generator)):
                logits = net(images)  # (B, C)
                training.step(functional.binary_cross_entropy_with_logits(logits, labels.float()), optimizer)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        with torch.enable_grad():
            images = images.detach().requires_grad_()
            logits = net(images)
            evidence, predicted = logits.max(1)
            gradient = torch.autograd.grad(evidence.sum(), images)[0]  # (B, 3, H, W); images do not mix in eval mode
        saliency = gradient.abs().amax(1, keepdim=True)
        saliency = functional.avg_pool2d(saliency, 2 * self.radius + 1, 1, self.radius, count_include_pad=False)
        saliency = saliency / saliency.amax((2, 3), keepdim=True).clamp(min=1e-20)  # no evidence: stays 0
        chosen = functional.one_hot(predicted, len(task.classes))[:, :, None, None]
        return task.union(saliency * chosen)  # (B, C, H, W) -> (B, K, H, W)


@hookimpl
def bench_methods() -> list[type[InputGradient]]:
    return [InputGradient]
