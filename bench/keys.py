"""What decides a fit and its maps: the settings of a method as they go into keys."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.api import Plugin, Pretrained
from bench.code_digest import code_digest
from bench.protocol import Protocol
from bench.samples import file_digests


def decisive(plugin: Plugin) -> dict[str, Any]:
    """A plugin's settings where a file stands for its bytes and not for its place; settings without effect are left out."""
    values = plugin.model_dump(mode="json", serialize_as_any=True)
    for name in type(plugin).model_fields:
        value = getattr(plugin, name)
        if isinstance(value, Plugin):
            values[name] = {"name": value.name, **decisive(value)}
        elif isinstance(value, Path):
            values[name] = file_digests([value])[0]
    if isinstance(plugin, Pretrained) and not plugin.pretrained:
        del values["weights"]
    return values


def fit_settings(plugin: Plugin) -> dict[str, Any]:
    """The settings that decide the fitted network."""
    return {name: value for name, value in decisive(plugin).items() if not _is_maps_only(plugin, name)}


def maps_settings(plugin: Plugin) -> dict[str, Any]:
    """The settings that decide only the maps (fields made with `maps_only`)."""
    return {name: value for name, value in decisive(plugin).items() if _is_maps_only(plugin, name)}


def _is_maps_only(plugin: Plugin, name: str) -> bool:
    extra = type(plugin).model_fields[name].json_schema_extra
    return isinstance(extra, Mapping) and bool(extra.get("maps_only"))


def code_of(plugin: Plugin) -> str:
    """The hash of the code of a plugin's module."""
    return code_digest(Path(inspect.getfile(type(plugin))))


def shown(plugin: Plugin) -> dict[str, Any]:
    """The settings that differ from their defaults, as tables show them; a file by its name, no root and no label."""
    values: dict[str, Any] = {}
    for name, field in type(plugin).model_fields.items():
        value = getattr(plugin, name)
        if name in ("root", "label") or value == field.get_default(call_default_factory=True):
            continue
        if isinstance(value, Plugin):
            values |= {f"{name}.{inner}": v for inner, v in shown(value).items()}
        else:
            values[name] = value.name if isinstance(value, Path) else value
    return values


def segmenter_settings(protocol: Protocol) -> dict[str, Any]:
    """The fields of a protocol that decide the segmenter; those of the other kind of network are left out."""
    common = ("segmenter", "steps", "batch", "segmenter_lr", "schedule", "augment")
    if protocol.segmenter == "unet":
        return {name: getattr(protocol, name) for name in (*common, "base_channels")}
    weights = protocol.encoder_weights
    named = weights if weights in ("none", "imagenet") else file_digests([Path(weights)])[0]
    return {**{name: getattr(protocol, name) for name in (*common, "encoder")}, "encoder_weights": named}
