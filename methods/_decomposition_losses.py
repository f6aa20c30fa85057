"""Paper 2's three losses (section 3.1), in the form of its equations and in that of its public code."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Form = Literal["paper", "code"]


def reconstruction_loss(parts: Tensor, images: Tensor) -> Tensor:
    """Eq. 1 and 2: the mean square of (sum_k M_k X_k - I), for parts M_k X_k (B, K, 3, H, W) and images (B, 3, H, W)."""
    return functional.mse_loss(parts.sum(1), images)


def mask_loss(shares: Tensor, wanted: Tensor, form: Form) -> Tensor:
    """Eq. 4: cross-entropy of the classes' shares of the picture (B, K) and the wanted ones (B, K), its mean over K and the batch.

    `code` sums over K and adds 1e-6 inside the logarithms: K times as much. The smallest value lies at the wanted shares where those sum
    to 1; where P classes are wanted with 1 each, at 1 / P of the picture for each.
    """
    if form == "paper":
        return functional.binary_cross_entropy(shares.clamp(0, 1), wanted)  # a mean of float32 may lie just above 1
    present, absent = (shares + 1e-6).log(), (1 - shares + 1e-6).log()
    return -(wanted * present + (1 - wanted) * absent).sum(1).mean()


def guidance_loss(logits: Tensor, present: Tensor, form: Form, terms: Literal["sum", "mean"] = "sum") -> Tensor:
    """Eq. 6, by g's logits (B, K, K - 1) on the K parts of each image and the classes that it shows (B, K) bool, background last.

    g shall see class k in the part of a class k that is present, and no other class in any part; the background's own term does not exist,
    and j runs to K - 1, the number of g's outputs. `sum` over those is the equation; with `mean` the loss keeps the size it has at K = 2.
    `code` always takes the mean, and asks of the part of an absent class that g sees not even this class in it.
    """
    own = torch.eye(
        *logits.shape[1:], dtype=torch.bool, device=logits.device
    )  # (K, K - 1), no own output for the background
    target = own & present[:, :, None]
    entropy = functional.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
    if form == "code":
        return entropy.mean()
    asked = entropy * (target | ~own)
    return asked.sum(2).mean() if terms == "sum" else asked.mean()
