"""Makes targets that are no masks; others every time."""

from __future__ import annotations

from typing import ClassVar

import torch

from bench import MaskMethod, hookimpl


class Floats(MaskMethod):
    """Makes floats."""

    name: ClassVar[str] = "float_targets"

    def targets(self, masks, generator):
        return masks / 255


class Sevens(MaskMethod):
    """Makes a value that the masks do not have."""

    name: ClassVar[str] = "seven_targets"

    def targets(self, masks, generator):
        return masks.clamp(min=7)


class Dice(MaskMethod):
    """Draws from torch's own generator."""

    name: ClassVar[str] = "dice_targets"

    def targets(self, masks, generator):
        return masks * (torch.rand(masks.shape) < 0.5)


@hookimpl
def bench_methods():
    return [Floats, Sevens, Dice]
