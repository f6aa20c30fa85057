"""A control: full supervision on masks that were made worse on purpose, to a given Dice. Which kind of error costs the segmenter what?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from scipy import ndimage
from torch import Generator, Tensor

from bench.api import MaskMethod
from bench.hookspecs import hookimpl
from bench.metrics import mean_dice
from bench.thresholds import IGNORED

Labels = npt.NDArray[np.uint8]
Region = npt.NDArray[np.bool_]
Strengths = npt.NDArray[np.float32]
Change = Callable[[Region, np.random.Generator], Strengths]

TOLERANCE = 0.005
STRONGEST = 64.0
HALVINGS = 40


class Fate(NamedTuple):
    """At which strength each pixel of a mask (H, W) leaves its own class, and at which another class takes it."""

    leaves: Strengths
    """-1 where it has none"""
    taken: Strengths
    """infinite where it never is"""
    by: Labels


class DegradedMasks(MaskMethod):
    """Trains the segmenter on true masks degraded to a given Dice."""

    name: ClassVar[str] = "degraded_masks"
    role: ClassVar[str] = "control"

    kind: Literal["boundary", "size", "misses"] = Field(
        "boundary",
        description="boundary: its course is noisy; size: each object grows or shrinks; misses: whole objects are absent",
    )
    dice: float = Field(
        0.8,
        gt=0,
        le=1,
        description="mean Dice of the degraded masks against the true ones, over all objects; within 0.005",
    )
    roughness: float = Field(
        0.25, gt=0, description="boundary: correlation length of its noise, in radii of a disc of the object's area"
    )
    direction: Literal["both", "grow", "shrink"] = Field(
        "both", description="size: which way an object's size is wrong; both: by the toss of a coin"
    )

    def notes(self) -> tuple[str, ...]:
        return (f"masks degraded to a mean Dice of {self.dice:g} ({self.kind})",)

    def targets(self, masks: Tensor, generator: Generator) -> Tensor:
        """(N, H, W) uint8 -> the same masks, degraded. 255 stays 255, and an empty mask stays empty.

        What happens to a mask is decided by its pixels and the generator's seed, not by its place in the stack; only the strength, found
        by bisection, is common to all. Where the Dice cannot be met (few masks, large steps) it is the nearest; the row says which.
        """
        seed = int(torch.randint(2**62, (1,), generator=generator))
        true = masks.numpy()
        fates = [self._fate(mask, seed) for mask in true]
        _, strength = search(lambda s: mean_dice(applied(true, fates, s), true), self.dice)
        return torch.from_numpy(applied(true, fates, strength))

    def _fate(self, mask: Labels, seed: int) -> Fate:
        """What becomes of each pixel of one mask (H, W)."""
        own = mask != 0
        leaves = np.full(mask.shape, -1, np.float32)
        taken, by = np.full(mask.shape, np.inf, np.float32), np.zeros_like(mask)
        change: Change = {"boundary": self._boundary, "size": self._size, "misses": _miss}[self.kind]
        for value in np.unique(mask[own & (mask != IGNORED)]):
            region = mask == value
            changes = change(region, _random(seed, mask, int(value)))
            leaves[region] = changes[region]
            sooner = ~region & (changes < taken)
            taken[sooner], by[sooner] = changes[sooner], value
        leaves[mask == IGNORED] = np.inf
        return Fate(leaves, taken, by)

    def _boundary(self, region: Region, random: np.random.Generator) -> Strengths:
        """The boundary is where depth + strength x radius x noise changes sign; the noise is smooth, of mean 0 and deviation 1."""
        scale = _radius(region)
        white = random.standard_normal(region.shape)
        noise = ndimage.gaussian_filter(white, self.roughness * scale, mode="reflect")
        spread = noise.std()
        noise = (noise - noise.mean()) / spread if spread > 0 else noise
        return _overcome(depth(region), scale * noise)

    def _size(self, region: Region, random: np.random.Generator) -> Strengths:
        """Grown or shrunk by a disc whose radius is strength x the object's own."""
        sign = {"grow": 1.0, "shrink": -1.0, "both": float(random.choice((1, -1)))}[self.direction]
        return _overcome(depth(region), np.full(region.shape, sign * _radius(region)))


def _miss(region: Region, random: np.random.Generator) -> Strengths:
    """The object is gone from a random strength in [0, 1) on: so large is the share of objects that are missed."""
    return np.where(region, random.random(), np.inf).astype(np.float32)


def _random(seed: int, mask: Labels, value: int) -> np.random.Generator:
    """Draws for one object, by its mask's pixels: the same wherever the mask stands."""
    content = hashlib.sha256(f"{seed} {value} {mask.shape} ".encode() + mask.tobytes()).digest()
    return np.random.default_rng(int.from_bytes(content[:8], "big"))


def depth(region: Region) -> npt.NDArray[np.float64]:
    """Euclidean distance of each pixel to the other side, in pixels: above 0 inside, below 0 outside; nothing lies beyond the frame."""
    if region.all():
        return np.full(region.shape, np.inf)
    inside, outside = (ndimage.distance_transform_edt(side) for side in (region, ~region))
    return np.asarray(inside - outside)


def _radius(region: Region) -> float:
    """Of the disc of the same area, in pixels."""
    return float(np.sqrt(region.sum() / np.pi))


def _overcome(level: npt.NDArray[np.float64], push: npt.NDArray[np.float64]) -> Strengths:
    """The smallest strength from which level + strength x push has the other sign; infinite where the push goes the other way."""
    against = level * push < 0
    return np.where(against, np.abs(level) / np.where(against, np.abs(push), 1), np.inf).astype(np.float32)


def applied(true: Labels, fates: list[Fate], strength: float) -> Labels:
    """The masks (N, H, W) at this strength: a pixel keeps its class until it leaves it, then goes to the first class that has come."""
    made = np.empty_like(true)
    for number, (mask, fate) in enumerate(zip(true, fates, strict=True)):
        newcomer = np.where(fate.taken < strength, fate.by, np.uint8(0))
        made[number] = np.where(fate.leaves < strength, newcomer, mask)
    return made


def search(score: Callable[[float], float], wanted: float) -> tuple[float, float]:
    """The score nearest to what is wanted, and its strength: bisection of a score that starts at 1 and only falls."""
    low, high = (1.0, 0.0), (1.0, 0.0)  # score, strength
    while high[0] > wanted and high[1] < STRONGEST:
        strength = max(1.0, 2 * high[1])
        low, high = high, (score(strength), strength)
    for _ in range(HALVINGS):
        if min(abs(low[0] - wanted), abs(high[0] - wanted)) < TOLERANCE / 20:
            break
        strength = (low[1] + high[1]) / 2
        found = (score(strength), strength)
        low, high = (found, high) if found[0] > wanted else (low, found)
    return min(low, high, key=lambda end: abs(end[0] - wanted))


@hookimpl
def bench_methods() -> Iterable[type[MaskMethod]]:
    """Degraded masks."""
    return (DegradedMasks,)
