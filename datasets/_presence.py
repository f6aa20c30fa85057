"""Scenes of two or three patches, one of which may be the object. FROZEN: tests/test_synthetic_presence.py holds their hash.

Drawn with the primitives of _dermoscopy.py, under its rules (see there).
"""

from __future__ import annotations

import numpy as np

from bench.api import Pixels
from bench.datasets._dermoscopy import (
    SHAPES,
    Lesion,
    _between,
    _grid,
    _hair,
    _lesion,
    _light,
    _shape,
    _skin,
)

VERSION = 1
OBJECT = 4
"""Yellow, with ridges (`KINDS` of _dermoscopy.py)"""
OTHERS = (0, 2, 3, 5, 6)
"""Distractors have another hue and another texture."""
SCENES = 1
"""Sets these random numbers apart from those of _dermoscopy.py."""


def draw(split: int, number: int, present: bool) -> tuple[Pixels, Pixels]:
    """The picture (3, H, W) uint8 and the object's mask (H, W) of 0 and 1, all 0 where it is not there."""
    random, patches = _start(split, number)
    kinds = [OTHERS[int(random.random() * len(OTHERS))] for _ in patches]
    if present:
        kinds[-1] = OBJECT  # it lies on top, whole
    paint = _skin(random, patches[0])
    for patch, kind in zip(patches, kinds, strict=True):
        paint = _lesion(random, paint, patch, kind)
    paint = _hair(random, paint * _light(random, patches[0].shape))
    paint = paint + 12 * random.random(paint.shape) - 6  # grain of the camera
    return np.floor(np.clip(paint, 0, 255) + 0.5).astype(np.uint8), _mask(patches, present)


def draw_mask(split: int, number: int, present: bool) -> Pixels:
    """The mask of `draw` alone."""
    return _mask(_start(split, number)[1], present)


def draw_patches(split: int, number: int) -> Pixels:
    """Everything that stands out (H, W): object and distractors are 1."""
    patches: Pixels = np.maximum.reduce([patch.mask for patch in _start(split, number)[1]])
    return patches


def _mask(patches: list[Lesion], present: bool) -> Pixels:
    return patches[-1].mask if present else np.zeros(patches[-1].shape, np.uint8)


def _start(split: int, number: int) -> tuple[np.random.Generator, list[Lesion]]:
    """Two or three patches in different quarters of the picture, drawn before it is known whether one is the object."""
    random = np.random.Generator(np.random.PCG64([VERSION, split, number, SCENES]))
    shape = SHAPES[int(random.random() * len(SHAPES))]
    count = 2 + int(random.random() * 2)
    quarters = np.argsort(random.random(4))[:count]
    return random, [_patch(random, *shape, int(quarter)) for quarter in quarters]


def _patch(random: np.random.Generator, height: int, width: int, quarter: int) -> Lesion:
    y, x = _grid(height, width)
    down, right = (quarter // 2) - 0.5, (quarter % 2) - 0.5
    dx = x - (right / 2 + _between(random, -0.05, 0.05)) * width
    dy = y - (down / 2 + _between(random, -0.05, 0.05)) * height
    return _shape(random, dx, dy, (0.17, 0.27))
