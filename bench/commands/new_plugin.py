"""A package for a method or a data set of one's own: the templates beside this file, which work as they are, under another name."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path

from bench import plugins
from bench.data.source import source_file
from bench.errors import UsageError
from bench.protocol import PROTOCOLS
from bench.store import write_file

TEMPLATES = {"method": "my_method", "dataset": "my_dataset"}
"""Each kind with the name that its template carries: the module's, and with hyphens and in CamelCase those made of it."""
NAME = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"
LENGTH = range(3, 41)
RESERVED = ("all", "none", "protocol", "bench", "methods", "datasets", "leaderboard")


def write_package(kind: str, name: str, place: Path) -> list[Path]:
    """Write the package `place`/`name` for a `method` or a `dataset`; its files. UsageError for a bad name or where a folder is there."""
    check_new_name(name)
    folder = place / name
    if folder.exists():
        raise UsageError(f"{folder} is there already and stays as it is; give another name, or another folder with -o")
    written = []
    for source in sorted(files("bench.commands").joinpath("templates", kind).iterdir(), key=lambda entry: entry.name):
        if source.name.startswith("__"):  # what Python has compiled beside it
            continue
        to = folder / _renamed(source.name, TEMPLATES[kind], name)
        text = _renamed(source.read_text(encoding="utf-8"), TEMPLATES[kind], name)
        write_file(to, partial(Path.write_text, data=text, encoding="utf-8"))
        written.append(to)
    return written


def check_new_name(name: str) -> None:
    """UsageError for a name that no module can have, that something else has, or that a reader would take for another."""
    if not re.fullmatch(NAME, name) or len(name) not in LENGTH:
        raise UsageError(
            f"{name!r} is no name for a plugin: {LENGTH[0]} to {LENGTH[-1]} lower-case letters, digits and single _, a letter first"
        )
    if name in RESERVED or name in PROTOCOLS or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UsageError(f"{name} means something else on the command line or in Python; choose another name")
    for known in _known():
        if known == name:
            raise UsageError(f"there is a plugin called {name} already; choose another name")
        if _alike(known, name):
            raise UsageError(f"{name} would be taken for {known}, which is there already; choose a name less like it")
    if name in sys.stdlib_module_names or source_file(name) is not None:
        raise UsageError(f"a module {name} can be imported already and would be hidden; choose another name")


def _known() -> Iterator[str]:
    for kind in plugins.KINDS:
        yield from plugins.names(kind)


def _alike(one: str, other: str) -> bool:
    """Whether two names are the same but for underscores and at most one letter that is missing, added, changed or moved by one."""
    a, b = one.replace("_", ""), other.replace("_", "")
    return not {a, *_shortened(a)}.isdisjoint({b, *_shortened(b)})


def _shortened(word: str) -> set[str]:
    """The word without one of its letters."""
    return {word[:i] + word[i + 1 :] for i in range(len(word))}


def _renamed(text: str, template: str, name: str) -> str:
    """Each spelling of the template's name replaced by that of `name`: my_method, my-method, MyMethod."""
    for old, new in zip(_spellings(template), _spellings(name), strict=True):
        text = text.replace(old, new)
    return text


def _spellings(name: str) -> tuple[str, str, str]:
    """The name of the module, of the distribution, and of the class."""
    parts = name.split("_")
    return name, "-".join(parts), "".join(part.capitalize() for part in parts)
