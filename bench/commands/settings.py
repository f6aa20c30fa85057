"""`--set` and `--data-root`: texts of flags, above those of files, become settings and folders that know where they come from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench import plugins
from bench.commands.config_options import Origin, layers
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.pipeline.request import RunRequest, Setting

FLAG = "flag"
Names = tuple[str, ...]


def settings_of(texts: Iterable[str], methods: Names, datasets: Names) -> list[tuple[Setting, str]]:
    """The settings of files, lowest first, then those of flags, each with its origin; what a later one sets is out of the earlier ones.

    A file may set what is no part of this run: it lies there for other runs too.
    """
    run = (*methods, *datasets)
    kept: list[tuple[Setting, str]] = []
    for origin, given in [*((layer.origin, layer.values.get("set", ())) for layer in layers()), (FLAG, texts)]:
        here = [text for text in given if origin == FLAG or not _elsewhere(re.split(r"[.=]", text)[0], run)]
        above = [_setting(text, run) for text in here]
        kept = [one for one in kept if not _replaced(one[0], above, methods)] + [(one, origin) for one in above]
    return kept


def data_roots(texts: Iterable[str], datasets: Names) -> dict[str | None, tuple[Path, str]]:
    """The folder of each data set and its origin, under None that of those not named: flags, else files where $BENCH_DATA has none."""
    found = {name: (path, FLAG) for name, path in (_root(text, datasets) for text in texts)}
    for layer in reversed(layers()):
        here = [text for text in layer.values.get("data_root", ()) if not _elsewhere(_owner(text), datasets)]
        for name, path in [_root(text, datasets) for text in here]:
            for each in [name] if name else datasets:
                if None not in found and each not in found and _in_bench_data(each) is None:
                    found[each] = (path, layer.origin)
    return found


def named_roots(texts: Iterable[str]) -> dict[str | None, Path]:
    """The folder of each data set, under None that of those not named, where any data set may be meant: of results that are at hand."""
    return {name: path for name, (path, _) in data_roots(texts, tuple(plugins.names("datasets"))).items()}


def table_origins(request: RunRequest, settings: Iterable[str], roots: Iterable[str]) -> Iterator[Origin]:
    """Where each setting and each data folder of a request comes from."""
    for (owner, key, text), origin in settings_of(settings, request.methods, request.datasets):
        yield Origin("--set", f"{owner}.{key}={text}" if owner else f"{key}={text}", origin)
    given = data_roots(roots, request.datasets)
    for name in request.datasets:
        if found := given.get(name) or given.get(None):
            yield Origin("--data-root", f"{name}={found[0]}", found[1])
        elif (path := _in_bench_data(name)) is not None:
            yield Origin("--data-root", f"{name}={path}", "environment variable BENCH_DATA")


def _replaced(setting: Setting, above: Iterable[Setting], methods: Names) -> bool:
    """Whether a setting above says the same: for the same owner, or for every method that has it."""
    owner, key, _ = setting
    return any(key == k and (owner == o or (o is None and owner in methods)) for o, k, _ in above)


def _elsewhere(owner: str, run: Names) -> bool:
    """Whether this is a plugin that is no part of the run."""
    return owner not in run and any(owner in plugins.names(kind) for kind in plugins.KINDS)


def _in_bench_data(dataset: str) -> Path | None:
    base = os.environ.get("BENCH_DATA")
    folder = Path(base) / dataset if base else None
    return folder if folder and folder.is_dir() else None


def _setting(text: str, run: Names) -> Setting:
    """`[OBJ.]k=v` -> (OBJ or None, k, v). The first part is OBJ where something is called that; else it is a field."""
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
        raise UsageError(f"--set takes [OBJ.]NAME=VALUE, not {text!r}")
    owner, dot, field = key.partition(".")
    if dot and (owner in run or owner == "protocol"):
        return owner, field, value
    if dot and _elsewhere(owner, run):
        raise UsageError(f"--set {text}: {owner} is no part of this run, which has {', '.join(run)}")
    return None, key, value


def _root(text: str, datasets: Names) -> tuple[str | None, Path]:
    """`[D=]PATH`; a path with = in it counts as one unless a data set of this run is called like its start."""
    name, equals, path = text.partition("=")
    if not text or (equals and name in datasets and not path):
        raise UsageError(f"--data-root takes a folder, or DATASET=FOLDER, not {text!r}")
    if equals and name in datasets:
        return name, Path(path)
    if equals and name in plugins.names("datasets"):
        raise UsageError(f"--data-root {text}: {name} is no part of this run")
    return None, Path(text)


def _owner(text: str) -> str:
    return text.partition("=")[0] if "=" in text else ""
