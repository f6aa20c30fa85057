"""Options from files below the command line: `--config FILE`, and below it ./bench.toml. pydantic only where there is a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click

BESIDE = Path("bench.toml")
"""Read wherever it lies in the current folder."""
_KEPT = "bench.layers"
MERGED = ("set", "data_root")
"""Tables: a flag replaces what it names in them, and not the whole table."""


@dataclass(frozen=True)
class Layer:
    """What one file gives, by key."""

    origin: str
    values: Mapping[str, Any]


class Origin(NamedTuple):
    """An option, its value as text, and where that came from."""

    option: str
    value: str
    origin: str


def _read(context: click.Context, parameter: click.Parameter, file: Path | None) -> None:
    """Put the values of files below the command line and its environment variables (click's default map)."""
    if context.resilient_parsing:  # the shell asks for names
        return
    files = [*([BESIDE] if BESIDE.is_file() else []), *([file] if file else [])]
    layers = []
    if files:
        from bench.commands.config import read

        layers = [Layer(str(each), read(each)) for each in files]
    context.meta[_KEPT] = layers
    given = {key: value for layer in layers for key, value in layer.values.items() if key not in MERGED}
    context.default_map = {p.name: given[_key(p)] for p in context.command.params if p.name and _key(p) in given}


config_option = click.option(
    "--config",
    envvar="BENCH_CONFIG",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read,
    metavar="FILE",
    help="Options from a TOML file; below it ./bench.toml is read.",
)


def _key(parameter: click.Parameter) -> str:
    """The key of an option in a file: its long name with _ for -."""
    return max(parameter.opts, key=len).lstrip("-").replace("-", "_")


def layers() -> list[Layer]:
    """The files of the command that is being run, lowest first; none outside of a command line."""
    context = click.get_current_context(silent=True)
    found: list[Layer] = context.meta.get(_KEPT, []) if context else []
    return found


def origins(context: click.Context) -> Iterator[Origin]:
    """Every option of a command with its value, and what said so: a flag, an environment variable, a file, or nobody (default)."""
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if _key(parameter) in MERGED or not parameter.expose_value or value in (None, ()):
            continue
        yield Origin(max(parameter.opts, key=len), _shown(value), _origin(context, parameter))


def _origin(context: click.Context, parameter: click.Parameter) -> str:
    source = context.get_parameter_source(parameter.name or "")
    if source is click.core.ParameterSource.COMMANDLINE:
        return "flag"
    if source is click.core.ParameterSource.ENVIRONMENT:
        return f"environment variable {parameter.envvar}"
    if source is click.core.ParameterSource.DEFAULT_MAP:
        return next(layer.origin for layer in reversed(layers()) if _key(parameter) in layer.values)
    return "default"


def _shown(value: Any) -> str:
    from bench.commands.config import text

    return text(value)
