"""Floors: what costs nothing. A method that learns from image labels has to beat them before its Dice means anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from bench.api import Masks, Method, Task
from bench.hookspecs import hookimpl
from bench.methods._floor import Floor
from bench.methods._maps import shared
from bench.methods._shapes import Grey, Region, classic_chain, darker_side, disc, grey_levels
from bench.thresholds import IGNORED
from bench.training import Training
from bench.view import View


class AllForeground(Floor):
    """Every pixel is foreground."""

    name: ClassVar[str] = "all_foreground"
    constant: ClassVar[bool] = True
    binary: ClassVar[bool] = True

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, 1, 1) of ones."""
        return images.new_ones(len(images), len(task.foreground), 1, 1)


class CentreDisc(Floor):
    """A disc in the centre, the same for every image."""

    name: ClassVar[str] = "centre_disc"
    constant: ClassVar[bool] = True
    binary: ClassVar[bool] = True

    radius: float = Field(0.6, gt=0, description="radius as a share of the half side")

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, H, W) of 0 and 1."""
        one = disc((images.shape[2], images.shape[3]), self.radius).to(images)
        return one.expand(len(images), len(task.foreground), -1, -1)


class Otsu(Floor):
    """The darker side of Otsu's threshold on grey levels."""

    name: ClassVar[str] = "otsu"
    paper: ClassVar[str] = "Otsu, 1979"
    binary: ClassVar[bool] = True

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, H, W) of 0 and 1."""
        return by_image(darker_side, images, task)


class OtsuClassic(Floor):
    """Blur, Otsu, opening, the largest central component, holes filled."""

    name: ClassVar[str] = "otsu_classic"
    binary: ClassVar[bool] = True

    blur: float = Field(0.02, ge=0, description="standard deviation of the Gaussian as a share of the side")
    opening: float = Field(0.02, ge=0, description="radius of the opening's disc as a share of the side")

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, H, W) of 0 and 1."""
        return by_image(lambda grey: classic_chain(grey, self.blur, self.opening), images, task)


class ShapePrior(Floor):
    """The mean of a few true masks, the same for every image."""

    name: ClassVar[str] = "shape_prior"
    constant: ClassVar[bool] = True

    count: int = Field(10, ge=1, description="masks that are averaged")

    @property
    def deterministic(self) -> bool:
        """The seed draws the masks."""
        return False

    def masks(self) -> Masks:
        """The masks that are averaged, counted as masks used in training."""
        return Masks("masks", self.count, "training")

    def build(self, task: Task) -> nn.Module:
        """A place for the mean shape, of any size."""
        return MeanShape(len(task.foreground))

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        """Average the masks, each foreground by itself."""
        if view.masks is None or view.masks.targets is None:
            raise ValueError("shape_prior was given no masks")
        cast(MeanShape, net).mean = mean_shape(view.masks.targets, len(view.task.foreground)).to(training.device)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, H, W): the share of masks that show each pixel."""
        return cast(MeanShape, net).mean.expand(len(images), -1, -1, -1)


class MeanShape(nn.Module):
    """One map for each foreground, (K, H, W); it takes the size of what is loaded."""

    mean: Tensor

    def __init__(self, foregrounds: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(foregrounds, 1, 1))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        self.mean = torch.empty_like(state_dict[prefix + "mean"], device=self.mean.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def by_image(find: Callable[[Grey], Region], images: Tensor, task: Task) -> Tensor:
    """What `find` sees in the grey levels of each image, as the map of each foreground: (B, K, H, W) of 0 and 1."""
    regions = np.stack([find(grey) for grey in grey_levels(images)])
    return shared(torch.from_numpy(regions).to(images)[:, None], len(task.foreground))


def mean_shape(targets: Tensor, foregrounds: int) -> Tensor:
    """(N, H, W) uint8 masks -> (K, H, W): of the masks that judge a pixel (255 does not), the share that shows each foreground there."""
    judged = (targets != IGNORED).sum(0).clamp(min=1)
    return torch.stack([(targets == k + 1).sum(0) / judged for k in range(foregrounds)])


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """The floors that need no network."""
    return AllForeground, CentreDisc, Otsu, OtsuClassic, ShapePrior
