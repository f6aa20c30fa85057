"""A timm network before it is anything else: images in [0, 1] normalised, a ResNet up to one of its layers, and a look without weights."""

from __future__ import annotations

from itertools import takewhile

import timm
import torch
from torch import Tensor, nn

from bench.errors import UsageError
from bench.weights import normalisation


class Normalise(nn.Module):
    """(B, 3, H, W) in [0, 1] -> the scale that the network's ImageNet weights expect."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        for name, values in zip(("mean", "std"), normalisation(net), strict=True):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def below(net: nn.Module, layer: str, owner: str = "this method") -> nn.Sequential:
    """The part from the image up to and with `layer`; UsageError naming the method `owner` where there is no such layer."""
    parts = dict(net.named_children())
    if layer not in parts or "global_pool" not in parts:
        raise UsageError(f"{owner}.backbone: this network has no {layer}; name a ResNet of timm, such as resnet50")
    return nn.Sequential(*takewhile(lambda part: part is not parts[layer], parts.values()), parts[layer])


def sketch(backbone: str) -> nn.Module | None:
    """The network of this name on the meta device, to ask for its layers and shapes: no weights, no memory, no draw of a random number.

    None where timm knows no such network, which bench.weights says better.
    """
    if not timm.is_model(backbone.partition(".")[0]):
        return None
    with torch.device("meta"):
        net: nn.Module = timm.create_model(backbone, pretrained=False).eval()
    return net
