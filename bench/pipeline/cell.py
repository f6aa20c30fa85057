"""One cell: a data set x method x seed under a protocol, what identifies it and what its result says before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.api import AnyMethod, Dataset, MaskMethod, Method, Plugin, Pretrained
from bench.data.samples import identity
from bench.pipeline.keys import decisive, recipe, segmenter_settings
from bench.protocol import VERSION, Protocol
from bench.store import digest

RESULT = "result.json"


@dataclass(frozen=True)
class Cell:
    """What a cell is: everything that decides its numbers, and where it is to be worked out."""

    dataset: Dataset
    dataset_plugin: Mapping[str, Any]
    method: AnyMethod
    method_plugin: Mapping[str, Any]
    settings: Mapping[str, Any]  # of the method, those that differ from the defaults, as tables show them
    protocol: Protocol
    seed: int
    out: Path
    device: str = "auto"
    threads: int = 1
    fresh_since: float = 0.0

    @property
    def rules(self) -> dict[str, Any]:
        """The protocol's fields that decide numbers; a file of weights stands for its bytes. As JSON has it."""
        fields_of = {f.name: getattr(self.protocol, f.name) for f in fields(self.protocol)}
        del fields_of["settings"], fields_of["changed"]
        rules = {**fields_of, **segmenter_settings(self.protocol)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in rules.items()}

    def run_id(self, fingerprint: str) -> str:
        """`r-` and 12 hexadecimal digits: the same for the same data, method, settings, protocol and seed."""
        what = {
            "dataset": fingerprint,
            "method": self.method.name,
            "settings": decisive(self.method),
            "protocol": self.rules,
            "version": VERSION,
            "seed": self.seed,
        }
        return f"r-{digest(what)}"

    def folder(self, fingerprint: str) -> Path:
        """Where its result lies."""
        return self.out / self.dataset.name / self.method.name / self.run_id(fingerprint)

    def to_json(self) -> dict[str, Any]:
        """A description that `from_json` turns into the same cell in another process."""
        protocol = {
            **{f.name: getattr(self.protocol, f.name) for f in fields(Protocol)},
            "settings": dict(self.protocol.settings),
        }
        return {
            "dataset": {"plugin": self.dataset_plugin, "settings": _settings(self.dataset)},
            "method": {"plugin": self.method_plugin, "settings": _settings(self.method)},
            "settings": dict(self.settings),
            "protocol": protocol,
            "seed": self.seed,
            "out": str(self.out),
            "device": self.device,
            "threads": self.threads,
            "fresh_since": self.fresh_since,
        }

    @classmethod
    def from_json(cls, text: str) -> Cell:
        """The cell of a description."""
        from bench.plugins import restore

        told = json.loads(text)
        dataset, method = told["dataset"], told["method"]
        protocol: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in told["protocol"].items()}
        protocol["settings"] = MappingProxyType(protocol["settings"])
        return cls(
            restore(dataset["plugin"]).model_validate(dataset["settings"]),
            dataset["plugin"],
            restore(method["plugin"]).model_validate(method["settings"]),
            method["plugin"],
            told["settings"],
            Protocol(**protocol),
            told["seed"],
            Path(told["out"]),
            told["device"],
            told["threads"],
            told["fresh_since"],
        )


def _settings(plugin: Plugin) -> dict[str, Any]:
    return plugin.model_dump(mode="json", serialize_as_any=True)


def read_result(file: Path) -> dict[str, Any] | None:
    """A result.json, or None where there is none."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def describe(cell: Cell, fingerprint: str) -> dict[str, Any]:
    """The part of a result that is known before anything runs."""
    method = cell.method
    return {
        "run_id": cell.run_id(fingerprint),
        "recipe": recipe(cell.method),
        "dataset": cell.dataset.name,
        "label": cell.dataset.label,
        "dataset_settings": identity(cell.dataset),
        "fingerprint": fingerprint,
        "protocol": cell.protocol.title,
        "protocol_version": VERSION,
        "method": method.name,
        "role": role(cell),
        "settings": dict(cell.settings),
        "all_settings": decisive(method),
        "rules": cell.rules,
        "seed": cell.seed,
        "deterministic": isinstance(method, Method) and method.deterministic,
        "pretraining": pretraining(method, cell.dataset),
    }


def role(cell: Cell) -> str:
    """method, floor, control or full."""
    if isinstance(cell.method, MaskMethod):
        return cell.method.role
    if cell.protocol.labels == "shuffled" or not cell.protocol.fit_share:
        return "control"
    return "floor" if cell.method.floor else "method"


def pretraining(method: Plugin, dataset: Dataset) -> str:
    """What the weights have seen before, and its known overlap with the data."""
    if not isinstance(method, Pretrained) or not method.pretrained:
        return ""
    return f"imagenet; {dataset.pretraining}" if dataset.pretraining else "imagenet"
