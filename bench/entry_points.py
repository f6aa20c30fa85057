"""Entry points of installed packages. importlib.metadata finds the same, but imports email and zipfile for it: a quarter of `--help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple


class EntryPoint(NamedTuple):
    """One line of a package's entry_points.txt."""

    group: str
    name: str
    value: str
    package: str


@cache
def entry_points() -> tuple[EntryPoint, ...]:
    """Those of every package on sys.path; of two copies of a package the one that would be imported counts."""
    found: dict[str, list[EntryPoint]] = {}
    for folder in sys.path:
        for name in _metadata_folders(folder or "."):
            package = name.rpartition(".")[0].partition("-")[0].replace("_", "-").lower()
            if package not in found:
                found[package] = list(_read(os.path.join(folder, name, "entry_points.txt"), package))
    return tuple(point for points in found.values() for point in points)


def _metadata_folders(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return []


def _read(path: str, package: str) -> Iterator[EntryPoint]:
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError):
        return
    group = ""
    for line in lines:
        if line.startswith("["):
            group = line.strip("[]").strip()
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield EntryPoint(group, name.strip(), value.strip(), package)
