"""Plugins: their names from packaging metadata without importing any, and their classes when they are asked for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.data.source import parse, source_file, summary
from bench.entry_points import EntryPoint, entry_points
from bench.errors import BenchError, PluginError, UsageError
from bench.near import did_you_mean
from bench.settings import instantiate as instantiate

if TYPE_CHECKING:
    import click
    import pluggy

KINDS = ("methods", "datasets")
SINGULAR = {"methods": "method", "datasets": "data set", "commands": "command"}
_LOOSE = "bench_plugin_"


class Offer(NamedTuple):
    """A name in the packaging metadata with all that claim it: more than one module is an error once it is asked for."""

    kind: str
    name: str
    points: tuple[EntryPoint, ...]

    @property
    def text(self) -> str:
        """The line beside the name, from the module's source; what is wrong where the plugin cannot load."""
        if len(self.points) > 1:
            return f"offered twice: by {' and by '.join(self.claims)}"
        module = self.points[0].value
        file = source_file(module)
        return summary(file, self.name) if file else f"does not load: there is no module {module}"

    @property
    def claims(self) -> list[str]:
        """Module and package of each claim."""
        return [f"{point.value} ({point.package})" for point in self.points]


class _Origin(NamedTuple):
    kind: str
    module: str
    file: Path | None


_origins: dict[type, _Origin] = {}
"""Where each loaded class comes from, so that a child process can load it again."""
_files: dict[Path, tuple[type, ...]] = {}
"""Loose plugin files by path, with what they offer."""


def offers(kind: str) -> dict[str, Offer]:
    """Every installed plugin of a kind (`methods`, `datasets`, `commands`), sorted by name."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points():
        if point.group == f"wsss_bench.{kind}":
            found.setdefault(point.name, {})[point.value] = point
    return {name: Offer(kind, name, tuple(by.values())) for name, by in sorted(found.items())}


def names(kind: str) -> list[str]:
    """The names of a kind that can be asked for: the installed ones and those of loaded files."""
    return sorted({*offers(kind), *(c.name for c in _loose(kind))})


def check_name(kind: str, name: str) -> None:
    """UsageError with near names where nothing of that kind is called `name`; nothing is imported."""
    known = names(kind)
    if name in known:
        return
    hint = did_you_mean(name, known, f"`bench list {kind}` shows what there is")
    raise UsageError(f"no {SINGULAR[kind]} is called {name}; {hint}")


def load(kind: str, name: str) -> type[Any]:
    """The class of one plugin; imports its module and nothing else.

    UsageError for an unknown name; PluginError where the module does not load, does not offer the name, or another claims it.
    """
    check_name(kind, name)
    offer = offers(kind).get(name)
    loose = [c for c in _loose(kind) if c.name == name]
    claims = [*(offer.claims if offer else []), *(str(_origins[c].file) for c in loose)]
    if len(claims) > 1:
        raise PluginError(
            f"{SINGULAR[kind]} {name} is offered twice: by {' and by '.join(claims)}; rename or remove one"
        )
    if loose:
        return loose[0]
    assert offer is not None
    value = offer.points[0].value
    return _pick(kind, name, _import(kind, name, value), None, f"its entry point {name} = {value!r}")


def load_command(name: str) -> click.Command:
    """The command that an installed plugin adds to `bench` under this name."""
    offer = offers("commands")[name]
    if len(offer.points) > 1:
        raise PluginError(f"command {name} is offered twice: by {' and by '.join(offer.claims)}; remove one")
    module = _import("commands", name, offer.points[0].value)
    commands: list[click.Command] = [c for c in _offered("commands", module) if c.name == name]
    if len(commands) != 1:
        raise PluginError(f"module {module.__name__} offers {len(commands)} commands called {name}, not one")
    return commands[0]


def load_file(path: Path) -> tuple[type[Any], ...]:
    """What a loose .py file offers (`--plugin FILE`); PluginError names file, line and error."""
    path = path.resolve()
    if path not in _files:
        module = _import_file(path)
        _files[path] = tuple(
            _claim(cls, kind, module, path)
            for kind in KINDS
            for cls in _classes(kind, module, f"plugin file {path.name}")
        )
        if not _files[path]:
            del _files[path]
            raise PluginError(
                f"plugin file {path} offers nothing: mark bench_methods or bench_datasets with bench.hookimpl"
            )
    return _files[path]


def finished(out: Path) -> list[str]:
    """Tell every plugin of the run, and those that add commands, that results lie under `out`; the sentences of those that fail."""
    said = []
    for name, offer in offers("commands").items():
        try:
            _import("commands", name, offer.points[0].value)
        except PluginError as error:
            said.append(str(error))
    try:
        _manager().hook.bench_run_finished(out=out)
    except Exception as error:
        said.append(f"a plugin fails in bench_run_finished: {_said(error)}")
    return said


def describe(cls: type[Any]) -> dict[str, str | None]:
    """Where a loaded class comes from, as JSON values: `restore` loads it again in another process."""
    origin = _origins.get(cls) or _Origin(
        "methods", cls.__module__, None
    )  # a Method field that nobody asked for by name
    return {
        "kind": origin.kind,
        "name": cls.name,
        "module": origin.module,
        "file": str(origin.file) if origin.file else None,
    }


def restore(description: Mapping[str, str | None]) -> type[Any]:
    """The class that `describe` described. Reads no packaging metadata: only the one module is imported."""
    kind, name, module, file = (description[key] for key in ("kind", "name", "module", "file"))
    assert kind is not None
    assert name is not None
    assert module is not None
    if file:
        load_file(Path(file))
        return next(c for c in _loose(kind) if c.name == name and str(_origins[c].file) == file)
    return _pick(kind, name, _import(kind, name, module), None, f"module {module}")


def _loose(kind: str) -> list[type[Any]]:
    return [c for classes in _files.values() for c in classes if _origins[c].kind == kind]


@cache
def _manager() -> pluggy.PluginManager:
    import pluggy

    from bench import hookspecs

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _import(kind: str, name: str, module: str) -> ModuleType:
    """Import the module of an entry point and register it once, however many names it offers."""
    try:
        imported = importlib.import_module(module)
        _register(imported)
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        where = f"{SINGULAR[kind]} {name} does not load (entry point {name} = {module!r})"
        raise PluginError(f"{where}: {_said(error)}") from error
    return imported


def _import_file(path: Path) -> ModuleType:
    try:
        parse(path)
    except OSError as error:
        raise PluginError(f"plugin file {path} cannot be read: {error.strerror}") from None
    except SyntaxError as error:
        raise PluginError(f"plugin file {path} does not load: line {error.lineno}: {error.msg}") from error
    import hashlib

    name = f"{_LOOSE}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin file {path} does not load: its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks annotations up there
    try:
        spec.loader.exec_module(module)
        _register(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(f"plugin file {path} does not load: {_said(error)}") from error
    return module


def _said(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _register(module: ModuleType) -> None:
    if not _manager().is_registered(module):
        _manager().register(module, module.__name__)


def _offered(kind: str, module: ModuleType) -> list[Any]:
    """What this module's own hook returns."""
    others = [plugin for plugin in _manager().get_plugins() if plugin is not module]
    answers: list[Iterable[Any]] = _manager().subset_hook_caller(f"bench_{kind}", others)()
    return [each for answer in answers for each in answer]


