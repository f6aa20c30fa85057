"""Paper 1's attentive embedding (section 2): a ResNet to its third block, one attention map, K learners on slices of a vector."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from bench.methods._class_means import ClassMeans
from bench.methods._resnet import Normalise, below

TRUNK = "layer3"


class Attention(nn.Sequential):
    """Features (B, A, h, w) -> one map (B, 1, h, w) in (0, 1), whatever the class: three 3 x 3 convolutions of A/8, A/32 and 1 channels.

    With A = 1024 these are the paper's 128, 32, 1: 1,216,961 parameters.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels // 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels // 8, channels // 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels // 32, 1, 3, padding=1),
            nn.Sigmoid(),
        )


class AttentiveEmbedding(nn.Module):
    """Images (B, 3, H, W) in [0, 1] -> K unit vectors (B, K, d / K) and the attention map (B, 1, h, w).

    `model` is a timm ResNet, of which the part behind layer3 is dropped. With `frozen`, BatchNorm's running statistics stay as they were
    trained on ImageNet, while its scale and shift are trained. `presence` tells from the embedding which classes an image shows.
    """

    def __init__(
        self,
        model: nn.Module,
        dimension: int,
        learners: int,
        frozen: bool,
        owner: str,
        presence: ClassMeans,
        dropout: float = 0.01,
    ) -> None:
        super().__init__()
        self.learners = learners
        self.frozen = frozen
        self.presence = presence
        self.normalise = Normalise(model)
        self.trunk = below(model, TRUNK, owner)
        channels = next(int(part["num_chs"]) for part in model.feature_info if part["module"] == TRUNK)  # type: ignore[union-attr]
        self.attention = Attention(channels)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(channels, dimension)
        for rows in self.dense.weight.chunk(learners):  # every learner's block for itself
            nn.init.xavier_normal_(rows)

    def train(self, mode: bool = True) -> AttentiveEmbedding:
        """Training mode, without moving BatchNorm's running statistics where they are frozen."""
        super().train(mode)
        for module in self.trunk.modules() if self.frozen else ():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, attention = self.attend(images)
        return self.embed(features, attention), attention

    def attend(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, A, h, w) and their attention map (B, 1, h, w)."""
        features = self.trunk(self.normalise(images))
        return features, self.attention(features)

    def embed(self, features: Tensor, attention: Tensor) -> Tensor:
        """The learners' unit vectors (B, K, d / K) of attended features."""
        pooled = (attention * features).mean((2, 3))  # over all places, not divided by the attention's sum
        slices = self.dense(self.dropout(pooled)).float().unflatten(1, (self.learners, -1))
        return functional.normalize(slices, dim=2)

    def pooled(self, images: Tensor) -> Tensor:
        """The vector before the dense layer, of unit length (B, A): what images are clustered by."""
        features, attention = self.attend(images)
        return functional.normalize((attention * features).mean((2, 3)).float(), dim=1)


def whole(slices: Tensor) -> Tensor:
    """The K unit vectors as one of unit length: (B, K, d / K) -> (B, d), each slice of length 1 / sqrt(K)."""
    return slices.flatten(1) / math.sqrt(slices.shape[1])
