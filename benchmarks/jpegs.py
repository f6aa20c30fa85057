"""JPEGs to decode, of the size of ISIC's, made from a seed; and the data set that they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from bench.api import Dataset, Item, Pixels, Task
from bench.data.samples import Samples
from bench.files import read_image
from bench.protocol import SMOKE

COUNT, WIDTH, HEIGHT, SIZE = 512, 600, 450, 224
"""A picture has about 130 kB; the 600 x 450 ones of ISIC 2018 have twice as many and take longer to decode."""


class Jpegs(Dataset):
    """The pictures of a folder, all of one class."""

    name: ClassVar[str] = "jpegs"

    @property
    def task(self) -> Task:
        return Task(classes=("a",), foreground=("x",), shows=(0,))

    def items(self, split: str) -> Sequence[Item]:
        return [Item(path.stem, (0,)) for path in paths(self.folder)] if split == "weak" else []

    def image(self, item: Item) -> Pixels:
        return read_image(self.folder / f"{item.id}.jpg")

    @property
    def folder(self) -> Path:
        """Where they lie."""
        assert self.root is not None
        return self.root


def samples(folder: Path) -> Samples:
    """The pictures of `folder` as a run sees them; drawn where they are not there yet."""
    if not folder.exists():
        folder.mkdir(parents=True)
        draws = np.random.default_rng(0)
        for number in range(COUNT):
            draw(draws).save(folder / f"{number:04}.jpg", quality=95)
    return Samples(Jpegs(root=folder), SMOKE)


def draw(draws: np.random.Generator) -> Image.Image:
    """Soft colours with a grain, as a photograph of skin has."""
    soft = Image.fromarray(draws.integers(60, 230, (9, 12, 3), dtype=np.uint8))
    grain = draws.normal(0, 6, (HEIGHT, WIDTH, 1))
    whole = np.asarray(soft.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) + grain
    return Image.fromarray(whole.clip(0, 255).astype(np.uint8))


def paths(folder: Path) -> list[Path]:
    """Its JPEGs in order."""
    return sorted(folder.glob("*.jpg"))


def decode(path: Path) -> Pixels:
    """What a loader without a cache does: Pillow opens, decodes and resizes; (SIZE, SIZE, 3)."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))
