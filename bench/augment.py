"""Augmentation of whole batches on the device: one affine grid a batch, its own draw for every image, all draws from one CPU generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn import functional

DRAWS = 10
"""Uniform numbers that an image takes, whatever is switched on: a setting does not shift the draws of the next image."""


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random, for each image by itself; the size stays.

    The draws come from a CPU generator, so that CPU and GPU see the same pictures. Flips and transposition move pixels and change none.
    """

    takes_bytes: ClassVar[bool] = True
    """Whether a view hands over its pictures as they are stored."""

    flip: bool = False
    """left-right and up-down, each for half of the images"""
    transpose: bool = False
    """rows for columns, for half of the images; with both flips the eight symmetries of a square"""
    area: tuple[float, float] | None = None
    """a window of so much of the picture's area, uniform, at a uniform place; above 1 the picture is mirrored at its border (zoom out)"""
    ratio: tuple[float, float] = (1.0, 1.0)
    """width to height of the window, uniform in its logarithm; a side is cut to the picture's where only the ratio exceeds it"""
    colour: float = 0.0
    """brightness, contrast and saturation, each times 1 - colour to 1 + colour"""

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Images (B, 3, H, W) in [0, 1], or of bytes, -> the same in [0, 1]."""
        draws = torch.rand(len(images), DRAWS, generator=generator)
        return self._change(images, draws)

    def pair(self, images: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) and their masks (B, H, W) uint8, moved alike; a mask's values are picked, never mixed (255 stays 255)."""
        draws = torch.rand(len(images), DRAWS, generator=generator)
        moved = self._zoom(self._turn(masks[:, None].float(), draws), draws.to(masks.device), "nearest")
        return self._change(images, draws), moved[:, 0].to(masks.dtype)

    def _change(self, images: Tensor, draws: Tensor) -> Tensor:
        there = draws.to(images.device)
        turned = self._turn(images, draws)  # bytes are turned as bytes: a quarter of the memory, the same pictures
        floats = turned.float().div_(255) if turned.dtype == torch.uint8 else turned
        return self._recolour(self._zoom(floats, there, "bilinear"), there)

    def _turn(self, images: Tensor, draws: Tensor) -> Tensor:
        if self.transpose and images.shape[2] != images.shape[3]:
            raise ValueError(f"only square pictures are transposed, not {images.shape[2]} x {images.shape[3]}")
        if not (self.flip or self.transpose):
            return images
        turned = torch.empty_like(images)
        # One by one: to turn whole batches and then to choose costs five times as much on a CPU (measured).
        for old, new, (across, down, swapped) in zip(images, turned, (draws[:, :3] < 0.5).tolist(), strict=True):
            flipped = old.flip([side for side, chosen in ((2, across), (1, down)) if chosen and self.flip])
            new.copy_(flipped.transpose(1, 2) if swapped and self.transpose else flipped)
        return turned

    def _zoom(self, images: Tensor, draws: Tensor, mode: str) -> Tensor:
        if self.area is None:
            return images
        sides = self._sides(draws)  # (B, 2) width and height of the window, in pictures
        # The window's corner is uniform in [0, 1 - side] of the picture, which spans -1 to 1 for the grid.
        centres = (2 * draws[:, 5:7] - 1) * (1 - sides)
        theta = torch.cat([torch.diag_embed(sides), centres[:, :, None]], 2)  # (B, 2, 3)
        grid = _upright_grid(theta, images.shape[2], images.shape[3])
        return functional.grid_sample(images, grid, mode, padding_mode="reflection", align_corners=False)

    def _sides(self, draws: Tensor) -> Tensor:
        (low, high), (flat, wide) = self.area or (1.0, 1.0), self.ratio
        area = low + (high - low) * draws[:, 3]
        log_ratio = math.log(flat) + (math.log(wide) - math.log(flat)) * draws[:, 4]
        sides = area.sqrt()[:, None] * torch.stack([log_ratio / 2, -log_ratio / 2], 1).exp()
        return sides.clamp(max=max(1.0, math.sqrt(high)))

    def _recolour(self, images: Tensor, draws: Tensor) -> Tensor:
        if not self.colour:
            return images
        factors = 1 + self.colour * (2 * draws[:, 7:10] - 1)
        brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)  # (B, 1, 1, 1) each
        images = images * brightness
        mean = images.mean((1, 2, 3), keepdim=True)
        images = mean + contrast * (images - mean)
        grey = images.mean(1, keepdim=True)
        return (grey + saturation * (images - grey)).clamp(0, 1)


def _upright_grid(theta: Tensor, height: int, width: int) -> Tensor:
    """`affine_grid` of windows that are not rotated, to the last bit: (B, H, W, 2) from one row and one column of it."""
    across = functional.affine_grid(theta, [len(theta), 1, 1, width], align_corners=False)[..., 0]  # (B, 1, W)
    down = functional.affine_grid(theta, [len(theta), 1, height, 1], align_corners=False)[..., 1]  # (B, H, 1)
    return torch.stack([across.expand(-1, height, -1), down.expand(-1, -1, width)], 3)


CROPS = Augmentation(flip=True, area=(0.08, 1.0), ratio=(3 / 4, 4 / 3))
"""For classifiers and embeddings: torchvision's RandomResizedCrop and flips, as the code that follows paper 1 has them."""
FLIPS = Augmentation(flip=True)
"""For the segmenter of `paper`."""
STRONG = Augmentation(flip=True, transpose=True, area=(0.4, 1.5), colour=0.2)
"""For the segmenter of `quick`, the same for every row: whole frames and squares differ in scale, zoom covers it (0.8 to 1.6)."""

SEGMENTER = {"flips": FLIPS, "strong": STRONG}
"""What `protocol.augment` names."""
