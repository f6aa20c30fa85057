"""What decides a fit and its maps: the settings of a method as they go into keys."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.api import Plugin, Pretrained
from bench.data.samples import file_digests
from bench.pipeline.code_digest import code_digest
from bench.protocol import Protocol
from bench.store import digest

REVISIONS = {"fit": 2, "maps": 2, "targets": 1, "segment": 1, "scores": 2}
"""Part of each key: raised when the code of a stage comes to make other numbers of the same inputs."""


def decisive(plugin: Plugin) -> dict[str, Any]:
    """A plugin's settings where a file stands for its bytes and not for its place; settings without effect are left out."""
    values = plugin.model_dump(mode="json", serialize_as_any=True)
    for name in type(plugin).model_fields:
        value = getattr(plugin, name)
        if isinstance(value, Plugin):
            values[name] = {
                "name": value.name,
                **fit_settings(value),
            }  # what is fitted first is only a network to the outer one
        elif isinstance(value, Path):
            values[name] = content(value)
    return {name: value for name, value in values.items() if not _without_effect(plugin, name)}


def _without_effect(plugin: Plugin, name: str) -> bool:
    """The file of weights of a network that starts from scratch is not read."""
    return name == "weights" and isinstance(plugin, Pretrained) and not plugin.pretrained


def content(place: Path) -> str:
    """The sha256 of a file, or a hash over the files of a folder in order of their names."""
    if not place.is_dir():
        return file_digests([place])[0]
    files = sorted(path for path in place.iterdir() if path.is_file())
    return digest([[path.name for path in files], file_digests(files)])


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
    """The hash of the code of a plugin's class and of the classes that it is built on."""
    ours = {inspect.getfile(Plugin)}
    files = {inspect.getfile(cls): None for cls in type(plugin).__mro__ if issubclass(cls, Plugin)}
    codes = [code_digest(Path(file)) for file in files if file not in ours]
    return codes[0] if len(codes) == 1 else digest(codes)


def recipe(plugin: Plugin) -> str:
    """What a finished result must have been made with to be taken as it is: the code of its plugins and of the stages."""
    inner = [getattr(plugin, name) for name in type(plugin).model_fields]
    codes = [code_of(plugin), *(recipe(value) for value in inner if isinstance(value, Plugin))]
    return digest({"code": codes, "stages": REVISIONS})


def shown(plugin: Plugin) -> dict[str, Any]:
    """The settings that differ from their defaults, as tables show them; a file by its name, no root and no label."""
    values: dict[str, Any] = {}
    for name, field in type(plugin).model_fields.items():
        value = getattr(plugin, name)
        if name in ("root", "label") or value == field.get_default(call_default_factory=True):
            continue
        if _without_effect(plugin, name):
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
    file = Path(protocol.encoder_weights)
    weights = file_digests([file])[0] if file.is_file() else protocol.encoder_weights
    return {**{name: getattr(protocol, name) for name in (*common, "encoder")}, "encoder_weights": weights}
