"""Images that belong to no data set: found in files and folders, refused where masks would take their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from bench.api import Pixels
from bench.errors import DataError, UsageError
from bench.files import read_image

PROBABILITIES = "probabilities"
"""The folder beside the masks that maps of 16 bits go to."""


def find_images(given: Sequence[Path], to: Path) -> list[Path]:
    """The images of files and folders (not of folders below them), in order.

    DataError where there is none; UsageError where two would have one name, or a mask would take the place of an image.
    """
    images = [path for place in given for path in (_pictures(place) if place.is_dir() else [place])]
    images = list({path.resolve(): path for path in images}.values())
    if not images:
        raise DataError(f"there is no image in {', '.join(map(str, given))}; name image files, or a folder of them")
    names: dict[str, Path] = {}
    for path in images:
        other = names.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise UsageError(
                f"{other} and {path} would have one mask {path.stem}.png; name them apart, or predict one after the other"
            )
    own, beside = {path.resolve() for path in images}, (to / PROBABILITIES).resolve()
    for path in images:
        if path.resolve().is_relative_to(beside) or (to / f"{path.stem}.png").resolve() in own:
            raise UsageError(
                f"a mask in {to} would take the place of an image that it is of ({path}); name another folder with -o"
            )
    return images


def _pictures(folder: Path) -> list[Path]:
    """Files that are called like something Pillow reads; hidden ones are left out."""
    Image.init()
    known = {ending for ending, form in Image.registered_extensions().items() if form in Image.OPEN}
    return sorted(
        p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in known and not p.name.startswith(".")
    )


def read(path: Path) -> tuple[Pixels | None, str]:
    """The upright picture (3, H, W) uint8, or the sentence that says why it cannot be read."""
    try:
        return read_image(path), ""
    except DataError as error:
        return None, str(error)
