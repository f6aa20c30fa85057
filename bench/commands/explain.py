"""What `bench info` says about a name: facts and settings of a method, data set or protocol, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench import plugins, protocol
from bench.data.source import field_texts, source_file
from bench.errors import BenchError, UsageError
from bench.near import did_you_mean

if TYPE_CHECKING:
    from bench.api import Plugin


def describe(name: str) -> dict[str, Any]:
    """Everything `bench info` says about a name, as plain values."""
    if name in protocol.PROTOCOLS:
        return _protocol(name)
    kinds = [kind for kind in plugins.KINDS if name in plugins.names(kind)]
    if not kinds:
        known = [*protocol.PROTOCOLS, *(each for kind in plugins.KINDS for each in plugins.names(kind))]
        raise UsageError(f"nothing is called {name}; {did_you_mean(name, known, '`bench list` shows what there is')}")
    return _plugin(kinds[0], plugins.load(kinds[0], name))


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
    from bench.api import GivenMaps, MaskMethod

    if issubclass(cls, GivenMaps):
        return {"role": "method", "supervision": "as declared: the maps were made elsewhere"}
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
