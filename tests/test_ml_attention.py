"""ML with attention: plain metric learning, its maps, and which images they are taken from where some lack the object."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from bench.api import Task
from bench.errors import UsageError
from bench.methods._attention import AttentiveEmbedding, whole
from bench.methods._class_means import ClassMeans, tells_absence
from bench.methods._metric_learning import active_share, same_class
from bench.methods.ml_attention import MLAttention
from bench.settings import instantiate
from bench.testing import check_method, made_view
from bench.training import Training
from bench.view import View

LESION = Task(classes=("a", "b"), foreground=("lesion",), shows=(0, 0))
DOGS = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))
BACKBONE = "test_resnet"


def method(**settings: object) -> MLAttention:
    return MLAttention.model_validate(
        {"backbone": BACKBONE, "pretrained": False, "dimension": 8, "batch": 8, "per_class": 4, "lr": 1e-3, **settings}
    )


def fitted(folder: Path, task: Task, view: View, **settings: object) -> tuple[AttentiveEmbedding, Training]:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(7)
    made = method(**settings)
    net = made.build(task)
    training = Training(net, folder, seed=7)
    made.fit(net, view, training)
    return net.eval(), training  # type: ignore[return-value]


def black_or_white(n: int = 32, size: int = 32) -> View:
    """Dogs are white, the rest is black."""
    label = torch.arange(n) % 2
    images = torch.randint(0, 60, (n, 3, size, size), generator=torch.Generator().manual_seed(2)) + 190 * label.view(
        -1, 1, 1, 1
    )
    return View(images.byte().numpy(), torch.eye(2).bool()[label], DOGS)


def test_it_has_the_settings_of_one_learner() -> None:
    assert not {"k", "recluster_every", "hungarian", "full_embedding_from"} & set(MLAttention.model_fields)
    assert not [name for name, field in MLAttention.model_fields.items() if not field.description]
    assert method().build(LESION).learners == 1


def test_a_batch_too_small_is_refused_in_a_sentence() -> None:
    with pytest.raises(
        UsageError, match="settings of ml_attention: batch must hold two classes: 12 is less than 2 x 8"
    ):
        instantiate(MLAttention, {"batch": "12"})


def test_a_backbone_without_a_third_block_is_refused_before_training() -> None:
    with pytest.raises(UsageError, match=r"ml_attention\.backbone: this network has no layer3"):
        method(backbone="test_vit").build(LESION)


@pytest.mark.parametrize("batchnorm", ["frozen", "trained"])
def test_batchnorm_of_a_pretrained_trunk_is_frozen_unless_asked(
    batchnorm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.methods.ml_attention.load_backbone", lambda *_: timm.create_model(BACKBONE))
    made = method(pretrained=True, batchnorm=batchnorm, epochs=1)
    net, data = made.build(LESION), made_view(LESION, 16, 32)
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [(m.running_mean.clone(), m.weight.detach().clone()) for m in norms]  # type: ignore[union-attr]
    made.fit(net, data, Training(net, tmp_path, seed=0))
    after = [(m.running_mean, m.weight.detach()) for m in norms]
    pairs = list(zip(before, after, strict=True))
    assert all(torch.equal(b[0], a[0]) is (batchnorm == "frozen") for b, a in pairs)  # type: ignore[arg-type]
    assert not all(torch.equal(b[1], a[1]) for b, a in pairs)


def test_where_every_class_shows_the_object_nothing_is_gated(tmp_path: Path) -> None:
    net, _ = fitted(tmp_path, LESION, made_view(LESION, 16, 32), epochs=1)
    images = torch.rand(4, 3, 32, 32)
    maps = method().maps(net, images, None, LESION)
    assert torch.equal(maps, net.attend(images)[1])
    assert torch.equal(maps, method().maps(net, images, torch.eye(2).bool().repeat(2, 1), LESION))


def test_images_that_look_like_the_absent_class_have_empty_maps(tmp_path: Path) -> None:
    data = black_or_white()
    net, _ = fitted(tmp_path, DOGS, data, epochs=2)
    images = data.images(torch.arange(32))
    dog = data.labels[:, 1]
    raw = method(gate="none").maps(net, images, None, DOGS)
    gated = method().maps(net, images, None, DOGS)
    assert raw.all()
    assert torch.equal(gated, raw * dog.view(-1, 1, 1, 1))
    assert gated[dog].all()


@pytest.mark.parametrize("gate", ["presence", "none"])
def test_a_known_label_goes_before_the_embedding(tmp_path: Path, gate: str) -> None:
    data = black_or_white()
    net, _ = fitted(tmp_path, DOGS, data, epochs=1)
    assert data.labels is not None
    maps = method(gate=gate).maps(net, data.images(torch.arange(32)), ~data.labels, DOGS)  # whatever they look like
    assert (maps.amax((1, 2, 3)) > 0).tolist() == (~data.labels)[:, 1].tolist()


def test_the_class_means_are_those_of_the_fitted_images_as_they_are(tmp_path: Path) -> None:
    data = black_or_white()
    net, _ = fitted(tmp_path, DOGS, data, epochs=1)
    with torch.no_grad():
        vectors = whole(net(data.images(torch.arange(32)))[0])
    assert net.presence is not None
    for c in (0, 1):
        assert torch.allclose(net.presence.means[0, c], vectors[c::2].mean(0), atol=1e-5)
        assert torch.allclose(net.presence.means[1, c], vectors[1 - c :: 2].mean(0), atol=1e-5)
    assert "presence.means" in net.state_dict()


def test_of_exclusive_classes_the_nearest_mean_is_shown_of_others_each_that_is_nearer_than_its_absence() -> None:
    points = torch.tensor([[0.0, 0], [0, 1], [4, 0], [4, 1]])
    exclusive = ClassMeans(3, 2, exclusive=True)
    assert exclusive(points).all()  # not fitted: nothing is known to be absent
    exclusive.fit(points, torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]).bool())
    assert exclusive(torch.tensor([[1.0, 0], [3, 0]])).tolist() == [[True, False, False], [False, True, False]]
    several = ClassMeans(3, 2, exclusive=False)
    several.fit(points, torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]]).bool())
    assert several(torch.tensor([[1.0, 0.9], [3, 0.1], [0, 0.9]])).tolist() == [
        [True, True, False],
        [False, False, False],
        [True, True, False],
    ]


def test_only_a_task_in_which_an_image_may_lack_a_foreground_has_absence_to_tell() -> None:
    assert tells_absence(DOGS)
    assert not tells_absence(LESION)
    assert tells_absence(Task(classes=("a", "b"), foreground=("x", "y"), shows=(0, 1)))
    assert tells_absence(Task(classes=("a",), foreground=("x",), shows=(0,), exclusive=False))


@pytest.mark.parametrize("task", [LESION, DOGS], ids=["lesion", "dogs"])
def test_it_keeps_the_contract(task: Task) -> None:
    check_method(method(epochs=2), task)


def test_32_images_are_learnt_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.methods.ml_attention.CROPS", lambda images, _: images)
    four = Task(classes=tuple("abcd"), foreground=("lesion",), shows=(0,) * 4)
    data = made_view(four, 32, 32)
    shares = []
    for epochs in (1, 30):
        net, training = fitted(
            tmp_path / str(epochs), four, data, backbone="resnet18", epochs=epochs, batch=16, dimension=128
        )
        with torch.no_grad():
            vectors = whole(net(data.images(torch.arange(32)))[0])
        shares.append(active_share(vectors, same_class(data.labels)))  # type: ignore[arg-type]
    assert shares[0] > 0.5
    assert shares[1] < 0.05
    losses = [value for _, name, value in training.history if name == "loss"]
    assert losses[-1] < losses[0] / 10
