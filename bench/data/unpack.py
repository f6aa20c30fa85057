"""Archives are unpacked whole or not at all, never outside their target and never over another file."""

from __future__ import annotations

import filecmp
import gzip
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data.archives import Member, announced, faulty, members, parts
from bench.disk import amount, check_room, writing
from bench.errors import DataError

Report = Callable[[int, int | None], object]
"""Called with the bytes that are unpacked and the bytes in all (None: the archive does not say before its end)."""

RATIO, HARMLESS = 200, 256_000_000
"""An archive that grows to more than RATIO times its size is a bomb, if that is more than HARMLESS bytes."""
CHUNK = 1 << 20
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)
_STRANGE = (RuntimeError, ValueError)
"""What zipfile and tarfile raise for a password, a packing they do not know, and headers of nonsense."""


@dataclass(frozen=True)
class Unpacked:
    """What an archive gave: the entries at its top, its files in all, and their bytes."""

    names: tuple[str, ...]
    files: int
    bytes: int


def unpack(archive: Path, target: Path, report: Report) -> Unpacked:
    """Extract a zip or tar (plain, gz, bz2, xz) into the folder `target`.

    It is extracted beside its place first and then moved, so that a kill leaves only what the next call takes away. A file that is
    there already stays if it has the same bytes. DataError for an archive that is broken or would do harm, and for a file with other
    bytes in its way; MachineError for the disk.
    """
    fresh = target / f".{archive.name}.part"
    try:
        with writing(target):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
        unpacked = _extract(archive, fresh, report)
        with writing(target):
            _merge(fresh, target, archive, move=False)
            _merge(fresh, target, archive, move=True)
        return unpacked
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def lies_whole(target: Path, unpacked: Unpacked) -> bool:
    """Whether as many files as were unpacked are still there."""
    places = [target / name for name in unpacked.names]
    below = sum(len(files) for place in places for _, _, files in os.walk(place))
    return below + sum(place.is_file() for place in places) >= unpacked.files


def _extract(archive: Path, fresh: Path, report: Report) -> Unpacked:
    with writing(fresh):
        try:
            files, done = _extract_all(archive, fresh, report)
        except _BROKEN as error:
            raise faulty(archive, f"it is cut off, damaged or no archive ({error})") from error
        except _STRANGE as error:
            raise faulty(archive, str(error)) from error
        return Unpacked(tuple(sorted(entry.name for entry in fresh.iterdir())), files, done)


def _extract_all(archive: Path, fresh: Path, report: Report) -> tuple[int, int]:
    files = done = 0
    total = announced(archive)
    _refuse_bomb(archive, fresh, 0, total or 0)
    for member in members(archive):
        place = fresh.joinpath(*parts(archive, member))
        _refuse_bomb(archive, fresh, done, member.size)
        _write(archive, member, place)
        files += member.kind == "file"
        done += member.size
        report(done, total)
    return files, done


def _refuse_bomb(archive: Path, fresh: Path, done: int, more: int) -> None:
    """What the headers say counts before a byte is unpacked."""
    packed = archive.stat().st_size
    if done + more > max(HARMLESS, RATIO * packed):
        raise faulty(
            archive, f"{amount(packed)} would become more than {amount(max(HARMLESS, RATIO * packed))}, a bomb"
        )
    check_room(fresh.parent, more, f"unpacking {archive.name}")


def _write(archive: Path, member: Member, place: Path) -> None:
    try:
        if member.kind == "folder":
            place.mkdir(parents=True, exist_ok=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file, member.read() as content:
            written = 0
            while written <= member.size and (chunk := content.read(CHUNK)):
                written += file.write(chunk)
    except (FileExistsError, NotADirectoryError):
        raise faulty(archive, f"two of its entries are called {member.name}") from None
    if written != member.size:
        raise faulty(archive, f"its entry {member.name} is announced with {member.size} bytes and has others")


def _merge(fresh: Path, target: Path, archive: Path, *, move: bool) -> None:
    """Move what is new to its place; without `move`, only look whether other files are in the way."""
    for entry in sorted(fresh.iterdir()):
        place = target / entry.name
        if not os.path.lexists(place):
            if move:
                entry.rename(place)
        elif entry.is_dir() and place.is_dir() and not place.is_symlink():
            _merge(entry, place, archive, move=move)
        elif not _same(entry, place):
            raise DataError(
                f"{place} is there already and is not what {archive.name} holds; nothing was overwritten: move it away and run "
                "the same command again"
            )


def _same(entry: Path, place: Path) -> bool:
    regular = entry.is_file() and place.is_file() and not place.is_symlink()
    return regular and filecmp.cmp(entry, place, shallow=False)
