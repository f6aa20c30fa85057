"""The second stage: a U-Net, the same for every row, trained for exactly `protocol.steps` steps on proxies or on masks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench.api import Pixels
from bench.augment import SEGMENTER
from bench.errors import DataError
from bench.pipeline.networks import UNet, check, smp_network
from bench.protocol import Protocol
from bench.thresholds import IGNORED
from bench.training import Training
from bench.view import View

__all__ = ["Segmenter", "build", "check", "foreground_maps", "predict", "train"]

CHUNK = 50
"""Steps between two checkpoints."""
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Segmenter(nn.Module):
    """Images (B, 3, H, W) in [0, 1] -> logits (B, P, H, W), channel 0 the background.

    Colours are normalised by ImageNet's mean and spread for every network. A size that is no multiple of the network's stride is filled
    up by repeating the border, and the logits are cut back. Channels come last in memory: a fifth faster on a CPU, and here rather than
    in `train`, so that a network that was loaded computes the same bits as the one that was trained.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, net: nn.Module, stride: int) -> None:
        super().__init__()
        self.net = net
        self.stride = stride
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD)[:, None, None], persistent=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        above, left = -height % self.stride, -width % self.stride
        sides = (left // 2, left - left // 2, above // 2, above - above // 2)
        images = (images - self.mean) / self.spread
        padded = functional.pad(images, sides, mode="replicate") if any(sides) else images
        logits: Tensor = self.net(padded.contiguous(memory_format=torch.channels_last))
        return logits[:, :, sides[2] : sides[2] + height, sides[0] : sides[0] + width]


def build(protocol: Protocol, classes: int) -> Segmenter:
    """The untrained segmenter of a protocol for P = `classes` channels (K foregrounds and the background); draws from torch's generator.

    UsageError where the protocol names what does not exist, MachineError where its weights are not to be had.
    """
    if protocol.segmenter == "unet":
        return Segmenter(UNet(protocol.base_channels, classes), UNet.stride)
    net, stride = smp_network(protocol, classes)
    return Segmenter(net, stride)


def train(net: nn.Module, view: View, targets: Tensor | Pixels, protocol: Protocol, training: Training) -> None:
    """Train in place with Adam and the mean cross-entropy over pixels (paper 1, eq. 3), the last state counts.

    targets: (N, H, W) uint8 for the N images of the view: k + 1 foreground k, 0 background, 255 no say. `training` is one with fit_share 1.
    """
    if not len(view):
        raise DataError("there is no image to train the segmenter on; the split is empty")
    optimizer = torch.optim.Adam(net.parameters(), lr=protocol.segmenter_lr)
    order = {"waiting": torch.empty(0, dtype=torch.long)}
    augmentation = SEGMENTER[protocol.augment]
    for chunk in training.epochs(-(-protocol.steps // CHUNK), optimizer=optimizer, order=order):
        net.train()
        for step in range(chunk * CHUNK, min(chunk * CHUNK + CHUNK, protocol.steps)):
            for group in optimizer.param_groups:
                group["lr"] = rate(protocol, step)
            index = take(order, len(view), protocol.batch, training.generator)
            masks = chosen(targets, index).to(view.device)
            images, masks = augmentation.pair(view.bytes(index), masks, training.generator)
            with training.autocast():
                logits = net(images)
            training.step(pixel_loss(logits.float(), masks), optimizer)


@torch.inference_mode()
def predict(net: nn.Module, view: View, batch: int = 32) -> Iterator[Tensor]:
    """Foreground maps (B, K, H, W) of the view's images in order, in eval mode; above 1/2 is the network's argmax, ties are background."""
    net.eval()
    for index in view.in_order(batch):
        yield foreground_maps(net(view.images(index)))


def foreground_maps(logits: Tensor) -> Tensor:
    """(B, 1 + K, H, W) logits -> (B, K, H, W) in [0, 1] so that above 1/2 is the argmax: p_k / (p_k + the largest other p).

    For K = 1 that is the probability p_1. For K > 1 the probability itself would lose every pixel that a foreground wins with less than
    1/2. No two maps are above 1/2 at one place, also after bilinear resizing: of any two the sum is 1 at most.
    """
    if logits.shape[1] == 2:
        return logits.softmax(1)[:, 1:]
    best, place = logits.topk(2, dim=1)
    channels = torch.arange(logits.shape[1], device=logits.device)[:, None, None]
    rival = torch.where(place[:, :1] == channels, best[:, 1:], best[:, :1])
    return (logits - rival).sigmoid()[:, 1:]


def rate(protocol: Protocol, step: int) -> float:
    """The learning rate of a step (from 0): constant, or a half cosine from `segmenter_lr` towards 0 at `steps`."""
    if protocol.schedule == "constant":
        return protocol.segmenter_lr
    turned = torch.tensor(torch.pi * step / protocol.steps, dtype=torch.float64).cos()
    return protocol.segmenter_lr * (1 + float(turned)) / 2


def take(order: dict[str, Tensor], n: int, batch: int, generator: Generator) -> Tensor:
    """The next `batch` numbers below n: one permutation after the other, so that images differ in use by one at most.

    `order["waiting"]` holds what is left of the permutation, and changes.
    """
    while len(order["waiting"]) < batch:
        order["waiting"] = torch.cat([order["waiting"], torch.randperm(n, generator=generator)])
    taken, order["waiting"] = order["waiting"][:batch], order["waiting"][batch:].clone()
    return taken


def chosen(targets: Tensor | Pixels, index: Tensor) -> Tensor:
    """The targets of these numbers as a tensor, from memory or from a memory-mapped file."""
    return targets[index] if isinstance(targets, Tensor) else torch.from_numpy(targets[index.numpy()])


def pixel_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy, mean over the pixels that are not 255: logits (B, P, H, W), masks (B, H, W) -> (); 0 where all are."""
    total = functional.cross_entropy(logits, masks.long(), ignore_index=IGNORED, reduction="sum")
    return total / (masks != IGNORED).sum().clamp(min=1)
