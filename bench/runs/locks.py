"""Who works at what: the locks of cells and of artifacts, looked at without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bench.runs.listing import PART

LOCK = ".lock"
"""The lock of a cell, in the folder of its result; those of artifacts lie in artifacts/.locks."""


def lock_of(folder: Path) -> Path:
    """The lock of an artifact, also of an unfinished one."""
    return folder.parent / ".locks" / folder.name.removesuffix(PART)


def is_held(place: Path) -> bool:
    """Whether another process works under this lock."""
    with free(place) as nobody:
        return not nobody


@contextmanager
def free(place: Path) -> Iterator[bool]:
    """Whether nobody holds a lock; while we are inside nobody else does. Where there is no lock nobody holds it."""
    if not place.exists():
        yield True
        return
    lock = FileLock(place, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
