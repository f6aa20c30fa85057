"""Accuracy on held-out images: by hand, and of every method that classifies, against its network asked afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.api import HELD_OUT, Method, Task
from bench.contract.made import made_view
from bench.methods._attention import whole
from bench.methods._presence_classifier import PresenceClassifier
from bench.methods.dcml_attention import DCMLAttention
from bench.methods.gradcam import GradCAM
from bench.methods.ml_attention import MLAttention
from bench.training import Training, heldout_accuracy
from bench.view import View

LESION = Task(classes=("a", "b"), foreground=("lesion",), shows=(0, 0))
SEVERAL = Task(classes=("a", "b"), foreground=("lesion",), shows=(0, 0), exclusive=False)
SMALL = {"backbone": "test_resnet", "pretrained": False, "epochs": 3}


@pytest.mark.parametrize(("task", "expected"), [(LESION, 0.75), (SEVERAL, 0.875)])
def test_images_count_where_classes_exclude_each_other_and_else_every_class(task: Task, expected: float) -> None:
    view = made_view(task, 4)
    assert view.heldout is not None
    answers = torch.tensor([[1, 0], [0, 1], [1, 0], [1, 1]]).bool()  # the last should be (0, 1)
    assert heldout_accuracy(nn.Identity(), view, lambda images: answers) == {HELD_OUT: expected}
    view.heldout.labels = ~view.heldout.labels  # type: ignore[operator]
    assert heldout_accuracy(nn.Identity(), view, lambda images: answers) != {HELD_OUT: expected}


def test_without_held_out_images_or_labels_nothing_is_logged() -> None:
    view = made_view(LESION, 4)
    assert view.heldout is not None
    view.heldout.labels = None
    assert heldout_accuracy(nn.Identity(), view, lambda images: images) == {}
    view.heldout = None
    assert heldout_accuracy(nn.Identity(), view, lambda images: images) == {}


def likeliest(net: nn.Module, images: Tensor) -> Tensor:
    return nn.functional.one_hot(net(images).argmax(1), 2).bool()


def nearest(net: nn.Module, images: Tensor) -> Tensor:
    shown: Tensor = net.presence(whole(net(images)[0]))  # type: ignore[operator]
    return shown


def likely(net: nn.Module, images: Tensor) -> Tensor:
    return net(images).sigmoid() > 0.5


@pytest.mark.parametrize(
    ("method", "classify", "epochs"),
    [
        (GradCAM, likeliest, [0, 1, 2]),
        (MLAttention, nearest, [2]),
        (DCMLAttention, nearest, [2]),
        (PresenceClassifier, likely, [0, 1, 2]),
    ],
)
def test_a_method_that_classifies_logs_how_often_it_is_right(
    method: type[Method], classify: Callable[[nn.Module, Tensor], Tensor], epochs: list[int], tmp_path: Path
) -> None:
    """The last value is that of the fitted network; the means of metric learning are known in the last epoch only."""
    settings = SMALL | {"batch": 8, "per_class": 4} | ({"k": 2} if method is DCMLAttention else {})
    made, view = method.model_validate(settings), made_view(LESION, 16, 32)
    net = made.build(LESION)
    training = Training(net, tmp_path, seed=0)
    made.fit(net, view, training)
    logged = [(epoch, value) for epoch, name, value in training.history if name == HELD_OUT]
    assert [epoch for epoch, _ in logged] == epochs
    assert logged[-1][1] == pytest.approx(right(net.eval(), view, classify))


@torch.no_grad()
def right(net: nn.Module, view: View, classify: Callable[[nn.Module, Tensor], Tensor]) -> float:
    assert view.heldout is not None
    pictures = torch.from_numpy(view.heldout.pictures[:]) / 255
    assert view.heldout.labels is not None
    return float((classify(net, pictures) == view.heldout.labels).all(1).float().mean())
