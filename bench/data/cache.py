"""What lies in the cache: views, masks, thumbnails, hashes; listed with what they are of, and removed where nobody works at them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.decoding import DECODED
from bench.disk import amount
from bench.errors import MachineError, UsageError
from bench.store import MANIFEST, cache_root, free

KINDS = ("views", "masks", "thumbnails", "hashes", "checked")
"""Folders of the cache; whatever else lies there is not ours to list or to remove."""
STORES = ("views", "masks")
PART = ".part"


@dataclass(frozen=True)
class Entry:
    """One thing in the cache: `dataset` is a data set's name, or the folder whose files were hashed; `count` images, masks or files."""

    kind: str
    path: Path
    bytes: int
    used: datetime
    """the last use: when it was made, a view or masks also when they were found"""
    dataset: str = ""
    split: str = ""
    size: int | None = None
    """pixels of a side"""
    count: int | None = None

    @property
    def name(self) -> str:
        """What it is removed by."""
        return self.path.name.removesuffix(PART)

    @property
    def half(self) -> bool:
        """Whether a killed run left it unfinished; the next one goes on from there."""
        return self.path.name.endswith(PART)

    def row(self) -> dict[str, Any]:
        """Plain values for a table or for JSON."""
        used = self.used.isoformat(timespec="seconds")
        own = {name: getattr(self, name) for name in ("kind", "name", "dataset", "split", "size", "count", "bytes")}
        return {**own, "half": self.half, "used": used, "path": str(self.path)}


@dataclass(frozen=True)
class Removal:
    """What was removed, or would be, and what stays because a running process works at it."""

    removed: tuple[Entry, ...]
    kept: tuple[Entry, ...]
    dry_run: bool

    @property
    def bytes(self) -> int:
        """How much is free now that was not before."""
        return sum(entry.bytes for entry in self.removed)

    def sentences(self) -> list[str]:
        """What to tell."""
        verb = "would free" if self.dry_run else "freed"
        stays = [f"{entry.name} stays: a running process works at it" for entry in self.kept]
        return [*stays, f"{verb} {amount(self.bytes)} ({len(self.removed)} of {len(self.removed) + len(self.kept)})"]


def entries() -> list[Entry]:
    """Everything in the cache, by kind, data set and split."""
    found = [entry for kind in KINDS for path in _paths(cache_root() / kind) if (entry := _entry(kind, path))]
    return sorted(found, key=lambda e: (KINDS.index(e.kind), e.dataset, e.split, e.name))


def choose(names: Sequence[str]) -> list[Entry]:
    """The entries of these names; a kind or a data set's name stands for all of its entries. UsageError where there is none."""
    there = entries()
    for name in names:
        if not any(name in (e.name, e.kind, e.dataset) for e in there):
            raise UsageError(f"the cache {cache_root()} has no {name}; `bench data cache list` shows what there is")
    return [e for e in there if {e.name, e.kind, e.dataset} & set(names)]


def remove(chosen: Iterable[Entry], dry_run: bool = False) -> Removal:
    """Remove entries, but none that a running process holds the lock of; MachineError names what the system will not remove."""
    removed, kept = list[Entry](), list[Entry]()
    for entry in chosen:
        with free(cache_root() / entry.kind / ".locks" / entry.name) as nobody:
            (removed if nobody else kept).append(entry)
            if nobody and not dry_run:
                _delete(entry.path)
    return Removal(tuple(removed), tuple(kept), dry_run)


def _paths(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def _entry(kind: str, path: Path) -> Entry | None:
    try:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        taken = sum(file.stat().st_size for file in files)
        used = max(file.stat().st_mtime for file in (*files, path))
    except FileNotFoundError:  # removed or finished while we looked
        return None
    try:
        about = _artifact(path) if kind in STORES else _file(kind, path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # damaged: no reason not to remove it
        about = {}
    return Entry(kind, path, taken, datetime.fromtimestamp(used, UTC), **about)


def _artifact(folder: Path) -> dict[str, Any]:
    note = folder / DECODED
    if note.exists():
        known = json.loads(note.read_text(encoding="utf-8"))
        return {name: known[name] for name in ("dataset", "split", "size", "count")}
    inputs = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["inputs"]
    count = len(inputs["items"] if "items" in inputs else inputs["ids"])
    return {"dataset": inputs["dataset"]["name"], "split": inputs["split"], "size": inputs["size"], "count": count}


def _file(kind: str, path: Path) -> dict[str, Any]:
    if kind == "thumbnails":
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
        return {"count": shape[0], "size": shape[1]}
    known = json.loads(path.read_text(encoding="utf-8"))
    if kind == "hashes":  # one entry a file: "place size time": sha256
        return {"dataset": str(Path(next(iter(known)).rsplit(" ", 2)[0]).parent), "count": len(known)}
    return {"split": ", ".join(known), "count": sum(known.values())}


def _delete(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            with suppress(FileNotFoundError):
                (path / MANIFEST).unlink()  # first: a removal that is cut short leaves nothing that looks whole
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise MachineError(f"{path} cannot be removed ({error.strerror}); check its rights") from error
