"""Maps that another program made, in a folder by image id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from bench.api import GivenMaps
from bench.errors import DataError
from bench.hookspecs import hookimpl

DEPTHS = {"L": 255, "I;16": 65_535, "I": 65_535}


class Precomputed(GivenMaps):
    """Saliency maps from a folder: `<image id>.npy` or `<image id>.png`, in [0, 1].

    One file for every image of `weak`, `weak_heldout`, `val` and `test`. `.npy`: floats (h, w), or (K, h, w) for K foregrounds. `.png`, for
    one foreground: grey, 8 bits (255 is 1) or 16 bits (65,535 is 1). Any size; the map covers the whole picture.
    """

    name: ClassVar[str] = "precomputed"

    folder: Path = Field(description="folder of the maps; its name stands in the table, so name it after the method")

    def files(self, images: Sequence[str]) -> list[Path]:
        return [self._file(image) for image in images]

    def _file(self, image: str) -> Path:
        places = [self.folder / f"{image}{suffix}" for suffix in (".npy", ".png")]
        found = [place for place in places if place.is_file()]
        if len(found) != 1:
            fault = f"has no map {image}.npy or {image}.png" if not found else f"has both {image}.npy and {image}.png"
            raise DataError(
                f"{self.folder} {fault}; precomputed needs one map for every image of weak, weak_heldout, val and test"
            )
        return found[0]

    def read(self, file: Path, foregrounds: int) -> npt.NDArray[np.float32]:
        try:
            values = np.load(file, allow_pickle=False) if file.suffix == ".npy" else _grey(file)
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            raise DataError(f"{file} cannot be read as a map ({error}); write it again") from error
        maps = values[None] if values.ndim == 2 else values
        if maps.ndim != 3 or len(maps) != foregrounds or not maps.size:
            wanted = "(h, w)" if foregrounds == 1 else f"({foregrounds}, h, w)"
            raise DataError(f"{file} is a map of shape {values.shape}; write it as {wanted}, a map for each foreground")
        if not np.issubdtype(maps.dtype, np.floating) or not (maps.min() >= 0 and maps.max() <= 1):
            raise DataError(
                f"{file} has {maps.dtype} values from {maps.min():g} to {maps.max():g}; write floats from 0 to 1, without NaN"
            )
        return maps.astype(np.float32)


def _grey(file: Path) -> npt.NDArray[np.float32]:
    with Image.open(file) as picture:
        if picture.mode not in DEPTHS:
            raise ValueError(f"its mode is {picture.mode}, not grey of 8 or 16 bits")
        return np.asarray(picture, np.float32) / np.float32(DEPTHS[picture.mode])


@hookimpl
def bench_methods() -> Iterable[type[GivenMaps]]:
    """Maps from a folder."""
    return (Precomputed,)
