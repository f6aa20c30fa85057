"""Paper 2's g: a classifier that says of each class whether an image shows it, and may say "none"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench.api import Method, Pretrained, Task
from bench.hookspecs import hookimpl
from bench.methods._decomposition_labels import class_balanced, labelled, presence, showing
from bench.training import Training, heldout_accuracy
from bench.view import View
from bench.weights import load_backbone


class PresenceClassifier(Pretrained):
    """Says of each class whether an image shows it (g of paper 2)."""

    name: ClassVar[str] = (
        "reconstruction_decomposition.classifier"  # so that messages name the setting as users type it
    )
    paper: ClassVar[str] = "Zeng, 2024, sections 3.1.3 and 4.3"

    backbone: str = Field("resnet18", description="timm name of the classifier (section 4.2)")
    epochs: int = Field(10, ge=1, description="passes over the labelled images (section 4.3)")
    lr: float = Field(1e-4, gt=0, description="Adam's learning rate, betas .9 and .999 (section 4.3)")
    batch: int = Field(64, ge=2, description="images in a step, class-balanced: the code's 32 pairs; 32 in section 4.3")
    per_class: int = Field(8, ge=1, description="images of one class in a step, where there are more classes than fit")
    negatives: Literal["none", "borders"] = Field(
        "none", description="set by g_negatives: corners of the same images as further images that show nothing"
    )
    corner: float = Field(0.25, gt=0, le=0.5, description="side of such a corner as a share of the image's (ours)")

    def build(self, task: Task) -> nn.Module:
        """Images (B, 3, H, W) in [0, 1], not normalised (the code's: black is what a mask has left out) -> logits (B, K - 1)."""
        return load_backbone(self, len(showing(task)))

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        """Binary cross-entropy for each class (eq. 9); all layers and BatchNorm train."""
        present = labelled(view, self.name)
        optimizer = torch.optim.Adam(net.parameters(), self.lr)
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            net.train()
            plan = class_balanced(present, self.batch, self.per_class, training.generator)
            for images, labels in view.batches(plan):
                shown = presence(labels, view.task)[:, :-1].float()
                if self.negatives == "borders":
                    images = torch.cat([images, corners(images, self.corner, training.generator)])
                    shown = torch.cat([shown, torch.zeros_like(shown)])
                with training.autocast():
                    logits = net(images).float()
                training.step(presence_loss(logits, shown), optimizer)
                training.log(accuracy=float(((logits > 0) == shown.bool()).float().mean()))
            training.log(**self._on_held_out_images(net, view))

    def _on_held_out_images(self, net: nn.Module, view: View) -> dict[str, float]:
        heldout = view.heldout.labels if view.heldout is not None else None
        shown = None if heldout is None else presence(heldout, view.task)[:, :-1]
        return heldout_accuracy(net, view, lambda images: net(images) > 0, shown)


def presence_loss(logits: Tensor, shown: Tensor) -> Tensor:
    """Eq. 9 on logits and labels (B, K - 1): binary cross-entropy, summed over the classes, mean over the batch."""
    return functional.binary_cross_entropy_with_logits(logits, shown, reduction="sum") / len(logits)


def corners(images: Tensor, share: float, generator: Generator) -> Tensor:
    """One corner of each image, drawn at random and mirrored until it fills the image: (B, 3, H, W) -> the same.

    Mirrored and not enlarged: a blurred picture would teach g that what is blurred shows nothing.
    """
    draws = (torch.rand(2, len(images), 1, 1, 1, generator=generator) < 0.5).to(images.device)
    images = torch.where(draws[0], images.flip(3), images)
    images = torch.where(draws[1], images.flip(2), images)
    rows, columns = (mirrored(side, max(1, round(share * side))).to(images.device) for side in images.shape[2:])
    return images[:, :, rows][:, :, :, columns]


def mirrored(length: int, side: int) -> Tensor:
    """0, 1, ... side - 1, side - 1, ... 1, 0, 0, 1, ... of that length."""
    place = torch.arange(length) % (2 * side)
    return torch.minimum(place, 2 * side - 1 - place)


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """Known by its place in the reconstruction method alone; its process finds it here."""
    return (PresenceClassifier,)
