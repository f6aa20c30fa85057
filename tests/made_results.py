"""Finished runs made by hand: a result.json and a scores.csv that say what a test needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from bench.results import csv_files

RESULT: dict[str, Any] = {
    "dataset": "isic", "label": "reduced", "fingerprint": "f0", "protocol": "quick", "protocol_version": 1, "method": "theirs",
    "role": "method", "settings": {}, "rows": [{"rule": "otsu", "threshold": None, "degenerate": ""}], "images": 2, "clusters": 2,
    "labels_used": 100, "masks_train": 0, "masks_tune": 0, "masks_eval": 4, "test_openings": 2, "confined": True,
    "seconds": 10.0, "gpu_seconds": 0.0, "peak_bytes": 5, "pretraining": "imagenet", "plugin": "wsss-bench", "plugin_version": "1",
    "notes": [],
}  # fmt: skip


def score(image: str, split: str, stage: str, dice: float | None, **more: Any) -> dict[str, Any]:
    """One line of scores.csv: 100 pixels, 10 of them foreground unless told."""
    counts = {"tp": 5, "fp": 5, "fn": 5, "tn": 85}
    line = {
        "image": image,
        "cluster": image,
        "class": "lesion",
        "split": split,
        "stage": stage,
        "rule": "otsu",
        "threshold": 0.5,
    }
    return {**line, **counts, "dice": dice, "dice_224": dice and dice / 2, "ap": 0.25, "dead_map": 0, **more}


def finished(out: Path, seed: int, lines: list[dict[str, Any]], **more: Any) -> Path:
    """A run on disk."""
    result = {**RESULT, "seed": seed, "run_id": f"r-{seed:012x}", **more}
    folder = out / result["dataset"] / result["method"] / result["run_id"]
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(result))
    if not result.get("failed"):
        csv_files.write_scores(folder / "scores.csv", lines)
    return folder


def both_stages(*dice: float) -> list[dict[str, Any]]:
    """Two images a split with these Dice: val init, val U-Net, test init, test U-Net."""
    places = [(split, stage) for split in ("val", "test") for stage in ("init", "unet")]
    return [
        score(image, split, stage, d + shift)
        for (split, stage), d in zip(places, dice, strict=True)
        for image, shift in (("a", -0.1), ("b", 0.1))
    ]


IMAGES = [f"i{n:02}" for n in range(40)]


def run(
    out: Path, method: str, seed: int, *, test_unet: float | None = None, test_init: float = 0.3, **more: Any
) -> None:
    """A run whose Dice scatter around these means, with a noise of its own for every image, method and seed."""
    random = np.random.default_rng([seed, *method.encode(), *str(more.get("settings", "")).encode()])
    rule = more.pop("rule", "otsu")
    luck = random.normal(0, more.pop("luck", 0.005))
    stages = {"val_init": 0.3, "test_init": test_init, "val_unet": test_unet, "test_unet": test_unet}
    lines = [
        score(image, *stage.split("_"), float(mean + noise + (luck if stage.endswith("unet") else 0)), rule=rule)
        for stage, mean in stages.items()
        if mean is not None
        for image, noise in zip(IMAGES, random.normal(0, 0.01, len(IMAGES)), strict=True)
    ]
    rows = [{"rule": rule, "threshold": None, "degenerate": ""}]
    number = crc32(f"{method} {more.get('settings')} {rule}".encode())
    finished(out, seed, lines, method=method, rows=rows, run_id=f"r-{number:010}{seed:02}", **more)
