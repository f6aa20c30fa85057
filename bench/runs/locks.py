"""Who works at what: the locks of cells and of artifacts, looked at without waiting."""

from __future__ import annotations

from pathlib import Path

from bench.runs.listing import PART
from bench.store import free

LOCK = ".lock"
"""The lock of a cell, in the folder of its result; those of artifacts lie in artifacts/.locks."""


def lock_of(folder: Path) -> Path:
    """The lock of an artifact, also of an unfinished one."""
    return folder.parent / ".locks" / folder.name.removesuffix(PART)


def is_held(place: Path) -> bool:
    """Whether another process works under this lock."""
    with free(place) as nobody:
        return not nobody
