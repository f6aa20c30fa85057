"""Whether a result.json is the run that it says: its fingerprint and its id follow from what stands in it, without data or plugins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bench.errors import BenchError
from bench.leaderboard.files.findings import Finding, shown
from bench.protocol import UNTITLED, VERSION, Protocol, change, find
from bench.store import digest

Result = Mapping[str, Any]
CONTROLS = ("labels", "fit_share")
"""Fields of a protocol that a control changes; its settings name them, its title does not."""


def faults(result: Result, file: str) -> Iterator[Finding]:
    """What contradicts itself."""
    if result["protocol_version"] != VERSION:
        yield Finding(
            file, "", "protocol_version", f"{VERSION}, which this bench scores by", shown(result["protocol_version"])
        )
        return
    try:
        named = protocol_of_title(result["protocol"])
    except BenchError as error:
        yield Finding(file, "", "protocol", "a protocol", f"{shown(result['protocol'])} ({error})")
        return
    if result.get("split_hashes") and fingerprint_of(result, named.size) != result["fingerprint"]:
        yield Finding(file, "", "fingerprint", fingerprint_of(result, named.size), result["fingerprint"])
    if id_of(result) != result["run_id"]:
        yield Finding(file, "", "run_id", id_of(result), result["run_id"])
    yield from _title(result, named, file)
    yield from _settings(result, file)


def fingerprint_of(result: Result, size: int) -> str:
    """The fingerprint of the data that a result names, seen in views of this size (bench.data.samples.Samples.fingerprint)."""
    return digest(
        {
            "dataset": result["dataset_settings"],
            "label": result["label"],
            "splits": result["split_hashes"],
            "view": ["squash", size],
        }
    )


def protocol_of_title(title: str) -> Protocol:
    """`quick(threshold=0.25)` -> that protocol; UsageError for what is none."""
    name, _, inside = title.partition("(")
    changes = dict(re.findall(r"(\w+)=((?:(?!,\w+=).)*)", inside.removesuffix(")")))
    return change(find(name), changes)


def protocol_of(result: Result) -> Protocol | None:
    """The rules that a run was made under; None where its segmenter starts from a file, of which only the hash is known."""
    rules: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in result["rules"].items()
    }
    named = protocol_of_title(result["protocol"])
    return None if _hides_weights(named) else replace(named, **rules)


def id_of(result: Result) -> str:
    """The id of the run that a result says it is (bench.pipeline.cell.Cell.run_id)."""
    what = {
        "dataset": result["fingerprint"],
        "method": result["method"],
        "settings": result["all_settings"],
        "protocol": result["rules"],
        "version": VERSION,
        "seed": result["seed"],
    }
    return f"r-{digest(what)}"


def _hides_weights(rules: Protocol) -> bool:
    """Whether the segmenter starts from a file: its bytes are in the id, its name alone in the title."""
    return rules.segmenter != "unet" and rules.encoder_weights not in ("none", "imagenet")


def _title(result: Result, named: Protocol, file: str) -> Iterator[Finding]:
    """The protocol's title against its rules; the settings of a control name what the title does not."""
    free = {*UNTITLED, *(name for name in CONTROLS if name in result["settings"])}
    free |= {"encoder_weights"} if _hides_weights(named) else set()
    for name, value in result["rules"].items():
        wanted = getattr(named, name, value)
        if name not in free and value != wanted:
            yield Finding(file, name, "rules", shown(wanted), shown(value))


def _settings(result: Result, file: str) -> Iterator[Finding]:
    """Settings as tables show them against all settings; a file is shown by its name and kept by its hash."""
    for key, value in result["settings"].items():
        whole: Any = result["all_settings"]
        for part in key.split("."):
            whole = whole.get(part, value) if isinstance(whole, Mapping) else value
        is_file = isinstance(whole, str) and re.fullmatch(r"[0-9a-f]{12}|[0-9a-f]{64}", whole)
        if whole != value and not is_file and key not in CONTROLS:
            yield Finding(file, key, "settings", shown(whole), shown(value))
