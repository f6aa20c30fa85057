"""`bench list` and `bench info`: what there is, and what it takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import plugins, protocol
from bench.cli_flags import flags
from bench.errors import BenchError, UsageError
from bench.source import field_texts, source_file

if TYPE_CHECKING:
    from bench.api import Plugin

KINDS = (*plugins.KINDS, "protocols")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
def list_(kind: str | None) -> None:
    """List the methods, data sets and protocols there are."""
    found = {each: _texts(each) for each in ([kind] if kind else KINDS)}
    if flags().json:
        rows = {each: [{"name": n, "text": t} for n, t in texts.items()] for each, texts in found.items()}
        click.echo(json.dumps(rows, indent=1))
        return
    formatter = click.HelpFormatter(width=max(shutil.get_terminal_size().columns - 1, 40))
    for each, texts in found.items():
        with formatter.section(each):
            formatter.write_dl(list(texts.items()) or [("none", "")])
    click.echo(formatter.getvalue(), nl=False)


def _texts(kind: str) -> dict[str, str]:
    if kind == "protocols":
        return dict(protocol.SUMMARIES)
    return {name: offer.text for name, offer in plugins.offers(kind).items()}


def complete_name(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of everything that `info` knows, for the shell."""
    return [name for kind in KINDS for name in _texts(kind) if name.startswith(incomplete)]


@click.command()
@click.argument("name", shell_complete=complete_name)
@click.option(
    "--plugin", "files", multiple=True, type=click.Path(), metavar="FILE", help="A loose plugin file to look in too."
)
def info(name: str, files: tuple[str, ...]) -> None:
    """Show what a method, data set or protocol is and which settings it takes."""
    for file in files:
        plugins.load_file(Path(file))
    found = describe(name)
    click.echo(json.dumps(found, indent=1, default=str) if flags().json else _page(found), nl=flags().json)


def describe(name: str) -> dict[str, Any]:
    """Everything `bench info` says about a name, as plain values."""
    if name in protocol.PROTOCOLS:
        return _protocol(name)
    kinds = [kind for kind in plugins.KINDS if name in plugins.names(kind)]
    if not kinds:
        raise UsageError(f"nothing is called {name}; {_near(name)}")
    return _plugin(kinds[0], plugins.load(kinds[0], name))


def _near(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(
        name, [*protocol.PROTOCOLS, *(n for k in plugins.KINDS for n in plugins.names(k))], 1
    )
    return f"did you mean {near[0]}?" if near else "`bench list` shows what there is"


def _protocol(name: str) -> dict[str, Any]:
    rules = protocol.PROTOCOLS[name]
    file = source_file("bench.protocol")
    texts = field_texts(file, "Protocol") if file else {}
    settings = [
        {
            "field": f"protocol.{field}",
            "default": getattr(rules, field),
            "takes": _choices(field),
            "text": texts.get(field, ""),
        }
        for field in protocol.SETTABLE
    ]
    carried = [
        {"field": field, "default": value, "takes": "", "text": "setting of every method that has it"}
        for field, value in rules.settings.items()
    ]
    facts = {"version": protocol.VERSION}
    return {
        "name": name,
        "kind": "protocol",
        "text": protocol.SUMMARIES[name],
        "facts": facts,
        "settings": settings + carried,
    }


def _choices(field: str) -> str:
    return ", ".join(protocol.CHOICES.get(field, ()))


def _plugin(kind: str, cls: type[Plugin]) -> dict[str, Any]:
    import inspect

    facts = {"paper": cls.paper, **(_dataset_facts(cls) if kind == "datasets" else _method_facts(cls))}
    return {
        "name": cls.name,
        "kind": plugins.SINGULAR[kind],
        "text": inspect.cleandoc(cls.__doc__ or ""),
        "facts": {key: value for key, value in facts.items() if value != ""},
        "settings": _fields(cls),
    }


def _dataset_facts(cls: Any) -> dict[str, Any]:
    return {"version": cls.version, "pictures may be shown": cls.publishable, "known overlap": cls.pretraining}


def _method_facts(cls: Any) -> dict[str, Any]:
    from bench.api import MaskMethod

    if issubclass(cls, MaskMethod):
        return {"role": cls.role, "supervision": "masks of the split `masks`"}
    role = "floor" if cls.floor else "method"
    try:
        made = plugins.instantiate(cls, {})
        masks = made.masks()
        notes = "; ".join(made.notes())
    except BenchError as error:
        return {"role": role, "supervision": f"depends on settings ({error})"}
    labels = "image labels" if cls.reads_labels else "none"
    read = f"{masks.count or 'all'} masks of the split `{masks.split}`, for {masks.purpose}" if masks else labels
    return {"role": role, "supervision": read, "notes": notes}


def _fields(cls: type[Plugin], prefix: str = "", default: Any = None) -> list[dict[str, Any]]:
    """Every setting by its dotted name; those of a method inside a method below it."""
    from pydantic import BaseModel

    rows: list[dict[str, Any]] = []
    for name, field in cls.model_fields.items():
        value = (
            field.get_default(call_default_factory=True, validated_data={})
            if default is None
            else getattr(default, name)
        )
        if isinstance(value, BaseModel):
            rows += _fields(type(value), f"{prefix}{name}.", value)  # type: ignore[arg-type]
            continue
        shown = "needed" if field.is_required() and default is None else value
        rows.append({"field": prefix + name, "default": shown, "takes": _takes(field), "text": field.description or ""})
    return rows


def _takes(field: Any) -> str:
    """The type of a field and its limits, as a reader says them: `int | None, ge=1`."""
    from typing import Literal, get_args, get_origin

    note = field.annotation
    if get_origin(note) is Literal:
        kind = " | ".join(str(value) for value in get_args(note))
    else:
        kind = note.__name__ if isinstance(note, type) and not get_args(note) else str(note)
        kind = kind.replace("typing.", "").replace("pathlib.", "").replace("_local.", "")
    limits = [str(each) for each in field.metadata]
    bounds = [
        f"{sign} {getattr(each, key)}" for each in field.metadata for key, sign in _SIGNS.items() if hasattr(each, key)
    ]
    return ", ".join([kind, *(bounds or limits)])


_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


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
