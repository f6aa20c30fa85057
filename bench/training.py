"""The loop, the clock and the seeds of a fit belong to the host: epochs that survive a kill, checked steps, plans of batches."""

from __future__ import annotations

import contextlib
import csv
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from bench.api import HELD_OUT, Method
from bench.errors import BenchError, PluginError
from bench.store import write_file
from bench.view import View

CHECKPOINT, HISTORY = "checkpoint.pt", "history.csv"

Report = Callable[[int, int], None]


class Training:
    """One fit: `seed`, `device`, a CPU `generator` for every draw, `epoch` and `total`, and `seconds`, what the epochs have cost so far.

    What is named in `epochs(n, **state)` survives a kill, and so does the network; nothing else. A resumed fit ends in the same bits on
    the CPU.
    """

    def __init__(
        self,
        net: nn.Module,
        folder: Path,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        fit_share: float = 1.0,
        precision: str = "fp32",
        fitted: Mapping[Method, nn.Module] | None = None,
        report: Report | None = None,
    ) -> None:
        self.net = net
        self.folder = folder
        self.seed = seed
        self.device = torch.device(device)
        self.generator = Generator().manual_seed(seed)
        self.epoch = 0
        self.total = 0
        self.seconds = 0.0
        self.history: list[tuple[int, str, float]] = []
        self._fit_share = fit_share
        self._precision = precision
        self._fitted = dict(fitted or {})
        self._report = report
        self._step = 0
        self._logged: dict[str, list[float]] = {}

    def epochs(self, n: int, **state: Any) -> Iterator[int]:
        """The epochs still to do of n (scaled by the protocol's `fit_share`, at least one unless it is 0); a checkpoint after each.

        `state` names what must survive a kill beside the network: optimizers (anything with `state_dict`), or dicts of tensors and plain
        values, which are updated in place.
        """
        if self.total:
            raise PluginError("a fit has one loop over training.epochs(...), this one starts a second")
        self.total = max(1, round(n * self._fit_share)) if self._fit_share else 0
        self._started = time.monotonic()
        for epoch in range(self._resume(state), self.total):
            self.epoch, self._step = epoch, 0
            yield epoch
            self._close_epoch(state)

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Backward, optimizer step, log; stops where the loss is not a finite number."""
        value = float(loss.detach())
        if value != value or abs(value) == float("inf"):
            raise BenchError(
                f"the loss is {value} in epoch {self.epoch + 1}, step {self._step + 1}; try a smaller learning rate"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        self._step += 1
        self.log(loss=value)

    def log(self, **values: float) -> None:
        """Values for the learning curves: the mean over an epoch is written to history.csv."""
        for name, value in values.items():
            self._logged.setdefault(name, []).append(float(value))

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Mixed precision where the protocol asks for it (`precision=bf16`), else nothing."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._precision == "bf16")

    def fitted(self, method: Method) -> nn.Module:
        """The network of a field that is a Method: eval mode, no parameter gradients, gradients pass through."""
        return self._fitted[method]

    def _close_epoch(self, state: Mapping[str, Any]) -> None:
        self.history += [(self.epoch, name, sum(v) / len(v)) for name, v in self._logged.items()]
        self._logged.clear()
        self.seconds += time.monotonic() - self._started
        self._started = time.monotonic()
        write_history(self.folder / HISTORY, self.history)  # before the checkpoint: a kill in between repeats the epoch
        self._save(state)
        if self._report is not None:
            self._report(self.epoch + 1, self.total)

    def _save(self, state: Mapping[str, Any]) -> None:
        kept = {
            name: thing.state_dict() if hasattr(thing, "state_dict") else dict(thing) for name, thing in state.items()
        }
        drawn = {"torch": torch.get_rng_state(), "generator": self.generator.get_state(), "others": other_generators()}
        if self.device.type == "cuda":
            drawn["cuda"] = torch.cuda.get_rng_state(self.device)
        whole = {"next": self.epoch + 1, "net": self.net.state_dict(), "state": kept, "random": drawn}
        whole |= {"history": self.history, "seconds": self.seconds}
        write_file(self.folder / CHECKPOINT, lambda path: torch.save(whole, path))

    def _resume(self, state: Mapping[str, Any]) -> int:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        whole = torch.load(path, map_location="cpu", weights_only=True)
        self.net.load_state_dict(whole["net"])
        for name, thing in state.items():
            load = getattr(thing, "load_state_dict", None) or thing.update
            load(whole["state"][name])
        torch.set_rng_state(whole["random"]["torch"])
        self.generator.set_state(whole["random"]["generator"])
        restore_generators(whole["random"]["others"])
        if "cuda" in whole["random"]:
            torch.cuda.set_rng_state(whole["random"]["cuda"], self.device)
        self.history = [tuple(row) for row in whole["history"]]
        self.seconds = float(whole["seconds"])
        return int(whole["next"])


def other_generators() -> dict[str, Any]:
    """The states of Python's and NumPy's own generators, as tensors and plain values."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    numpy = [name, torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, gauss]
    return {"python": random.getstate(), "numpy": numpy}


