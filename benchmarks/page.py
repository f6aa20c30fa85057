"""The page of a million per-image rows beside pandas reading them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from bench.columns import SCORES_COLUMNS
from bench.leaderboard.page import Options, page
from benchmarks import Row
from benchmarks.families import cpu_seconds

IMAGES, METHODS, SEEDS, TURNS = 2_500, 20, 5, 1
STAGES = [(split, stage) for split in ("val", "test") for stage in ("init", "unet")]


def measure() -> Iterator[Row]:
    """One row: 20 methods, 5 seeds, 2,500 images, four stages."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        files = [_run(runs, method, seed) for method in range(METHODS) for seed in range(SEEDS)]
        theirs = min(cpu_seconds(lambda: [pd.read_csv(file) for file in files]) for _ in range(TURNS))
        ours = min(cpu_seconds(lambda: page(runs, Options(images=0))) for _ in range(TURNS))
    yield Row("page of 1e6 per-image rows (at most 12 times is the target)", ours, "pandas.read_csv", theirs)


def _run(runs: Path, method: int, seed: int) -> Path:
    """A finished run with Dice from a seed."""
    draws = np.random.default_rng([method, seed])
    parts = []
    for split, stage in STAGES:
        dice = draws.beta(6, 3, IMAGES)
        counts = {"tp": 500, "fp": 120, "fn": 130, "tn": 12_000}
        part = pd.DataFrame({"image": [f"image_{n:05}" for n in range(IMAGES)], "dice": dice, "dice_224": dice, "ap": draws.random(IMAGES)})
        parts.append(part.assign(split=split, stage=stage, threshold=0.5, dead_map=0, present=1, foreground_share=0.05, hd95=9.5, rule="otsu", **counts))
    frame = pd.concat(parts).assign(**{"class": "lesion", "cluster": lambda all: all["image"]})
    id = f"r-{method:06x}{seed:06x}"
    folder = runs / "isic" / f"method_{method}" / id
    folder.mkdir(parents=True)
    frame[list(SCORES_COLUMNS)].to_csv(folder / "scores.csv", index=False)
    result = {
        "dataset": "isic", "label": "", "fingerprint": "f0", "protocol": "quick", "protocol_version": 1, "role": "method", "settings": {}, "notes": [],
        "method": f"method_{method}", "seed": seed, "run_id": id, "rows": [{"rule": "otsu", "degenerate": ""}], "images": IMAGES,
        "masks_train": 0, "masks_tune": 0, "seconds": 60.0, "pretraining": "imagenet", "stages": [],
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(result))
    return folder / "scores.csv"
