"""One function per artifact of a cell, its key beside it: fit, maps, targets, segment, maps of the segmenter, scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import pictures, segmenter
from bench.api import MaskMethod, Method
from bench.device import Meter
from bench.door import Door
from bench.keys import code_of, fit_settings, maps_settings
from bench.method_client import MethodProcess
from bench.method_process import MAPS, NET, needed, seed_everything, write_maps
from bench.metrics import binarise, resize, score_image
from bench.protocol import Protocol
from bench.samples import LABELLED, Samples, file_digests, identity
from bench.store import Artifact, MaskUse, Record, Store, cache_root
from bench.training import CHECKPOINT, Training
from bench.view import TARGETS, Joined, View

REVISIONS = {"fit": 1, "maps": 1, "targets": 1, "segment": 1, "scores": 1}
"""Part of each key: raised when the code of a stage comes to make other numbers of the same inputs."""

SCORES = "scores.npz"
HIDDEN_SPLITS = ("val", "test")

Report = Callable[[str, int, int], None]


@dataclass
class Bench:
    """What the stages of one cell work with. `used` collects every artifact a cell rests on, found or made."""

    method: Method | MaskMethod
    plugin: Mapping[str, Any]
    samples: Samples
    protocol: Protocol
    seed: int
    device: torch.device
    threads: int
    store: Store
    log: Path
    report: Report
    used: dict[str, Artifact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.door = Door(self.samples)
        self.sources = ("masks",) if self.protocol.segment_on == "masks" else tuple(s for s in LABELLED if self.samples[s])
        self._process: MethodProcess | None = None

    def keep(self, artifact: Artifact) -> Artifact:
        """Note that the result rests on this artifact."""
        self.used[artifact.name] = artifact
        return artifact

    def view(self, split: str) -> Artifact:
        """The pictures of a split."""
        labels = self.protocol.labels if split in LABELLED else "true"
        return pictures.view(self.samples, split, self.protocol.size, labels)

    def process(self) -> MethodProcess:
        """The method process of this cell, not yet started."""
        if self._process is None:
            self._process = self.spawn(self.method, self.plugin)
        return self._process

    def spawn(self, method: Method | MaskMethod, plugin: Mapping[str, Any], **more: Any) -> MethodProcess:
        """A method process that may read the views, the declared masks, and the files that its settings name."""
        job = {
            "plugin": dict(plugin),
            "settings": method.model_dump(mode="json", serialize_as_any=True),
            "task": self.samples.dataset.task.model_dump(mode="json"),
            "seed": self.seed,
            "device": str(self.device),
            "threads": self.threads,
            "fit_share": self.protocol.fit_share,
            "precision": self.protocol.precision,
            **more,
        }
        files = [Path(plugin["file"])] if plugin.get("file") else []
        readable = [*(self.view(s).folder for s in self.samples.splits if self.samples[s]), *files, *paths_in(method)]
        root = self.samples.dataset.root
        hidden = [cache_root() / "masks", *([root] if root else [])]
        return MethodProcess(job, readable, hidden, self.store.root / ".scratch", self.log, lambda a, b: self.report("", a, b))

    def close(self) -> None:
        """End the method process."""
        if self._process is not None:
            self._process.close()
            self._process = None


def paths_in(method: Any) -> list[Path]:
    """The files that a method's settings name, those of its Method fields too."""
    own = [v for name in type(method).model_fields if isinstance(v := getattr(method, name), Path)]
    return own + [path for inner in needed(method).values() for path in paths_in(inner)]


# --- fit -----------------------------------------------------------------------------------------------------------------------------


def fit(bench: Bench) -> Artifact:
    """The fitted network of the cell's method; its Method fields are fitted first, as artifacts of their own."""
    assert isinstance(bench.method, Method)
    return _fit(bench, bench.method, bench.plugin, bench.process)


def _fit(bench: Bench, method: Method, plugin: Mapping[str, Any], process: Callable[[], MethodProcess]) -> Artifact:
    needs = {name: _fit_need(bench, name, inner) for name, inner in needed(method).items()}
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
        worker = process()
        worker.job = {**worker.job, "needs": {name: str(need.folder) for name, need in needs.items()}}
        worker.readable += [*(need.folder for need in needs.values()), *(declared["folders"] if declared else ())]
        bench.report("fit", 0, 0)
        worker.start(writable=[folder])
        places = {split: str(view.folder) for split, view in views.items()} | (declared["views"] if declared else {})
        cost = worker.ask(do="fit", folder=str(folder), views=places)
        labels = sum(len(bench.samples[s]) for s in views) if method.reads_labels else 0
        return Record(masks=declared["uses"] if declared else (), labels=labels, confined=worker.confined, **cost)

    return bench.keep(bench.store.make("fit", inputs, work))


