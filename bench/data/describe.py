"""What a data set is: images, classes, sizes, how much of them is foreground, how many are independent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.ahead import read_ahead
from bench.api import Dataset, Item, Pixels
from bench.data.check import Progress
from bench.metrics import dice
from bench.protocol import SPLITS
from bench.thresholds import IGNORED

NEARLY_ALL = 0.9


def describe(dataset: Dataset, report: Progress = lambda *_: None) -> dict[str, Any]:
    """Counts, classes, sizes and share of foreground of every split that has images; reads each picture and mask once.

    `foreground` holds shares of an image's pixels that are not ignored, over the images with a mask; `all_foreground_dice` is the mean
    Dice of a map that is foreground everywhere, over the images that have foreground.
    """
    splits = {split: tuple(dataset.items(split)) for split in SPLITS}
    return {
        "dataset": dataset.name,
        "label": dataset.label,
        "understood": list(dataset.understood()),
        "classes": list(dataset.task.classes),
        "foreground": list(dataset.task.foreground),
        "licence": dataset.licence,
        "notes": [fault.text for fault in dataset.faults()],
        "splits": {split: _split(dataset, split, items, report) for split, items in splits.items() if items},
    }


def _split(dataset: Dataset, split: str, items: Sequence[Item], report: Progress) -> dict[str, Any]:
    seen = []
    for one in read_ahead(lambda item: _measure(dataset, item), items):
        seen.append(one)
        report(f"reading {split}", len(seen), len(items))
    sizes = np.array([size for size, _ in seen])
    known = [mask for _, mask in seen if mask is not None]
    return {
        "images": len(items),
        "clusters": len({item.group or item.id for item in items}),
        "labels": _labels(dataset, items),
        "height": _spread(sizes[:, 0]),
        "width": _spread(sizes[:, 1]),
        "masks": len(known),
        **(_foreground(np.array(known)) if known else {}),
    }


def _measure(dataset: Dataset, item: Item) -> tuple[tuple[int, int], tuple[int, int] | None]:
    """Height and width; pixels of foreground and of background, None without a mask."""
    picture = dataset.image(item)
    mask = dataset.mask(item)
    return (picture.shape[1], picture.shape[2]), None if mask is None else _pixels(mask)


def _pixels(mask: Pixels) -> tuple[int, int]:
    background = int((mask == 0).sum())
    return mask.size - background - int((mask == IGNORED).sum()), background


def _labels(dataset: Dataset, items: Sequence[Item]) -> dict[str, int]:
    counted = Counter(label for item in items for label in item.labels or ())
    named = {name: counted[number] for number, name in enumerate(dataset.task.classes)}
    return named if counted else {}


def _spread(values: Any) -> dict[str, int]:
    return {"least": int(values.min()), "median": int(np.median(values)), "most": int(values.max())}


def _foreground(pixels: Any) -> dict[str, Any]:
    """(N, 2) pixels of foreground and background."""
    shares = pixels[:, 0] / np.maximum(pixels.sum(1), 1)
    scores = dice(pixels[:, 0], pixels[:, 1], np.zeros(len(pixels)))
    scored = scores[~np.isnan(scores)]
    quartiles = [float(q) for q in np.quantile(shares, (0.25, 0.5, 0.75))]
    return {
        "foreground": {"mean": float(shares.mean()), "quartiles": quartiles},
        "without_foreground": int((pixels[:, 0] == 0).sum()),
        "nearly_all_foreground": int((shares > NEARLY_ALL).sum()),
        "all_foreground_dice": float(scored.mean()) if len(scored) else None,
    }
