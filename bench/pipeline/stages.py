"""One function per artifact of a cell, its key beside it: fit, maps, targets, segment, maps of the segmenter, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from bench.api import GivenMaps, MaskMethod, Method
from bench.data import pictures
from bench.data.samples import LABELLED, file_digests, identity
from bench.device import Meter
from bench.evenly import evenly
from bench.metrics import mean_dice
from bench.pipeline import mapfile, segmenter
from bench.pipeline.keys import REVISIONS, code_of, fit_settings, maps_settings, segmenter_settings
from bench.pipeline.mapfile import MAPS
from bench.pipeline.method_process import NET, needed, seed_everything
from bench.pipeline.signals import SPREAD
from bench.pipeline.workbench import Workbench
from bench.plugins import describe
from bench.resizing import resize
from bench.store import Artifact, MaskUse, Record, write_array, write_file
from bench.thresholds import Cut
from bench.training import CHECKPOINT, Training, save_network
from bench.view import TARGETS, Joined, View

SCORES = "scores.npz"


def fit(bench: Workbench) -> Artifact:
    """The fitted network of the cell's method; its Method fields are fitted first, as artifacts of their own."""
    assert isinstance(bench.method, Method)
    return _fit(bench, bench.method, bench.plugin)


def _fit(bench: Workbench, method: Method, plugin: Mapping[str, Any]) -> Artifact:
    needs = {name: _fit(bench, inner, describe(type(inner))) for name, inner in needed(method).items()}
    declared = _declared(bench, method)
    views = {split: bench.view(split) for split in LABELLED if bench.samples[split]}
    inputs = {
        "revision": REVISIONS["fit"],
        "method": method.name,
        "settings": fit_settings(method),
        "code": code_of(method),
        "views": {split: view.name for split, view in views.items()},
        "masks": declared["key"] if declared else None,
        "needs": {name: need.name for name, need in needs.items()},
        "seed": bench.seed,
        "fit_share": bench.protocol.fit_share,
        "precision": bench.protocol.precision,
    }

    def work(folder: Path) -> Record:
        bench.report(f"fit of {method.name}", 0, 0)
        readable = [v.folder for v in (*views.values(), *needs.values())] + (declared["folders"] if declared else [])
        fitted_before = {name: str(need.folder) for name, need in needs.items()}
        worker = bench.spawn(method, plugin, readable, needs=fitted_before)
        with closing(worker):
            worker.start(writable=[folder])
            places = {split: str(view.folder) for split, view in views.items()}
            cost = worker.ask(do="fit", folder=str(folder), views=places | (declared["views"] if declared else {}))
        learns = method.reads_labels and bench.protocol.fit_share > 0
        labels = sum(len(bench.samples[s]) for s in views) if learns else 0
        return Record(masks=declared["uses"] if declared else (), labels=labels, confined=worker.confined, **cost)

    return bench.keep(bench.store.make("fit", inputs, work))


def _declared(bench: Workbench, method: Method) -> dict[str, Any] | None:
    """What a method's `masks()` names, fetched through the door: pictures and masks of the same numbers."""
    wish = method.masks()
    if wish is None:
        return None
    numbers = bench.door.numbers(wish.split, wish.count, bench.seed)
    size = bench.protocol.size
    view = pictures.view(bench.samples, wish.split, size, numbers=numbers)
    masks = bench.door.masks(wish.split, numbers, size)
    return {
        "key": bench.door.key(wish.split, numbers, size),
        "folders": [view.folder, masks.folder],
        "views": {"masks": str(view.folder), "targets": str(masks.folder)},
        "uses": (MaskUse(wish.split, len(numbers), wish.purpose),),
    }


def maps(bench: Workbench, fitted: Artifact, split: str) -> Artifact:
    """The method's maps of a split, raw, at their own resolution: (N, K, h, w) uint16."""
    view = bench.view(split)
    inputs = {
        "revision": REVISIONS["maps"],
        "fit": fitted.name,
        "settings": maps_settings(bench.method),
        "view": view.name,
    }

    def work(folder: Path) -> Record:
        bench.report(f"maps of {split}", 0, 0)
        return _make_maps(bench, fitted, folder, do="maps", view=str(view.folder))

    return bench.keep(bench.store.make("maps", inputs, work))


def mirrored_maps(bench: Workbench, fitted: Artifact, split: str) -> Artifact:
    """Maps of a hundred images of a split, made of their mirror images and mirrored back. The run pays for them, no row does."""
    view = bench.view(split)
    images = evenly(range(len(bench.samples[split])), SPREAD)
    inputs = {
        "revision": REVISIONS["maps"],
        "fit": fitted.name,
        "settings": maps_settings(bench.method),
        "view": view.name,
        "mirrored": images,
    }

    def work(folder: Path) -> Record:
        bench.report(f"mirrored maps of {split}", 0, 0)
        return _make_maps(bench, fitted, folder, do="mirrored", view=str(view.folder), images=images)

    return bench.keep(bench.store.make("mirrored", inputs, work))


