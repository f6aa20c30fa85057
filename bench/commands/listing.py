"""`bench list` and `bench info`: what there is, and what it takes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from bench import plugins
from bench.commands.flags import flags

KINDS = (*plugins.KINDS, "protocols")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
def list_(kind: str | None) -> None:
    """List the methods, data sets and protocols there are."""
    found = {each: _texts(each) for each in ([kind] if kind else KINDS)}
    if flags().json:
        rows = {each: [{"name": n, "text": t} for n, t in texts.items()] for each, texts in found.items()}
        _print_json(rows)
        return
    formatter = click.HelpFormatter(width=max(shutil.get_terminal_size().columns - 1, 40))
    for each, texts in found.items():
        with formatter.section(each):
            formatter.write_dl(list(texts.items()) or [("none", "")])
    click.echo(formatter.getvalue(), nl=False)


def _names(kind: str) -> list[str]:
    return list(_texts(kind)) if kind == "protocols" else list(plugins.offers(kind))


def _texts(kind: str) -> dict[str, str]:
    if kind == "protocols":
        from bench.protocol import SUMMARIES

        return dict(SUMMARIES)
    return {name: offer.text for name, offer in plugins.offers(kind).items()}


def complete_name(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of everything that `info` knows, for the shell."""
    return [name for kind in KINDS for name in _names(kind) if name.startswith(incomplete)]


@click.command()
@click.argument("name", shell_complete=complete_name)
@click.option(
    "--plugin", "files", multiple=True, type=click.Path(), metavar="FILE", help="A loose plugin file to look in too."
)
def info(name: str, files: tuple[str, ...]) -> None:
    """Show what a method, data set or protocol is and which settings it takes."""
    for file in files:
        plugins.load_file(Path(file))
    from bench.commands.explain import describe

    found = describe(name)
    if flags().json:
        _print_json(found)
    else:
        click.echo(_page(found), nl=False)


def _print_json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, indent=1, default=str))


def _page(found: dict[str, Any]) -> str:
    formatter = click.HelpFormatter(width=max(shutil.get_terminal_size().columns - 1, 40))
    formatter.write(f"{found['name']} ({found['kind']})\n\n{found['text']}\n\n")
    if found["facts"]:
        formatter.write_dl([(key, _shown(value)) for key, value in found["facts"].items()])
    with formatter.section("settings"):
        rows = [(f"{s['field']}={_shown(s['default'])}", _line(s)) for s in found["settings"]]
        formatter.write_dl(rows or [("none", "")])
    return formatter.getvalue()


def _line(setting: dict[str, Any]) -> str:
    return f"{setting['text']} [{setting['takes']}]" if setting["takes"] else setting["text"]


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
