"""What plugins there are and what they find: each imported, the weights that they start from, the data, the cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from bench import plugins
from bench.api import Plugin, Pretrained
from bench.data.cache import entries
from bench.disk import amount
from bench.doctor.machine import Line
from bench.errors import BenchError, PluginError
from bench.roots import data_root


def offered() -> Iterator[Line]:
    """Every installed plugin, imported; a broken one with its reason."""
    for kind in (*plugins.KINDS, "commands"):
        for name in plugins.offers(kind):
            yield _offered(kind, name)


def _offered(kind: str, name: str) -> Line:
    try:
        if kind == "commands":
            plugins.load_command(name)
            return Line(kind, name, "loads")
        cls = plugins.load(kind, name)
    except BenchError as error:
        return Line(kind, name, str(error), "broken")
    return Line(kind, name, f"loads ({cls.__module__})")


def weights() -> Iterator[Line]:
    """The published weights that plugins start from by default: where they lie, or that a run would download them."""
    wanted: dict[str, Pretrained] = {}
    for name in plugins.offers("methods"):
        for method in _pretrained(name):
            wanted.setdefault(method.backbone, method)
    for backbone, method in sorted(wanted.items()):
        yield _weights(backbone, method)


def _pretrained(name: str) -> Iterator[Pretrained]:
    try:
        plugin: Plugin = plugins.instantiate(plugins.load("methods", name), {})
    except BenchError:  # broken, or with a setting that has no default
        return
    fields = [getattr(plugin, field) for field in type(plugin).model_fields]
    yield from (each for each in (plugin, *fields) if isinstance(each, Pretrained) and each.pretrained)


def _weights(backbone: str, method: Pretrained) -> Line:
    from bench.weights import locate

    ways = f"a run downloads them, or takes a file: --set {method.name}.weights=FILE"
    try:
        file = locate(method, download=False)
    except (BenchError, ImportError) as error:
        return Line("weights", backbone, str(error), "to know")
    return Line("weights", backbone, str(file)) if file else Line("weights", backbone, f"not here; {ways}", "to know")


def datasets() -> Iterator[Line]:
    """Which data sets are here."""
    for name in plugins.offers("datasets"):
        try:
            cls: Any = plugins.load("datasets", name)
            text = "made by its own code" if cls.embedded else str(data_root(name))
        except BenchError as error:
            if isinstance(error, PluginError):
                continue
            yield Line(
                "data",
                name,
                "not here; name its folder with --data-root PATH, or see `bench data get --help`",
                "to know",
            )
        else:
            yield Line("data", name, text)


def caches() -> Iterator[Line]:
    """What was decoded and remembered, by kind."""
    found: dict[str, list[int]] = defaultdict(list)
    for entry in entries():
        found[entry.kind].append(entry.bytes)
    for kind, sizes in found.items():
        yield Line("cache", kind, f"{amount(sum(sizes))} in {len(sizes)} (`bench data cache list`)")
    if not found:
        yield Line("cache", "views", "nothing is decoded yet")
