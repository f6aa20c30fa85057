"""`bench.toml`: options of `bench run` in a file, read and checked. What stands where, and which goes first: docs/configuration.md."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from bench.errors import UsageError
from bench.near import did_you_mean


def text(value: Any) -> str:
    """A value as `--set` takes it: `true`, `none`, `1e-05`, `fixed,otsu`."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(text, value)) if isinstance(value, list | tuple) else str(value)


def assignments(values: Mapping[str, Any], owner: str = "") -> Iterator[str]:
    """A table as `KEY=VALUE` texts; a table in it has dots: `{"isic": {"label": "x"}}` gives `isic.label=x`."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from assignments(value, f"{owner}{key}.")
        else:
            yield f"{owner}{key}={text(value)}"


def _list(value: Any) -> Any:
    """One value, or a list of them, as a list of texts."""
    each = value if isinstance(value, list) else [value]
    return [text(one) if isinstance(one, str | int) and not isinstance(one, bool) else one for one in each]


def _table(value: Any) -> Any:
    """A table, or texts `KEY=VALUE`, as a list of texts."""
    return list(assignments(value)) if isinstance(value, Mapping) else _list(value)


Names = Annotated[list[str], BeforeValidator(_list)]
Assignments = Annotated[list[str], BeforeValidator(_table)]


class Config(BaseModel):
    """The keys that a file may have: options of `bench run` by their long names, with _ for -. None: not given."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    method: Names | None = None
    dataset: Names | None = None
    protocol: str | None = None
    seed: Names | None = None
    set: Assignments | None = None
    data_root: Assignments | None = None
    out: str | None = None
    device: str | None = None
    jobs: int | None = None
    timeout: float | None = None
    controls: bool | None = None
    accept: Names | None = None
    plugin: Names | None = None


def read(file: Path) -> dict[str, Any]:
    """What a file gives, by key; lists and tables as lists of texts. UsageError names the file and the key."""
    try:
        with file.open("rb") as stream:
            values = tomllib.load(stream)
    except OSError as error:
        raise UsageError(f"config file {file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"config file {file} is not TOML: {error}") from None
    try:
        return Config.model_validate(values).model_dump(exclude_none=True)
    except ValidationError as error:
        raise UsageError("; ".join(_sentences(file, error))) from None


def _sentences(file: Path, error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        key = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            hint = did_you_mean(key, Config.model_fields, f"it may have {', '.join(Config.model_fields)}")
            yield f"config file {file} has an unknown key {key}; {hint}"
        else:
            wanted = fault["msg"].removeprefix("Input should be ")
            yield f"config file {file}: {key} takes {wanted}, not {fault['input']!r}"
