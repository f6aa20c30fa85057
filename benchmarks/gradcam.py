"""GradCAM of a ResNet-50, eight pictures at once, beside the packages that people use. Each side in a process of its own: ours set up
like a cell's, theirs as it comes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Self

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet50

from bench.api import Task
from bench.methods._gradcam import Classifier, gradcam, predicted
from benchmarks import Race, race, seconds
from benchmarks.batches import CELL

BATCH, SIDE, CLASSES, ROUNDS = 8, 224, 7, 9
TASK = Task(classes=tuple("abcdefg"), foreground=("lesion",), shows=(0,) * CLASSES)

Work = Callable[[Tensor], object]


class Peak(NamedTuple):
    """The most memory that one batch takes beyond what the process held when network and pictures were there, in MiB."""

    what: str
    ours: float
    other: str
    theirs: float


def ours() -> Work:
    """Maps at the pictures' size."""
    net = _classifier()
    return torch.no_grad()(lambda images: gradcam(net, images, "last", predicted(True), TASK))


def forward() -> Work:
    """The network alone, as ours has it."""
    return torch.no_grad()(_classifier())


def pytorch_grad_cam() -> Work:
    """As its README shows it, which says that a tensor may hold several images: torchvision's network, its last block, its own maps."""
    from pytorch_grad_cam import GradCAM

    model = resnet50(num_classes=CLASSES)
    cam = GradCAM(model=model, target_layers=[model.layer4[-1]])
    return lambda images: cam(input_tensor=images, targets=None)


def torchcam() -> Work:
    """As its README shows it, with the classes of the whole batch at once; its maps are resized as ours are."""
    from torchcam.methods import GradCAM

    model = resnet50(num_classes=CLASSES).eval()
    extract = GradCAM(model, "layer4")

    def work(images: Tensor) -> Tensor:
        scores = model(images)
        (maps,) = extract(scores.argmax(1).tolist(), scores)
        return functional.interpolate(maps[:, None], size=SIDE, mode="bilinear")

    return work


SIDES = {each.__name__: each for each in (ours, forward, pytorch_grad_cam, torchcam)}


def measure() -> Iterator[Race]:
    """A row for each package that is installed, and one for the network alone: 0.87 is 15 % more than it takes."""
    with Side("ours", CELL) as mine:
        for name, target in (("pytorch_grad_cam", 7.5), ("torchcam", 1.2), ("forward", 1 / 1.15)):
            if name == "forward" or find_spec(name):
                with Side(name, CELL if name == "forward" else {}) as theirs:
                    yield race("GradCAM maps of ResNet-50, 8 at once", mine.time, name, theirs.time, target, ROUNDS)


def peaks() -> Iterator[Peak]:
    """One row; both sides as the system sets up any process: a cell's own settings never give memory back. Linux alone tells it."""
    if find_spec("pytorch_grad_cam"):
        held = partial(Side.peak, settings={})
        yield Peak(
            "GradCAM maps of ResNet-50, 8 at once (an eighth is the target)",
            held("ours"),
            "pytorch_grad_cam",
            held("pytorch_grad_cam"),
        )


class Side:
    """A process that does one side's work once for every line it reads, and answers with seconds a picture."""

    def __init__(self, name: str, settings: dict[str, str]) -> None:
        command = [sys.executable, "-m", "benchmarks.gradcam", name]
        self.process = subprocess.Popen(
            command, env=os.environ | settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.first_peak = float(self._answer())

    @classmethod
    def peak(cls, name: str, settings: dict[str, str]) -> float:
        """MiB of the first batch, in a process of its own."""
        with cls(name, settings) as side:
            return side.first_peak

    def time(self) -> float:
        """Seconds a picture, of one batch."""
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        return float(self._answer())

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.process.communicate()


def _classifier() -> nn.Module:
    net = timm.create_model("resnet50", num_classes=CLASSES)
    return Classifier(net.to(memory_format=torch.channels_last), "benchmark").eval()


def _memory(kind: str) -> float:
    """`VmRSS` or its highest value so far, `VmHWM`, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(kind))


def _serve(name: str) -> None:
    torch.manual_seed(0)
    work, images = SIDES[name](), torch.rand(BATCH, 3, SIDE, SIDE)
    held = _memory("VmRSS")
    work(images)
    print(_memory("VmHWM") - held, flush=True)
    for _ in sys.stdin:
        print(seconds(lambda: work(images)) / BATCH, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
