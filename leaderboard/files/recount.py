"""Scores from stored predictions and local data: the same counting as a run's, at the same thresholds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.ahead import read_ahead
from bench.api import Dataset, Item
from bench.data.door import truth
from bench.data.samples import file_digests, split_hash
from bench.errors import DataError
from bench.leaderboard.files import masks_rle
from bench.leaderboard.files.identity import protocol_of_title
from bench.leaderboard.files.masks_rle import Region
from bench.metrics import PAPER_SIZE, Truth, counts, dice, histogram, resize_nearest
from bench.pipeline import mapfile, rules
from bench.pipeline.distances import Outline
from bench.pipeline.score_lines import UNET, score_lines
from bench.pipeline.stages import SCORES
from bench.pipeline.summary import pooled_precision
from bench.pipeline.workbench import Workbench
from bench.results.columns import Row
from bench.runs.data import open_dataset
from bench.runs.listing import Run
from bench.store import Artifact, Record
from bench.thresholds import IGNORED, Cut

Report = Callable[[str, int, int], None]
PREDICTIONS = "predictions"
SPLITS = ("val", "test")


@dataclass(frozen=True)
class Images:
    """The scored images of a data set, as bench.pipeline.score_lines asks for them."""

    dataset: Dataset
    splits: Mapping[str, Sequence[Item]]

    def __getitem__(self, split: str) -> Sequence[Item]:
        return self.splits[split]

    def clusters(self, split: str) -> list[str]:
        """The independent unit of each image: its group, else itself."""
        return [item.group or item.id for item in self.splits[split]]


@dataclass(frozen=True)
class Local:
    """What bench.pipeline.score_lines asks of a workbench."""

    samples: Images


def images_of(run: Run, root: Path | None) -> Images:
    """The scored images of a run in the data set that lies here; DataError where they are others than those of the run."""
    dataset = open_dataset(run, root)
    splits = {split: dataset.items(split) for split in SPLITS}
    for split, items in splits.items():
        if split_hash(items, file_digests(dataset.files(split))) != run.result["split_hashes"][split]:
            place = f" at {dataset.root}" if dataset.root else ""
            raise DataError(
                f"the {split} images of {dataset.name}{place} are not those of {run.id}; name the folder of the same data with --data-root"
            )
    return Images(dataset, splits)


@dataclass(frozen=True)
class Recounted:
    """The lines of a scores.csv, PxAP of each rule by both conventions, and the stages whose maps were stored as masks."""

    lines: list[Row]
    pooled: dict[str, dict[str, float | None]]
    masks_only: set[tuple[str, str]]
    """stage and rule"""


def recount(run: Run, images: Images, report: Report = lambda *_: None) -> Recounted:
    """Score everything that a run has stored."""
    named = [row["rule"] for row in run.result["rows"]]
    foregrounds = len(images.dataset.task.foreground)
    fixed = (protocol_of_title(run.result["protocol"]).threshold,) * foregrounds
    found = Recounted([], {"pxap": {}, "pxap_wsol": {}}, set())
    with tempfile.TemporaryDirectory() as scratch:
        own = _own_maps(run, images, {"fixed": fixed, "otsu": None}, "val" in named, Path(scratch), report)
        for rule in named:
            for split, cut in _cuts(rule, fixed, own).items():
                found.lines.extend(_lines(images, own[split], split, "init", rule, cut))
            _pool(found, rule, own.get("test"))
            for split in SPLITS:
                _unet(run, images, rule, split, found, Path(scratch), report)
    return found


def _own_maps(
    run: Run, images: Images, cuts: dict[str, Cut], chooses: bool, scratch: Path, report: Report
) -> dict[str, Artifact]:
    """The counts of a method's own maps; `val` comes first, for it may choose where those of `test` are cut."""
    own = {}
    for split in SPLITS:
        file = run.folder / PREDICTIONS / f"init-{split}.npy"
        if file.exists():
            report(f"counting {run.id} {file.stem}", 0, 0)
            own[split] = _count(file, images, split, cuts, scratch / f"init-{split}")
        if split == "val" and chooses and (best := rules.chosen(own["val"])):
            cuts = {**cuts, "val": best}
    return own


