"""How good the masks are that a segmenter was trained on: their Dice against the true masks of the same images, at the views' size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bench.data.door import Door
from bench.data.samples import Samples
from bench.errors import DataError
from bench.metrics import mean_dice
from bench.pipeline.cell import RESULT, read_result
from bench.pipeline.plan import Planned
from bench.store import MANIFEST, Artifact, MaskUse, Record, Store, file_digest
from bench.view import TARGETS


def targets_dice(planned: Planned, rule: str) -> Artifact:
    """The measurement for a finished cell that trained on the images of the split `masks`, as an artifact: `facts["dice"]`, 0 to 1.

    The mean over all objects (`metrics.mean_dice`). Its masks stand in the artifact's record as masks of evaluation.
    """
    cell = planned.cell
    door = Door(Samples(cell.dataset, cell.protocol))
    numbers = range(len(door.samples["masks"]))
    targets = targets_of(planned, rule)
    inputs = {
        "targets": targets.name,
        "content": file_digest(targets / TARGETS),  # made anew they may differ under the same name
        "masks": door.key("masks", numbers, cell.protocol.size),
    }

    def work(folder: Path) -> Record:
        true = np.load(door.masks("masks", numbers, cell.protocol.size).folder / TARGETS)
        dice = mean_dice(np.load(targets / TARGETS), true)
        return Record(masks=(MaskUse("masks", len(numbers), "evaluation"),), facts={"dice": dice})

    return Store(cell.out / "artifacts").make("scores", inputs, work)


def targets_of(planned: Planned, rule: str) -> Path:
    """The folder of the masks that a finished cell trained its segmenter on, under a rule (none for a method that trains on masks)."""
    for stage in (read_result(planned.folder / RESULT) or {}).get("stages", ()):
        folder = planned.cell.out / "artifacts" / str(stage["artifact"])
        if folder.name.startswith("targets-") and _rule(folder) == rule:
            return folder
    raise DataError(f"{planned.folder} rests on no proxies of rule {rule or 'none'}; run again with --fresh")


def _rule(targets: Path) -> str:
    try:
        return str(json.loads((targets / MANIFEST).read_text(encoding="utf-8"))["inputs"].get("rule", ""))
    except FileNotFoundError:
        raise DataError(f"the artifact {targets} is gone; run again with --fresh") from None
