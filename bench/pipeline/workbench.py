"""What the stages of one cell work with: the plugin, the pictures, the door, the store, and the process that runs the method."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench.api import AnyMethod
from bench.data import pictures
from bench.data.door import Door
from bench.data.samples import LABELLED, Samples
from bench.pipeline.method_client import MethodProcess
from bench.pipeline.method_process import needed
from bench.protocol import Protocol
from bench.store import Artifact, Store, cache_root

Report = Callable[[str, int, int], None]


@dataclass
class Workbench:
    """What the stages of one cell work with. `used` collects every artifact a cell rests on, found or made."""

    method: AnyMethod
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
        self.sources = (
            ("masks",) if self.protocol.segment_on == "masks" else tuple(s for s in LABELLED if self.samples[s])
        )
        self._maker: MethodProcess | None = None
        shutil.rmtree(self.scratch, ignore_errors=True)  # of a cell that was killed

    @property
    def scratch(self) -> Path:
        """Where method processes of this cell have their own empty folders."""
        return self.store.root / ".scratch" / self.log.parent.name

    def keep(self, artifact: Artifact) -> Artifact:
        """Note that the result rests on this artifact."""
        self.used[artifact.name] = artifact
        return artifact

    def view(self, split: str) -> Artifact:
        """The pictures of a split."""
        return pictures.view(self.samples, split, self.protocol.size, self.protocol.labels)

    def map_maker(self, fitted: Artifact) -> MethodProcess:
        """The process that makes the maps of this cell, with the fitted network loaded; started when it is first asked for."""
        if self._maker is None:
            views = [self.view(split).folder for split in self.samples.splits if self.samples[split]]
            self._maker = self.spawn(self.method, self.plugin, [*views, fitted.folder])
            self._maker.start()
            self._maker.ask(do="load", folder=str(fitted.folder))
        return self._maker

    def spawn(
        self, method: AnyMethod, plugin: Mapping[str, Any], readable: Sequence[Path], **more: Any
    ) -> MethodProcess:
        """A method process, not yet started, that may read these folders and the files that its settings name."""
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
        root = self.samples.dataset.root
        hidden = [cache_root() / "masks", self.store.root, *([root] if root else [])]
        allowed = [*readable, *files, *paths_in(method)]
        return MethodProcess(job, allowed, hidden, self.scratch, self.log, lambda a, b: self.report("", a, b))

    def close(self) -> None:
        """End the process that makes maps."""
        if self._maker is not None:
            self._maker.close()
            self._maker = None


def paths_in(method: Any) -> list[Path]:
    """The files that a method's settings name, those of its Method fields too."""
    own = [v for name in type(method).model_fields if isinstance(v := getattr(method, name), Path)]
    return own + [path for inner in needed(method).values() for path in paths_in(inner)]
