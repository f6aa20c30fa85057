"""A timm ResNet in two parts: what lies below a layer, and what lies above it. Images come in [0, 1] and are normalised here."""

from __future__ import annotations

from itertools import takewhile

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


def above(net: nn.Module, layer: str) -> nn.Sequential:
    """The part from behind `layer` up to the global pooling; empty behind the last."""
    parts = list(net.named_children())
    names = [name for name, _ in parts]
    return nn.Sequential(*(part for _, part in parts[names.index(layer) + 1 : names.index("global_pool")]))
