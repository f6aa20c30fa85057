"""Reading pictures, masks, folders and tables, so that each fault is one sentence with the file and what to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.api import Pixels
from bench.errors import DataError

PICTURES = (".jpg", ".jpeg", ".png")
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)


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


def read_mask(path: Path, image: Path) -> Pixels:
    """A mask of 0 and 255 as (H, W) uint8 of 0 and 1; DataError if it has other values, colours, or another size than its image."""
    with _opened(path) as picture:
        if picture.mode not in ("1", "L"):
            raise DataError(
                f"{path} is a mask of mode {picture.mode} (colours, palette or 16 bits); save it as an 8-bit grey PNG of 0 and 255"
            )
        pixels: Pixels = np.asarray(ImageOps.exif_transpose(picture).convert("L"))
    _check_size(path, pixels.shape, image)
    if not ((pixels == 0) | (pixels == 255)).all():
        raise DataError(
            f"{path} is a mask with the values {_some(np.unique(pixels).tolist())}; make it 0 (background) and 255 (lesion) only"
        )
    return np.equal(pixels, 255).astype(np.uint8)


def _check_size(path: Path, shape: tuple[int, ...], image: Path) -> None:
    expected = image_size(image)
    if shape != expected:
        raise DataError(
            f"{path} is a mask of {shape[1]} x {shape[0]} pixels and its image {image.name} has {expected[1]} x {expected[0]}; "
            "replace the one that was resized"
        )


def _upright(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        raise ValueError(f"its mode is {picture.mode}, not 8 bits a channel")
    return ImageOps.exif_transpose(picture).convert("RGB")


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


def list_pictures(folder: Path, suffixes: Collection[str] = PICTURES) -> dict[str, Path]:
    """The pictures of a folder by id (name without suffix), sorted; hidden files are left out; DataError if two share an id."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found:
            raise DataError(
                f"{folder} has both {found[path.stem].name} and {path.name}; remove one, an id stands for one picture"
            )
        found[path.stem] = path
    return found


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a comma-separated table with their line numbers, reduced to `columns`; a byte-order mark and CRLF do no harm."""
    reader = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        rows = [
            (reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise DataError(
            f"{path} line {reader.line_num} is no comma-separated text ({error}); extract the file again"
        ) from None
    if not rows:
        raise DataError(f"{path} is empty; extract the file again")
    places = _places(path, rows[0][1], columns)
    if len(rows) == 1:
        raise DataError(f"{path} has a header and no rows; extract the file again")
    return [(line, _named(path, line, row, places)) for line, row in rows[1:]]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} is missing; put the file back") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as comma-separated UTF-8") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check its rights") from error


def _places(path: Path, header: list[str], columns: Sequence[str]) -> dict[str, int]:
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise DataError(f"{path} separates its columns with {name}; save it with commas")
    absent = [c for c in columns if c not in header]
    if absent:
        raise DataError(
            f"{path} has no column {', '.join(absent)}: it has {', '.join(header)}; the file needs {', '.join(columns)}"
        )
    return {c: header.index(c) for c in columns}


def _named(path: Path, line: int, row: list[str], places: dict[str, int]) -> dict[str, str]:
    if len(row) <= max(places.values()):
        raise DataError(f"{path} line {line} ends after {len(row)} fields; complete it or extract the file again")
    return {column: row[place] for column, place in places.items()}


def _some(values: Sequence[int]) -> str:
    shown = ", ".join(map(str, values[:6]))
    return shown if len(values) <= 6 else f"{shown}, … ({len(values)} different ones)"
