"""Near-duplicates: pictures whose thumbnails correlate so highly that one in training tells of the other in the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from bench.api import Pixels
from bench.datasets._files import read_thumbnail
from bench.store import cache_root, digest, write_file

SIDE = 24
ABOVE = 0.985
"""The 9 pairs of ISIC 2018's Task 1 above it are each one lesion photographed or processed twice (looked at, at 256 pixels).
About a dozen more such pairs lie between 0.967 and here, among pairs that only look alike: the rule is precise, not complete."""
_ROWS = 512


def near_duplicates(pictures: Mapping[str, Path]) -> dict[str, str]:
    """The group of each picture that has near-duplicates: id -> the smallest id of its connected component. Others are left out."""
    ids = sorted(pictures)
    links = pairs(thumbnails([pictures[i] for i in ids]))
    group = {ids[i]: ids[i] for link in links for i in link}
    for i, j in links:
        old, new = sorted((group[ids[i]], group[ids[j]]), reverse=True)
        group = {name: new if smallest == old else smallest for name, smallest in group.items()}
    return group


def pairs(thumbs: Pixels, above: float = ABOVE) -> list[tuple[int, int]]:
    """The pairs i < j of (N, SIDE, SIDE, 3) thumbnails that correlate above `above`; each is centred on its mean over all values."""
    x = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    x -= x.mean(1, keepdims=True)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)  # a picture of one colour correlates with nothing
    found: list[tuple[int, int]] = []
    for start in range(0, len(x), _ROWS):  # a block of rows at a time: memory stays small for any number of pictures
        i, j = np.nonzero(x[start : start + _ROWS] @ x[start:].T > above)
        found += [(start + a, start + b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if a < b]
    return found


def thumbnails(paths: Sequence[Path]) -> Pixels:
    """(N, SIDE, SIDE, 3) uint8 thumbnails, remembered in the user's cache for as long as names, sizes and times stay the same."""
    store = cache_root() / "thumbnails" / f"{_key(paths)}.npy"
    with suppress(OSError, ValueError, EOFError):  # absent or damaged: made again
        thumbs: Pixels = np.load(store, allow_pickle=False)
        if thumbs.shape == (len(paths), SIDE, SIDE, 3) and thumbs.dtype == np.uint8:
            return thumbs
    with ThreadPoolExecutor(4) as pool:
        thumbs = np.stack(list(pool.map(lambda path: read_thumbnail(path, SIDE), paths)))
    write_file(store, lambda temporary: _save(temporary, thumbs))
    return thumbs


def _key(paths: Sequence[Path]) -> str:
    return digest([SIDE, [(path.name, (stat := path.stat()).st_size, stat.st_mtime_ns) for path in paths]])


def _save(path: Path, thumbs: Pixels) -> None:
    with path.open("wb") as file:  # by handle: given a name, np.save would add a suffix to it
        np.save(file, thumbs, allow_pickle=False)
