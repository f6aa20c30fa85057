"""What every plugin promises of itself and of its settings."""

from __future__ import annotations

import json

from bench.api import Plugin
from bench.contract.plugin_faults import Fault, place_of
from bench.data.source import first_line


def says_what_it_is(plugin: Plugin) -> None:
    """The first line of the docstring stands in `bench list`."""
    if not first_line(type(plugin).__doc__):
        raise Fault(
            f"class {type(plugin).__name__} has no docstring; its first line stands in `bench list`", place_of(plugin)
        )


def describes_settings(plugin: Plugin) -> None:
    """`bench info` prints the descriptions."""
    for name, field in type(plugin).model_fields.items():
        if not isinstance(getattr(plugin, name), Plugin) and len((field.description or "").split()) < 2:
            raise Fault(
                f"{plugin.name}.{name} has no description; say what it is, its unit and its source: "
                f'Field(..., description="...")',
                place_of(plugin, name),
            )


def settings_travel(plugin: Plugin) -> None:
    """A child process gets the settings as JSON."""
    try:
        told = json.loads(json.dumps(plugin.model_dump(mode="json", serialize_as_any=True)))
        there = type(plugin).model_validate(told)
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise Fault(f"the settings of {plugin.name} do not become JSON and back: {said}", place_of(plugin)) from error
    changed = [name for name in type(plugin).model_fields if getattr(there, name) != getattr(plugin, name)]
    if changed:
        raise Fault(
            f"{plugin.name}.{changed[0]} is another value once it has been JSON; take numbers, text, paths, lists of them",
            place_of(plugin, changed[0]),
        )
