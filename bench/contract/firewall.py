"""The proof that masks decide nothing that a weak method makes: all of it is made again with other masks, and must be the same bytes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.api import AnyMethod, Method, Task
from bench.contract.made import LESION, WORLDS, Made, write_made
from bench.contract.surroundings import watched
from bench.data.samples import Samples, first
from bench.errors import PluginError
from bench.pipeline.method_client import MethodProcess
from bench.pipeline.method_process import Worker
from bench.pipeline.rows import rows_of
from bench.pipeline.workbench import Workbench
from bench.plugins import describe
from bench.protocol import SMOKE
from bench.store import MANIFEST, Artifact, Store

SIZES = {"weak": 12, "weak_heldout": 3, "masks": 6, "val": 3, "test": 6}
RULES = replace(SMOKE, weak_images=None, fit_share=1e-9, rules=("otsu",), steps=2, base_channels=2, batch=4)
"""One epoch of the fit, whatever its length, and two steps of the segmenter."""
SEED = 0
KINDS = {"fit": "network", "maps": "maps", "targets": "proxies", "segment": "segmenter"}
"""What artifacts are called in a sentence, by their kind; masks decide scores, and nothing else."""
SAID = {
    "noise": "masks are replaced by noise",
    "removed": "masks are taken away",
    "permuted": "the masks of test images are permuted",
}

Trace = dict[str, str]
"""sha256 of every file that a method's cell has made, by what it is."""


class Peeked(PluginError):
    """What a method makes depends on masks that it has not declared; `function` is the one that looked."""

    def __init__(self, sentence: str, function: str) -> None:
        super().__init__(sentence)
        self.function = function


def check_firewall(method: Method, task: Task = LESION) -> None:
    """Make network, maps, proxies and segmenter with true masks, with noise for masks, without masks, with permuted test masks.

    PluginError where a byte differs. Masks that the method declares stay as they are: it may read those and no others. It runs in this
    process, where nothing but its own honesty keeps it from masks, so that a look at them shows in what it makes.
    """
    with watched(), tempfile.TemporaryDirectory() as place:
        true = trace(method, Path(place) / "true", task=task)
        for world in WORLDS[1:]:
            other = trace(method, Path(place) / world, world, declared(method, task), task)
            differing = [what for what in true if true[what] != other.get(what)]
            if differing:
                again = trace(method, Path(place) / "again", task=task)
                raise _peeked(method, world, differing[0].partition(" ")[0], repeatable=again == true)


def _peeked(method: Method, world: str, what: str, *, repeatable: bool) -> Peeked:
    function = "fit" if what.startswith("network") else "maps"
    if not repeatable:
        return Peeked(
            f"{method.name} makes another {what} every time: whether masks decide it cannot be told", function
        )
    return Peeked(
        f"{function}() of {method.name} makes another {what} when {SAID[world]}: it has looked at masks that it has not "
        "declared; use what it is handed, or name in masks() what it reads",
        function,
    )


def declared(method: Method, task: Task = LESION) -> set[str]:
    """The ids of the made images whose masks these settings declare."""
    wish = method.masks()
    if wish is None:
        return set()
    items = _made(method, task, None).items(wish.split)
    return {items[number].id for number in first(items, wish.count, SEED)}


def trace(
    method: AnyMethod, place: Path, world: str = "true", spared: Collection[str] = (), task: Task = LESION
) -> Trace:
    """Run all stages of a method's cell, with masks of one of `made.WORLDS`, in a store and a cache of their own under `place`."""
    dataset = _made(method, task, place / "data")
    write_made(dataset, RULES.size, world, spared)
    with _cache(place / "cache"):
        bench = HereBench(
            method=method,
            plugin=describe(type(method)),
            samples=Samples(dataset, RULES),
            protocol=RULES,
            seed=SEED,
            device=torch.device("cpu"),
            threads=1,
            store=Store(place / "store"),
            log=place / "cell" / "log.txt",
            report=lambda stage, done, total: None,
        )
        try:
            rows_of(bench)
        finally:
            bench.close()
    return _files(bench.used.values())


def _made(method: AnyMethod, task: Task, root: Path | None) -> Made:
    wish = method.masks() if isinstance(method, Method) else None
    more = {wish.split: max(SIZES.get(wish.split, 0), wish.count or 0)} if wish else {}
    return Made(root=root, about=task, sizes={**SIZES, **more})


def _files(used: Iterable[Artifact]) -> Trace:
    """The files of artifacts in the order of their use; scores, which masks do decide, are left out."""
    found: Trace = {}
    for number, artifact in enumerate(used):
        kind = KINDS.get(artifact.name.partition("-")[0])
        manifest = json.loads((artifact.folder / MANIFEST).read_text(encoding="utf-8"))
        found |= {f"{kind} {number}, {name}": file["sha256"] for name, file in manifest["files"].items() if kind}
    return found


@contextlib.contextmanager
def _cache(place: Path) -> Iterator[None]:
    """A cache of its own; `watched` around it puts back what was there."""
    before = os.environ.get("BENCH_CACHE")
    os.environ["BENCH_CACHE"] = str(place)
    try:
        yield
    finally:
        os.environ.pop("BENCH_CACHE")
        if before is not None:
            os.environ["BENCH_CACHE"] = before


class HereProcess(MethodProcess):
    """Stands in for a method process: the same worker without a second Python, and without a wall."""

    def __init__(self, like: MethodProcess, method: AnyMethod) -> None:
        vars(self).update(vars(like))
        self.method = method

    def start(self, writable: Sequence[Path] = ()) -> None:
        self.worker = Worker(self.job, self.report, self.method)

    def ask(self, **command: Any) -> dict[str, Any]:
        return self.worker.obey(command)

    def close(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)


@dataclass
class HereBench(Workbench):
    """A workbench whose method runs in this process."""

    def spawn(self, method: AnyMethod, *rest: Any, **more: Any) -> MethodProcess:
        return HereProcess(super().spawn(method, *rest, **more), method)
