"""What the machine has and lacks: Python, packages, devices, disk, and whether the kernel can confine a method."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from bench.disk import amount, free_bytes, require_writable
from bench.errors import MachineError
from bench.pipeline.confine import CREATE_RULESET, VERSION_FLAG
from bench.roots import places
from bench.store import cache_root

State = Literal["ok", "to know", "missing", "broken"]
"""`missing`: no run works without it; `broken`: a plugin that nobody can use; `to know`: some runs do without."""


@dataclass(frozen=True)
class Line:
    """One thing that was looked at."""

    section: str
    name: str
    text: str
    state: State = "ok"

    def row(self) -> dict[str, str]:
        """Plain values for JSON."""
        return {"section": self.section, "name": self.name, "text": self.text, "state": self.state}


def packages() -> Iterator[Line]:
    """Python and everything that the suite itself needs, with the version that it asks for."""
    yield Line("packages", "python", f"{platform.python_version()} ({sys.executable})")
    yield _package("wsss-bench")
    for wanted in _requirements():
        if ";" not in wanted:  # those with a condition belong to an extra
            yield _package(wanted)


def _requirements() -> list[str]:
    try:
        return requires("wsss-bench") or []
    except PackageNotFoundError:
        return []


def _package(wanted: str) -> Line:
    name = re.split(r"[<>=!~\[ ]", wanted, maxsplit=1)[0]
    try:
        there = version(name)
    except PackageNotFoundError:
        return Line("packages", name, f"is not installed; pip install '{wanted}'", "missing")
    least = re.search(r">=\s*([0-9.]+)", wanted)
    if least and _number(there) < _number(least[1]):
        return Line("packages", name, f"{there} is older than {least[1]}; pip install '{wanted}'", "missing")
    return Line("packages", name, there)


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


def devices() -> Iterator[Line]:
    """Cores and GPUs, and whether each computes in bf16."""
    yield Line("devices", "cpu", f"{os.cpu_count()} cores, {platform.machine()}")
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Line("devices", "torch", f"does not load ({error}); install it again", "missing")
        return
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    if fast is not None:
        yield Line(
            "devices",
            "cpu, bf16",
            "in hardware" if fast() else "not in hardware: protocol.precision=bf16 would be slow",
            _to_know(fast()),
        )
    if not torch.cuda.is_available():
        yield Line(
            "devices", "cuda", "torch sees no GPU: --protocol paper would take days, quick takes minutes", "to know"
        )
    for number in range(torch.cuda.device_count()):
        known = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield Line("devices", f"cuda:{number}", f"{known.name}, {amount(known.total_memory)}, {bf16}")


def folders(out: Path) -> Iterator[Line]:
    """Where results, decoded pictures and data go: what is free, and whether they can be written."""
    yield _folder("results", out, "name another folder with --out or BENCH_RUNS")
    yield _folder("cache", cache_root(), "name another folder with BENCH_CACHE")
    data = places("NAME")[0].parent
    yield Line("disk", "data", f"{data}, {amount(free_bytes(data))} free")


def _folder(name: str, place: Path, remedy: str) -> Line:
    near = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    try:
        require_writable(near, f"the {name} folder", remedy)
    except MachineError as error:
        return Line("disk", name, str(error), "missing")
    return Line("disk", name, f"{place}, {amount(free_bytes(place.absolute()))} free")


def confinement() -> Iterator[Line]:
    """Whether the kernel can keep a method's process to its folders."""
    known = ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, VERSION_FLAG) if sys.platform == "linux" else -1
    if known > 0:
        yield Line("confinement", "Landlock", f"version {known}: methods are kept to their own folders")
    else:
        yield Line("confinement", "Landlock", 'not here: rows will say "not confined"', "to know")


def _to_know(good: bool) -> State:
    return "ok" if good else "to know"
