"""The rest of result.json beside its rows: ledger and cost of the whole cell, notes, pooled scores, signals; and the learning curves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import HELD_OUT
from bench.evenly import evenly
from bench.metrics import average_precision
from bench.pipeline import ledger, mapfile, signals
from bench.pipeline.mapfile import Stored
from bench.pipeline.rows import Outcome, lacks_masks
from bench.pipeline.rules import Rule
from bench.pipeline.score_lines import half, unscored
from bench.pipeline.stages import SCORES
from bench.pipeline.workbench import Workbench
from bench.store import Artifact
from bench.training import HISTORY


def summary_of(bench: Workbench, outcome: Outcome) -> dict[str, Any]:
    """The rest of result.json: ledger, cost and facts as the union over all artifacts that the result rests on."""
    used = list(bench.used.values())
    records = [a.record for a in used]
    test = bench.samples["test"]
    return {
        "rows": outcome.rows,
        "images": len({line["image"] for line in outcome.scores if line["split"] == "test" and line["dice"]}),
        "clusters": len(set(bench.samples.clusters("test"))) if test else 0,
        **ledger.account(used),
        "notes": [*notes(bench), *outcome.notes, *unscored(outcome.scores)],
        "pxap": {rule: pooled_precision(scored, "fine") for rule, scored in outcome.last.items()},
        "pxap_wsol": {rule: pooled_precision(scored, "wsol") for rule, scored in outcome.last.items()},
        "signals": signals_of(bench, outcome),
        "stages": [ledger.stage_of(a) for a in used],
        "versions": next((dict(r.versions) for r in records if r.versions), {}),
        "device": next((r.device for r in records if r.device), ""),
    }


def notes(bench: Workbench) -> list[str]:
    """What a reader of the row must know: the method's own words, and whether the kernel kept it to its folders, accepted faults."""
    open_door = [] if all(a.record.confined is not False for a in bench.used.values()) else ["not confined"]
    accepted = [bench.samples.accepted] if bench.samples.accepted else []
    worse = [dice for a in bench.used.values() if (dice := a.record.facts.get("dice", 1)) < 1]
    trained_on = [f"trained on masks with a mean Dice of {dice:.3f}" for dice in worse]
    lacking = ["no masks to train on"] if lacks_masks(bench) else []
    return [*lacking, *bench.method.notes(), *trained_on, *open_door, *accepted]


def signals_of(bench: Workbench, outcome: Outcome) -> dict[str, Any]:
    """What can be told without masks, of the test images: of the method's maps, and by rule of what becomes of them."""
    if "init-test" not in outcome.maps:
        return {}
    init = mapfile.open_maps(outcome.maps["init-test"].folder)
    of_rules = {
        rule.name: _signals_of_rule(bench, outcome, rule, init)
        for rule in outcome.rules
        if "test" in rule.cuts and rule.trains
    }
    accuracies = [signals.held_out_accuracy(a.folder / HISTORY) for a in bench.used.values()]
    return {
        "map_entropy": signals.map_entropy(init),
        HELD_OUT: next((accuracy for accuracy in reversed(accuracies) if accuracy is not None), None),
        "rules": of_rules,
    }


def _signals_of_rule(bench: Workbench, outcome: Outcome, rule: Rule, init: Stored) -> dict[str, float | None]:
    """What the cut maps of test cover, and how they agree with those of mirrored images and with the segmenter."""
    cut, size = rule.cuts["test"], bench.protocol.size
    masks = mapfile.proxies(init, cut, size)
    found: dict[str, float | None] = {"foreground_share": signals.foreground_share(masks)}
    if outcome.mirrored:
        mirrored = mapfile.proxies(mapfile.open_maps(outcome.mirrored.folder), cut, size)
        found["flip_agreement"] = signals.agreement(mirrored, masks[evenly(range(len(masks)), signals.SPREAD)])
    if made := outcome.maps.get(f"unet-{rule.name}-test"):
        predicted = mapfile.proxies(mapfile.open_maps(made.folder), half(bench), size)
        found["agreement"] = signals.agreement(predicted, masks)
    return found


def pooled_precision(scored: Artifact, levels: str) -> float | None:
    """PxAP: average precision over the pixels of all images together, mean over the foregrounds.

    `levels`: "fine", exact for 16-bit scores; "wsol", at wsolevaluation's interval of 0.001.
    """
    with np.load(scored.folder / SCORES) as kept:
        values = [average_precision(pooled) for pooled in kept[levels]]
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
