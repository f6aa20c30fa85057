"""What a plugin does wrong, as a sentence with its place: FILE:LINE of what to change."""

from __future__ import annotations

import inspect
import traceback
from typing import Any

from bench.api import Plugin
from bench.errors import BenchError, PluginError


class Fault(PluginError):
    """A broken promise, and the line of the plugin that breaks it, as FILE:LINE."""

    def __init__(self, sentence: str, place: str = "") -> None:
        super().__init__(sentence)
        self.place = place


def called(plugin: Plugin, function: str, *given: Any) -> Any:
    """Call a function of a plugin; whatever it raises becomes a Fault that names the line. Missing data or weights are no fault of it."""
    try:
        return getattr(plugin, function)(*given)
    except BenchError as error:
        if type(error) not in (BenchError, PluginError):
            raise
        raise Fault(str(error), place_of(plugin, function)) from error
    except Exception as error:
        said = f"{function}() of {plugin.name} failed: {type(error).__name__}: {error}"
        raise Fault(said, line_of(error, plugin) or place_of(plugin, function)) from error


def place_of(plugin: Plugin, name: str = "") -> str:
    """FILE:LINE of a plugin's function or field, or of its class."""
    cls = type(plugin)
    for owner in cls.__mro__:
        if inspect.isfunction(function := vars(owner).get(name)):
            return _place(function)
        if name in inspect.get_annotations(owner):
            return _field(owner, name)
    return _place(cls)


def source_of(thing: Any) -> str:
    """The file of a class or function; empty where it was typed in or built by code."""
    try:
        return inspect.getsourcefile(thing) or ""
    except TypeError:
        return ""


def _place(thing: Any) -> str:
    try:
        return f"{source_of(thing)}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):
        return ""


def _field(cls: type, name: str) -> str:
    try:
        lines, first = inspect.getsourcelines(cls)
    except (OSError, TypeError):
        return ""
    found = (number for number, line in enumerate(lines, first) if line.strip().startswith(f"{name}:"))
    return f"{inspect.getsourcefile(cls)}:{next(found, first)}"


def line_of(error: Exception, plugin: Plugin) -> str:
    """The innermost line of the plugin's own files in a traceback."""
    own = {source_of(cls) for cls in type(plugin).__mro__ if cls.__module__ != Plugin.__module__}
    lines = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__) if f.filename in own]
    return lines[-1] if lines else ""
