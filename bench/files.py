"""Reading pictures, masks and folders, so that each fault is one sentence with the file and what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.api import Pixels
from bench.errors import DataError
from bench.faults import Fault

PICTURES = (".jpg", ".jpeg", ".png")
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)
ID_RULE = (
    "an id is 1 to 128 letters A to Z and a to z, digits, dots, dashes and underscores, starts with a letter or digit, "
    "and is not CON, NUL or another name that Windows keeps"
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def read_image(path: Path) -> Pixels:
    """The picture as (3, H, W) uint8, upright (EXIF orientation applied); DataError if it is missing, cut off or of 16 bits."""
    with _opened(path) as picture:
        return np.ascontiguousarray(np.asarray(_upright(picture)).transpose(2, 0, 1))


def read_thumbnail(path: Path, side: int) -> Pixels:
    """The upright picture averaged over boxes to (side, side, 3) uint8; a large JPEG is decoded at a fraction of its size."""
    with _opened(path) as picture:
        # A mean of means is all but the same thumbnail, several times cheaper; pictures below 32 times `side` are read whole.
        picture.draft("RGB", (16 * side, 16 * side))
        thumbnail: Pixels = np.asarray(_upright(picture).resize((side, side), Image.Resampling.BOX))
        return thumbnail


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of the upright picture; reads the header only."""
    with _opened(path) as picture:
        width, height = picture.size
        return (width, height) if picture.getexif().get(_ORIENTATION) in _LYING else (height, width)


def read_mask(path: Path, image: Path, foregrounds: int | None = None) -> Pixels:
    """A mask as (H, W) uint8 in the values of `Task`; DataError if it has other values, colours, or another size than its image.

    Without `foregrounds` a mask of 0 and 255, read as 0 and 1. With K of them a mask of class numbers: 0 the background, 1 to K, 255
    ignored; it may have a palette (as VOC's masks), whose colours mean nothing.
    """
    modes, takes = ("1", "L"), "an 8-bit grey PNG of 0 and 255"
    if foregrounds is not None:
        modes, takes = ("L", "P"), f"an 8-bit PNG of 0 to {foregrounds}, and 255 where it is ignored"
    pixels = _mask_pixels(path, modes, takes)
    _check_size(path, pixels.shape, image)
    if foregrounds is None:
        _check_values(path, pixels, [0, 255], "make it 0 (background) and 255 (foreground) only")
        return np.equal(pixels, 255).astype(np.uint8)
    _check_values(path, pixels, [*range(foregrounds + 1), 255], f"save it as {takes}")
    return pixels


def _mask_pixels(path: Path, modes: Collection[str], takes: str) -> Pixels:
    with _opened(path) as picture:
        if picture.mode not in modes:
            raise DataError(
                f"{path} is a mask of mode {picture.mode} (colours, palette or 16 bits); save it as {takes}",
                "mask-values",
            )
        upright = ImageOps.exif_transpose(picture)
        pixels: Pixels = np.array(upright.convert("L") if picture.mode == "1" else upright)
        return pixels


def _check_values(path: Path, pixels: Pixels, allowed: list[int], remedy: str) -> None:
    good = np.zeros(256, dtype=bool)
    good[allowed] = True
    if not good[pixels].all():
        values = np.unique(pixels).tolist()
        shown = ", ".join(map(str, values[:6])) + (f", … ({len(values)} different ones)" if len(values) > 6 else "")
        raise DataError(f"{path} is a mask with the values {shown}; {remedy}", "mask-values")


def _check_size(path: Path, shape: tuple[int, ...], image: Path) -> None:
    expected = image_size(image)
    if shape != expected:
        raise DataError(
            f"{path} is a mask of {shape[1]} x {shape[0]} pixels and its image {image.name} has {expected[1]} x {expected[0]}; "
            "replace the one that was resized",
            "mask-size",
        )


def _upright(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        raise ValueError(f"its mode is {picture.mode}, not 8 bits a channel")
    turned = picture.getexif().get(_ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(picture) if turned else picture  # a copy of the whole picture otherwise
    return upright if upright.mode == "RGB" else upright.convert("RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as picture:
            yield picture
    except FileNotFoundError:
        raise DataError(f"{path} is missing; put the file back") from None
    except _UNREADABLE as error:
        reason = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(f"{path} cannot be read ({reason}); replace it with an intact copy") from error


def list_pictures(
    folder: Path, root: Path, faults: list[Fault], suffixes: Collection[str] = PICTURES
) -> dict[str, Path]:
    """The pictures of a folder by id (name without suffix), sorted; hidden files are left out.

    What is wrong goes to `faults`: links that leave `root`, names that can be no id, two pictures of one id.
    """
    outside = link_out(folder, root)
    faults.extend(outside)
    found: dict[str, Path] = {}
    for path, linked in _entries(folder, suffixes, faults):
        if linked and not outside:  # of a folder that is outside all is
            faults.extend(link_out(path, root))
        if not is_id(path.stem):
            faults.append(Fault("id", str(path), f"{folder} has {path.name!r}; rename it: {ID_RULE}"))
        elif path.stem in found:
            both = f"{folder} has both {found[path.stem].name} and {path.name}"
            faults.append(Fault("duplicate-id", str(path), f"{both}; remove one, an id stands for one picture"))
        else:
            found[path.stem] = path
    return found


def _entries(folder: Path, suffixes: Collection[str], faults: list[Fault]) -> list[tuple[Path, bool]]:
    """The files with these suffixes in order of name, and whether each is a link; a link to nothing is none of them."""
    try:
        with os.scandir(folder) as entries:
            named = [(folder / e.name, e.is_symlink(), e.is_file()) for e in entries if not e.name.startswith(".")]
    except OSError as error:
        faults.append(Fault("layout", str(folder), f"{folder} cannot be listed ({error.strerror}); check its rights"))
        return []
    return [(path, linked) for path, linked, is_file in sorted(named) if is_file and path.suffix.lower() in suffixes]


def is_id(name: str) -> bool:
    """Whether a name can name a file on every machine; Windows keeps a few for devices."""
    return bool(_ID.fullmatch(name)) and not _DEVICE.fullmatch(name)


def link_out(path: Path, root: Path) -> list[Fault]:
    """A fault if a path leads out of the data folder; nothing of what lies outside was meant to be data."""
    target = path.resolve()
    if target.is_relative_to(root.resolve()):
        return []
    return [Fault("outside", str(path), f"{path} leads to {target}, outside {root}; put the file itself there")]
