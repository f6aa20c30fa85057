"""Masks that were drawn on the stored pixels of a picture: they are turned as its EXIF orientation turns the picture."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.api import Pixels
from bench.errors import DataError

_ORIENTATION = 0x0112
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def read_stored(path: Path, image: Path, modes: Collection[str]) -> Pixels:
    """The values of a PNG, (H, W) or (H, W, 3) uint8, upright; DataError if its mode or size is another one.

    The owners of both data sets that come like this read picture and mask with PIL and turn neither: a picture that its EXIF tag
    turns has a mask of its stored size.
    """
    with _opened(path) as mask, _opened(image) as picture:
        if mask.mode not in modes:
            text = f"{path} is a mask of mode {mask.mode} where {' or '.join(modes)} is expected; extract it again"
            raise DataError(text, "mask-values")
        if mask.size != picture.size:
            sizes = (
                f"{mask.width} x {mask.height} pixels and its image {image.name} has {picture.width} x {picture.height}"
            )
            raise DataError(f"{path} is a mask of {sizes}; replace the one that was resized", "mask-size")
        try:
            plain = Image.fromarray(np.asarray(mask))  # palette indices as values, and no tag of the mask's own
            plain.getexif()[_ORIENTATION] = picture.getexif().get(_ORIENTATION, 1)
            return np.array(ImageOps.exif_transpose(plain), dtype=np.uint8)
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; put the file back") from None
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error)
    return DataError(f"{path} cannot be read ({reason}); replace it with an intact copy")
