"""From a request to cells: plugins loaded, settings applied, data and weights found, and everything refused that can be refused early."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from bench import pictures, plugins, segmenter, weights
from bench.api import Dataset, MaskMethod, Method, Pretrained
from bench.cell import RESULT, Cell, read_result
from bench.device import pick
from bench.door import Door
from bench.errors import DataError
from bench.keys import recipe, shown
from bench.method_process import needed
from bench.request import RunRequest, refuse_unused, settings_for
from bench.samples import Samples


@dataclass(frozen=True)
class Planned:
    """A cell and the folder of its result."""

    cell: Cell
    folder: Path
    fingerprint: str

    @property
    def title(self) -> str:
        """What stands beside its progress."""
        seed = f", seed {self.cell.seed}" if self.cell.seed else ""
        return f"{self.cell.method.name} on {self.cell.dataset.name}{seed}"

    @property
    def finished(self) -> bool:
        """Whether its result is there, made by the same code."""
        result = read_result(self.folder / RESULT)
        if result is None or "failed" in result or result.get("recipe") != recipe(self.cell.method):
            return False
        return (self.folder / RESULT).stat().st_mtime >= self.cell.fresh_since


def plan(request: RunRequest) -> list[Planned]:
    """The cells of a request, in order; nothing is trained and nothing is decoded yet."""
    methods = load_methods(request)
    datasets = load_datasets(request)
    segmenter.check(request.protocol)
    pick(request.device)
    ready = [(locate_weights(method, download=not request.dry_run), shown(method)) for method in methods]
    fresh_since = time.time() if request.fresh else 0.0
    planned = []
    for dataset in datasets:
        samples = Samples(dataset, request.protocol)
        if not samples["test"]:
            raise DataError(f"data set {dataset.name} has no test images; nothing can be scored")
        for method, settings in ready:
            for seed in request.seeds:
                cell = Cell(
                    dataset=dataset,
                    dataset_plugin=plugins.describe(type(dataset)),
                    method=method,
                    method_plugin=plugins.describe(type(method)),
                    settings=settings,
                    protocol=request.protocol,
                    seed=seed,
                    out=request.out.resolve(),
                    device=request.device,
                    threads=max(1, (os.cpu_count() or 1) // request.jobs),
                    fresh_since=fresh_since,
                )
                planned.append(Planned(cell, cell.folder(samples.fingerprint), samples.fingerprint))
    return planned


def load_methods(request: RunRequest) -> list[Method | MaskMethod]:
    """The methods with their settings."""
    classes = {name: plugins.load("methods", name) for name in request.methods}
    refuse_unused(request, {name: cls.model_fields for name, cls in classes.items()})
    return [plugins.instantiate(cls, settings_for(name, cls.model_fields, request)) for name, cls in classes.items()]


def load_datasets(request: RunRequest) -> list[Dataset]:
    """The data sets with their settings and folders."""
    datasets = []
    for name in request.datasets:
        cls = plugins.load("datasets", name)
        settings = settings_for(name, cls.model_fields, request)
        if not cls.embedded and "root" not in settings:
            settings["root"] = data_root(name, request.data_roots)
        datasets.append(plugins.instantiate(cls, settings))
    return datasets


def data_root(name: str, named: Mapping[str | None, Path]) -> Path:
    """The folder of a data set: --data-root, else $BENCH_DATA/<name>, else the user's data folder; DataError names all three."""
    given = named.get(name) or named.get(None)
    if given is not None:
        if not given.is_dir():
            raise DataError(f"--data-root {given} is no folder; give the folder that data set {name} lies in")
        return given.resolve()
    base = os.environ.get("BENCH_DATA")
    places = [Path(base) / name] if base else []
    places.append(platformdirs.user_data_path("wsss-bench") / name)
    for place in places:
        if place.is_dir():
            return place.resolve()
    tried = f"$BENCH_DATA/{name} ({places[0] if base else 'BENCH_DATA is not set'})"
    raise DataError(
        f"data set {name} is not found: give its folder with --data-root PATH, or put it at {tried} or at {places[-1]}"
    )


def locate_weights(method: Method | MaskMethod, download: bool = True) -> Method | MaskMethod:
    """The method with `weights` naming a local file wherever it starts from ImageNet; those that are not to be had stop the run here."""
    changes: dict[str, Any] = {name: locate_weights(inner, download) for name, inner in needed(method).items()}
    if isinstance(method, Pretrained) and method.pretrained:
        changes["weights"] = weights.locate(method, download)
    return method.model_copy(update=changes) if changes else method


def prepare(planned: list[Planned], report: Any) -> None:
    """Decode what the cells will look at and open every mask once, so that faulty data is told before anything trains."""
    seen = {id(p.cell.dataset): p for p in planned if not p.finished}
    for one in seen.values():
        cell = one.cell
        samples = Samples(cell.dataset, cell.protocol)
        report(f"checking the masks of {cell.dataset.name}")
        Door(samples).check()
        for split in samples.splits:
            if samples[split]:
                report(f"decoding {cell.dataset.name}, {split}")
                pictures.view(samples, split, cell.protocol.size, cell.protocol.labels)
