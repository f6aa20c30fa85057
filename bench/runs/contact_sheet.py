"""A sheet of pictures of a finished run: image, truth, map, proxy, prediction, from the worst to the best Dice; learning curves below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.api import Dataset, Item, Pixels
from bench.data.door import truth
from bench.data.pictures import open_image
from bench.errors import UsageError
from bench.evenly import evenly
from bench.pipeline.mapfile import as_floats
from bench.resizing import resize
from bench.results.columns import settings_text
from bench.results.csv_files import read_scores
from bench.runs.data import TEST, same_images
from bench.runs.learning_curves import curves
from bench.runs.listing import Run, segmenters
from bench.runs.sheet import FAINT, INK, WIDTH, Picture, Text, below, coloured, strip, text
from bench.store import write_file
from bench.thresholds import minmax

if TYPE_CHECKING:
    from pandas import DataFrame

Maps = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Row:
    """One image on the sheet: its number in the split and its Dice by stage."""

    item: Item
    number: int
    dice: Mapping[str, float]


def draw(run: Run, dataset: Dataset, rule: str | None, images: int, to: Path) -> int:
    """Write the sheet of a finished run as PNG; how many images it shows. UsageError for a rule it has not; DataError for other data."""
    rule = pick_rule(run, rule)
    items = same_images(dataset, run)
    frame = read_scores(run.folder / "scores.csv")
    frame = frame[(frame["split"] == TEST) & (frame["rule"] == rule)]
    rows = evenly(order(frame, items), images)
    stages = {stage: maps for stage in ("init", "unet") if (maps := _maps(run, stage, rule)) is not None}
    lines = [strip(_caption(row), _tiles(row, dataset, frame, stages, rule)) for row in rows]
    parts = [
        _head(run, rule, dataset, len(rows)),
        *lines,
        *curves(run.folder / "history.csv", _names(run), WIDTH),
    ]
    write_file(to, lambda file: below(parts).save(file, format="PNG"))
    return len(rows)


def pick_rule(run: Run, rule: str | None) -> str:
    """The rule that is asked for; else otsu, which is the ranked one, else the run's first."""
    if rule is None:
        return "otsu" if "otsu" in run.rules else run.rules[0]
    if rule not in run.rules:
        raise UsageError(
            f"{run.id} has no rule {rule}; it has {', '.join(filter(None, run.rules)) or 'one row without rule'}"
        )
    return rule


def order(frame: DataFrame, items: Sequence[Item]) -> list[Row]:
    """The images that have a Dice from the worst to the best, by the last stage; all in their order where none has."""
    by_stage = {str(stage): group.groupby("image")["dice"].mean() for stage, group in frame.groupby("stage")}
    last = by_stage.get("unet", by_stage.get("init"))
    rows = [
        Row(item, n, {s: float(d.get(item.id, np.nan)) for s, d in by_stage.items()}) for n, item in enumerate(items)
    ]
    if last is None or last.isna().all():
        return rows
    scored = [row for row in rows if not np.isnan(last.get(row.item.id, np.nan))]
    return sorted(scored, key=lambda row: (last[row.item.id], row.number))


def cut(maps: Maps, size: tuple[int, int], thresholds: Sequence[float], stretched: bool) -> Pixels:
    """Maps (K, h, w) as they are stored -> mask (H, W): k + 1 where map k is above its threshold and the largest of those that are."""
    mask, best = np.zeros(size, np.uint8), np.zeros(size, np.float32)
    for k, (channel, threshold) in enumerate(zip(maps, thresholds, strict=True)):
        values = resize(as_floats(channel), size)
        wins = ((minmax(values) if stretched else values) > np.float32(threshold)) & (values > best)
        mask[wins], best[wins] = k + 1, values[wins]
    return mask


def _maps(run: Run, stage: str, rule: str) -> Maps | None:
    name = f"{stage}-{TEST}" if stage == "init" or not rule else f"{stage}-{rule}-{TEST}"
    file = run.folder / "predictions" / f"{name}.npy"
    return np.load(file, mmap_mode="r") if file.exists() else None


def _names(run: Run) -> dict[str, str]:
    """What the learning curves of the run's artifacts are called."""
    return {name: f"U-Net on {rule} proxies" if rule else "U-Net on masks" for rule, name in segmenters(run).items()}


def _tiles(
    row: Row, dataset: Dataset, frame: DataFrame, stages: Mapping[str, Maps], rule: str
) -> Iterator[tuple[str, Picture]]:
    """The pictures of one image with their titles."""
    picture = open_image(dataset, row.item)
    known = truth(dataset, row.item)
    several = len(dataset.task.foreground) > 1
    yield "image", Image.fromarray(picture.transpose(1, 2, 0))
    yield "truth" + (" (not drawn)" if known.missing else ""), coloured(known.mask, several)
    for stage, maps in stages.items():
        lines = frame[(frame["stage"] == stage) & (frame["image"] == row.item.id)]
        if stage == "init":
            shown = resize(as_floats(maps[row.number]).max(0), picture.shape[1:])
            yield "map", Image.fromarray((shown * 255).round().astype(np.uint8)).convert("RGB")
        if len(lines):
            mask = cut(
                maps[row.number], picture.shape[1:], list(lines["threshold"]), stage == "init" and rule == "otsu"
            )
            yield {"init": "proxy", "unet": "prediction"}[stage], coloured(mask, several)


def _head(run: Run, rule: str, dataset: Dataset, count: int) -> Picture:
    result = run.result
    label = f" ({result['label']})" if result["label"] else ""
    settings = f" ({settings_text(result['settings'])})" if result["settings"] else ""
    what = f"{result['method']}{settings} on {result['dataset']}{label}, {result['protocol']}, seed {result['seed']}"
    private = "" if dataset.publishable else "PRIVATE: pictures of this data set may not be shown in public. "
    second = f"{private}{count} test images, evenly from the worst to the best Dice{f'; rule {rule}' if rule else ''}; {run.id}"
    return text([*((part, INK, 15) for part in wrap(what, 110)), *((part, FAINT, 12) for part in wrap(second, 140))])


def _caption(row: Row) -> Text:
    stages = {"init": "proxy", "unet": "U-Net"}
    dice = [f"{name} {100 * row.dice[stage]:.1f}" for stage, name in stages.items() if stage in row.dice]
    return f"{row.item.id}    Dice in %: {', '.join(dice)}", INK, 13
