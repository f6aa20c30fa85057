"""The disk in sentences: a size in words, whether there is room, and what to do where a folder cannot be written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import MachineError


def amount(count: int) -> str:
    """Bytes as people say them, decimal as disks and servers count: 10_400_000_000 -> `10.4 GB`."""
    if count < 1000:
        return f"{count} bytes"
    size = float(count)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def free_bytes(folder: Path) -> int:
    """What is free where `folder` lies or will lie."""
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free


def check_room(folder: Path, need: int, what: str) -> None:
    """MachineError where `need` bytes do not fit into `folder`."""
    have = free_bytes(folder)
    if need > have:
        raise MachineError(
            f"{what}: need {amount(need)}, have {amount(have)} at {folder}; make room or name another folder with --data-root"
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What is written inside goes to `path` in a data folder: an OSError becomes the MachineError that names it."""
    try:
        yield
    except OSError as error:
        raise _unwritable(str(path), error, "name another folder with --data-root") from error


def require_writable(folder: Path, what: str, remedy: str) -> None:
    """MachineError where nothing can be written into `folder`; it is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(f"{what} {folder}", error, remedy) from error


def _unwritable(what: str, error: OSError, remedy: str) -> MachineError:
    reason = error.strerror or error
    return MachineError(f"{what} cannot be written ({reason}); make room or give it rights, or {remedy}")
