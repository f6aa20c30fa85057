"""Removing runs and what nobody needs any more. Nothing that a result rests on is removed, and nothing that a running process works at."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import DataError, MachineError
from bench.pipeline.cell import RESULT
from bench.results.collected import leaderboard
from bench.runs.check import artifact_folders, parts
from bench.runs.listing import ARTIFACTS, PART, Run, files_in, runs
from bench.runs.locks import LOCK, is_held, lock_of
from bench.store import MANIFEST, free

SCRATCH = ".scratch"
"""Below the artifacts: the empty folders of method processes."""


@dataclass
class Plan:
    """What is to be removed, and why something else stays."""

    out: Path
    runs: list[Path] = field(default_factory=list)
    artifacts: list[Path] = field(default_factory=list)
    """whole, unfinished, and scratch folders"""
    stays: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def places(self) -> list[Path]:
        """Every folder that goes."""
        return [*self.runs, *self.artifacts]

    @property
    def bytes(self) -> int:
        """How much will be free that is not: a file with another name elsewhere takes its place still."""
        states = [file.lstat() for file in files_in(self.places)]
        names = Counter((s.st_dev, s.st_ino) for s in states)
        return sum(
            {(s.st_dev, s.st_ino): s.st_size for s in states if names[s.st_dev, s.st_ino] == s.st_nlink}.values()
        )

    def row(self, dry_run: bool, freed: int) -> dict[str, Any]:
        """Plain values for JSON."""
        named = {"runs": [str(p) for p in self.runs], "artifacts": [p.name for p in self.artifacts]}
        return {**named, "stays": self.stays, "warnings": self.warnings, "bytes": freed, "dry_run": dry_run}

    def sentences(self) -> list[str]:
        """What goes, what stays, what is worth knowing before somebody agrees."""
        kinds = Counter(_kind(place) for place in self.artifacts)
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        going = [f"run {run}" for run in self.runs] + ([f"artifacts: {listed}"] if listed else [])
        return [*going, *self.stays, *self.warnings]


def plan_rm(chosen: Sequence[Run]) -> Plan:
    """The folders of runs of one `out`, and the artifacts that only they rest on; those that others rest on stay."""
    out = chosen[0].out
    here = {run.folder for run in chosen}
    others = [run for run in runs(out) if run.folder not in here]
    plan = Plan(out, sorted(here))
    going = {name for run in chosen for name in run.artifacts} - _needed(others)
    plan.artifacts = [folder for folder in artifact_folders(out / ARTIFACTS) if folder.name in going]
    _keep_for_running(plan, others)
    return plan


def plan_gc(out: Path) -> Plan:
    """Artifacts that no result rests on, and what killed runs left; none whose lock is held."""
    there = runs(out)
    store, needed = out / ARTIFACTS, _needed(there)
    scratch = [p for p in sorted((store / SCRATCH).glob("*")) if p.is_dir() and any(p.iterdir())]
    orphans = [folder for folder in artifact_folders(store) if folder.name not in needed]
    plan = Plan(out, artifacts=[*orphans, *parts(store), *scratch])
    _keep_for_running(plan, there)
    waiting = [run for run in there if run.state in ("unfinished", "failed")]
    if waiting and plan.artifacts:
        some = ", ".join(run.id for run in waiting[:5]) + (", ..." if len(waiting) > 5 else "")
        plan.warnings.append(
            f"what {len(waiting)} unfinished or failed runs ({some}) have made goes too: they would begin again"
        )
    return plan


def carry_out(plan: Plan, report: Callable[[str, int, int], None] = lambda *_: None) -> int:
    """Remove what is planned; the bytes that are free now. What came to be used since stays.

    A result goes before its artifacts, so that a removal that is cut short leaves no result without them.
    MachineError where another process works at a run, or the system will not remove something; DataError where the results cannot be read.
    """
    with ExitStack() as held:
        for run in plan.runs:
            if not held.enter_context(free(run / LOCK)):
                raise MachineError(
                    f"{run} stays: a running process works at it; wait for it or stop it. Nothing was removed"
                )
        remaining = [run for run in runs(plan.out) if run.folder.resolve() not in {p.resolve() for p in plan.runs}]
        needed = _needed(remaining)
        _keep_for_running(plan, remaining)
        plan.artifacts = [folder for folder in plan.artifacts if folder.name not in needed]
        freed = plan.bytes
        for run in plan.runs:
            _remove(run, RESULT)
    for number, folder in enumerate(plan.artifacts, 1):
        with free(lock_of(folder)) as nobody:
            if nobody:
                _remove(folder, MANIFEST)
        report("removing", number, len(plan.artifacts))
    for parent in {run.parent for run in plan.runs}:
        _remove_empty(parent, plan.out)
    return freed


def rewrite_table(out: Path) -> str:
    """leaderboard.csv without the removed runs; a sentence where it cannot be written, else nothing."""
    try:
        if not leaderboard(out):
            (out / "leaderboard.csv").unlink(missing_ok=True)
    except (DataError, MachineError) as error:
        return f"{out / 'leaderboard.csv'} still has the removed runs: {error}"
    return ""


def _needed(there: Sequence[Run]) -> set[str]:
    """The artifacts that results rest on; DataError where a result does not say so."""
    for run in there:
        if run.fault:
            raise DataError(
                f"nobody knows which artifacts {run.id} rests on: {run.fault}; put it back, or `bench runs rm {run.folder}`"
            )
    return {name for run in there for name in run.artifacts}


def _keep_for_running(plan: Plan, there: Sequence[Run]) -> None:
    """A cell that is being worked out rests on artifacts that no result names yet: while there is one, all of them stay."""
    running = [run.id for run in there if is_held(run.folder / LOCK)]
    if running and plan.artifacts:
        plan.stays.append(
            f"{len(plan.artifacts)} artifacts stay: {', '.join(running)} is being worked out and may need them; "
            "`bench runs gc` later"
        )
        plan.artifacts = []
    at_work = [folder for folder in plan.artifacts if is_held(lock_of(folder))]
    plan.stays += [f"{folder.name} stays: a running process works at it" for folder in at_work]
    plan.artifacts = [folder for folder in plan.artifacts if folder not in at_work]


def _kind(place: Path) -> str:
    if place.parent.name == SCRATCH:
        return "left by method processes"
    return "unfinished" if place.suffix == PART else place.name.partition("-")[0]


def _remove(folder: Path, first: str) -> None:
    """A folder; the file that makes it whole goes first: a removal that is cut short leaves nothing that looks whole."""
    try:
        (folder / first).unlink(missing_ok=True)
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise MachineError(f"{folder} cannot be removed ({error.strerror}); check its rights") from error


def _remove_empty(folder: Path, out: Path) -> None:
    """The folders of a method and of a data set that have no run any more."""
    while folder != out and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