def _cuts(rule: str, fixed: Cut, own: Mapping[str, Artifact]) -> dict[str, Cut]:
    """Where a rule cuts the maps of each split that it has cells in (bench.pipeline.rules)."""
    if rule == "oracle":
        return {split: cut for split, one in own.items() if (cut := rules.chosen(one)) is not None}
    if rule == "val":
        return {"test": rules.chosen(own["val"])}
    return dict.fromkeys(own, fixed if rule == "fixed" else None)


def _unet(run: Run, images: Images, rule: str, split: str, found: Recounted, scratch: Path, report: Report) -> None:
    """Add what the segmenter of a rule predicted."""
    name = f"unet-{rule}-{split}" if rule else f"unet-{split}"
    maps, masks = (run.folder / PREDICTIONS / f"{name}{end}" for end in (".npy", ".rle.npy"))
    half = (0.5,) * len(images.dataset.task.foreground)
    if maps.exists():
        report(f"counting {run.id} {name}", 0, 0)
        counted = _count(maps, images, split, {UNET: half}, scratch / name)
        found.lines.extend(_lines(images, counted, split, "unet", rule, half))
        if split == "test":
            _pool(found, rule, counted)
    elif masks.exists():
        report(f"counting {run.id} {name}", 0, 0)
        found.lines.extend(_mask_lines(masks, images, split, rule))
        found.masks_only.add(("unet", rule))
        for values in found.pooled.values():
            values.pop(rule, None)


def _count(file: Path, images: Images, split: str, cuts: Mapping[str, Cut], folder: Path) -> Artifact:
    stored = np.load(file, mmap_mode="r", allow_pickle=False)
    folder.mkdir()
    counted = mapfile.count(stored, _truths(images, split), len(images.dataset.task.foreground), cuts)
    np.savez(folder / SCORES, allow_pickle=False, **counted)
    return Artifact(folder, Record())


def _truths(images: Images, split: str) -> Iterator[Truth]:
    return read_ahead(partial(truth, images.dataset), images[split])


def _lines(images: Images, counted: Artifact, split: str, stage: str, rule: str, cut: Cut) -> Iterator[Row]:
    return score_lines(cast(Workbench, Local(images)), counted, split, stage, rule, cut)


def _pool(found: Recounted, rule: str, counted: Artifact | None) -> None:
    if counted is not None:
        found.pooled["pxap"][rule] = pooled_precision(counted, "fine")
        found.pooled["pxap_wsol"][rule] = pooled_precision(counted, "wsol")


def _mask_lines(file: Path, images: Images, split: str, rule: str) -> Iterator[Row]:
    """Lines from run-length masks: what needs more than the decision (average precision, dead maps) is left out."""
    masks = masks_rle.decode(np.load(file, allow_pickle=False))
    task = images.dataset.task
    for item, cluster, known in zip(images[split], images.clusters(split), _truths(images, split), strict=True):
        for k, name in enumerate(task.foreground):
            native, small = next(masks, None), next(masks, None)
            if native is None or small is None or native.shape != known.mask.shape or small.shape != PAPER_SIZE:
                raise DataError(f"{file.name} has no mask of {item.id} at its own size and at 224 pixels")
            who = {"image": item.id, "cluster": cluster, "class": name}
            yield {**who, "split": split, "stage": "unet", "rule": rule, **_decided(native, small, known, k)}
    if next(masks, None) is not None:
        raise DataError(f"{file.name} has more masks than the split has images")


def _decided(native: Region, small: Region, known: Truth, k: int) -> Row:
    """The scores of one decision; `native` at the size of the truth, `small` at 224 pixels."""
    tp, fp, fn, tn = (int(n) for n in _counts(native, known, k))
    at_224 = _counts(small, Truth(resize_nearest(known.mask, PAPER_SIZE)), k)
    missing, pixels = k in known.missing, tp + fp + fn + tn
    share = (tp + fp) / pixels if pixels else None
    if missing:
        return {"threshold": 0.5, "present": 1, "foreground_share": share}
    outline = Outline(known.mask == k + 1)
    return {
        "threshold": 0.5,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
        "present": int(tp + fn > 0) if pixels else None,
        "foreground_share": share,
        "dice": float(dice(tp, fp, fn)),
        "dice_224": float(dice(*at_224[:3])),
        "hd95": outline.hd95(native & (known.mask != IGNORED)),
    }


def _counts(decision: Region, known: Truth, k: int) -> tuple[Any, ...]:
    return counts(histogram(decision.astype(np.float32), known.mask, k + 1), 0.5)
