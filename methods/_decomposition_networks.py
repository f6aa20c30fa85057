"""Paper 2's f_m and f_x (appendix A): one encoder, and a U-Net decoder each for the masks M and for the image-lets X."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Arch = Literal["paper", "code"]

STRIDE = 16
"""The encoder halves four times: sides are multiples of this."""


class Decomposition(nn.Module):
    """Images (B, 3, H, W) in [0, 1] -> masks M (B, K, H, W), which sum to 1 over K, and image-lets X (B, K, 3, H, W) in [0, 1].

    The background is the last of the K classes. With 64 channels at the first level and K = 2 the encoder of `paper` has 9,404,992
    parameters, f_x's decoder 12,576,070 and f_m's 12,573,762: tables 1 and 2, read with 1,024 channels into the decoder.
    """

    def __init__(self, classes: int, width: int, arch: Arch) -> None:
        super().__init__()
        self.encoder = Encoder(width, arch)
        self.mask_decoder = Decoder(width, classes, arch)
        self.image_decoder = Decoder(width, 3 * classes, arch)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        bottom, across = self.encoder(images)
        masks = self.mask_decoder(bottom, across).float().softmax(1)
        imagelets = self.image_decoder(bottom, across).float().unflatten(1, (-1, 3)).sigmoid()  # class by class
        return masks, imagelets

    def masks(self, images: Tensor) -> Tensor:
        """The masks alone: (B, K, H, W)."""
        logits: Tensor = self.mask_decoder(*self.encoder(images))
        return logits.float().softmax(1)


class Encoder(nn.Module):
    """Images -> the bottom (B, 16 w, H/16, W/16), or half as many channels in the public code, and what goes across, finest first.

    What goes across is each block's output behind its pooling (`paper`: only so do the printed numbers of parameters come out), or before
    it (`code`).
    """

    def __init__(self, width: int, arch: Arch) -> None:
        super().__init__()
        self.arch = arch
        widths = [width * 2**level for level in range(4)]
        self.blocks = nn.ModuleList(
            nn.Sequential(convolution(i, o), convolution(o, o)) for i, o in zip([3, *widths], widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottom = nn.Sequential(convolution(8 * width, 16 * width))
        if arch == "code":
            self.bottom.append(convolution(16 * width, 8 * width))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        across = []
        for block in self.blocks:
            whole = block(x)
            x = self.pool(whole)
            across.append(x if self.arch == "paper" else whole)
        return self.bottom(x), across


class Decoder(nn.Module):
    """The bottom and what comes across -> (B, outputs, H, W).

    Each level joins what comes across and enlarges once: between its two convolutions (`paper`), or before the joining (`code`).
    """

    def __init__(self, width: int, outputs: int, arch: Arch) -> None:
        super().__init__()
        self.arch = arch
        levels = [8 * width, 4 * width, 2 * width, width]
        below = [16 * width, *levels[:3]] if arch == "paper" else levels
        above = levels if arch == "paper" else [*levels[1:], width]
        self.first = nn.ModuleList(convolution(i + o, o) for i, o in zip(below, levels, strict=True))
        self.second = nn.ModuleList(convolution(i, o) for i, o in zip(levels, above, strict=True))
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.last = convolution(width, width) if arch == "paper" else nn.Identity()
        self.head = nn.Conv2d(width, outputs, 3, padding=1)

    def forward(self, x: Tensor, across: list[Tensor]) -> Tensor:
        for first, second, skip in zip(self.first, self.second, reversed(across), strict=True):
            joined = torch.cat([x if self.arch == "paper" else self.up(x), skip], 1)
            x = second(self.up(first(joined)) if self.arch == "paper" else first(joined))
        outputs: Tensor = self.head(self.last(x))
        return outputs


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """3 x 3, as large as its input, and LeakyReLU of slope 0.01; no BatchNorm anywhere."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(inplace=True))


def divisible(images: Tensor) -> Tensor:
    """The images as they are, or squashed up to sides that the encoder can halve four times."""
    size = [-(-side // STRIDE) * STRIDE for side in images.shape[2:]]
    if list(images.shape[2:]) == size:
        return images
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
