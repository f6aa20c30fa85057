"""A submission as a zip: written with the same bytes every time, read as a stranger's file that means harm. Nothing in it is executed."""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from bench.disk import amount, check_room
from bench.errors import DataError
from bench.leaderboard.files.findings import Refused, shown
from bench.leaderboard.files.schema import Manifest

MANIFEST, ROWS, RUNS = "manifest.json", "leaderboard.csv", "runs"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}"
FOLDER = re.compile(rf"{_NAME}/{_NAME}/r-[0-9a-f]{{12}}")
MEMBER = re.compile(
    rf"manifest\.json|leaderboard\.csv|runs/{FOLDER.pattern}/"
    r"(result\.json|scores\.csv|predictions/(init|unet(-fixed|-otsu|-val)?)-(val|test)(\.npy|\.rle\.npy))"
)
"""The names that a member may have, and no others: what leads out of a folder is none of them."""
MOST = {".json": 16 << 20, ".csv": 512 << 20, ".npy": 16 << 30}
"""Bytes of one member, by its ending."""
MOST_MEMBERS, MOST_BYTES = 100_000, 256 << 30
CHUNK = 1 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, NotImplementedError)
_STRANGE = (OSError, RuntimeError, ValueError, LookupError, UnicodeError, OverflowError)
"""What zipfile raises for headers of nonsense."""


class Header(NamedTuple):
    """What a .npy says of itself: the kind of its numbers, its shape, and the bytes before the first number."""

    kind: str
    shape: tuple[int, ...]
    start: int


def write(file: Path, members: Mapping[str, bytes | Path]) -> None:
    """A zip of these members, sorted, without times and owners: the same content gives the same bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            content = members[name]
            info.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with packed.open(info, "w") as to:
                for piece in [content] if isinstance(content, bytes) else _pieces(content):
                    to.write(piece)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


class Sealed:
    """An open submission: its manifest, and its members by name. Every read is held to the manifest's hash."""

    def __init__(self, file: Path, packed: zipfile.ZipFile) -> None:
        self.file = file
        self._packed = packed
        self._infos = _members(file, packed)
        self.manifest = self._manifest()
        self._same_names()

    @property
    def names(self) -> list[str]:
        """The members beside the manifest, sorted."""
        return sorted(self.manifest.files)

    def read(self, name: str) -> bytes:
        """A small member, whole."""
        return b"".join(self._checked(name))

    def extract(self, name: str, to: Path) -> None:
        """A member as a new file below a folder of ours."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("xb") as file:
            for piece in self._checked(name):
                file.write(piece)

    def check(self, name: str) -> None:
        """Hold a member to its hash, and keep nothing."""
        for _ in self._checked(name):
            pass

    def header(self, name: str) -> Header:
        """What an array says of itself, from its first bytes alone; Refused where it says something else than its size."""
        with _readable(self.file, name), self._packed.open(self._infos[name]) as stream:
            found = read_header(stream)
        if found is None or found.start + np.dtype(found.kind).itemsize * np.prod(found.shape, dtype=object) != (
            self._infos[name].file_size
        ):
            raise Refused(f"{self.file}: {name} is no array of the size that it is announced with")
        return found

    def room(self, folder: Path) -> None:
        """MachineError where the members do not fit into a folder."""
        check_room(folder, sum(member.bytes for member in self.manifest.files.values()), f"unpacking {self.file.name}")

    def _checked(self, name: str) -> Iterator[bytes]:
        known, whole, size = self.manifest.files[name], hashlib.sha256(), 0
        with _readable(self.file, name), self._packed.open(self._infos[name]) as stream:
            while piece := stream.read(CHUNK):
                whole.update(piece)
                size += len(piece)
                yield piece
        if size != known.bytes or whole.hexdigest() != known.sha256:
            raise Refused(
                f"{self.file}, {name}: expected sha256 {known.sha256[:12]}... of {known.bytes} bytes by its manifest, "
                f"found {whole.hexdigest()[:12]}... of {size}; get the file again from those who made it"
            )

    def _manifest(self) -> Manifest:
        if MANIFEST not in self._infos:
            raise Refused(f"{self.file} is no submission: it has no {MANIFEST}; `bench leaderboard submit` makes one")
        with _readable(self.file, MANIFEST), self._packed.open(self._infos[MANIFEST]) as stream:
            content = stream.read(MOST[".json"])
        return Manifest.model_validate(parse(content, f"{self.file}, {MANIFEST}", Manifest))

    def _same_names(self) -> None:
        there = self._infos.keys() - {MANIFEST}
        for name in sorted(there ^ self.manifest.files.keys()):
            where = "the file, not in its manifest" if name in there else "its manifest, not in the file"
            raise Refused(f"{self.file}: {shown(name)} is in {where}")


@contextmanager
def opened(file: Path) -> Iterator[Sealed]:
    """Open a submission for reading. Refused for what is none, is cut off or means harm; DataError where there is no such file."""
    try:
        with file.open("rb") as stream:
            if stream.read(4) != b"PK\x03\x04":
                raise Refused(f"{file} is no submission: it is no zip; `bench leaderboard submit` makes one")
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}); name a submission") from None
    try:
        packed = zipfile.ZipFile(file)
    except (*_BROKEN, *_STRANGE) as error:
        raise Refused(f"{file} is cut off or damaged ({shown(str(error))}); get it again") from error
    with packed:
        yield Sealed(file, packed)


@contextmanager
def _readable(file: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (*_BROKEN, *_STRANGE) as error:
        raise Refused(f"{file}, {name}: it is damaged or packed strangely ({shown(str(error))})") from error


def _members(file: Path, packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos = packed.infolist()
    if len(infos) > MOST_MEMBERS or sum(info.file_size for info in infos) > MOST_BYTES:
        raise Refused(f"{file}: {len(infos)} members of {amount(sum(i.file_size for i in infos))} are no submission")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.orig_filename  # as it stands in the file: zipfile cuts it at a NUL
        if reason := _fault(name, info):
            raise Refused(f"{file}: member {shown(name)!r} {reason}; nothing was unpacked")
        if name in found:
            raise Refused(f"{file}: member {shown(name)!r} is there twice; nothing was unpacked")
        found[name] = info
    return found


def _fault(name: str, info: zipfile.ZipInfo) -> str:
    if not MEMBER.fullmatch(name):
        return "is none that a submission has"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "is a link or a device"
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is locked or packed in another way than deflate"
    most = MOST[Path(name).suffix]
    return (
        f"is announced with {amount(info.file_size)}; more than {amount(most)} are none"
        if info.file_size > most
        else ""
    )


def parse(content: bytes, where: str, model: Any) -> Any:
    """JSON of a stranger, held to a model; Refused names the field. NaN, infinity and a key twice are no JSON."""
    try:
        value = json.loads(content.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_once)
        model.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(shown(part) for part in fault["loc"]) or "it"
        message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        raise Refused(f"{where}, {place}: expected {message}, found {shown(fault['input'])}") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where} cannot be read ({shown(str(error))})") from error
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def read_header(stream: IO[bytes]) -> Header | None:
    """The header of a .npy of plain numbers in C order; None for anything else, objects among them."""
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            return None
        shape, fortran, kind = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, EOFError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    if kind.hasobject or kind.names or fortran or any(side < 0 for side in shape):
        return None
    return Header(kind.str, shape, stream.tell())