def _fit_need(bench: Bench, field_name: str, inner: Method) -> Artifact:
    from bench.plugins import describe

    worker = bench.spawn(inner, describe(type(inner)))
    try:
        return _fit(bench, inner, describe(type(inner)), lambda: worker)
    finally:
        worker.close()


def _declared(bench: Bench, method: Method) -> dict[str, Any] | None:
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
        "folders": (view.folder, masks.folder),
        "views": {"masks": str(view.folder), "targets": str(masks.folder)},
        "uses": (MaskUse(wish.split, len(numbers), wish.purpose),),
    }


# --- maps of the method ----------------------------------------------------------------------------------------------------------------


def maps(bench: Bench, fitted: Artifact, split: str) -> Artifact:
    """The method's maps of a split, raw, at their own resolution: (N, K, h, w) uint16."""
    view = bench.view(split)
    inputs = {"revision": REVISIONS["maps"], "fit": fitted.name, "settings": maps_settings(bench.method), "view": view.name}

    def work(folder: Path) -> Record:
        worker = bench.process()
        if not worker.started:
            worker.readable.append(fitted.folder)
            worker.start()
            worker.ask(do="load", folder=str(fitted.folder))
        bench.report(f"maps of {split}", 0, 0)
        made = worker.scratch / MAPS
        cost = worker.ask(do="maps", view=str(view.folder), to=str(made))
        made.replace(folder / MAPS)
        return Record(confined=worker.confined, **cost)

    return bench.keep(bench.store.make("maps", inputs, work))


# --- targets ---------------------------------------------------------------------------------------------------------------------------


def proxies(bench: Bench, fitted: Artifact, rule: str) -> Artifact:
    """Pseudo-masks: the maps of the images the segmenter trains on, resized to the view and thresholded (paper 1, section 2.2)."""
    sources = [maps(bench, fitted, split) for split in bench.sources]
    threshold = bench.protocol.threshold if rule == "fixed" else None
    inputs = {
        "revision": REVISIONS["targets"],
        "maps": [source.name for source in sources],
        "rule": rule,
        "threshold": threshold,
        "size": bench.protocol.size,
    }

    def work(folder: Path) -> Record:
        bench.report(f"proxies ({rule})", 0, 0)
        with Meter(torch.device("cpu")) as meter:
            stack = np.concatenate([threshold_maps(open_maps(s), rule, threshold or 0.0, bench.protocol.size) for s in sources])
            np.save(folder / TARGETS, stack)
        return Record(facts={"coverage": float((stack > 0).mean())}, **meter.cost())

    return bench.keep(bench.store.make("targets", inputs, work))


def open_maps(artifact: Artifact) -> Any:
    """The (N, K, h, w) uint16 maps of an artifact, memory-mapped."""
    return np.load(artifact.folder / MAPS, mmap_mode="r")


def threshold_maps(stack: Any, rule: str, threshold: float, size: int) -> Any:
    """(N, K, h, w) uint16 maps -> (N, size, size) uint8 masks: k + 1 where map k is above its threshold and the largest of those."""
    masks = np.zeros((len(stack), size, size), np.uint8)
    for number, channels in enumerate(stack):
        best = np.zeros((size, size), np.float32)
        for k, channel in enumerate(channels):
            values = resize(channel.astype(np.float32) / 65535, (size, size))
            wins = binarise(values, rule, threshold) & (values > best)
            masks[number][wins] = k + 1
            best = np.where(wins, values, best)
    return masks


def mask_targets(bench: Bench) -> Artifact:
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
        worker = bench.process()
        worker.readable.append(masks.folder)
        worker.start()
        made = worker.scratch / TARGETS
        cost = worker.ask(do="targets", masks=str(masks.folder / TARGETS), to=str(made))
        made.replace(folder / TARGETS)
        return Record(masks=(MaskUse("masks", len(numbers), "training"),), confined=worker.confined, **cost)

    return bench.keep(bench.store.make("targets", inputs, work))


def changes_targets(method: MaskMethod) -> bool:
    """Whether a MaskMethod degrades the masks; if not, its targets are the masks whatever its name and seed."""
    return type(method).targets is not MaskMethod.targets


# --- segmenter -------------------------------------------------------------------------------------------------------------------------


