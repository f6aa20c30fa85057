"""wsss-bench: what image labels are worth in segmentation. Public names are imported when they are first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api import (
        Dataset,
        GivenMaps,
        Item,
        MaskMethod,
        Masks,
        Method,
        Pixels,
        Plugin,
        Pretrained,
        Source,
        Task,
        maps_only,
    )
    from bench.errors import BenchError, DataError, MachineError, PluginError, UsageError
    from bench.faults import Fault
    from bench.hookspecs import hookimpl
    from bench.notebook import load_results, map_of, picture_of, run, scores_of

__all__ = [
    "BenchError",
    "DataError",
    "Dataset",
    "Fault",
    "GivenMaps",
    "Item",
    "MachineError",
    "MaskMethod",
    "Masks",
    "Method",
    "Pixels",
    "Plugin",
    "PluginError",
    "Pretrained",
    "Source",
    "Task",
    "UsageError",
    "hookimpl",
    "load_results",
    "map_of",
    "maps_only",
    "picture_of",
    "run",
    "scores_of",
]

_HOME = {
    "bench.api": "Dataset GivenMaps Item MaskMethod Masks Method Pixels Plugin Pretrained Source Task maps_only",
    "bench.errors": "BenchError DataError MachineError PluginError UsageError",
    "bench.faults": "Fault",
    "bench.hookspecs": "hookimpl",
    "bench.notebook": "load_results map_of picture_of run scores_of",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("wsss-bench")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
