"""The only process that runs methods. It holds no data set, no door and no path to either; what it may read it was handed at the start."""

from __future__ import annotations

import json
import os
import random
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from bench.errors import BenchError, PluginError
from bench.pipeline.confine import confine, die_with_parent

if TYPE_CHECKING:
    from bench.api import AnyMethod

NET = "net.safetensors"
BATCH = 32


def main(file: str) -> int:
    """Serve one cell: read the job, shut the door behind, then answer commands from standard input with events on the given descriptor."""
    job = json.loads(Path(file).read_text(encoding="utf-8"))
    Path(file).unlink()  # a method that looks around finds an empty folder
    die_with_parent(job["parent"])
    events = os.fdopen(job["events"], "w", encoding="utf-8", buffering=1)
    confined = confine([Path(p) for p in job.pop("readable")], [Path(p) for p in job.pop("writable")])
    _say(events, confined=confined)
    try:
        worker = Worker(job, lambda epoch, total: _say(events, epoch=epoch, total=total))
        for line in sys.stdin:
            _say(events, done=worker.obey(json.loads(line)))
    except BenchError as error:
        _say(events, error=_with_name(job, str(error)), exit=error.exit_code)
    except Exception as error:
        traceback.print_exc()
        _say(events, error=_explain(job, error), exit=1)
    return 0


def _say(events: TextIO, **event: Any) -> None:
    events.write(json.dumps(event) + "\n")


def _with_name(job: Mapping[str, Any], sentence: str) -> str:
    """A sentence that names the method."""
    name = job["plugin"]["name"]
    return sentence if name in sentence else f"{name}: {sentence}"


def _explain(job: Mapping[str, Any], error: Exception) -> str:
    name = job["plugin"]["name"]
    text = " ".join(str(error).split())
    if "DefaultCPUAllocator" in text or type(error).__name__ == "OutOfMemoryError":
        return f"method {name} ran out of memory; try a smaller batch, as in --set {name}.batch=16"
    return f"method {name} failed: {type(error).__name__}: {text[:300]}"