def segment(bench: Bench, targets: Artifact) -> Artifact:
    """The segmenter trained on targets: the same network, steps and augmentation for every row."""
    protocol = bench.protocol
    views = segment_views(bench)
    inputs = {
        "revision": REVISIONS["segment"],
        "views": [v.name for v in views],
        "targets": targets.name,
        "seed": bench.seed,
        "precision": protocol.precision,
        **segmenter_key(protocol),
    }

    def work(folder: Path) -> Record:
        from safetensors.torch import save_file

        bench.report("segment", 0, 0)
        seed_everything(bench.seed)
        view, wanted = joined(bench, views), torch.from_numpy(np.load(targets.folder / TARGETS))
        net = segmenter.build(protocol, 1 + len(bench.samples.dataset.task.foreground)).to(bench.device)
        report = lambda done, total: bench.report("segment", done, total)  # noqa: E731
        training = Training(net, folder, seed=bench.seed, device=bench.device, precision=protocol.precision, report=report)
        with Meter(bench.device) as meter:
            segmenter.train(net, view, wanted, protocol, training)
        save_file({k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}, folder / NET)
        (folder / CHECKPOINT).unlink()
        return Record(**meter.cost(training.seconds))

    return bench.keep(bench.store.make("segment", inputs, work))


def segmenter_key(protocol: Protocol) -> dict[str, Any]:
    """The fields of a protocol that decide the segmenter; those of the other kind of network are left out."""
    common = ("segmenter", "steps", "batch", "segmenter_lr", "schedule", "augment")
    if protocol.segmenter == "unet":
        return {name: getattr(protocol, name) for name in (*common, "base_channels")}
    weights = protocol.encoder_weights
    named = weights if weights in ("none", "imagenet") else file_digests([Path(weights)])[0]
    return {**{name: getattr(protocol, name) for name in (*common, "encoder")}, "encoder_weights": named}


def segment_views(bench: Bench) -> list[Artifact]:
    """The pictures that the segmenter trains on: of the proxies, or of the masks of a MaskMethod."""
    if isinstance(bench.method, MaskMethod):
        numbers = bench.door.numbers("masks", bench.method.count, bench.seed)
        return [pictures.view(bench.samples, "masks", bench.protocol.size, numbers=numbers)]
    return [bench.view(split) for split in bench.sources]


def joined(bench: Bench, views: list[Artifact]) -> View:
    """Several views as one, without labels."""
    task = bench.samples.dataset.task
    parts = [View.open(v.folder, task).pictures for v in views]
    return View(Joined(parts), None, task, bench.device)  # type: ignore[arg-type]


def segmenter_maps(bench: Bench, segmented: Artifact, split: str) -> Artifact:
    """The segmenter's foreground probabilities of a split: (N, K, size, size) uint16, the same kind of file as a method's maps."""
    view = bench.view(split)
    inputs = {"revision": REVISIONS["maps"], "segment": segmented.name, "view": view.name}

    def work(folder: Path) -> Record:
        from safetensors.torch import load_file

        pictured = View.open(view.folder, bench.samples.dataset.task, bench.device)
        net = segmenter.build(bench.protocol, 1 + len(bench.samples.dataset.task.foreground)).to(bench.device)
        net.load_state_dict(load_file(segmented.folder / NET))
        stack, done = None, 0
        with Meter(bench.device) as meter:
            for probabilities in segmenter.predict(net, pictured):
                stack = write_maps(folder / MAPS, stack, len(pictured), done, probabilities)
                done += len(probabilities)
                bench.report(f"predictions of {split}", done, len(pictured))
        return Record(**meter.cost())

    return bench.keep(bench.store.make("maps", inputs, work))


# --- scores ----------------------------------------------------------------------------------------------------------------------------


def scores(bench: Bench, made: Artifact, split: str) -> Artifact:
    """Counts of maps against the masks of a split at native size; every threshold's score is a sum over them."""
    content = {"dataset": identity(bench.samples.dataset), "split": split, "content": bench.samples.hashes[split]}
    inputs = {"revision": REVISIONS["scores"], "maps": made.name, "masks": content}

    def work(folder: Path) -> Record:
        bench.report(f"scores of {split}", 0, 0)
        with Meter(torch.device("cpu")) as meter:
            np.savez_compressed(folder / SCORES, **count_all(bench, made, split))
        uses = (MaskUse(split, len(bench.samples[split]), "evaluation"),)
        return Record(masks=uses, **meter.cost())

    return bench.keep(bench.store.make("scores", inputs, work))


def count_all(bench: Bench, made: Artifact, split: str) -> dict[str, Any]:
    """Per image and foreground the fields of metrics.ImageScore, stacked (N, K, ...); `fine` summed over the images (K, 2, 65536)."""
    foregrounds = len(bench.samples.dataset.task.foreground)
    rows: dict[str, list[Any]] = {}
    fine = np.zeros((foregrounds, 2, 65536), np.int64)
    for channels, mask in zip(open_maps(made), bench.door.native(split), strict=True):
        each = [score_image(channels[k].astype(np.float32) / 65535, mask, k + 1) for k in range(foregrounds)]
        fine += np.stack([score.fine for score in each])
        for name in each[0]._fields:
            if name != "fine":
                rows.setdefault(name, []).append([getattr(score, name) for score in each])
    return {**{name: np.asarray(values) for name, values in rows.items()}, "fine": fine}
