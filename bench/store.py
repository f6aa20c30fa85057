"""Artifacts on disk: found whole or made once. A key is decided by the inputs and nothing else; a kill leaves no half artifact."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs
from filelock import FileLock, Timeout

from bench.disk import require_writable
from bench.errors import MachineError

MANIFEST = "manifest.json"


def cache_root() -> Path:
    """Where decoded pictures and remembered hashes lie: $BENCH_CACHE, else the user's cache folder."""
    named = os.environ.get("BENCH_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("wsss-bench")


def require_cache() -> None:
    """MachineError where nothing can be written into the cache."""
    require_writable(cache_root(), "the cache", "name another folder with BENCH_CACHE")


def canonical(value: Any) -> str:
    """JSON with one spelling for one value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """12 hexadecimal digits of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Every file of a run is written here: `write` fills a temporary file, which then takes the place of the old one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        write(temporary)
        sync(temporary)
        temporary.replace(path)
    except MachineError:
        raise
    except (OSError, RuntimeError) as error:  # torch.save says RuntimeError where the disk is full
        raise MachineError(f"{path} could not be written ({error}); what was there before is still there") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """An array as .npy."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # by handle: np.save appends .npy to a name
            np.save(file, array, allow_pickle=False)

    write_file(path, write)


def reserve(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A memory-mapped .npy to be filled, its place on the disk taken: writing into a full disk's map would end the process."""
    stack: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return stack


def write_json(path: Path, value: Any) -> None:
    """A value as readable JSON."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def sync(path: Path) -> None:
    """What was written to a file, or into a map of it, is on the disk when this returns; other threads go on meanwhile."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class MaskUse:
    """Masks that were read to make an artifact: how many of which split, and for what (training, tuning, evaluation)."""

    split: str
    count: int
    purpose: str


@dataclass(frozen=True)
class Record:
    """What an artifact brings along wherever it is used: its masks, its labels, its cost."""

    masks: tuple[MaskUse, ...] = ()
    labels: int = 0
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    peak_bytes: int = 0
    energy_j: float | None = None
    device: str = ""
    confined: bool | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A folder with a manifest; nothing in it changes any more."""

    folder: Path
    record: Record

    @property
    def name(self) -> str:
        """kind-key."""
        return self.folder.name


class Store:
    """Artifacts of one root, `<kind>-<12 hex>` each. What was made before `fresh_since` (seconds since the epoch) is made again."""

    def __init__(self, root: Path, fresh_since: float = 0.0) -> None:
        self.root = root
        self.fresh_since = fresh_since

    def path(self, kind: str, inputs: Mapping[str, Any]) -> Path:
        """Where the artifact of these inputs lies or will lie."""
        return self.root / f"{kind}-{digest({'kind': kind, 'inputs': inputs})}"

    def find(self, kind: str, inputs: Mapping[str, Any]) -> Artifact | None:
        """The artifact if it is there whole."""
        return self._load(self.path(kind, inputs))

    def make(self, kind: str, inputs: Mapping[str, Any], work: Callable[[Path], Record]) -> Artifact:
        """The artifact, found or made. `work` fills a folder, which outlives a kill with what was in it, and returns the record."""
        folder = self.path(kind, inputs)
        found = self.find(kind, inputs)
        if found is not None:
            with contextlib.suppress(OSError):  # a cache that another user filled
                os.utime(folder / MANIFEST)  # the last use, which `bench data cache list` shows
            return found
        with self._lock(folder):
            found = self._load(folder)  # another cell may have made it while this one waited
            if found is not None:
                return found
            part = folder.with_name(folder.name + ".part")
            if part.exists() and part.stat().st_mtime < self.fresh_since:
                shutil.rmtree(part)
            part.mkdir(parents=True, exist_ok=True)
            record = work(part)
            self._seal(part, folder, {"kind": kind, "inputs": inputs}, record)
        return Artifact(folder, record)

    def _lock(self, folder: Path) -> FileLock:
        locks = self.root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        return FileLock(locks / folder.name)

    def _seal(self, part: Path, folder: Path, key: Mapping[str, Any], record: Record) -> None:
        for leftover in part.glob("*.new"):  # of a kill in the middle of a write
            leftover.unlink()
        files = {
            p.name: {"sha256": file_digest(p), "bytes": p.stat().st_size}
            for p in sorted(part.iterdir())
            if p.name != MANIFEST
        }
        for name in files:
            sync(part / name)
        write_json(part / MANIFEST, {**key, "files": files, "made": _now(), "record": asdict(record)})
        if folder.exists():
            shutil.rmtree(folder)  # made before --fresh
        part.replace(folder)
        sync(folder.parent)

    def _load(self, folder: Path) -> Artifact | None:
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if datetime.fromisoformat(manifest["made"]).timestamp() < self.fresh_since:
            return None
        damaged = [n for n, f in manifest["files"].items() if not _has_size(folder / n, f["bytes"])]
        if damaged:
            raise MachineError(
                f"{folder / damaged[0]} is damaged or missing; delete the folder {folder.name} and run again"
            )
        record = manifest["record"]
        record["masks"] = tuple(MaskUse(**use) for use in record["masks"])
        return Artifact(folder, Record(**record))


def _has_size(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat()


@contextlib.contextmanager
def free(place: Path) -> Iterator[bool]:
    """Whether nobody holds a lock. Where its file exists nobody else takes it while we are inside; where there is none nothing is held."""
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
