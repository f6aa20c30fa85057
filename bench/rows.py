"""The rows of a cell: which threshold rules it is shown under, and its scores per image."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import stages
from bench.api import GivenMaps, MaskMethod, Method
from bench.leaks import TESTED
from bench.metrics import average_precision, counts, dice
from bench.stages import SCORES
from bench.store import Artifact
from bench.training import HISTORY
from bench.workbench import Workbench

DEGENERATE_BELOW, DEGENERATE_ABOVE = 0.02, 0.90


@dataclass
class Outcome:
    """What a cell has made: a description per row (threshold rule), per-image scores, and the maps that were scored, by file name."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    maps: dict[str, Artifact] = field(default_factory=dict)


def rows_of(bench: Workbench) -> Outcome:
    """Run all stages of a cell."""
    outcome = Outcome()
    if isinstance(bench.method, MaskMethod):
        _second_stage(bench, outcome, stages.mask_targets(bench), "")
    else:
        _weak_rows(bench, bench.method, outcome)
    return outcome


def map_stage(bench: Workbench, method: Method | GivenMaps) -> Callable[[str], Artifact]:
    """What makes the maps of a split: the fitted method, or a folder."""
    if isinstance(method, GivenMaps):
        return partial(stages.given_maps, bench, method)
    return partial(stages.maps, bench, stages.fit(bench))


def _weak_rows(bench: Workbench, method: Method | GivenMaps, outcome: Outcome) -> None:
    make = map_stage(bench, method)
    rules = ("fixed",) if method.binary else bench.protocol.rules
    for split in _scored_splits(bench):
        made = make(split)
        outcome.maps[f"init-{split}"] = made
        scored = stages.scores(bench, made, split)
        for rule in rules:
            outcome.scores += list(score_lines(bench, scored, split, "init", rule))
    if method.constant:
        outcome.rows += [_row(bench, rule, None) for rule in rules]
        return
    sources = [make(split) for split in bench.sources]
    targets = {rule: stages.proxies(bench, sources, rule) for rule in rules}
    bench.close()  # the method has made all of its maps
    for rule in rules:
        _second_stage(bench, outcome, targets[rule], rule)


def _second_stage(bench: Workbench, outcome: Outcome, targets: Artifact, rule: str) -> None:
    bench.close()
    segmented = stages.segment(bench, targets)
    for split in _scored_splits(bench):
        made = stages.segmenter_maps(bench, segmented, split)
        outcome.maps[f"unet-{rule}-{split}" if rule else f"unet-{split}"] = made
        scored = stages.scores(bench, made, split)
        outcome.scores += list(score_lines(bench, scored, split, "unet", rule))
    outcome.rows.append(_row(bench, rule, targets))


def _scored_splits(bench: Workbench) -> list[str]:
    return [split for split in TESTED if bench.samples[split]]


def _row(bench: Workbench, rule: str, targets: Artifact | None) -> dict[str, Any]:
    coverage = None if targets is None else targets.record.facts.get("coverage")
    return {
        "rule": rule,
        "threshold": bench.protocol.threshold if rule == "fixed" else None,
        "coverage": coverage,
        "degenerate": degenerate(coverage),
    }


def degenerate(coverage: float | None) -> str:
    """What is wrong with proxies that cover next to nothing or next to everything of the weak images' pixels."""
    if coverage is None or DEGENERATE_BELOW <= coverage <= DEGENERATE_ABOVE:
        return ""
    return f"degenerate at T: proxies cover {100 * coverage:.1f} % of the pixels"


def score_lines(bench: Workbench, scored: Artifact, split: str, stage: str, rule: str) -> Iterator[dict[str, Any]]:
    """Lines of scores.csv: the counts at the rule's threshold, Dice at native size and at 224.

    A U-Net's map is cut at 1/2, which is its argmax. Each foreground has its own line, map and threshold.
    """
    task = bench.samples.dataset.task
    with np.load(scored.folder / SCORES) as kept:
        found = {name: kept[name] for name in kept.files if name != "fine"}
    otsu = stage == "init" and rule == "otsu"
    which = "minmax" if otsu else "raw"
    fixed = bench.protocol.threshold if stage == "init" else 0.5
    missing = found.get("missing", np.zeros(found["ap"].shape, bool))  # older counts are of splits with every mask
    for number, (item, cluster) in enumerate(zip(bench.samples[split], bench.samples.clusters(split), strict=True)):
        for k, name in enumerate(task.foreground):
            threshold = float(found["otsu"][number, k]) if otsu else fixed
            small = float(found["otsu_224"][number, k]) if otsu else fixed
            tp, fp, fn, tn = (int(n) for n in counts(found[which][number, k], threshold))
            tp_224, fp_224, fn_224, _ = counts(found[f"{which}_224"][number, k], small)
            yield {
                "image": item.id,
                "cluster": cluster,
                "class": name,
                "split": split,
                "stage": stage,
                "rule": rule,
                "threshold": repr(threshold),
                **_pixels(tp, fp, fn, tn, bool(missing[number, k])),
                "dice": _number(dice(tp, fp, fn)),
                "dice_224": _number(dice(tp_224, fp_224, fn_224)),
                "ap": _number(found["ap"][number, k]),
                "dead_map": int(found["dead"][number, k]),
            }


