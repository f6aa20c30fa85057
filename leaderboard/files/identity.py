"""Whether a result.json is the run that it says: its fingerprint and its id follow from what stands in it, without data or plugins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from itertools import permutations
from typing import Any

from bench.errors import BenchError
from bench.leaderboard.files.findings import Finding, shown
from bench.pipeline.keys import segmenter_settings
from bench.protocol import CHOICES, VERSION, Protocol, change, find
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
    if protocol_of(result) is None and not _hides_weights(named):
        yield Finding(
            file, "", "run_id", "the id of this data set, method, settings, protocol and seed", result["run_id"]
        )
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
    """The rules that a run was made under: those of its title whose threshold rules and control give its id. None where none do."""
    return next((rules for rules in _candidates(result) if id_of(result, rules) == result["run_id"]), None)


def _candidates(result: Result) -> Iterator[Protocol]:
    named = protocol_of_title(result["protocol"])
    control = {name: result["settings"][name] for name in CONTROLS if name in result["settings"]}
    own = [row["rule"] for row in result.get("rows", ()) if row["rule"]]
    orders = [named.rules, tuple(own), *(p for n in range(1, 5) for p in permutations(CHOICES["rules"], n))]
    for rules in dict.fromkeys(orders):
        yield replace(named, rules=rules)
        if control:
            yield replace(named, rules=rules, **control)


def id_of(result: Result, rules: Protocol) -> str:
    """The id of the run under these rules (bench.pipeline.cell.Cell.run_id)."""
    values = {f.name: getattr(rules, f.name) for f in fields(rules) if f.name not in ("settings", "changed")}
    what = {
        "dataset": result["fingerprint"],
        "method": result["method"],
        "settings": result["all_settings"],
        "protocol": values | segmenter_settings(rules),
        "version": VERSION,
        "seed": result["seed"],
    }
    return f"r-{digest(what)}"


def _hides_weights(rules: Protocol) -> bool:
    """Whether the segmenter starts from a file: its bytes are in the id, its name alone in the title."""
    return rules.segmenter != "unet" and rules.encoder_weights not in ("none", "imagenet")


def _settings(result: Result, file: str) -> Iterator[Finding]:
    """Settings as tables show them against all settings; a file is shown by its name and kept by its hash."""
    for key, value in result["settings"].items():
        whole: Any = result["all_settings"]
        for part in key.split("."):
            whole = whole.get(part, value) if isinstance(whole, Mapping) else value
        is_file = isinstance(whole, str) and re.fullmatch(r"[0-9a-f]{12}|[0-9a-f]{64}", whole)
        if whole != value and not is_file and key not in CONTROLS:
            yield Finding(file, key, "settings", shown(whole), shown(value))
