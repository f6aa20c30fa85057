"""GradCAM baselines of paper 1 (table 1): a classifier is trained on image labels, its gradients show where it looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from bench.api import Method, Task, maps_only
from bench.augment import CROPS
from bench.hookspecs import hookimpl
from bench.methods._batches import require_two_classes
from bench.methods._gradcam import Classifier, Explained, gradcam, predicted
from bench.methods._maps import without_absent
from bench.training import Training, balanced, heldout_accuracy
from bench.view import View
from bench.weights import load_backbone


class GradCAM(Explained):
    """GradCAM of a ResNet-50 trained on image labels."""

    name: ClassVar[str] = "gradcam_resnet50"
    paper: ClassVar[str] = "Selvaraju et al., ICCV 2017; a baseline of Adiga et al., 2020"

    epochs: int = Field(300, ge=1, description="passes over the labelled images (paper 1, as for its own method)")
    lr: float = Field(1e-4, gt=0, description="Adam's learning rate (our choice: paper 1 names none)")
    weight_decay: float = Field(1e-4, ge=0, description="Adam's weight decay (of the code that follows paper 1)")
    batch: int = Field(32, ge=2, description="images in a step (paper 1: all models)")
    per_class: int = Field(8, ge=1, description="images of one class in a step (paper 1)")
    target: Literal["predicted", "label"] = maps_only(
        "predicted", "class that is explained; label: the known one, for proxies only"
    )

    def build(self, task: Task) -> nn.Module:
        """The classifier: (B, 3, H, W) in [0, 1] -> logits (B, C)."""
        return Classifier(load_backbone(self, len(task.classes)), self.name)

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        """Cross-entropy on class-balanced batches (BCE where an image may have several classes); all layers and BatchNorm train."""
        labels = require_two_classes(view.labels, self.name)
        optimizer = torch.optim.Adam(net.parameters(), self.lr, weight_decay=self.weight_decay)
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            net.train()
            plan = balanced(labels, self.batch, training.generator, per_class=self.per_class)
            for images, truth in view.batches(plan, CROPS, training.generator):
                with training.autocast():
                    logits = net(images)
                training.step(classification_loss(logits.float(), truth, view.task.exclusive), optimizer)
                training.log(accuracy=accuracy(logits, truth))
            training.log(**heldout_accuracy(net, view, lambda images: predicted(view.task.exclusive)(net(images))))

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, H, W) at the images' size; the class is the predicted one, or the label where it is asked for and known.

        A foreground that the image is predicted not to show has an empty map, and so has one that its labels rule out.
        """
        known = labels if self.target == "label" else None
        choose = predicted(task.exclusive) if known is None else lambda _: known.bool()
        maps = gradcam(cast(Classifier, net), images, self.layer, choose, task)
        return without_absent(maps, labels, task)


class GradCAM101(GradCAM):
    """GradCAM of a ResNet-101 trained on image labels."""

    name: ClassVar[str] = "gradcam_resnet101"

    backbone: str = Field("resnet101", description="timm name of the classifier")


def classification_loss(logits: Tensor, labels: Tensor, exclusive: bool) -> Tensor:
    """Logits and labels (B, C) -> softmax cross-entropy, or mean binary cross-entropy where classes do not exclude each other."""
    if exclusive:
        return functional.cross_entropy(logits, labels.int().argmax(1))
    return functional.binary_cross_entropy_with_logits(logits, labels.float())


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of images whose most likely class is one of their labels."""
    return float(labels.gather(1, logits.detach().argmax(1, keepdim=True)).float().mean())


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """GradCAM of a ResNet-50, and of a ResNet-101."""
    return GradCAM, GradCAM101
