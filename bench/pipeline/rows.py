"""The rows of a cell: which threshold rules it is shown under, and its scores per image."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.api import GivenMaps, MaskMethod, Masks, Method
from bench.data.leaks import TESTED
from bench.pipeline import ledger, rules, stages
from bench.pipeline.rules import Rule
from bench.pipeline.score_lines import UNET, half, score_lines
from bench.pipeline.stages import tuned_on
from bench.pipeline.workbench import Workbench
from bench.store import Artifact, MaskUse

DEGENERATE_BELOW, DEGENERATE_ABOVE = 0.02, 0.90
FROM_MASKS = Rule("", {}, {})
"""Of a row whose segmenter is trained on masks: nothing was cut."""


@dataclass
class Outcome:
    """What a cell has made: a description per row (threshold rule), per-image scores, and the maps that were scored, by file name."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    maps: dict[str, Artifact] = field(default_factory=dict)
    last: dict[str, Artifact] = field(default_factory=dict)
    """by rule, the scores of the row's last stage on test: the U-Net's, or the maps' own where nothing was trained on them"""
    mirrored: Artifact | None = None
    """maps of some test images as their mirror images have them"""
    notes: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)


def rows_of(bench: Workbench) -> Outcome:
    """Run all stages of a cell."""
    outcome = Outcome()
    if lacks_masks(bench):
        outcome.rows.append(_row(bench, FROM_MASKS, None, []))
    elif isinstance(bench.method, MaskMethod):
        targets = stages.mask_targets(bench)
        used = _second_stage(bench, outcome, targets, "", _scored_splits(bench))
        outcome.rows.append(_row(bench, FROM_MASKS, targets, used))
    else:
        _weak_rows(bench, bench.method, outcome)
    return outcome


def lacks_masks(bench: Workbench) -> bool:
    """Whether the method trains on masks of a split that has none: its row says so, and the rest of a grid goes on."""
    method = bench.method
    wish = Masks("masks") if isinstance(method, MaskMethod) else method.masks() if isinstance(method, Method) else None
    return wish is not None and not bench.samples[wish.split]


def map_stage(bench: Workbench, method: Method | GivenMaps, fitted: Artifact | None) -> Callable[[str], Artifact]:
    """What makes the maps of a split: the fitted method, or a folder."""
    if isinstance(method, GivenMaps):
        return partial(stages.given_maps, bench, method)
    assert fitted is not None
    return partial(stages.maps, bench, fitted)


def _weak_rows(bench: Workbench, method: Method | GivenMaps, outcome: Outcome) -> None:
    fitted = stages.fit(bench) if isinstance(method, Method) else None
    make = map_stage(bench, method, fitted)
    made = {split: make(split) for split in _scored_splits(bench)}
    outcome.maps |= {f"init-{split}": maps for split, maps in made.items()}
    scored = rules.score(bench, made, ("fixed",) if method.binary else bench.protocol.rules)
    outcome.notes, outcome.rules = scored.notes, scored.rules
    for rule in scored.rules:
        for split, cut in rule.cuts.items():
            outcome.scores += list(score_lines(bench, scored.splits[split], split, "init", rule.name, cut))
        if "test" in rule.cuts:
            outcome.last[rule.name] = scored.splits["test"]
    init = list(bench.used.values())
    training = [] if method.constant else [rule for rule in scored.rules if rule.trains]
    sources = [make(split) for split in bench.sources] if training else []
    targets = {rule.name: _targets(bench, sources, rule, scored.splits) for rule in training}
    if fitted and any("test" in rule.cuts for rule in training):
        outcome.mirrored = stages.mirrored_maps(bench, fitted, "test")
    bench.close()  # the method has made all of its maps
    for rule in scored.rules:
        chose = [use for split in rule.chosen for use in tuned_on(scored.splits[split])]
        made_of = targets.get(rule.name)
        used = _second_stage(bench, outcome, made_of, rule.name, rule.cuts) if made_of else []
        outcome.rows.append(_row(bench, rule, made_of, [*init, *(sources if made_of else ()), *used], chose))


def _targets(bench: Workbench, sources: Sequence[Artifact], rule: Rule, scored: Mapping[str, Artifact]) -> Artifact:
    """The proxies of a rule; where masks of `val` chose its thresholds, they are cut where those say."""
    if rule.chosen:
        return stages.proxies(bench, sources, rule.name, rule.chosen["val"], scored["val"])
    return stages.proxies(bench, sources, rule.name)


def _second_stage(
    bench: Workbench, outcome: Outcome, targets: Artifact, rule: str, splits: Collection[str]
) -> list[Artifact]:
    """Train the segmenter on targets and score it on these splits; what it rests on."""
    bench.close()
    segmented = stages.segment(bench, targets)
    used = [targets, segmented]
    for split in splits:
        made = stages.segmenter_maps(bench, segmented, split)
        outcome.maps[f"unet-{rule}-{split}" if rule else f"unet-{split}"] = made
        scored = stages.scores(bench, made, split, {UNET: half(bench)})
        outcome.scores += list(score_lines(bench, scored, split, "unet", rule, half(bench)))
        used += [made, scored]
        if split == "test":
            outcome.last[rule] = scored
    return used


def _scored_splits(bench: Workbench) -> list[str]:
    return [split for split in TESTED if bench.samples[split]]


def _row(
    bench: Workbench, rule: Rule, targets: Artifact | None, used: list[Artifact], more: Iterable[MaskUse] = ()
) -> dict[str, Any]:
    """What result.json says of a row: its threshold and who chose it, what its proxies cover, and what it alone rests on."""
    coverage = None if targets is None else targets.record.facts.get("coverage")
    names = bench.samples.dataset.task.foreground
    cuts = set(rule.cuts.values())
    (cut,) = cuts if len(cuts) == 1 else (None,)
    return {
        "rule": rule.name,
        "threshold": cut[0] if cut and len(set(cut)) == 1 else None,
        "chosen": {split: dict(zip(names, cut, strict=True)) for split, cut in rule.chosen.items() if cut},
        "coverage": coverage,
        "degenerate": degenerate(coverage),
        **ledger.account(used, more, rule.cuts or None),
        "artifacts": [artifact.name for artifact in used],
    }


def degenerate(coverage: float | None) -> str:
    """What is wrong with proxies that cover next to nothing or next to everything of the weak images' pixels."""
    if coverage is None or DEGENERATE_BELOW <= coverage <= DEGENERATE_ABOVE:
        return ""
    return f"degenerate at T: proxies cover {100 * coverage:.1f} % of the pixels"
