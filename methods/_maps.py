"""What methods do to maps of their own: stretch and resize them. (The suite's own rules, after a method is done, are bench.metrics.)"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from bench.api import Task


def minmax(maps: Tensor, epsilon: float = 1e-7) -> Tensor:
    """Each map (B, C, h, w) by itself from its smallest to its largest value, to [0, 1]; a constant map becomes zeros.

    (cam - min) / (1e-7 + max) as pytorch-grad-cam has it, with the maximum taken after the subtraction.
    """
    raised = maps - maps.amin((2, 3), keepdim=True)
    return raised / (epsilon + raised.amax((2, 3), keepdim=True))


def enlarge(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) -> (B, C, H, W), bilinear with half-pixel centres."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def without_absent(maps: Tensor, labels: Tensor | None, task: Task) -> Tensor:
    """Maps (B, K, h, w), empty for every foreground that known labels (B, C) do not show in the image."""
    return maps if labels is None else maps * task.present(labels)[:, :, None, None]


def shared(maps: Tensor, foregrounds: int) -> Tensor:
    """One map for the image, (B, 1, h, w), as the map of each foreground, (B, K, h, w)."""
    return maps.expand(-1, foregrounds, -1, -1)
