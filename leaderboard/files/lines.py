"""Whether the lines of a scores.csv agree: arithmetic, one line for each image and foreground, the same truth everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from bench.leaderboard.files.findings import Finding, compare, shown
from bench.leaderboard.files.schema import Images
from bench.metrics import dice
from bench.results.columns import Row
from bench.store import canonical

Stage = tuple[str, str, str]
"""split, stage, rule"""


def faults(lines: Sequence[Row], file: str) -> Iterator[Finding]:
    """Everything that contradicts itself."""
    for line in lines:
        derived = {name: value for name, value in _derived(line).items() if name in line}
        yield from compare(file, name_of(line), derived, line)
    yield from _truths(lines, file)
    yield from _same_images(lines, file)


def name_of(line: Mapping[str, Any]) -> str:
    """A line as a sentence names it."""
    return shown(f"{line['image']} ({line['class']}, {line['split']}, {line['stage']}, {line['rule'] or 'no rule'})")


def _derived(line: Row) -> Row:
    """The columns that follow from the counts of their line."""
    tp, fp, fn, tn = (line[name] for name in ("tp", "fp", "fn", "tn"))
    if None in (tp, fp, fn, tn):  # no mask says where the foreground lies: nothing is scored
        unscored = dict.fromkeys(("tp", "fp", "fn", "tn", "dice", "dice_224", "ap", "hd95"))
        return {**unscored, "present": 1}
    pixels = tp + fp + fn + tn
    known = float(dice(tp, fp, fn))
    empty = {} if tp + fn else {"dice_224": None, "ap": None, "hd95": None}
    shares = {
        "foreground_share": (tp + fp) / pixels if pixels else None,
        "present": int(tp + fn > 0) if pixels else None,
    }
    return {"dice": known if known == known else None, **shares, **empty}


def _truths(lines: Sequence[Row], file: str) -> Iterator[Finding]:
    """The truth of an image is the same under every rule and at every stage."""
    first: dict[tuple[str, ...], Row] = {}
    for line in lines:
        known = first.setdefault((line["split"], line["image"], line["class"]), line)
        for column in ("cluster", "present"):
            if known.get(column) != line.get(column):
                yield Finding(file, name_of(line), column, shown(known[column]), shown(line[column]))
        ours, theirs = _sizes(line), _sizes(known)
        if ours != theirs:
            yield Finding(file, name_of(line), "tp + fn, fp + tn", shown(theirs), shown(ours))


def _sizes(line: Row) -> tuple[int, int] | None:
    return None if line["tp"] is None else (line["tp"] + line["fn"], line["fp"] + line["tn"])


def _same_images(lines: Sequence[Row], file: str) -> Iterator[Finding]:
    """Every stage and rule has the same lines of a split."""
    first: dict[str, tuple[Stage, set[tuple[str, str]]]] = {}
    for stage, part in stages(lines).items():
        here = {(line["image"], line["class"]) for line in part}
        known, there = first.setdefault(stage[0], (stage, here))
        for image, name in sorted(here ^ there):
            where = f"{image} ({name}, {', '.join(part or 'no rule' for part in stage)})"
            found = "no line" if (image, name) in there else "a line"
            yield Finding(file, shown(where), "image", f"as at {', '.join(known)}", found)


def stages(lines: Sequence[Row]) -> dict[Stage, list[Row]]:
    """The lines of each split, stage and rule, in their order."""
    ordered = sorted(lines, key=stage_of)
    return {stage: list(part) for stage, part in groupby(ordered, key=stage_of)}


def stage_of(line: Mapping[str, Any]) -> Stage:
    """Which part of a file a line belongs to."""
    return line["split"], line["stage"], line["rule"]


def images_of(lines: Sequence[Row]) -> Images:
    """How many lines a stage has, and a hash over what a table's runs have in common: images, clusters, classes."""
    known = sorted({(line["split"], line["image"], line["cluster"], line["class"]) for line in lines})
    counts = {split: sum(1 for each in known if each[0] == split) for split in ("val", "test")}
    return Images(**counts, sha256=hashlib.sha256(canonical(known).encode()).hexdigest())
