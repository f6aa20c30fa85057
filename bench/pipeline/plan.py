"""From a request to cells: plugins loaded, settings applied, data and weights found, and everything refused that can be refused early."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench import plugins, weights
from bench.api import AnyMethod, Dataset, Method, Pretrained
from bench.data import pictures
from bench.data.decoding import Report
from bench.data.door import Door
from bench.data.samples import Samples
from bench.device import pick
from bench.errors import DataError
from bench.pipeline import segmenter
from bench.pipeline.cell import RESULT, Cell, read_result
from bench.pipeline.keys import recipe, shown
from bench.pipeline.method_process import needed
from bench.pipeline.request import RunRequest, refuse_unused, settings_for
from bench.protocol import Protocol
from bench.roots import data_root

Ready = tuple[AnyMethod, dict[str, Any]]
"""A method whose weights are found, and its settings as tables show them."""

CONTROLS: Mapping[str, Any] = MappingProxyType({"labels": "shuffled", "fit_share": 0.0})
"""If Dice does not fall without true labels, or without training, the labels did nothing."""


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
        control = {"shuffled": " (shuffled labels)", "true": ""}[self.cell.protocol.labels]
        untrained = "" if self.cell.protocol.fit_share else " (untrained)"
        twin = "".join(
            f" ({name}={self.cell.settings[name]})" for name in twins(self.cell.method) if name in self.cell.settings
        )
        return f"{self.cell.method.name}{twin}{control}{untrained} on {self.cell.dataset.name}{seed}"

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
        for method, settings, rules in with_companions(ready, request):
            for seed in request.seeds:
                cell = Cell(
                    dataset=dataset,
                    dataset_plugin=plugins.describe(type(dataset)),
                    method=method,
                    method_plugin=plugins.describe(type(method)),
                    settings=settings,
                    protocol=rules,
                    seed=seed,
                    out=request.out.resolve(),
                    device=request.device,
                    threads=threads(request.jobs),
                    fresh_since=fresh_since,
                )
                planned.append(Planned(cell, cell.folder(samples.fingerprint), samples.fingerprint))
    return planned


def with_companions(
    ready: Sequence[Ready], request: RunRequest
) -> Iterator[tuple[AnyMethod, dict[str, Any], Protocol]]:
    """Each method with its settings and rules, its twin, and its controls; all of them stand in one table, for the title of the rules
    stays and the settings say what they are."""
    for method, settings in ready:
        yield method, settings, request.protocol
        yield from twin(method, settings, request.protocol)
        if request.controls:
            yield from controls(method, settings, request.protocol)


def twin(
    method: AnyMethod, settings: dict[str, Any], rules: Protocol
) -> Iterator[tuple[AnyMethod, dict[str, Any], Protocol]]:
    """The second row of a fit. Otsu's rule is of the min-maxed map whatever the map's own normalisation is: it is not made twice."""
    others = tuple(rule for rule in rules.rules if rule != "otsu")
    changes = twins(method)
    if changes and others and not changes.keys() & settings.keys():
        yield method.model_copy(update=dict(changes)), {**settings, **changes}, replace(rules, rules=others)


def twins(method: AnyMethod) -> Mapping[str, Any]:
    """The settings of a method's twin."""
    return method.twin if isinstance(method, Method) else {}


def controls(
    method: AnyMethod, settings: dict[str, Any], rules: Protocol
) -> Iterator[tuple[AnyMethod, dict[str, Any], Protocol]]:
    """A method that learns from image labels twice more: on permuted labels, and untrained."""
    if learns_from_labels(method):
        for name, value in CONTROLS.items():
            yield method, {**settings, name: value}, replace(rules, **{name: value})


def threads(jobs: int) -> int:
    """Of one cell: what OMP_NUM_THREADS says, else its share of the cores."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdecimal() and int(named) else max(1, (os.cpu_count() or 1) // jobs)


def learns_from_labels(method: AnyMethod) -> bool:
    """Whether permuted labels and a missing training can tell anything about it."""
    return isinstance(method, Method) and method.reads_labels and not method.floor


def load_methods(request: RunRequest) -> list[AnyMethod]:
    """The methods with their settings."""
    classes = {name: plugins.load("methods", name) for name in request.methods}
    refuse_unused(request, {name: cls.model_fields for name, cls in classes.items()})
    if request.every_method:
        classes = {name: cls for name, cls in classes.items() if not lacks_a_setting(name, cls, request)}
    return [plugins.instantiate(cls, settings_for(name, cls.model_fields, request)) for name, cls in classes.items()]


def lacks_a_setting(name: str, cls: type[AnyMethod], request: RunRequest) -> bool:
    """Whether a field without default is not set."""
    given = settings_for(name, cls.model_fields, request)
    return any(field.is_required() and key not in given for key, field in cls.model_fields.items())


def load_datasets(request: RunRequest) -> list[Dataset]:
    """The data sets with their settings and folders."""
    datasets = []
    for name in request.datasets:
        cls = plugins.load("datasets", name)
        settings = settings_for(name, cls.model_fields, request)
        if not cls.embedded and "root" not in settings:
            settings["root"] = data_root(name, request.data_roots.get(name) or request.data_roots.get(None))
        if request.accept:
            settings["accept"] = request.accept
        datasets.append(plugins.instantiate(cls, settings))
    return datasets


def locate_weights(method: AnyMethod, download: bool = True) -> AnyMethod:
    """The method with `weights` naming a local file wherever it starts from ImageNet; those that are not to be had stop the run here."""
    changes: dict[str, Any] = {name: locate_weights(inner, download) for name, inner in needed(method).items()}
    if isinstance(method, Pretrained) and method.pretrained:
        changes["weights"] = weights.locate(method, download)
    return method.model_copy(update=changes) if changes else method


def prepare(planned: list[Planned], report: Report) -> None:
    """Decode what the cells will look at and open every mask once, so that faulty data is told before anything trains."""
    seen = {(id(p.cell.dataset), p.cell.protocol.labels): p for p in planned if not p.finished}
    for one in seen.values():
        cell = one.cell
        samples = Samples(cell.dataset, cell.protocol)
        report(f"checking the masks of {cell.dataset.name}", 0, 0)
        Door(samples).check()
        for split in samples.splits:
            if samples[split]:
                pictures.view(samples, split, cell.protocol.size, cell.protocol.labels, report=report)
