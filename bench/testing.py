"""Contract tests for plugins, to be called from their own tests: `check_method(MyMethod())` raises PluginError that says what to mend."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bench.api import Dataset, MaskMethod, Method, Plugin, Pretrained, Task
from bench.contract import fit, maps, settings, targets
from bench.contract.dataset import check_dataset
from bench.contract.made import LESION, made_view
from bench.contract.plugin_faults import Fault, line_of, place_of
from bench.contract.surroundings import watched
from bench.contract.trial import Trial
from bench.device import settle
from bench.errors import DataError, MachineError, PluginError, UsageError
from bench.pipeline.method_process import needed

__all__ = ["Finding", "check_dataset", "check_method", "check_plugin", "made_view"]


class Check(NamedTuple):
    """A promise: its name, the promise in words, how it is tried, and the checks that have to hold before it can be."""

    name: str
    text: str
    run: Callable[[Any], None]
    needs: tuple[str, ...] = ()


PLUGIN = (
    Check("docstring", "the docstring says what it is", settings.says_what_it_is),
    Check("descriptions", "every setting has a description", settings.describes_settings),
    Check("json", "the settings reach another process", settings.settings_travel),
)
MAPS = ("shape", "dtype")
METHOD = (
    Check("build", "build() returns a network", fit.builds),
    Check("fit", "fit() trains it in one loop over training.epochs(...)", fit.fits, ("build",)),
    Check("seed", "fitted twice with one seed, the same network", fit.fits_again, ("fit",)),
    Check("kill", "killed after every epoch and continued, the same network", fit.survives_kills, ("seed",)),
    Check("reseed", "another seed is another run: no generator is seeded", fit.leaves_seeds, ("fit",)),
    Check("shape", "maps() returns (B, K, h, w)", maps.makes_maps, ("fit",)),
    Check("dtype", "maps are floats", maps.makes_floats, ("shape",)),
    Check("nan", "maps have no NaN", maps.makes_numbers, MAPS),
    Check("range", "maps lie in [0, 1]", maps.keeps_the_range, MAPS),
    Check("labels", "maps() takes labels = None", maps.takes_images_without_labels, (*MAPS, "nan", "range")),
    Check("again", "maps() called again returns the same", maps.makes_them_again, (*MAPS, "nan", "labels")),
    Check("batch", "maps do not depend on the batch", maps.takes_any_batch, ("again",)),
    Check("reads", "maps() changes neither network nor pictures", maps.only_reads, MAPS),
    Check("stored", "the network can be stored and loaded", maps.is_stored, ("again", "reads")),
    Check("alive", "maps are not dead", maps.is_alive, MAPS),
    Check("class", "constant, binary and reads_labels are true", maps.is_what_it_says, ("seed", "again", "alive")),
    Check("foregrounds", "two foregrounds have a map each", maps.takes_several_foregrounds, ("labels",)),
    Check("firewall", "masks decide nothing that it makes", fit.looks_at_declared_masks, ("seed", "again", "stored")),
    Check("surroundings", "global state and standard output are left alone", fit.leaves_surroundings, ("fit",)),
)
TARGETS = (
    Check("targets", "targets() returns masks", targets.makes_masks),
    Check(
        "again",
        "targets() called again returns the same, and leaves global state alone",
        targets.makes_masks_again,
        ("targets",),
    ),
)


@dataclass(frozen=True)
class Finding:
    """What a check has found: nothing, a fault and the line to change (FILE:LINE), or the check that it has to wait for."""

    check: str
    text: str
    fault: str = ""
    place: str = ""
    waits_for: str = ""


def check_method(method: Method, task: Task | None = None) -> None:
    """Fit a method on a few made pictures and hold it to the contract of bench.api.Method; PluginError says what to change, and where.

    The checks are those of `bench check-plugin`, in the same order; this stops at the first that fails. A method that starts from ImageNet
    and names no weights is tried from scratch, so that nothing is downloaded.
    """
    for finding in check_plugin(method, task):
        if finding.fault:
            raise PluginError(f"{finding.fault} ({finding.place})" if finding.place else finding.fault)


def check_plugin(plugin: Plugin, task: Task | None = None) -> Iterator[Finding]:
    """Every check of a plugin, one after the other; a check whose ground has failed waits."""
    yield from _findings(plugin, PLUGIN)
    with tempfile.TemporaryDirectory() as place:
        if isinstance(plugin, Method):
            yield from _findings(Trial(from_scratch(plugin), task or LESION, Path(place)), METHOD)
        elif isinstance(plugin, MaskMethod):
            yield from _findings(targets.TargetsTrial(plugin), TARGETS)
        elif isinstance(plugin, Dataset):
            yield from _findings(plugin, DATASET)


def _findings(subject: Any, checks: Sequence[Check]) -> Iterator[Finding]:
    failed: set[str] = set()
    for check in checks:
        ground = next((name for name in check.needs if name in failed), "")
        fault = place = ""
        if not ground:
            fault, place = _tried(subject, check)
        if ground or fault:
            failed.add(check.name)
        yield Finding(check.name, check.text, fault, place, ground)


def _tried(subject: Any, check: Check) -> tuple[str, str]:
    """What is wrong, and where; data and weights that are not to be had are no fault of the plugin."""
    try:
        with watched():
            settle(1, torch.device("cpu"))
            check.run(subject)
    except Fault as error:
        return str(error), error.place
    except (DataError, MachineError, UsageError):
        raise
    except Exception as error:  # in a stage that the check runs whole
        plugin = getattr(subject, "method", subject)
        return f"{plugin.name} fails: {type(error).__name__}: {error}", line_of(error, plugin) or place_of(plugin)
    return "", ""


def from_scratch(method: Method) -> Method:
    """The method, and the methods in its fields, without weights that would have to be downloaded."""
    changes: dict[str, Any] = {name: from_scratch(inner) for name, inner in needed(method).items()}
    if isinstance(method, Pretrained) and method.pretrained and method.weights is None:
        changes["pretrained"] = False
    return method.model_copy(update=changes) if changes else method


def _holds_the_contract(dataset: Dataset) -> None:
    try:
        check_dataset(dataset)
    except PluginError as error:
        raise Fault(str(error), place_of(dataset)) from error


def _leaves_surroundings(dataset: Dataset) -> None:
    with watched() as said:
        for item in dataset.items("test")[:1]:
            dataset.image(item)
            dataset.mask(item)
    if said:
        function = "image"
        raise Fault(
            f"image() or mask() of {dataset.name} {' and '.join(said)}; leave it alone", place_of(dataset, function)
        )


DATASET = (
    Check("contract", "splits, pictures, masks and files keep the contract", _holds_the_contract),
    Check("surroundings", "global state and standard output are left alone", _leaves_surroundings, ("contract",)),
)
