"""Paper 2's parts of an image: what f_m and f_x take it apart into, what g sees in each part, and which map the masks make."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from bench.api import Task
from bench.methods._decomposition_labels import showing
from bench.methods._decomposition_networks import Decomposition, divisible
from bench.view import View

LOOKED_AT = 64
"""Images whose parts g is shown after each epoch, for the learning curves."""


class Pair(NamedTuple):
    """What is trained, and g, which is not."""

    net: Decomposition
    g: nn.Module


class Taken(NamedTuple):
    """Images (B, 3, H, W) and what became of them: M (B, K, H, W), M_k X_k (B, K, 3, H, W), g's logits of each part (B, K, K - 1)."""

    images: Tensor
    masks: Tensor
    parts: Tensor
    logits: Tensor


def take_apart(pair: Pair, images: Tensor) -> Taken:
    """One pass through f_m and f_x, and one through g: in eval mode its BatchNorm does not mix the B K parts of the batch."""
    masks, imagelets = pair.net(images)
    parts = masks[:, :, None] * imagelets  # eq. 5: black where M is 0
    logits = pair.g(parts.flatten(0, 1)).float().unflatten(0, parts.shape[:2])
    return Taken(images, masks, parts, logits)


@torch.no_grad()
def look(pair: Pair, view: View) -> dict[str, float]:
    """What g sees at most in the background's part M_bg X_bg, and in the same place of the real image, M_bg I: means over some images.

    X is free where its mask is small: where g is silent on the first and not on the second, X has learned to silence g instead of M to
    find the object.
    """
    images = divisible(view.images(torch.arange(0, len(view), -(-len(view) // LOOKED_AT))))
    taken = take_apart(pair, images)
    real = pair.g(taken.masks[:, -1:] * images)  # (B, K - 1)
    seen = {"g_background": taken.logits[:, -1], "g_background_real": real}
    return {name: float(logits.float().sigmoid().amax(1).mean()) for name, logits in seen.items()}


def foreground_map(masks: Tensor, task: Task, rule: Literal["argmax", "sum"]) -> Tensor:
    """Masks (B, K, h, w) in the order of the classes that show an object, background last -> a map for each foreground in [0, 1].

    `argmax`: max_fg / (max_fg + max_rest), above one half exactly where the largest of all K masks is a class that shows the foreground;
    with one foreground the rest is the background. `sum`: the masks of its classes together.
    """
    shown = [task.shows[c] for c in showing(task)]
    maps = [_one_map(masks, torch.tensor([s == k for s in shown] + [False]), rule) for k in range(len(task.foreground))]
    return torch.stack(maps, 1).clamp(0, 1)


def _one_map(masks: Tensor, own: Tensor, rule: Literal["argmax", "sum"]) -> Tensor:
    if not own.any():
        return torch.zeros_like(masks[:, 0])
    if rule == "sum":
        return masks[:, own].sum(1)
    largest = masks[:, own].amax(1)
    return largest / (largest + masks[:, ~own].amax(1))
