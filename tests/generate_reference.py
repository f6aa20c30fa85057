"""`python tests/generate_reference.py` writes docs/command-reference.md from the commands themselves; a test holds the file to it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import click

from bench import plugins
from bench.commands.cli import cli
from bench.commands.flags import with_flags

PAGE = Path(__file__).resolve().parent.parent / "docs" / "command-reference.md"
HEAD = """# Command reference

What `--help` says of every command, written by `python tests/generate_reference.py`. Every command also takes `-h --help --version -q -v
--json --no-progress --debug`. By purpose: [commands](commands.md).
"""
WIDTH = 100
EVERYWHERE = {parameter.opts[0] for parameter in with_flags(click.Command("any")).params}


def reference() -> str:
    """The page."""
    return "\n".join([HEAD, *(f"## {name}\n\n```text\n{_help(name, command)}\n```\n" for name, command in commands())])


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of this package by its whole name, `bench runs export`, sorted."""
    context = click.Context(cli)
    strangers = {name for name, offer in plugins.offers("commands").items() if offer.points[0].package != "wsss-bench"}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if name not in strangers and command is not None:
            yield from _below(f"bench {name}", command)


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for each, below in sorted(command.commands.items()):
            yield from _below(f"{name} {each}", below)


def _help(name: str, command: click.Command) -> str:
    """What `--help` shows at a fixed width, without the options that every command takes."""
    own = copy.copy(command)
    own.params = [parameter for parameter in command.params if parameter.opts[0] not in EVERYWHERE]
    own.add_help_option = False
    context = click.Context(own, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    return own.get_help(context)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
