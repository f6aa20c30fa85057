"""What image labels say to paper 2's method: which of its K classes an image shows, the last of them background, and how large each is."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from bench.api import Task
from bench.errors import BenchError
from bench.thresholds import IGNORED
from bench.training import balanced, shuffled
from bench.view import View


def showing(task: Task) -> list[int]:
    """The image classes that show a foreground, in the order of the task: K - 1 of them, the background comes behind."""
    classes = [c for c, shown in enumerate(task.shows) if shown is not None]
    if not classes:
        raise BenchError(f"none of the classes {', '.join(task.classes)} shows a foreground: there is nothing to find")
    return classes


def presence(labels: Tensor, task: Task) -> Tensor:
    """Labels (B, C) bool -> y (B, K) bool: the classes that show a foreground, and the background, which is always there."""
    shown = labels[:, showing(task)].bool()
    return torch.cat([shown, shown.new_ones(len(shown), 1)], 1)


def labelled(view: View, owner: str) -> Tensor:
    """y (N, K) of a view's images; BenchError naming the method where nothing is labelled, or no image shows anything."""
    if view.labels is None:
        raise BenchError(f"{owner} learns from image labels: this data set's weak images have none")
    present = presence(view.labels, view.task)
    if not present[:, :-1].any():
        raise BenchError(f"{owner}: no weakly labelled image shows {' or '.join(view.task.foreground)}")
    return present


def constant(present: Tensor, task: Task) -> str:
    """The first class that every image shows, by y (N, K); empty where there is none."""
    always = present[:, :-1].all(0).tolist()
    return next((task.classes[c] for c, every in zip(showing(task), always, strict=True) if every), "")


def class_balanced(present: Tensor, batch: int, per_class: int, generator: Generator) -> Iterator[Tensor]:
    """Batches with as many images of each class, and of no class, by y (N, K); in random order where all images are of one kind."""
    kinds = torch.cat([present[:, :-1], ~present[:, :-1].any(1, keepdim=True)], 1)
    if int((kinds.sum(0) >= 2).sum()) < 2:
        return shuffled(len(present), batch, generator)
    return balanced(kinds, batch, generator, per_class=per_class)


def wanted_shares(present: Tensor, sizes: Tensor | None) -> Tensor:
    """What each class's share of the picture shall be, (B, K): y itself (the paper), or by the usual size (K - 1,) of each class.

    With sizes the shares sum to 1: those of the classes that are present, within [0.01, 0.99] and together at most 0.99, and the rest for
    the background. Shares that did not sum to 1 would not be reached: (.2, 1) leads to (.1, .9).
    """
    if sizes is None:
        return present.float()
    shares = present[:, :-1] * sizes.to(present.device).clamp(0.01, 0.99)
    shares = shares * (0.99 / shares.sum(1, keepdim=True).clamp(min=0.99))
    return torch.cat([shares, 1 - shares.sum(1, keepdim=True)], 1)


def mean_sizes(targets: Tensor, task: Task) -> Tensor:
    """The mean share of the picture that each class's foreground takes, over the masks (N, H, W) uint8 that show it: (K - 1,).

    Pixels of value 255 are not judged. BenchError where no mask shows a foreground that a class needs.
    """
    judged = (targets != IGNORED).sum((1, 2)).clamp(min=1)
    sizes = []
    for k in (task.shows[c] for c in showing(task)):
        assert k is not None
        share = (targets == k + 1).sum((1, 2)) / judged
        if not share.any():
            raise BenchError(f"area_prior=masks: no mask shows {task.foreground[k]}; take area_prior=class")
        sizes.append(share[share > 0].mean())
    return torch.stack(sizes)
