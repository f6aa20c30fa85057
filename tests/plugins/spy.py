"""A method that looks for masks everywhere it can think of, and prints what it could read."""

from __future__ import annotations

import gc
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from bench import Dataset, Method, hookimpl
from bench.data.door import Door


def bits(word: str) -> bytes:
    """24 zeros and ones that stand nowhere else. A row of a mask begins with those of two words; no process holds both in a row but
    one that has seen a mask."""
    return bytes(random.Random(word).choices((0, 1), k=24))


LEFT, RIGHT = bits("left"), bits("right")
LARGE = 1 << 25
DULL = ("/usr", "/bin", "/sbin", "/lib", "/etc", "/opt", "/proc", "/dev", "/root", sys.prefix, sys.base_prefix)
"""Programs and libraries."""
GUESSES = ("data", "cache", "runs/artifacts", "masks", "cache/masks", "data/masks")


def shows_a_mask(content: bytes) -> bool:
    """Whether a row of a mask stands in these bytes, as zeros and ones, or as 0 and 255."""
    for left, right in ((LEFT, RIGHT), (white(LEFT), white(RIGHT))):
        if any(content.startswith(right, found.end()) for found in re.finditer(re.escape(left), content)):
            return True
    return False


def white(row: bytes) -> bytes:
    """A mask's file has 255 for 1."""
    return row.replace(b"\1", b"\xff")


class Spy(Method):
    """Looks for masks."""

    name: ClassVar[str] = "spy"

    def build(self, task: Any) -> nn.Module:
        return nn.Identity()

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        report("fit", view)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Any) -> Tensor:
        report("maps", images)
        return images.mean(1, keepdim=True)


def report(function: str, given: Any) -> None:
    """One line of JSON: what each search has found, and how many things it has looked at."""
    told = {}
    for search in (objects, frames, words, descriptors, memory, files, by_a_child):
        looked, found = 0, []
        for name, content in search(given):
            looked += 1
            if shows_a_mask(content):
                found.append(name)
        told[search.__name__] = {"looked": looked, "found": found}
    print("spy", json.dumps({"function": function, **told}), file=sys.stderr, flush=True)


def objects(given: Any) -> Iterator[tuple[str, bytes]]:
    """Arrays, tensors, and whatever a data set or a door among the objects of this process gives away."""
    for thing in gc.get_objects():
        if issubclass(type(thing), (np.ndarray, Tensor)):
            yield type(thing).__name__, raw(thing)
        if issubclass(type(thing), Dataset):
            yield from (
                (f"data set {split}", raw(thing.mask(item)))
                for split in ("weak", "test")
                for item in thing.items(split)
            )
        if issubclass(type(thing), Door):
            yield from (("door", raw(truth.mask)) for truth in thing.truths("test"))


def frames(given: Any) -> Iterator[tuple[str, bytes]]:
    """The variables of every function that is on the way here."""
    frame = sys._getframe()
    while frame is not None:
        yield from ((f"{frame.f_code.co_name}.{name}", raw(value)) for name, value in list(frame.f_locals.items()))
        frame = frame.f_back


def words(given: Any) -> Iterator[tuple[str, bytes]]:
    """Environment and arguments: of this process, of its parent and of its parent's parent; what they name is opened."""
    said = [("os.environ", b"\0".join(os.fsencode(value) for value in os.environ.values()))]
    said += [
        (f"/proc/{n}/{kind}", read(Path(f"/proc/{n}/{kind}"))) for n in relatives() for kind in ("environ", "cmdline")
    ]
    for name, text in said:
        yield name, text
        for word in {os.fsdecode(word) for word in re.split(rb"[\0=:]", text)}:
            if word.startswith("/") and not word.startswith(DULL):
                yield from below(Path(word), depth=3)


def descriptors(given: Any) -> Iterator[tuple[str, bytes]]:
    """Open files of this process and of its parents, opened once more."""
    for number in relatives():
        for handle in range(64):
            file = Path(f"/proc/{number}/fd/{handle}")
            if is_file(file):
                yield str(file), read(file)


def memory(given: Any) -> Iterator[tuple[str, bytes]]:
    """What this process and its parents have written into their memory."""
    for number in relatives():
        for line in read(Path(f"/proc/{number}/maps")).decode(errors="replace").splitlines():
            edges, rights, *_, last = line.split()
            if rights == "rw-p" and not last.startswith("/"):
                start, end = (int(edge, 16) for edge in edges.split("-"))
                yield f"/proc/{number}/mem", read(Path(f"/proc/{number}/mem"), start, min(end - start, LARGE))


def files(given: Any) -> Iterator[tuple[str, bytes]]:
    """Places that can be guessed from this file's name and from that of the view, also on the way over /proc."""
    known = {
        Path(__file__).resolve(),
        Path(str(getattr(getattr(given, "pictures", None), "filename", __file__))).resolve(),
    }
    roots = [Path("/"), *(Path(f"/proc/{number}/{way}") for number in relatives() for way in ("root", "cwd"))]
    for parent in {parent for file in known for parent in list(file.parents)[:5]} - {Path("/"), Path("/tmp")}:
        for guess in GUESSES:
            for root in roots:
                yield from below(root / str(parent / guess).lstrip("/"), depth=4)


def by_a_child(given: Any) -> Iterator[tuple[str, bytes]]:
    """What another program reads of the same places."""
    for parent in list(Path(__file__).resolve().parents)[:3]:
        for guess in GUESSES:
            done = subprocess.run(["sh", "-c", f"cat {parent / guess}/* {parent / guess}/*/*"], capture_output=True)
            yield str(parent / guess), done.stdout


def relatives() -> list[int]:
    """This process, its parent, and the parent's parent."""
    found = [os.getpid(), os.getppid()]
    status = read(Path(f"/proc/{os.getppid()}/status")).decode(errors="replace")
    return found + [int(number) for number in re.findall(r"PPid:\s+(\d+)", status)]


def below(place: Path, depth: int) -> Iterator[tuple[str, bytes]]:
    """The files of a folder, down to a depth, or the file itself."""
    if is_file(place):
        yield str(place), opened(place)
    try:
        inside = sorted(place.iterdir()) if place.is_dir() else []
    except OSError:
        return
    for each in inside if depth else ():
        yield from below(each, depth - 1)


def is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:
        return False


def opened(file: Path) -> bytes:
    """The pixels of a picture, else the bytes of a file."""
    if file.suffix == ".png":
        from PIL import Image

        try:
            return Image.open(file).tobytes()
        except OSError:
            return b""
    return read(file)


def read(file: Path, start: int = 0, size: int = LARGE) -> bytes:
    try:
        with file.open("rb", buffering=0) as stream:
            if start:
                stream.seek(start)
            return stream.read(size) or b""
    except (OSError, OverflowError, ValueError):
        return b""


def raw(value: Any) -> bytes:
    """The bytes of an array or tensor of 8 bits or of truth values; nothing of anything else."""
    try:
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        return array.tobytes() if isinstance(array, np.ndarray) and array.itemsize == 1 else b""
    except (RuntimeError, TypeError):
        return b""


Search = Callable[[Any], Iterable[tuple[str, bytes]]]


@hookimpl
def bench_methods() -> list[type[Method]]:
    return [Spy]
