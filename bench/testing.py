"""Contract tests for plugins, to be called from their own tests: `check_method(MyMethod())` raises PluginError that says what to mend."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import Method, Task
from bench.dataset_contract import check_dataset
from bench.device import settle
from bench.errors import BenchError, PluginError
from bench.method_process import check_maps, needed, seed_everything
from bench.training import Training
from bench.view import View

__all__ = ["check_dataset", "check_method", "made_view"]

SIZE, COUNT, EPOCHS = 64, 24, 3


class Killed(Exception):
    """Stands for the kill in a fit that is interrupted on purpose."""


def check_method(method: Method, task: Task | None = None) -> None:
    """Fit a method on a few made pictures and hold it to the contract of bench.api.Method; PluginError names what is broken.

    Checked: maps have the right shape, type and range, also without labels; they are the same whatever the batch size and when made again;
    a fit gives the same network again, also when it is killed after any of its epochs.
    """
    settle(torch.get_num_threads(), torch.device("cpu"))
    task = task or Task(classes=("a", "b", "c"), foreground=("object",), shows=(0, 0, None))
    view = made_view(task)
    if method.masks() is None:
        view.masks = None
    with tempfile.TemporaryDirectory() as folder:
        whole = _fit(method, view, Path(folder) / "whole")
        _same_network(method, whole, _fit(method, view, Path(folder) / "again"), "fitted twice with one seed")
        for epoch in range(whole.total):
            killed = Path(folder) / f"killed-{epoch}"
            _fit(method, view, killed, kill_after=epoch)
            _same_network(method, whole, _fit(method, view, killed), f"killed after epoch {epoch + 1} and continued")
    _check_maps(method, whole.net.eval(), view, task)


def made_view(task: Task, count: int = COUNT, size: int = SIZE) -> View:
    """Noise with a bright or dark square whose colour tells the class; `heldout` and, with masks of the squares, `masks` beside it."""
    view = _squares(task, count, size, seed=0)
    view.heldout = _squares(task, count, size, seed=1)
    view.masks = _squares(task, count, size, seed=2)
    view.masks.labels = None
    return view


def _squares(task: Task, count: int, size: int, seed: int) -> View:
    random = np.random.default_rng(seed)
    pictures = random.integers(96, 160, (count, 3, size, size), dtype=np.uint8)
    targets = np.zeros((count, size, size), np.uint8)
    labels = torch.zeros(count, len(task.classes), dtype=torch.bool)
    for number in range(count):
        kind, side = number % len(task.classes), size // 3
        top, left = random.integers(0, size - side, 2)
        labels[number, kind] = True
        shown = task.shows[kind]
        if shown is not None:
            place = np.s_[top : top + side, left : left + side]
            pictures[(number, kind % 3, *place)] = 255 if kind % 2 else 0
            targets[(number, *place)] = shown + 1
    view = View(pictures, labels, task)
    view.targets = torch.from_numpy(targets)
    return view


def _fit(method: Method, view: View, folder: Path, kill_after: int | None = None) -> Training:
    folder.mkdir(parents=True, exist_ok=True)
    seed_everything(0)
    fitted = {
        inner: _fit(inner, view, folder / name).net.eval().requires_grad_(False)
        for name, inner in needed(method).items()
    }
    seed_everything(0)
    net = method.build(view.task)
    if not isinstance(net, nn.Module):
        raise PluginError(f"build() of {method.name} must return a torch.nn.Module; it returned {type(net).__name__}")
    epochs = getattr(method, "epochs", None)
    share = min(1.0, EPOCHS / epochs) if isinstance(epochs, int) and epochs else 1.0
    training = Training(net, folder, seed=0, fit_share=share, fitted=fitted, report=_killer(kill_after))
    try:
        method.fit(net, view, training)
    except Killed:
        pass
    except BenchError:
        raise
    except Exception as error:
        raise PluginError(f"fit() of {method.name} failed: {type(error).__name__}: {error}") from error
    return training


def _killer(epoch: int | None) -> Any:
    def report(done: int, total: int) -> None:
        if epoch is not None and done == epoch + 1:
            raise Killed

    return report


def _same_network(method: Method, one: Training, other: Training, when: str) -> None:
    a, b = one.net.state_dict(), other.net.state_dict()
    differing = [name for name in a if not torch.equal(a[name], b[name])]
    if differing:
        raise PluginError(
            f"{method.name} {when} is another network ({differing[0]} differs): draw only from training.generator, "
            "and name everything that lives from epoch to epoch in training.epochs(n, name=...)"
        )


def _check_maps(method: Method, net: nn.Module, view: View, task: Task) -> None:
    images, labels = view.images(torch.arange(len(view))), view.labels
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for known in (labels, None):
        together = _maps(method, net, images, known, task)
        again = _maps(method, net, images, known, task)
        alone = torch.cat(
            [_maps(method, net, images[i : i + 1], None if known is None else known[i : i + 1], task) for i in range(4)]
        )
        if not torch.equal(together, again):
            raise PluginError(
                f"maps() of {method.name} gives other maps when called again; it must be a function of its arguments"
            )
        if not torch.allclose(together[:4], alone, atol=1e-4):
            raise PluginError(
                f"maps() of {method.name} depends on the other images of a batch; use eval mode and per-image statistics"
            )
    changed = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    if changed:
        raise PluginError(f"maps() of {method.name} changes its network ({changed[0]}); it may only read it")


def _maps(method: Method, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
    with torch.no_grad():
        made: Tensor = check_maps(
            method.name, method.maps(net, images, labels, task), len(images), len(task.foreground)
        )
    return made
