"""Near-duplicates: pictures whose thumbnails correlate so highly that one in training tells of the other in the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from bench.api import Pixels
from bench.datasets._splits import components
from bench.duplicates import SIDE, pairs
from bench.errors import DataError
from bench.files import read_thumbnail
from bench.store import cache_root, digest, write_file


def near_duplicates(pictures: Mapping[str, Path]) -> dict[str, str]:
    """The group of each picture that has near-duplicates: id -> the smallest id of its connected component. Others are left out."""
    ids = sorted(pictures)
    if len(ids) < 2:
        return {}
    return components((ids[i], ids[j]) for i, j in pairs(thumbnails([pictures[i] for i in ids])))


def thumbnails(paths: Sequence[Path]) -> Pixels:
    """(N, SIDE, SIDE, 3) uint8 thumbnails, remembered in the user's cache for as long as names, sizes and times stay the same."""
    store = cache_root() / "thumbnails" / f"{_key(paths)}.npy"
    with suppress(OSError, ValueError, EOFError):  # absent or damaged: made again
        thumbs: Pixels = np.load(store, allow_pickle=False)
        if thumbs.shape == (len(paths), SIDE, SIDE, 3) and thumbs.dtype == np.uint8:
            return thumbs
    with ThreadPoolExecutor(4) as pool:
        thumbs = np.stack(list(pool.map(_thumbnail, paths)))
    write_file(store, lambda temporary: _save(temporary, thumbs))
    return thumbs


def _thumbnail(path: Path) -> Pixels:
    """The thumbnail of a picture; of one that cannot be read a blank, which is like no other: who decodes it will tell."""
    try:
        return read_thumbnail(path, SIDE)
    except DataError:
        return np.zeros((SIDE, SIDE, 3), np.uint8)


def _key(paths: Sequence[Path]) -> str:
    try:
        return digest([SIDE, [(path.name, (stat := path.stat()).st_size, stat.st_mtime_ns) for path in paths]])
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}); put the file back") from None


def _save(path: Path, thumbs: Pixels) -> None:
    with path.open("wb") as file:  # by handle: given a name, np.save would add a suffix to it
        np.save(file, thumbs, allow_pickle=False)
