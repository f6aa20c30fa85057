"""`check_method` and `check_plugin`: every built-in plugin keeps its contract; what stops, what waits, what is tried from scratch."""

from __future__ import annotations

import random
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from bench import Method, PluginError, Pretrained, Task, plugins
from bench.api import GivenMaps, MaskMethod
from bench.contract.trial import EPOCHS
from bench.testing import check_dataset, check_method, check_plugin, from_scratch

SMALL = {"backbone": "test_resnet", "pretrained": "false", "batch": "8", "per_class": "4", "k": "2", "dimension": "8"}
SMALL |= {"width": "2", "classifier.pretrained": "false", "classifier.backbone": "test_resnet"}

METHODS = {name: plugins.load("methods", name) for name in sorted(plugins.offers("methods"))}
LIARS = Path(__file__).parent / "plugins" / "liars"


@pytest.fixture(autouse=True)
def _no_firewall(monkeypatch):
    """That masks decide nothing is proved by test_firewall.py."""
    monkeypatch.setattr("bench.contract.fit.check_firewall", lambda *_: None)


def small(cls, **settings):
    usable = {k: v for k, v in SMALL.items() if k.partition(".")[0] in cls.model_fields}
    return plugins.instantiate(cls, usable | settings)


@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if not issubclass(cls, GivenMaps)])
def test_built_in_methods_keep_the_contract_also_when_killed_after_every_epoch(name):
    found = list(check_plugin(small(METHODS[name])))
    assert not [finding for finding in found if finding.fault or finding.waits_for]
    assert len(found) == (5 if issubclass(METHODS[name], MaskMethod) else 22)


def test_maps_of_other_programs_are_checked_for_what_they_say(tmp_path):
    found = list(check_plugin(METHODS["precomputed"](folder=tmp_path)))
    assert [finding.fault for finding in found] == ["", "", ""]


@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if issubclass(cls, MaskMethod)])
def test_methods_on_masks_leave_the_true_ones_alone(name):
    masks = torch.zeros(3, 24, 24, dtype=torch.uint8)
    masks[:, 6:18, 4:20] = 1
    before = masks.clone()
    made = plugins.instantiate(METHODS[name], {}).targets(masks, torch.Generator().manual_seed(3))
    assert torch.equal(masks, before)
    assert torch.equal(made, masks) == (name == "full_supervision")


@pytest.mark.parametrize("name", sorted(plugins.offers("datasets")))
def test_embedded_data_sets_keep_the_contract(name):
    cls = plugins.load("datasets", name)
    if cls.embedded:
        check_dataset(cls())


@pytest.fixture(scope="module")
def honest():
    (cls,) = plugins.load_file(LIARS / "honest.py")
    return cls


def test_an_honest_method_passes_for_any_task(honest):
    check_method(honest())
    check_method(honest(), Task(classes=("one",), foreground=("a", "b"), shows=(1,), exclusive=False))


def test_python_s_and_numpy_s_own_generators_are_seeded_and_survive_a_kill(honest):
    class DrawsFromGlobals(honest):
        """Draws from all three."""

        def fit(self, net, view, training):
            for _ in training.epochs(self.epochs):
                with torch.no_grad():
                    net[0].bias += float(np.random.rand()) + random.random() + float(torch.rand(1))

    check_method(DrawsFromGlobals())


def test_the_first_broken_promise_is_raised_with_its_place(honest):
    class Twice(honest):
        def maps(self, net, images, labels, task):
            return net(images) + 1

    with pytest.raises(PluginError, match=r"class Twice has no docstring.* \(.*test_testing.py:\d+\)$"):
        check_method(Twice())
    assert [f.check for f in check_plugin(Twice()) if f.fault] == ["docstring", "range"]


def test_what_fails_in_the_proof_alone_is_a_finding_too(honest, monkeypatch):
    monkeypatch.undo()

    class Picky(honest):
        """Takes 24 images."""

        def fit(self, net, view, training):
            super().fit(net, view, training)
            if len(view) != 24:
                raise ValueError("not 24")

    (found,) = [f for f in check_plugin(Picky()) if f.fault]
    assert (found.check, found.fault) == ("firewall", "honest fails: ValueError: not 24")
    place, _, line = found.place.rpartition(":")
    assert 'raise ValueError("not 24")' in Path(place).read_text().splitlines()[int(line) - 1]


def test_masks_that_are_not_declared_are_not_there(honest):
    class Reads(honest):
        """Reads masks."""

        def fit(self, net, view, training):
            view.masks.targets.float().mean()

    with pytest.raises(PluginError, match="'NoneType' object has no attribute 'targets'"):
        check_method(Reads())


def test_a_long_fit_is_short_here_whatever_it_calls_its_epochs(honest):
    seen = []

    class Long(honest):
        """Trains for long."""

        def fit(self, net, view, training):
            for epoch in training.epochs(1000):
                seen.append((epoch, training.total))

    check_method(Long())
    assert set(seen) == {(epoch, EPOCHS) for epoch in range(EPOCHS)}


def test_nothing_is_downloaded_for_a_check():
    method = from_scratch(METHODS["reconstruction_decomposition"]())
    assert not method.classifier.pretrained

    class Started(Pretrained):
        """Starts from ImageNet."""

        name: ClassVar[str] = "started"

    assert not from_scratch(Started()).pretrained
    named = Started(weights="here.safetensors")
    assert from_scratch(named) == named
    assert isinstance(from_scratch(METHODS["otsu"]()), Method)
