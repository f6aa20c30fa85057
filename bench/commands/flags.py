"""The options that every command takes, before or after its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass
class Flags:
    """The options that every command takes."""

    quiet: bool = False
    verbose: bool = False
    json: bool = False
    progress: bool = True


def flags() -> Flags:
    """The flags of the command line that is being run; called from Python, where there is none, nothing is printed."""
    context = click.get_current_context(silent=True)
    if context is None:
        return Flags(quiet=True, progress=False)
    found = context.find_root().ensure_object(Flags)
    assert isinstance(found, Flags)
    return found


def tell(value: Mapping[str, Any], sentence: str) -> None:
    """What a command has done, on standard output: a sentence, or with --json one document."""
    click.echo(json.dumps(value, indent=1) if flags().json else sentence)


def _flag(field: str, value: bool) -> Callable[[click.Context, click.Parameter, bool], None]:
    def keep(context: click.Context, parameter: click.Parameter, given: bool) -> None:
        if given:
            setattr(context.find_root().ensure_object(Flags), field, value)

    return keep


def _version(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if given:
        from importlib.metadata import version

        click.echo(f"wsss-bench {version('wsss-bench')}")
        context.exit()


def _everywhere() -> list[click.Option]:
    """The options that every command takes; they only set `Flags`."""
    kept: list[tuple[list[str], str, Callable[..., None]]] = [
        (["-q", "--quiet"], "Say less on stderr.", _flag("quiet", True)),
        (["-v", "--verbose"], "Say more on stderr.", _flag("verbose", True)),
        (["--json"], "Print one JSON document on stdout and nothing else.", _flag("json", True)),
        (["--no-progress"], "No progress bars.", _flag("progress", False)),
        (["--debug"], "Show the traceback of an error (also BENCH_DEBUG=1).", _ignored),
        (["--version"], "Show the version and exit.", _version),
    ]
    return [
        click.Option(
            names, is_flag=True, expose_value=False, is_eager=names[0] == "--version", help=text, callback=keep
        )
        for names, text, keep in kept
    ]


def with_flags(command: click.Command) -> click.Command:
    """Give a command, and every command below it, the options that all commands take."""
    taken = {name for parameter in command.params for name in parameter.opts}
    command.params.extend(option for option in _everywhere() if not taken & set(option.opts))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_flags(below)
    return command


def _ignored(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    """`--debug` is looked up before anything is parsed, so that it shows errors of parsing too."""