def restore_generators(states: Mapping[str, Any]) -> None:
    """Put them back."""
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))


def save_network(file: Path, net: nn.Module) -> None:
    """A network's parameters and buffers as safetensors."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in net.state_dict().items()}
    write_file(file, lambda temporary: save_file(tensors, temporary))


def write_history(path: Path, history: list[tuple[int, str, float]]) -> None:
    """Learning curves as epoch, name, value."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="") as file:
            csv.writer(file).writerows([("epoch", "name", "value"), *history])

    write_file(path, write)


@torch.no_grad()
def heldout_accuracy(
    net: nn.Module, view: View, classify: Callable[[Tensor], Tensor], labels: Tensor | None = None
) -> dict[str, float]:
    """How often `net` is right on the labelled images that were held out, for `training.log(**heldout_accuracy(...))`.

    classify: images (B, 3, H, W) -> bool (B, C); labels: (N, C) bool, default those of `view.heldout`. Over images where the classes
    exclude each other and every one is right, else over images and classes. Empty where nothing was held out. `net` is put into eval mode.
    """
    heldout = view.heldout
    if heldout is None or not len(heldout):
        return {}
    truth = heldout.labels if labels is None else labels
    if truth is None:
        return {}
    net.eval()
    answers = torch.cat([classify(heldout.images(index)).cpu() for index in heldout.in_order()])
    right = answers == truth.bool()
    return {HELD_OUT: float((right.all(1) if view.task.exclusive else right).float().mean())}


def shuffled(n: int, batch: int, generator: Generator) -> Iterator[Tensor]:
    """Every number below n once, in random order; an incomplete last batch is left out unless it is the only one."""
    order = torch.randperm(n, generator=generator)
    for start in range(0, max(n - batch, 0) + 1, batch):
        yield order[start : start + batch]


def balanced(
    labels: Tensor, batch: int, generator: Generator, subset: Tensor | None = None, per_class: int = 8
) -> Iterator[Tensor]:
    """Class-balanced batches: classes drawn without replacement, then as many images of each (paper 1, section 3.2: B = 32, 8 a class).

    labels: (N, C) bool; subset: numbers to draw from, default all. Every batch has min(batch / per_class, classes with two images) classes;
    fewer than two such classes make no batch. An epoch is len(subset) // batch batches, at least one. An image comes again only when
    its class is used up.
    """
    members = torch.arange(len(labels)) if subset is None else subset
    queues = [_Queue(members[labels[members, c]], generator) for c in range(labels.shape[1])]
    usable = [queue for queue in queues if len(queue.members) >= 2]
    if len(usable) < 2:
        return
    classes = min(max(2, batch // per_class), len(usable))
    for _ in range(max(1, len(members) // batch)):
        chosen = torch.randperm(len(usable), generator=generator)[:classes]
        yield torch.cat([usable[int(c)].take(batch // classes) for c in chosen])


class _Queue:
    """Numbers in random order, shuffled anew when they are used up."""

    def __init__(self, members: Tensor, generator: Generator) -> None:
        self.members = members
        self.generator = generator
        self.waiting = members[:0]

    def take(self, n: int) -> Tensor:
        while len(self.waiting) < n:
            again = self.members[torch.randperm(len(self.members), generator=self.generator)]
            self.waiting = torch.cat([self.waiting, again])
        taken, self.waiting = self.waiting[:n], self.waiting[n:]
        return taken
