"""A method on trial: fitted for a few epochs on made pictures, its maps looked at; what it does wrong comes as a Fault with its place."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.api import Method, Task
from bench.contract.made import made_view
from bench.contract.plugin_faults import Fault, called, place_of
from bench.contract.surroundings import EVERYTHING, SETTINGS, generators, watched
from bench.pipeline.method_process import needed, seed_everything
from bench.training import Training
from bench.view import View

EPOCHS = 3


class Killed(BaseException):
    """Stands for the kill in a fit that is interrupted on purpose; no `except Exception` of a plugin keeps it."""


class ShortTraining(Training):
    """A fit of at most EPOCHS epochs, whatever the method asks for."""

    def epochs(self, n: int, **state: Any) -> Iterator[int]:
        self._fit_share = min(1.0, EPOCHS / max(n, 1))
        return super().epochs(n, **state)


@dataclass
class Trial:
    """A method, the made pictures it is tried on, and what has come out so far. `folder` is empty at first."""

    method: Method
    task: Task
    folder: Path
    whole: Training = field(init=False)
    """the fit that the others are compared with"""
    after: dict[str, Any] = field(default_factory=dict)
    """the random generators after its first epoch"""
    made: Any = None
    """its maps of all pictures, with labels"""
    alive: Any = None
    """the same, or those of another network where they say nothing"""
    left: dict[str, list[str]] = field(default_factory=dict)
    """what a function has changed beside its own, by function"""

    def __post_init__(self) -> None:
        self.view = self.view_of(self.task)
        self.images = self.view.images(torch.arange(len(self.view)))
        self.labels = self.view.labels
        self._fitted: dict[Task, dict[Method, nn.Module]] = {}

    def view_of(self, task: Task) -> View:
        """Pictures of a task; masks only where the method declares some."""
        view = made_view(task)
        if self.method.masks() is None:
            view.masks = None
        return view

    def fit(
        self, name: str, view: View | None = None, seed: int = 0, report: Callable[[int, int], None] | None = None
    ) -> Training:
        """Build and fit in a folder of that name, or go on with the fit that lies there."""
        view = self.view if view is None else view
        place = self.folder / name
        place.mkdir(exist_ok=True)
        fitted = self._needs(view)
        seed_everything(seed)
        net = self.build(view.task)
        training = ShortTraining(net, place, seed=seed, fitted=fitted, report=report)
        with contextlib.suppress(Killed):
            self.call("fit", net, view, training)
        return training

    def _needs(self, view: View) -> dict[Method, nn.Module]:
        """The networks of the Method fields, fitted once for a task; copies, for each fit has them from the disk in a run."""
        if view.task not in self._fitted:
            self._fitted[view.task] = {
                method: self._inner(method, view, self.folder / f"{name}-{len(self._fitted)}")
                for name, method in needed(self.method).items()
            }
        return {method: copy.deepcopy(net) for method, net in self._fitted[view.task].items()}

    def _inner(self, method: Method, view: View, place: Path) -> nn.Module:
        place.mkdir()
        return Trial(method, view.task, place).fit("fit", view).net.eval().requires_grad_(False)

    def build(self, task: Task) -> nn.Module:
        """The untrained network."""
        net = self.call("build", task)
        if not isinstance(net, nn.Module):
            raise self.fault("build", f"must return a torch.nn.Module; it returned {type(net).__name__}")
        return net

    def fit_first(self) -> None:
        """The fit that the others are compared with; a copy of what lies on the disk after each epoch is kept as a kill leaves it."""

        def report(done: int, total: int) -> None:
            shutil.copytree(self.folder / "whole", self.folder / f"killed-{done}", copy_function=os.link)
            if done == 1:
                self.after = generators()

        self.whole = self.fit("whole", report=report)
        self.after = self.after or generators()
        self.whole.net.eval()

    def first_epoch(self, name: str, seed: int = 0, view: View | None = None) -> Training:
        """A fit that is stopped after its first epoch."""

        def report(done: int, total: int) -> None:
            raise Killed

        return self.fit(name, view, seed, report)

    def maps(
        self, images: Tensor, labels: Tensor | None, net: nn.Module | None = None, task: Task | None = None
    ) -> Any:
        """What maps() returns, not looked at yet; of the fit that the others are compared with where no network is given."""
        with torch.no_grad():
            made = self.call("maps", self.whole.net if net is None else net, images.clone(), labels, task or self.task)
        return made.clone() if isinstance(made, Tensor) else made

    def call(self, function: str, *given: Any) -> Any:
        """Call a function of the method; whatever it raises becomes a Fault, whatever it changes beside its own is noted and put back.

        Noted from its second call on: a library that is imported late may change something once.
        """
        parts = EVERYTHING if function == "maps" else SETTINGS  # build and fit may draw
        with watched(parts) as said:
            made = called(self.method, function, *given)
        self.left[function] = list(dict.fromkeys([*self.left[function], *said])) if function in self.left else []
        return made

    def fault(self, function: str, what: str) -> Fault:
        """`maps() of NAME ...`, with the place of the function."""
        return Fault(f"{function}() of {self.method.name} {what}", place_of(self.method, function))
