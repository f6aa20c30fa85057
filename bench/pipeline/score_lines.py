"""Lines of scores.csv: the counts of every image and foreground under a threshold rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from bench.metrics import counts, dice
from bench.pipeline.stages import SCORES
from bench.pipeline.workbench import Workbench
from bench.store import Artifact
from bench.thresholds import Cut

UNET = "unet"
"""The name under which distances of the segmenter's maps are kept; they are cut at 1/2, which is its argmax."""


def half(bench: Workbench) -> tuple[float, ...]:
    """Where the segmenter's maps are cut."""
    return (0.5,) * len(bench.samples.dataset.task.foreground)


def score_lines(
    bench: Workbench, scored: Artifact, split: str, stage: str, rule: str, cut: Cut
) -> Iterator[dict[str, Any]]:
    """The counts at the thresholds of `cut`, Dice at native size and at 224. Each foreground has its own line, map and threshold."""
    task = bench.samples.dataset.task
    with np.load(scored.folder / SCORES) as kept:
        found = {name: kept[name] for name in kept.files if name not in ("fine", "wsol")}
    distances = found.get(f"hd95_{rule if stage == 'init' else UNET}")
    for number, (item, cluster) in enumerate(zip(bench.samples[split], bench.samples.clusters(split), strict=True)):
        for k, name in enumerate(task.foreground):
            one = {field: values[number, k] for field, values in found.items() if values.ndim > 1}
            threshold = None if cut is None else cut[k]
            yield {
                "image": item.id,
                "cluster": cluster,
                "class": name,
                "split": split,
                "stage": stage,
                "rule": rule,
                **_counted(one, threshold),
                "ap": _number(one["ap"]),
                "dead_map": int(one["dead"]),
                "hd95": "" if distances is None else _number(distances[number, k]),
            }


def _counted(one: Mapping[str, Any], threshold: float | None) -> dict[str, Any]:
    """What follows from the histograms of an image; `threshold` None: Otsu's, of the min-maxed map at either size."""
    if threshold is None:
        native, small, at, at_224 = one["minmax"], one["minmax_224"], float(one["otsu"]), float(one["otsu_224"])
    else:
        native, small, at, at_224 = one["raw"], one["raw_224"], threshold, threshold
    tp, fp, fn, tn = (int(n) for n in counts(native, at))
    return {
        "threshold": repr(at),
        **_pixels(tp, fp, fn, tn, bool(one["missing"])),
        "dice": _number(dice(tp, fp, fn)),
        "dice_224": _number(dice(*counts(small, at_224)[:3])),
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
