"""The settings of the reconstruction method, and its classifier g: what they refuse, declare and share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from bench import plugins
from bench.api import Masks, Task
from bench.data.samples import Samples
from bench.errors import BenchError, UsageError
from bench.methods._presence_classifier import PresenceClassifier, corners, presence_loss
from bench.methods.reconstruction_decomposition import ReconstructionDecomposition
from bench.pipeline import stages
from bench.pipeline.keys import fit_settings
from bench.pipeline.workbench import Workbench
from bench.protocol import SMOKE, change
from bench.settings import instantiate
from bench.store import MaskUse, Store
from bench.testing import made_view
from bench.training import Training

ISIC = Task(classes=tuple("abcdefg"), foreground=("lesion",), shows=(0,) * 7)
DOGS = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))
LESION = Task(classes=("lesion",), foreground=("lesion",), shows=(0,))
CLASSIFIER = {"backbone": "test_resnet", "pretrained": False, "batch": 8, "epochs": 1}


def method(**settings: object) -> ReconstructionDecomposition:
    return ReconstructionDecomposition.model_validate({"width": 2, "epochs": 2, "classifier": CLASSIFIER, **settings})


def test_the_classifier_learns_to_say_none(tmp_path: Path) -> None:
    made = PresenceClassifier(backbone="test_resnet", pretrained=False, batch=16, epochs=20, lr=1e-3)
    torch.manual_seed(0)
    net = made.build(DOGS)
    training = Training(net, tmp_path, seed=0)
    made.fit(net, made_view(DOGS, 32, 32), training)
    accuracy = [value for _, name, value in training.history if name == "accuracy"]
    assert accuracy[-1] > 0.95
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 1)


def test_the_classifiers_loss_is_summed_over_classes() -> None:
    chances = torch.tensor([[0.9, 0.2], [0.5, 0.5]])
    loss = presence_loss(chances.logit(), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert float(loss) == pytest.approx(-np.log([0.9, 0.8, 0.5, 0.5]).sum() / 2)


def test_corners_hold_nothing_of_the_middle() -> None:
    images = torch.rand(8, 3, 32, 48) / 2
    images[:, :, 8:24, 12:36] = 1
    made = corners(images, 0.25, torch.Generator().manual_seed(0))
    assert made.shape == images.shape
    assert float(made.max()) < 0.5
    for image, filled in zip(images, made, strict=True):
        found = {
            corner
            for corner, flips in {"↖": [], "↗": [2], "↙": [1], "↘": [1, 2]}.items()
            if torch.equal(image.flip(flips)[:, :8, :12], filled[:, :8, :12])
        }
        assert len(found) == 1
        assert torch.equal(filled[:, 8:16], filled[:, :8].flip(1))
        assert torch.equal(filled[:, 16:], filled[:, :16])
        assert torch.equal(filled[:, :, 12:24], filled[:, :, :12].flip(2))
    draws = [corners(images, 0.25, torch.Generator().manual_seed(n)) for n in range(2)]
    assert not torch.equal(*draws)


def test_with_borders_g_sees_as_many_pictures_that_show_nothing(tmp_path: Path) -> None:
    seen: list[int] = []
    made = method(g_negatives="borders").classifier
    torch.manual_seed(0)
    net = made.build(LESION)
    net.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    data = made_view(LESION, 16, 32)
    data.heldout = None
    made.fit(net, data, Training(net, tmp_path, seed=0))
    assert seen == [16, 16]


def test_one_class_on_every_image_is_refused_where_nothing_tells_it_apart(tmp_path: Path) -> None:
    expected = r"reconstruction_decomposition cannot tell lesion from the background: every .* set g_negatives=borders"
    view = made_view(LESION, 8, 32)
    made = method()
    net = made.build(LESION)
    with pytest.raises(BenchError, match=expected):
        made.fit(net, view, Training(net, tmp_path, seed=0, fitted={made.classifier: made.classifier.build(LESION)}))


def test_shares_and_classes_must_fit() -> None:
    with pytest.raises(
        BenchError,
        match=r"reconstruction_decomposition.areas has 2 shares for 7 classes \(a, b, .*; give one, or one for",
    ):
        method(area_prior="class", areas=(0.1, 0.2)).build(ISIC)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"areas": "0.2"}, r"area_prior=class and areas=SHARE.* go together"),
        ({"area_prior": "class"}, r"area_prior=class and areas=SHARE.* go together"),
        ({"area_prior": "class", "areas": "0.2,1.2"}, r"areas is refused \(each area is a share between 0 and 1\)"),
        ({"prior_masks": "5"}, r"prior_masks is for area_prior=masks"),
        ({"loss": "code", "class_terms": "sum"}, r"class_terms=sum is for loss=paper"),
        ({"classifier.negatives": "borders"}, r"set g_negatives=borders instead of classifier.negatives"),
    ],
)
def test_settings_that_contradict_each_other_are_one_sentence(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        instantiate(ReconstructionDecomposition, settings)


def test_settings_from_text_reach_g() -> None:
    made = instantiate(
        ReconstructionDecomposition,
        {"g_negatives": "borders", "classifier.epochs": "3", "area_prior": "class", "areas": "0.1,0.2"},
    )
    assert (made.classifier.negatives, made.classifier.epochs, made.areas) == ("borders", 3, (0.1, 0.2))
    again = ReconstructionDecomposition.model_validate(made.model_dump(mode="json", serialize_as_any=True))
    assert again == made


def test_masks_are_declared_only_where_the_prior_reads_them() -> None:
    assert method(area_prior="class", areas=(0.2,)).masks() is None
    assert method(area_prior="masks", prior_masks=5).masks() == Masks("masks", 5, "training")


def test_what_a_reader_must_know_stands_in_the_notes() -> None:
    half = "the mask loss drives the object's area to one half of an image that shows one class"
    assert method().notes() == ("g from scratch", half)
    assert ReconstructionDecomposition(area_prior="masks", g_negatives="borders").notes() == (
        "g starts from ImageNet",
        "area prior: masks",
        "g has seen corners of the images as images without the object",
    )


def test_the_rule_of_the_map_does_not_decide_the_fit() -> None:
    assert fit_settings(method(map="sum")) == fit_settings(method())
    assert fit_settings(method(arch="code")) != fit_settings(method())


def test_g_is_an_artifact_of_its_own_that_other_settings_share(tmp_path: Path, inline: None) -> None:
    protocol = replace(change(SMOKE, {"size": "32", "weak_images": "28"}), settings=MappingProxyType({}))
    samples = Samples(plugins.load("datasets", "synthetic")(), protocol)
    store = Store(tmp_path)

    def fit(**settings: object) -> dict[str, tuple[MaskUse, ...]]:
        made = method(epochs=1, **settings)
        bench = Workbench(
            method=made,
            plugin=plugins.describe(type(made)),
            samples=samples,
            protocol=protocol,
            seed=0,
            device=torch.device("cpu"),
            threads=1,
            store=store,
            log=tmp_path / "r" / "log.txt",
            report=lambda *_: None,
        )
        stages.fit(bench)
        return {name: artifact.record.masks for name, artifact in bench.used.items() if name.startswith("fit")}

    base, prior = fit(), fit(area_prior="masks", prior_masks=5)
    assert list(base.values()) == [(), ()]
    assert sorted(prior.values()) == [(), (MaskUse("masks", 5, "training"),)]
    assert len(base.keys() & fit(arch="code").keys()) == len(base.keys() & prior.keys()) == 1
    assert not base.keys() & fit(g_negatives="borders").keys()