def _make_maps(bench: Workbench, fitted: Artifact, folder: Path, **command: Any) -> Record:
    """Let the method write maps into its own folder, and move them to where they belong."""
    worker = bench.map_maker(fitted)
    made = worker.scratch / MAPS
    cost = worker.ask(to=str(made), **command)
    made.replace(folder / MAPS)
    return Record(confined=worker.confined, **cost)


def given_maps(bench: Workbench, method: GivenMaps, split: str) -> Artifact:
    """The maps of a split as another program made them. Where they differ in size all are resized to that of the views."""
    files = method.files([item.id for item in bench.samples[split]])
    foregrounds = len(bench.samples.dataset.task.foreground)
    inputs = {
        "revision": REVISIONS["maps"],
        "given": file_digests(files),
        "images": [item.id for item in bench.samples[split]],
        "foregrounds": foregrounds,
        "size": bench.protocol.size,
    }

    def work(folder: Path) -> Record:
        bench.report(f"maps of {split}", 0, 0)
        sizes = {method.read(file, foregrounds).shape[1:] for file in files}
        side = (bench.protocol.size,) * 2
        size = sizes.pop() if len(sizes) == 1 else side
        with Meter(torch.device("cpu")) as meter:
            read = (np.stack([resize(one, size) for one in method.read(file, foregrounds)])[None] for file in files)
            mapfile.save_maps(folder / MAPS, len(files), map(torch.from_numpy, read))
        declared = (MaskUse("declared", method.masks_train, "training"),) if method.masks_train else ()
        return Record(masks=declared, labels=method.labels_used or 0, **meter.cost())

    return bench.keep(bench.store.make("maps", inputs, work))


def proxies(
    bench: Workbench, sources: Sequence[Artifact], rule: str, chosen: Cut = None, chosen_by: Artifact | None = None
) -> Artifact:
    """Pseudo-masks: the maps of the images the segmenter trains on, resized to the view and cut (paper 1, section 2.2).

    `chosen`: thresholds of a rule that masks decide; `chosen_by`: the scores of those masks, which thereby are masks used for tuning.
    """
    fixed = (bench.protocol.threshold,) * len(bench.samples.dataset.task.foreground)
    cut = fixed if rule == "fixed" else chosen
    inputs: dict[str, Any] = {
        "revision": REVISIONS["targets"],
        "maps": [source.name for source in sources],
        "rule": rule,
        "threshold": bench.protocol.threshold if rule == "fixed" else chosen,
        "size": bench.protocol.size,
    }
    if chosen_by is not None:
        inputs["chosen_by"] = chosen_by.name

    def work(folder: Path) -> Record:
        bench.report(f"proxies ({rule})", 0, 0)
        with Meter(torch.device("cpu")) as meter:
            each = [mapfile.proxies(mapfile.open_maps(s.folder), cut, bench.protocol.size) for s in sources]
            stack = np.concatenate(each)
            write_array(folder / TARGETS, stack)
        tuned = tuned_on(chosen_by) if chosen_by else ()
        return Record(masks=tuned, facts={"coverage": float((stack > 0).mean())}, **meter.cost())

    return bench.keep(bench.store.make("targets", inputs, work))


def tuned_on(scored: Artifact) -> tuple[MaskUse, ...]:
    """The masks that scores were made of, as masks that chose something."""
    return tuple(replace(use, purpose="tuning") for use in scored.record.masks)


def mask_targets(bench: Workbench) -> Artifact:
    """The masks that a MaskMethod trains the segmenter on."""
    assert isinstance(bench.method, MaskMethod)
    method, size = bench.method, bench.protocol.size
    numbers = bench.door.numbers("masks", method.count, bench.seed)
    seeded = bench.seed if changes_targets(method) else None  # the drawing of a count is in the mask key already
    inputs = {
        "revision": REVISIONS["targets"],
        "method": method.name if seeded is not None else None,
        "settings": fit_settings(method) if seeded is not None else None,
        "code": code_of(method) if seeded is not None else None,
        "masks": bench.door.key("masks", numbers, size),
        "seed": seeded,
    }

    def work(folder: Path) -> Record:
        masks = bench.door.masks("masks", numbers, size)
        worker = bench.spawn(method, bench.plugin, [masks.folder])
        with closing(worker):
            worker.start()
            made = worker.scratch / TARGETS
            cost = worker.ask(do="targets", masks=str(masks.folder / TARGETS), to=str(made))
            made.replace(folder / TARGETS)
        facts = {"dice": mean_dice(np.load(folder / TARGETS), np.load(masks.folder / TARGETS))}
        use = MaskUse("masks", len(numbers), "training")
        return Record(masks=(use,), confined=worker.confined, facts=facts, **cost)

    return bench.keep(bench.store.make("targets", inputs, work))


