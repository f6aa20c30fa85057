"""Metric learning has no logit: an image shows the class whose mean embedding lies nearest, with means over the fitted images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from bench.api import Task


class ClassMeans(nn.Module):
    """Embeddings (B, d) -> which classes their images are taken to show (B, C) bool.

    Of classes that exclude each other the nearest mean; of others each whose images' mean is nearer than the mean of the images without.
    A class that no fitted image has, or lacks, is infinitely far. Before `fit` every class counts as shown.
    """

    means: Tensor

    def __init__(self, classes: int, dimension: int, exclusive: bool) -> None:
        super().__init__()
        self.exclusive = exclusive
        self.register_buffer("means", torch.full((2, classes, dimension), torch.inf))  # images with, without the class

    def fit(self, embeddings: Tensor, labels: Tensor) -> None:
        """Means of embeddings (N, d) by their labels (N, C)."""
        for row, chosen in enumerate((labels, ~labels)):
            weights = chosen.T.to(embeddings)  # (C, N)
            count = weights.sum(1, keepdim=True)
            self.means[row] = (weights @ embeddings / count.clamp(min=1)).masked_fill(count == 0, torch.inf)

    def forward(self, embeddings: Tensor) -> Tensor:
        if self.means.isinf().all():
            return torch.ones(len(embeddings), self.means.shape[1], dtype=torch.bool, device=embeddings.device)
        having, lacking = (embeddings[:, None, None] - self.means).square().sum(-1).unbind(1)  # (B, C) each
        if self.exclusive:
            return one_hot(having.argmin(1), having.shape[1]).bool()
        return having < lacking


def tells_absence(task: Task) -> bool:
    """Whether an image of this task may lack a foreground; where each shows all of them there is nothing to tell."""
    return not task.exclusive or len(task.foreground) > 1 or None in task.shows
