"""What a result rests on: which masks and labels its artifacts used and what they cost, also those that were found ready."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from bench.store import Artifact, MaskUse

PURPOSES = {"masks_train": "training", "masks_tune": "tuning", "masks_eval": "evaluation"}


def account(
    used: Sequence[Artifact], more: Iterable[MaskUse] = (), scored: Collection[str] | None = None
) -> dict[str, Any]:
    """Masks, labels and cost: the union over artifacts. `more`: masks that chose something without making an artifact.

    `scored`: the splits that a row has cells in (None: whatever was scored); masks of another were not opened to evaluate it.
    """
    records = [a.record for a in used]
    joules = [r.energy_j for r in records if r.energy_j is not None]
    return {
        "labels_used": max((r.labels for r in records), default=0),
        **masks(used, more, scored),
        "confined": all(r.confined for r in records if r.confined is not None),
        "seconds": sum(r.seconds for r in records),
        "gpu_seconds": sum(r.gpu_seconds for r in records),
        "peak_bytes": max((r.peak_bytes for r in records), default=0),
        "energy_j": sum(joules) if joules else None,
    }


def masks(used: Sequence[Artifact], more: Iterable[MaskUse], scored: Collection[str] | None) -> dict[str, int]:
    """How many masks were read for training, tuning and evaluation, and how often those of test were opened."""
    uses = {*more, *(use for a in used for use in a.record.masks if _counts(use, scored))}
    totals = {name: sum(u.count for u in uses if u.purpose == purpose) for name, purpose in PURPOSES.items()}
    return {**totals, "test_openings": sum(1 for a in used for u in a.record.masks if u.split == "test")}


def _counts(use: MaskUse, scored: Collection[str] | None) -> bool:
    return use.purpose != "evaluation" or scored is None or use.split in scored


def stage_of(artifact: Artifact) -> dict[str, Any]:
    """One line of a result's cost: the artifact, its seconds and memory, the masks it read."""
    record = artifact.record
    return {
        "artifact": artifact.name,
        "seconds": record.seconds,
        "peak_bytes": record.peak_bytes,
        "device": record.device,
        "masks": [{"split": u.split, "count": u.count, "purpose": u.purpose} for u in record.masks],
    }
