"""Settings of a plugin from text: `--set lr=1e-4`, `--set classifier.weights=FILE`. pydantic is imported late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from bench.errors import UsageError
from bench.near import did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic.fields import FieldInfo

    from bench.api import Plugin

P = TypeVar("P", bound="Plugin")


def instantiate(cls: type[P], settings: Mapping[str, Any]) -> P:
    """A plugin with these settings, by dotted field; values may be text. UsageError names plugin, field, value and what it takes."""
    from pydantic import ValidationError

    try:
        return cls.model_validate(_nested(cls, settings))
    except ValidationError as error:
        raise UsageError("; ".join(_sentences(cls, error))) from error


def _nested(cls: type[BaseModel], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as nested dicts, on top of the default of a field that is a plugin itself."""
    values: dict[str, Any] = {}
    below: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        head, _, rest = key.partition(".")
        if rest:
            below.setdefault(head, {})[rest] = value
        else:
            values[head] = _plain(cls.model_fields.get(head), value)
    for head, inner in below.items():
        model = _model(cls.model_fields.get(head))
        if head in values or model is None:
            values.setdefault(head, inner)
            continue
        values[head] = {**_default(cls.model_fields[head]), **_nested(model, inner)}
    return values


def _model(field: FieldInfo | None) -> type[BaseModel] | None:
    """The model class of a field that is one (or may be None)."""
    from pydantic import BaseModel

    for option in _options(field):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _default(field: FieldInfo) -> dict[str, Any]:
    default = field.get_default(call_default_factory=True, validated_data={})
    return {name: getattr(default, name) for name in getattr(default, "model_fields_set", ())}


def _plain(field: FieldInfo | None, value: Any) -> Any:
    """Text as pydantic takes it: `none` where a field may be None, commas where it is a list."""
    if not isinstance(value, str):
        return value
    options = _options(field)
    if value.lower() == "none" and NoneType in options and value not in _literals(options):
        return None
    if str not in options and any(get_origin(option) in (tuple, list, set, frozenset) for option in options):
        return [part for part in value.split(",") if part]
    return value


def _options(field: FieldInfo | None) -> tuple[Any, ...]:
    """The types that a field takes: `int | None` -> (int, NoneType)."""
    if field is None:
        return ()
    args = get_args(field.annotation)
    return args if NoneType in args else (field.annotation,)


def _literals(options: tuple[Any, ...]) -> list[Any]:
    return [value for option in options if get_origin(option) is Literal for value in get_args(option)]


def _sentences(cls: type[Plugin], error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        place = [str(part) for part in fault["loc"]]
        where = ".".join([cls.name, *place])
        if fault["type"] == "extra_forbidden":
            yield _unknown(cls, place)
        elif fault["type"] == "missing":
            yield f"{where} has no value; give it with --set {where}=..."
        elif place:
            yield f"{where} {_wanted(fault['msg'])}, not {_shown(fault['input'])}"
        else:
            yield f"settings of {where}: {fault['msg'].removeprefix('Value error, ')}"


def _wanted(message: str) -> str:
    """pydantic's `Input should be a valid number, unable to parse string as a number` -> `takes a valid number`."""
    if not message.startswith("Input should be "):
        return f"is refused ({message.removeprefix('Value error, ')})"
    what = message.removeprefix("Input should be ").partition(", unable to")[0]
    return f"takes a value {what}" if what.startswith(("greater", "less")) else f"takes {what}"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _unknown(cls: type[Plugin], place: list[str]) -> str:
    model: type[BaseModel] | None = cls
    for part in place[:-1]:
        model = _model(model.model_fields.get(part)) if model else None
    known = list(model.model_fields) if model else []
    hint = did_you_mean(place[-1], known, f"it has {', '.join(known) or 'none'}")
    owner = ".".join([cls.name, *place[:-1]])
    return f"{owner} has no setting {place[-1]}; {hint}"