def changes_targets(method: MaskMethod) -> bool:
    """Whether a MaskMethod degrades the masks; if not, its targets are the masks whatever its name and seed."""
    return type(method).targets is not MaskMethod.targets


def segment(bench: Workbench, targets: Artifact) -> Artifact:
    """The segmenter trained on targets: the same network, steps and augmentation for every row."""
    protocol = bench.protocol
    views = segment_views(bench)
    inputs = {
        "revision": REVISIONS["segment"],
        "views": [v.name for v in views],
        "targets": targets.name,
        "seed": bench.seed,
        "precision": protocol.precision,
        **segmenter_settings(protocol),
    }

    def work(folder: Path) -> Record:
        bench.report("segment", 0, 0)
        seed_everything(bench.seed)
        view, wanted = joined(bench, views), torch.from_numpy(np.load(targets.folder / TARGETS))
        net = segmenter.build(protocol, 1 + len(bench.samples.dataset.task.foreground)).to(bench.device)
        training = Training(
            net,
            folder,
            seed=bench.seed,
            device=bench.device,
            precision=protocol.precision,
            report=partial(bench.report, "segment"),
        )
        with Meter(bench.device) as meter:
            segmenter.train(net, view, wanted, protocol, training)
        save_network(folder / NET, net)
        (folder / CHECKPOINT).unlink(missing_ok=True)
        return Record(**meter.cost(training.seconds))

    return bench.keep(bench.store.make("segment", inputs, work))


def segment_views(bench: Workbench) -> list[Artifact]:
    """The pictures that the segmenter trains on: of the proxies, or of the masks of a MaskMethod."""
    if isinstance(bench.method, MaskMethod):
        numbers = bench.door.numbers("masks", bench.method.count, bench.seed)
        return [pictures.view(bench.samples, "masks", bench.protocol.size, numbers=numbers)]
    return [bench.view(split) for split in bench.sources]


def joined(bench: Workbench, views: list[Artifact]) -> View:
    """Several views as one, without labels."""
    task = bench.samples.dataset.task
    parts = [View.open(v.folder, task).pictures for v in views]
    return View(Joined(parts), None, task, bench.device)  # type: ignore[arg-type]


def segmenter_maps(bench: Workbench, segmented: Artifact, split: str) -> Artifact:
    """The segmenter's foreground probabilities of a split: (N, K, size, size) uint16, the same kind of file as a method's maps."""
    view = bench.view(split)
    inputs = {"revision": REVISIONS["maps"], "segment": segmented.name, "view": view.name}

    def work(folder: Path) -> Record:
        from safetensors.torch import load_file

        pictured = View.open(view.folder, bench.samples.dataset.task, bench.device)
        blank = replace(bench.protocol, encoder_weights="none")  # the trained ones follow
        net = segmenter.build(blank, 1 + len(bench.samples.dataset.task.foreground)).to(bench.device)
        net.load_state_dict(load_file(segmented.folder / NET))
        bench.report(f"predictions of {split}", 0, 0)
        with Meter(bench.device) as meter:
            mapfile.save_maps(folder / MAPS, len(pictured), segmenter.predict(net, pictured))
        return Record(**meter.cost())

    return bench.keep(bench.store.make("maps", inputs, work))


def scores(bench: Workbench, made: Artifact, split: str, cuts: Mapping[str, Cut] = MappingProxyType({})) -> Artifact:
    """Counts of maps against the masks of a split at native size; every threshold's score is a sum over them.

    Distances of outlines are no sums: they are taken at `cuts`, while the masks are open.
    """
    content = {"dataset": identity(bench.samples.dataset), "split": split, "content": bench.samples.hashes[split]}
    inputs = {"revision": REVISIONS["scores"], "maps": made.name, "masks": content, "cuts": dict(cuts)}

    def work(folder: Path) -> Record:
        bench.report(f"scores of {split}", 0, 0)
        with Meter(torch.device("cpu")) as meter:
            foregrounds = len(bench.samples.dataset.task.foreground)
            counted = mapfile.count(mapfile.open_maps(made.folder), bench.door.truths(split), foregrounds, cuts)
            write_file(folder / SCORES, partial(_save_counts, counted))
        opened = int(counted["drawn"].sum())
        return Record(masks=(MaskUse(split, opened, "evaluation"),) if opened else (), **meter.cost())

    return bench.keep(bench.store.make("scores", inputs, work))


def _save_counts(counted: Mapping[str, Any], file: Path) -> None:
    with file.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **counted)