def _pixels(tp: int, fp: int, fn: int, tn: int, missing: bool) -> dict[str, Any]:
    """Counts, whether the foreground is there, and the share of pixels that is taken for it; ignored pixels are in none of them.

    Where no mask says where the foreground lies (`missing`), only the share is known.
    """
    known = tp + fp + fn + tn
    share = (tp + fp) / known if known else None
    if missing:
        return {"present": 1, "foreground_share": share}
    present = int(tp + fn > 0) if known else None
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn, "present": present, "foreground_share": share}


def _number(value: Any) -> str:
    """Text that reads back to the same float; empty for what is not measured."""
    return "" if np.isnan(value) else repr(float(value))


def summary_of(bench: Workbench, outcome: Outcome) -> dict[str, Any]:
    """The rest of result.json: ledger, cost and facts as the union over all artifacts that the result rests on."""
    used = list(bench.used.values())
    records = [a.record for a in used]
    test = bench.samples["test"]
    confined = [r.confined for r in records if r.confined is not None]
    return {
        "rows": outcome.rows,
        "images": len({line["image"] for line in outcome.scores if line["split"] == "test" and line["dice"]}),
        "clusters": len(set(bench.samples.clusters("test"))) if test else 0,
        "labels_used": max((r.labels for r in records), default=0),
        **ledger(used),
        "confined": all(confined),
        "seconds": sum(r.seconds for r in records),
        "gpu_seconds": sum(r.gpu_seconds for r in records),
        "peak_bytes": max((r.peak_bytes for r in records), default=0),
        "energy_j": sum(joules) if (joules := [r.energy_j for r in records if r.energy_j is not None]) else None,
        "notes": [*notes(bench), *unscored(outcome.scores)],
        "pxap": {rule: pooled_precision(scored) for rule, scored in _last_scores(bench, outcome).items()},
        "stages": [stage_of(a) for a in used],
        "versions": next((dict(r.versions) for r in records if r.versions), {}),
        "device": next((r.device for r in records if r.device), ""),
    }


def notes(bench: Workbench) -> list[str]:
    """What a reader of the row must know: the method's own words, and whether the kernel kept it to its folders, accepted faults."""
    open_door = [] if all(a.record.confined is not False for a in bench.used.values()) else ["not confined"]
    accepted = [bench.samples.accepted] if bench.samples.accepted else []
    worse = [dice for a in bench.used.values() if (dice := a.record.facts.get("dice", 1)) < 1]
    trained_on = [f"trained on masks with a mean Dice of {dice:.3f}" for dice in worse]
    return [*bench.method.notes(), *trained_on, *open_door, *accepted]


def unscored(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a reader must know where Dice is not measured on every test image that shows the object."""
    test = [line for line in lines if line["split"] == "test"]
    shown = {line["image"] for line in test if line["present"] == 1}
    missing = {line["image"] for line in test if line["present"] == 1 and "tp" not in line}
    if test and not shown:
        return ["no test image shows the object: false positives only"]
    if missing and missing == shown:
        return ["no masks: image-level measures only"]
    return [f"no masks for {len(missing)} of {len(shown)} test images that show the object"] if missing else []


def ledger(used: list[Artifact]) -> dict[str, int]:
    """How many masks were read for training, tuning and evaluation, and how often test masks were opened for these results."""
    uses = {use for a in used for use in a.record.masks}
    total = {p: sum(u.count for u in uses if u.purpose == p) for p in ("training", "tuning", "evaluation")}
    openings = sum(1 for a in used for u in a.record.masks if u.split == "test")
    return {
        "masks_train": total["training"],
        "masks_tune": total["tuning"],
        "masks_eval": total["evaluation"],
        "test_openings": openings,
    }


def stage_of(artifact: Artifact) -> dict[str, Any]:
    """One line of a result's cost: the artifact, its seconds and memory, the masks it read."""
    record = artifact.record
    masks = [{"split": u.split, "count": u.count, "purpose": u.purpose} for u in record.masks]
    return {
        "artifact": artifact.name,
        "seconds": record.seconds,
        "peak_bytes": record.peak_bytes,
        "device": record.device,
        "masks": masks,
    }


def _last_scores(bench: Workbench, outcome: Outcome) -> dict[str, Artifact]:
    """By rule, the scores of the row's last stage on test: the U-Net's, or the maps' own where nothing was trained on them."""
    if "test" not in _scored_splits(bench):
        return {}
    rules = [row["rule"] for row in outcome.rows]
    names = {rule: f"unet-{rule}-test" if rule else "unet-test" for rule in rules}
    maps = {rule: outcome.maps.get(name, outcome.maps.get("init-test")) for rule, name in names.items()}
    return {rule: stages.scores(bench, made, "test") for rule, made in maps.items() if made is not None}


def pooled_precision(scored: Artifact) -> float | None:
    """PxAP: average precision over the pixels of all test images together, mean over the foregrounds."""
    with np.load(scored.folder / SCORES) as kept:
        values = [average_precision(fine) for fine in kept["fine"]]
    return None if np.isnan(values).any() else float(np.mean(values))


def write_history(bench: Workbench, path: Path) -> None:
    """history.csv: the learning curves of all fits and segmenters, as stage, epoch, step, name, value (mean over the epoch's steps)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("stage", "epoch", "step", "name", "value"))
        for artifact in bench.used.values():
            writer.writerows(
                (artifact.name, epoch, "", name, value) for epoch, name, value in _curve(artifact.folder / HISTORY)
            )


def _curve(file: Path) -> list[list[str]]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))[1:]
