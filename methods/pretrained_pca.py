"""A floor without a label: the direction in which the pretrained features of one image differ most between its places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from bench.api import Method, Pretrained, Task
from bench.hookspecs import hookimpl
from bench.methods._maps import minmax, shared
from bench.methods._resnet import Normalise, below, sketch
from bench.weights import load_backbone


class PretrainedPCA(Pretrained):
    """First principal component of pretrained features, image by image, low at the border."""

    name: ClassVar[str] = "pretrained_pca"
    floor: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = False

    backbone: str = Field("resnet50", description="timm name of the ResNet")
    layer: Literal["layer2", "layer3", "layer4"] = Field("layer3", description="block whose output is decomposed")

    @property
    def deterministic(self) -> bool:
        """Published weights are; random ones are drawn by the seed."""
        return self.pretrained

    def notes(self) -> tuple[str, ...]:
        return () if self.pretrained else ("random weights: features of an untrained network",)

    @model_validator(mode="after")
    def _is_a_resnet(self) -> Self:
        """Refuse a backbone before anything is trained; the default is known to be good."""
        model = sketch(self.backbone) if self.backbone != type(self).model_fields["backbone"].default else None
        if model is not None:
            below(model, self.layer, self.name)
        return self

    def build(self, task: Task) -> nn.Module:
        """Images (B, 3, H, W) in [0, 1] -> features (B, A, h, w); nothing of it is trained."""
        model = load_backbone(self, len(task.classes))
        return nn.Sequential(Normalise(model), below(model, self.layer, self.name))

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, h, w) at the layer's resolution: one map, min-maxed, as the map of each foreground."""
        maps: Tensor = minmax(low_border(first_component(net(images)))).to(images.dtype)
        return shared(maps, len(task.foreground))


def first_component(features: Tensor) -> Tensor:
    """Features (B, A, h, w) -> what each place scores on its own image's first principal component, float64 (B, 1, h, w), of any sign.

    From the places' Gram matrix, which is smaller than the channels' covariance: its eigenvector times the root of its eigenvalue.
    """
    places = features.double().flatten(2).transpose(1, 2)  # (B, h w, A)
    centred = places - places.mean(1, keepdim=True)
    values, vectors = torch.linalg.eigh(centred @ centred.transpose(1, 2))  # ascending
    scores = vectors[:, :, -1] * values[:, -1:].clamp(min=0).sqrt()  # (B, h w)
    maps: Tensor = scores.unflatten(1, features.shape[2:])
    return maps[:, None]


def low_border(maps: Tensor) -> Tensor:
    """Centred maps (B, 1, h, w), each turned so that its outermost places are low on average: the object is in the picture."""
    inner = torch.zeros_like(maps)
    inner[:, :, 1:-1, 1:-1] = 1
    turned = (maps * inner).sum((2, 3), keepdim=True) < 0  # they are centred: what the border lacks the inside has
    return torch.where(turned, -maps, maps)


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """The first principal component of pretrained features."""
    return (PretrainedPCA,)
