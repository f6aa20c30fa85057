"""What `bench run` was asked for, as plain values: made by the command line, read by bench.pipeline.run. No torch here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.errors import UsageError
from bench.near import did_you_mean, near
from bench.protocol import Protocol

Setting = tuple[str | None, str, str]
"""A `--set`: the plugin it is for (None: every chosen method that has the field), the dotted field, the text."""


@dataclass(frozen=True)
class RunRequest:
    """A grid of cells (methods x datasets x seeds) under one protocol; `protocol.*` settings are applied already."""

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    protocol: Protocol
    seeds: tuple[int, ...] = (0,)
    settings: tuple[Setting, ...] = ()
    data_roots: Mapping[str | None, Path] = field(default_factory=lambda: MappingProxyType({}))
    """folder of each data set; under None the folder for those that are not named"""
    accept: tuple[str, ...] = ()
    """kinds of fault in the data that are accepted"""
    every_method: bool = False
    """`--method all`: those that cannot do without a setting are left out unless they have it"""
    controls: bool = False
    """beside each method that learns from image labels: the same on permuted labels, and untrained"""
    out: Path = Path("runs")
    device: str = "auto"
    plugins: tuple[Path, ...] = ()
    """loose plugin files; the classes they offer are among the names above"""
    jobs: int = 1
    """cells at a time"""
    timeout: float | None = None
    """seconds a cell may take"""
    fresh: bool = False
    """make every artifact again"""
    dry_run: bool = False
    quiet: bool = False
    verbose: bool = False
    json: bool = False
    progress: bool = True


def settings_for(name: str, fields: Collection[str], request: RunRequest) -> dict[str, Any]:
    """What to instantiate plugin `name` (which has these fields) with: dotted field -> text, or the protocol's own value.

    Later goes before earlier, a setting that names the plugin before one that does not, and any `--set` before what the
    protocol carries. Settings without a name are for methods alone.
    """
    chosen: dict[str, Any] = {}
    if name in request.methods:
        chosen.update({key: value for key, value in request.protocol.settings.items() if _first(key) in fields})
        chosen.update({key: text for owner, key, text in request.settings if owner is None and _first(key) in fields})
    chosen.update({key: text for owner, key, text in request.settings if owner == name})
    return chosen


def refuse_unused(request: RunRequest, fields_of: Mapping[str, Collection[str]]) -> None:
    """UsageError for the first `--set` that no chosen method has a field for. `fields_of`: fields of each chosen method."""
    known = sorted({name for fields in fields_of.values() for name in fields})
    for owner, key, text in request.settings:
        if owner is not None or _first(key) in known:
            continue
        hint = did_you_mean(_first(key), known, f"they have {', '.join(known) or 'none'}")
        owners = [*request.methods, *request.datasets, "protocol"]
        if "." in key and (meant := near(_first(key), owners)):
            hint = f"did you mean {meant}.{key.partition('.')[2]}?"
        raise UsageError(f"no chosen method has a setting {_first(key)} (--set {key}={text}); {hint}")


def _first(key: str) -> str:
    return key.partition(".")[0]
