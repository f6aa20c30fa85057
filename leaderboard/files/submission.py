"""A group's finished runs packed into one file: results without places on the disk, per-image scores, predictions, rows, hashes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bench.errors import DataError
from bench.leaderboard.files import lines, masks_rle, sealed, table_files
from bench.leaderboard.files.findings import Refused, refuse
from bench.leaderboard.files.inspect_runs import SCORES, inspect, recompute
from bench.leaderboard.files.masks_rle import Region
from bench.leaderboard.files.public import public
from bench.leaderboard.files.schema import FORMAT, Images
from bench.metrics import PAPER_SIZE, resize
from bench.pipeline.cell import RESULT
from bench.pipeline.mapfile import as_floats
from bench.protocol import VERSION
from bench.results.columns import LEADERBOARD_COLUMNS, Row
from bench.results.csv_files import print_rows
from bench.runs.listing import Run, runs
from bench.store import file_digest, write_file

Sizes = Callable[[Run, str], Sequence[tuple[int, int]]]
"""The sizes (H, W) of the images of a split of a run, in order."""

UNDERIVED = (
    *"labels_used masks_train masks_tune masks_eval test_openings confined".split(),
    *"seconds seconds_shared gpu_seconds peak_bytes energy_j".split(),
    *"role degenerate pretraining plugin plugin_version notes".split(),
)
"""Columns of leaderboard.csv that follow from no prediction: they are copied or added up from what result.json states."""
MASKS_ONLY = ("ap", "dead_map")
"""Columns of scores.csv that do not follow from predictions stored as masks."""


def submit(out: Path, file: Path, methods: Collection[str] = (), sizes: Sizes | None = None) -> list[Row]:
    """Pack the finished and failed runs under `out` (of these methods; all where none is named) into `file`; their rows.

    `sizes`: U-Net maps become run-length masks at the images' own sizes, which it tells; otherwise they stay maps of uint16.
    DataError where there is nothing to pack or a file of a run is gone; Refused where the runs are not what they say.
    """
    chosen = [run for run in runs(out) if run.state in ("finished", "failed") and _wanted(run, methods)]
    if not any(run.state == "finished" for run in chosen):
        raise DataError(
            f"there is no finished run{' of these methods' if methods else ''} under {out}; `bench run` makes one"
        )
    chosen.sort(key=lambda run: ((run.folder / RESULT).stat().st_mtime_ns, run.id))
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch)
        members = {name: content for run in chosen for name, content in _members(run, stage, sizes)}
        rows = recompute(stage / sealed.RUNS)
        members[sealed.ROWS] = _csv(rows)
        members[sealed.MANIFEST] = _manifest(members, chosen, stage)
        write_file(file, lambda temporary: _whole(temporary, members))
    return rows


def _wanted(run: Run, methods: Collection[str]) -> bool:
    return not methods or run.folder.parts[-2] in methods


def _whole(file: Path, members: dict[str, bytes | Path]) -> None:
    """Write it, and read it as a stranger would: what `check` would refuse is never handed over."""
    sealed.write(file, members)
    with tempfile.TemporaryDirectory() as place, sealed.opened(file) as submission:
        found = inspect(submission, Path(place))[1]
    refuse(found, "what would be submitted")


def _members(run: Run, stage: Path, sizes: Sizes | None) -> Iterator[tuple[str, bytes | Path]]:
    """The files of one run; its result and scores are put into the stage too, for the rows."""
    name = "/".join((sealed.RUNS, *run.folder.parts[-3:]))
    place = stage / name
    place.mkdir(parents=True)
    text = json.dumps(public(run.result, run.out), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (place / RESULT).write_text(text, encoding="utf-8")
    yield f"{name}/{RESULT}", text.encode()
    if run.state != "finished":
        return
    if not (run.folder / SCORES).exists():
        raise DataError(f"{run.folder / SCORES} is gone; delete the folder and run again")
    shutil.copyfile(run.folder / SCORES, place / SCORES)
    yield f"{name}/{SCORES}", place / SCORES
    for maps in sorted((run.folder / "predictions").glob("*.npy")):
        if sizes is not None and maps.stem.startswith("unet"):
            packed = place / f"{maps.stem}.rle.npy"
            np.save(packed, _masks(maps, sizes(run, maps.stem.rpartition("-")[2])), allow_pickle=False)
            yield f"{name}/predictions/{packed.name}", packed
        else:
            yield f"{name}/predictions/{maps.name}", maps


def _masks(maps: Path, sizes: Sequence[tuple[int, int]]) -> masks_rle.Runs:
    return masks_rle.encode(_decisions(np.load(maps, mmap_mode="r", allow_pickle=False), sizes))


def _decisions(
    stored: np.ndarray[tuple[int, ...], np.dtype[np.uint16]], sizes: Sequence[tuple[int, int]]
) -> Iterator[Region]:
    """Where each map is above one half: at its image's own size, then at 224 pixels."""
    for channels, size in zip(stored, sizes, strict=True):
        for channel in channels:
            values = as_floats(channel)
            yield from (resize(values, at) > np.float32(0.5) for at in (size, PAPER_SIZE))


def _csv(rows: Sequence[Row]) -> bytes:
    file = io.StringIO()
    print_rows(file, LEADERBOARD_COLUMNS, rows)
    return file.getvalue().encode()


def _manifest(members: dict[str, bytes | Path], chosen: Sequence[Run], stage: Path) -> bytes:
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        if isinstance(content, bytes)
        else {"sha256": file_digest(content), "bytes": content.stat().st_size}
        for name, content in members.items()
    }
    manifest = {
        "format": FORMAT,
        "bench": version("wsss-bench"),
        "protocol_version": VERSION,
        "runs": ["/".join(run.folder.parts[-3:]) for run in chosen],
        "images": {name: found.model_dump() for name, found in _images(chosen, stage).items()},
        "masks_only": list(MASKS_ONLY) if any(name.endswith(".rle.npy") for name in files) else [],
        "underived": list(UNDERIVED),
        "files": dict(sorted(files.items())),
    }
    return (json.dumps(manifest, indent=1) + "\n").encode()


def _images(chosen: Sequence[Run], stage: Path) -> dict[str, Images]:
    """The images of each fingerprint; Refused where two runs were scored on different ones."""
    known: dict[str, tuple[str, Images]] = {}
    for run in chosen:
        place = stage / sealed.RUNS / "/".join(run.folder.parts[-3:]) / SCORES
        scores, found = (
            table_files.score_lines(place.read_bytes(), str(run.folder / SCORES)) if place.exists() else ([], [])
        )
        refuse(found, str(run.folder / SCORES))
        if not scores:
            continue
        first, images = known.setdefault(run.result["fingerprint"], (run.id, lines.images_of(scores)))
        if images != lines.images_of(scores):
            raise Refused(
                f"{run.id} and {first} are scored on different images under one fingerprint; run one of them again"
            )
    return {fingerprint: images for fingerprint, (_, images) in known.items()}
