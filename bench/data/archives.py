"""What a zip or tar of a stranger holds, entry by entry, and which entries are refused."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, NamedTuple

from bench.errors import DataError

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


class Member(NamedTuple):
    """An entry of an archive."""

    name: str
    size: int
    kind: str
    """`file`, `folder`, or what else it is"""
    read: Callable[[], IO[bytes]]


def members(archive: Path) -> Iterator[Member]:
    """The entries in their order; a tar is read once from front to end, whatever packs it."""
    return _zip_members(archive) if _is_zip(archive) else _tar_members(archive)


def announced(archive: Path) -> int | None:
    """Bytes of all files by the headers; None for a tar, which would have to be read whole."""
    return sum(member.size for member in members(archive)) if _is_zip(archive) else None


def parts(archive: Path, member: Member) -> tuple[str, ...]:
    """The folders and the name of an entry below the target; DataError where they would lead or do anything else."""
    names = tuple(part for part in member.name.split("/") if part not in ("", "."))
    reason = _kind_fault(member) or _name_fault(member.name, names)
    if reason or (not names and member.kind == "file"):
        raise faulty(archive, f"its entry {member.name[:100]!r} {reason or 'has no name'}")
    return names


def faulty(archive: Path, reason: str) -> DataError:
    """What is said of an archive that is not unpacked."""
    return DataError(f"{archive} is not unpacked: {reason}; remove it and get it again, or ask its owner")


def _is_zip(archive: Path) -> bool:
    return archive.suffix.lower() == ".zip"


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            # The name as it stands in the file: zipfile cuts it at a NUL.
            yield Member(info.orig_filename, info.file_size, _zip_kind(info), partial(opened.open, info))


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device"
    return "folder" if info.is_dir() else "file"


def _tar_members(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive) as opened:
        for info in opened:
            yield Member(info.name, info.size, _tar_kind(info), partial(_tar_file, opened, info))
        _read_to_the_end(opened)


def _read_to_the_end(opened: tarfile.TarFile) -> None:
    """tarfile does not miss an end that is missing, and stops before the checksum that gzip, bz2 and xz put behind it."""
    assert opened.fileobj is not None
    if opened.fileobj.tell() == opened.offset:
        raise tarfile.ReadError("its end is missing")
    while opened.fileobj.read(1 << 20):
        pass


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "link"
    if info.isdir():
        return "folder"
    return "file" if info.isreg() else "device"


def _tar_file(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = opened.extractfile(info)
    assert file is not None  # it is a regular file
    return file


def _kind_fault(member: Member) -> str:
    if member.kind in ("file", "folder"):
        return ""
    return f"is a {member.kind}, and data need files and folders only"


def _name_fault(name: str, names: tuple[str, ...]) -> str:
    """Why a name cannot be used on every machine, or leads out of the target."""
    windows = PureWindowsPath(name)
    if ".." in names or "\\" in name or name.startswith("/") or windows.drive:
        return "leads out of its folder"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return "has control characters in its name"
    if any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in names):
        return "has a name of more than 255 bytes"
    if any(part.partition(".")[0].casefold() in _DEVICES for part in names):
        return "is called like a device"
    return ""