class Worker:
    """A method with its network: fits it, loads it, makes maps with it."""

    def __init__(
        self, job: Mapping[str, Any], report: Callable[[int, int], None], method: AnyMethod | None = None
    ) -> None:
        """`method` where it is at hand already; else the job says which plugin to load."""
        from bench.api import Task
        from bench.device import Meter, pick, settle
        from bench.plugins import restore

        self.job = job
        self.report = report
        self.task = Task.model_validate(job["task"])
        self.device = pick(job["device"])
        settle(job["threads"], self.device)
        self.method: AnyMethod = method or restore(job["plugin"]).model_validate(job["settings"])
        self.meter = Meter(self.device)
        self.net: Any = None

    def obey(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """One command: `fit`, `load`, `maps`, `mirrored` or `targets`; the reply is its cost."""
        seed_everything(self.job["seed"])
        seconds = None
        with self.meter:
            match command["do"]:
                case "fit":
                    seconds = self.fit(Path(command["folder"]), command["views"])
                case "load":
                    self.net = self._load(self.method, Path(command["folder"]))
                case "maps":
                    self.maps(Path(command["view"]), Path(command["to"]))
                case "mirrored":
                    self.mirrored(Path(command["view"]), Path(command["to"]), command["images"])
                case "targets":
                    self.targets(Path(command["masks"]), Path(command["to"]))
        return self.meter.cost(seconds)

    def fit(self, folder: Path, views: Mapping[str, str | None]) -> float | None:
        """Build, train, save. Returns the seconds of the training loop, those before a kill included."""
        from bench.training import CHECKPOINT, HISTORY, Training, save_network, write_history

        self.net = self.method.build(self.task).to(self.device)  # type: ignore[union-attr]
        training = Training(
            self.net,
            folder,
            seed=self.job["seed"],
            device=self.device,
            fit_share=self.job["fit_share"],
            precision=self.job["precision"],
            fitted=self._needs(),
            report=self.report,
        )
        self.method.fit(self.net, self._view(views), training)  # type: ignore[union-attr]
        save_network(folder / NET, self.net)
        if training.total:
            (folder / CHECKPOINT).unlink(missing_ok=True)
        else:
            write_history(folder / HISTORY, [])
        return training.seconds if training.total else None

    def maps(self, folder: Path, to: Path) -> None:
        """Write the maps of a view."""
        from bench.pipeline.mapfile import save_maps
        from bench.view import View

        view = View.open(folder, self.task, self.device)
        save_maps(to, len(view), (self._maps_of(view, index) for index in view.in_order(BATCH)))

    def mirrored(self, folder: Path, to: Path, images: Sequence[int]) -> None:
        """Write the maps of some images of a view as their mirror images have them, mirrored back."""
        import torch

        from bench.pipeline.mapfile import save_maps
        from bench.view import View

        view = View.open(folder, self.task, self.device)
        parts = torch.split(torch.tensor(images), BATCH)
        save_maps(to, len(images), (self._maps_of(view, index, mirror=True).flip(3) for index in parts))

    def _maps_of(self, view: Any, index: Any, mirror: bool = False) -> Any:
        import torch

        labels = None if view.labels is None else view.labels[index].to(self.device)
        images = view.images(index)
        with torch.no_grad():
            made = self.method.maps(self.net, images.flip(3) if mirror else images, labels, self.task)  # type: ignore[union-attr]
        check_maps(self.method.name, made, len(index), len(self.task.foreground))
        self.report(int(index[-1]) + 1, len(view))
        return made

    def targets(self, masks: Path, to: Path) -> None:
        """Write the masks that a MaskMethod trains the segmenter on, as (N, H, W) uint8."""
        import numpy as np
        import torch

        from bench.store import write_array

        true = torch.from_numpy(np.load(masks))
        made = self.method.targets(true.clone(), torch.Generator().manual_seed(self.job["seed"]))  # type: ignore[union-attr]
        if not isinstance(made, torch.Tensor) or made.shape != true.shape or made.dtype != torch.uint8:
            raise PluginError(
                f"targets() of {self.method.name} must return {tuple(true.shape)} uint8 masks; it returned {described(made)}"
            )
        write_array(to, made.numpy())

    def _view(self, views: Mapping[str, str | None]) -> Any:
        from bench.view import View

        view = View.open(Path(str(views["weak"])), self.task, self.device)
        if views.get("weak_heldout"):
            view.heldout = View.open(Path(str(views["weak_heldout"])), self.task, self.device)
        if views.get("masks"):
            view.masks = View.open(
                Path(str(views["masks"])), self.task, self.device, targets=Path(str(views["targets"]))
            )
        return view

    def _needs(self) -> dict[Any, Any]:
        return {
            m: self._load(m, Path(self.job["needs"][f])).requires_grad_(False) for f, m in needed(self.method).items()
        }

    def _load(self, method: Any, folder: Path) -> Any:
        from safetensors.torch import load_file

        net = method.build(self.task).to(self.device)
        net.load_state_dict(load_file(folder / NET, device=str(self.device)))
        return net.eval()


def needed(method: Any) -> dict[str, Any]:
    """The fields of a method that are methods themselves, by field name: they are fitted first."""
    from bench.api import Method

    values = {name: getattr(method, name) for name in type(method).model_fields}
    return {name: value for name, value in values.items() if isinstance(value, Method)}


def check_maps(name: str, made: Any, count: int, foregrounds: int) -> None:
    """PluginError where maps are not as the contract wants them, (B, K, h, w) float in [0, 1]: what was expected and what came."""
    for fault in map_faults(made, count, foregrounds).values():
        raise PluginError(f"maps() of {name} must return ({count}, {foregrounds}, h, w) floats in [0, 1]; {fault}")


def map_faults(made: Any, count: int, foregrounds: int) -> dict[str, str]:
    """What is wrong with maps, in words, by what it is wrong with: `shape`, `dtype`, `nan`, `range`."""
    import torch

    if not isinstance(made, torch.Tensor) or made.ndim != 4 or made.shape[:2] != (count, foregrounds):
        return {"shape": f"it returned {described(made)}"}
    if not made.is_floating_point():
        return {"dtype": f"it returned {described(made)}"}
    faults = {}
    low, high = float(made.min()), float(made.max())
    if low != low:  # torch's least is NaN where anything is
        faults["nan"] = f"{int(made.isnan().sum())} of its {made.numel()} values are NaN"
        low, high = float(made.nan_to_num(0.5).min()), float(made.nan_to_num(0.5).max())
    if not (low >= 0 and high <= 1):
        faults["range"] = f"its values run from {low} to {high}"
    return faults


def described(made: Any) -> str:
    """What a plugin returned, in words: shape and dtype, or its type."""
    shape = getattr(made, "shape", None)
    return f"a {type(made).__name__}" if shape is None else f"{tuple(shape)} {made.dtype}"


def seed_everything(seed: int) -> None:
    """Python's, NumPy's and torch's own generators, for plugins that draw from them."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