def _classes(kind: str, module: ModuleType, where: str) -> list[type[Any]]:
    """The classes of a kind that a module offers, each held to what `bench` asks of a class."""
    from bench.api import Dataset, GivenMaps, MaskMethod, Method

    allowed = (Dataset,) if kind == "datasets" else (Method, MaskMethod, GivenMaps)
    try:
        classes = _offered(kind, module)
    except Exception as error:
        raise PluginError(f"{where}: bench_{kind} fails: {_said(error)}") from error
    for cls in classes:
        wanted = " or ".join(a.__name__ for a in allowed)
        if not (isinstance(cls, type) and issubclass(cls, allowed)):
            raise PluginError(f"{where}: bench_{kind} offers {cls!r}, which is no subclass of bench.{wanted}")
        if not isinstance(getattr(cls, "name", None), str):
            raise PluginError(f"{where}: class {cls.__name__} has no name; give it `name: ClassVar[str] = ...`")
    return classes


def _pick(kind: str, name: str, module: ModuleType, file: Path | None, where: str) -> type[Any]:
    classes = _classes(kind, module, f"{SINGULAR[kind]} {name}")
    found = [cls for cls in classes if cls.name == name]
    if not found:
        there = (
            ", ".join(cls.name for cls in classes) or f"nothing (bench_{kind} marked with bench.hookimpl is missing)"
        )
        raise PluginError(
            f"{SINGULAR[kind]} {name} is not there: {where} names {module.__name__}, which offers {there}"
        )
    if len(found) > 1:
        both = " and ".join(cls.__qualname__ for cls in found)
        raise PluginError(f"{SINGULAR[kind]} {name} is offered twice in {module.__name__}: by {both}; rename one")
    return _claim(found[0], kind, module, file)


def _claim(cls: type[Any], kind: str, module: ModuleType, file: Path | None) -> type[Any]:
    _origins[cls] = _Origin(kind, module.__name__, file)
    return cls
