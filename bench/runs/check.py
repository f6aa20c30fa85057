"""Whether what lies under a folder of runs is what was written there: every hash, every result, and what nobody refers to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.runs.listing import ARTIFACTS, PART, Run, runs
from bench.runs.scores import counted, faults
from bench.store import MANIFEST, digest, file_digest

Report = Callable[[str, int, int], None]

KINDS = {
    "damaged": "a file is not the one that its manifest names",
    "gone": "a result rests on an artifact that is not there",
    "result": "a result.json that cannot be read or contradicts itself",
    "scores": "scores.csv is not what was counted",
    "predictions": "predictions are not the maps that were scored",
    "unfinished": "being made, or left by a run that was killed",
    "orphan": "an artifact that no result rests on",
}
TO_KNOW = ("unfinished", "orphan")
"""No difference from what was written: `bench runs gc` removes them."""


@dataclass(frozen=True)
class Finding:
    """Something to be said of a file or folder under the runs; `kind` is one of `KINDS`."""

    kind: str
    place: str
    text: str

    @property
    def differs(self) -> bool:
        """Whether something is not as it was written."""
        return self.kind not in TO_KNOW

    def row(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": self.kind, "differs": self.differs, "place": self.place, "text": self.text}


def check(out: Path, report: Report = lambda stage, done, total: None) -> list[Finding]:
    """Everything that is found under `out`, in the order of `KINDS`; reads every byte of it. Changes nothing."""
    there = runs(out)
    found = [*_artifacts(out / ARTIFACTS, report), *_orphans(out / ARTIFACTS, there)]
    for number, run in enumerate(there, 1):
        found += _run(run)
        report("results", number, len(there))
    return sorted(found, key=lambda finding: (list(KINDS).index(finding.kind), finding.place))


def artifact_folders(store: Path) -> list[Path]:
    """Whole artifacts, by name."""
    return sorted(p for p in store.glob("*-*") if p.is_dir() and not p.name.startswith(".") and p.suffix != PART)


def parts(store: Path) -> list[Path]:
    """Unfinished artifacts, by name."""
    return sorted(store.glob(f"*-*{PART}"))


def _artifacts(store: Path, report: Report) -> Iterator[Finding]:
    folders = artifact_folders(store)
    for number, folder in enumerate(folders, 1):
        yield from (Finding("damaged", folder.name, text) for text in _damages(folder))
        report("hashes", number, len(folders))
    for folder in parts(store):
        yield Finding("unfinished", folder.name, "a run works at it or was killed; the same `bench run` again goes on")


def _damages(folder: Path) -> Iterator[str]:
    """What of an artifact is not as its manifest says, and whether the manifest is that of its name."""
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files, name = dict(told["files"]), f"{told['kind']}-{digest({key: told[key] for key in ('kind', 'inputs')})}"
    except (OSError, ValueError, TypeError, LookupError) as error:
        yield f"{MANIFEST} cannot be read ({error!r:.120})"
        return
    if name != folder.name:
        yield f"{MANIFEST} has the inputs of {name}"
    for file, known in files.items():
        yield from _damage(folder / file, known["sha256"])
    extra = sorted({p.name for p in folder.iterdir()} - {MANIFEST, *files})
    yield from (f"{file} is not in {MANIFEST}" for file in extra)


def _damage(file: Path, expected: str) -> Iterator[str]:
    try:
        found = file_digest(file)
    except OSError as error:
        yield f"{file.name} cannot be read ({error.strerror})"
        return
    if found != expected:
        yield f"{file.name} has the sha256 {found[:12]}..., its manifest says {expected[:12]}..."


def _orphans(store: Path, there: list[Run]) -> Iterator[Finding]:
    used = {name for run in there for name in run.artifacts}
    for folder in artifact_folders(store):
        if folder.name not in used:
            yield Finding("orphan", folder.name, "no result rests on it; a run that is not through may need it")


def _run(run: Run) -> Iterator[Finding]:
    place = "/".join(run.folder.parts[-3:])
    if run.state == "unreadable":
        yield Finding("result", place, run.fault)
    elif run.state == "unfinished":
        yield Finding("unfinished", place, "it has no result.json: a run works at it or was killed")
    elif run.result.get("run_id") != run.id:
        yield Finding("result", place, f"result.json is that of {run.result.get('run_id')}")
    gone = [name for name in run.artifacts if not (run.out / ARTIFACTS / name / MANIFEST).exists()]
    yield from (
        Finding("gone", place, f"its artifact {name} is gone; the same `bench run` again makes it") for name in gone
    )
    if run.state == "finished":
        yield from (Finding("scores", place, text) for text in faults(run))
        yield from (Finding("predictions", place, text) for text in _predictions(run))


def _predictions(run: Run) -> Iterator[str]:
    """Predictions are the maps that were scored: the same files on the disk, or copies of them."""
    scored = {each.maps for each in counted(run) if each.maps.exists()}
    kept = set((run.folder / "predictions").glob("*.npy"))
    if _places(scored) == _places(kept):
        return
    wanted = {file_digest(file): file for file in scored}
    there = {file_digest(file): file for file in kept}
    for known in sorted(there.keys() - wanted.keys(), key=there.__getitem__):
        yield f"predictions/{there[known].name} is none of the maps that were scored"
    for known in sorted(wanted.keys() - there.keys(), key=wanted.__getitem__):
        yield f"predictions/ lacks the maps of {wanted[known].parent.name}"


def _places(files: set[Path]) -> set[tuple[int, int]]:
    return {(state.st_dev, state.st_ino) for state in (file.stat() for file in files)}
