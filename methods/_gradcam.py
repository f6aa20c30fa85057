"""GradCAM (Selvaraju et al., ICCV 2017) of a classifier: which places raise the logit of a class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.api import Task
from bench.methods._maps import enlarge, minmax
from bench.methods._resnet import Normalise, above, below

Choose = Callable[[Tensor], Tensor]


class Classifier(nn.Module):
    """A timm ResNet on images in [0, 1]: (B, 3, H, W) -> logits (B, C). `owner` is the method that an error names."""

    def __init__(self, model: nn.Module, owner: str) -> None:
        super().__init__()
        below(model, "layer4", owner)
        self.normalise = Normalise(model)
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(self.normalise(images))
        return logits

    def features(self, images: Tensor, layer: str) -> Tensor:
        """The output of `layer`: (B, A, h, w)."""
        features: Tensor = below(self.model, layer)(self.normalise(images))
        return features

    def head(self, features: Tensor, layer: str) -> Tensor:
        """The logits (B, C) from the output of `layer`: with `features` it is `forward`, cut in two."""
        logits: Tensor = self.model.forward_head(above(self.model, layer)(features))  # type: ignore[operator]
        return logits


def predicted(exclusive: bool) -> Choose:
    """Which classes an image is taken to show, by its logits (B, C) -> (B, C) bool: the most likely one, or each above probability 1/2."""
    if exclusive:
        return lambda logits: functional.one_hot(logits.argmax(1), logits.shape[1]).bool()
    return lambda logits: logits > 0


def gradcam(net: Classifier, images: Tensor, layer: str, choose: Choose, task: Task) -> Tensor:
    """Maps (B, K, H, W) in [0, 1] at the images' size, for the classes (B, C) that `choose` takes by the logits.

    Each class's map is min-maxed at the layer's resolution, resized, min-maxed again (pytorch-grad-cam's order). A map without a place
    that speaks for the class stays zero, and so does the map of a foreground that none of the chosen classes shows.
    """
    maps = enlarge(minmax(class_maps(net, images, layer, choose)), (images.shape[2], images.shape[3]))
    return task.union(minmax(maps))


@torch.enable_grad()
def class_maps(net: Classifier, images: Tensor, layer: str, choose: Choose) -> Tensor:
    """ReLU(sum_a w_a A_a) with w_a the mean over places of d logit / d A_a: (B, C, h, w), zero for classes that are not chosen.

    One forward; backward only through what lies above the layer, once for each class of the image that has most.
    """
    with torch.no_grad():
        features = net.features(images, layer)
    features.requires_grad_()
    logits = net.head(features, layer)
    chosen = choose(logits.detach())
    order = chosen.int().argsort(stable=True, dim=1, descending=True)  # an image's chosen classes come first
    maps = features.new_zeros(*chosen.shape, *features.shape[2:])
    for column in range(int(chosen.sum(1).max())):
        classes = order[:, column : column + 1]  # (B, 1): one class for every image
        cam = _cam(features, logits.gather(1, classes)) * chosen.gather(1, classes)[:, :, None, None]
        maps.scatter_(1, classes[:, :, None, None].expand_as(cam), cam)
    return maps


def _cam(features: Tensor, logits: Tensor) -> Tensor:
    """Features (B, A, h, w) and one logit of each image -> (B, 1, h, w)."""
    # Images do not mix in eval mode: the gradient of the sum is each image's own.
    gradient = torch.autograd.grad(logits.sum(), features, retain_graph=True)[0]
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * features.detach()).sum(1, keepdim=True).relu()
