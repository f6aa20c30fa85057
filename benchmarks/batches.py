"""Training batches beside a torchvision loader: decoded, cropped, flipped, as floats, normalised. In a process set up like a cell's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Generator, Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from bench.augment import CROPS
from bench.training import shuffled
from bench.view import View
from benchmarks import Race, race
from benchmarks.jpegs import SIZE, paths
from benchmarks.views import opened

BATCH, WORKERS = 32, 2
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CELL = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36), "OMP_WAIT_POLICY": "passive"}
"""As bench.pipeline.run sets the environment of a cell; the workers of the other side have it too."""


class Files(TorchDataset[Tensor]):
    """What a paper's code has: Pillow and the transforms of torchvision, a file at a time."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self.change = transforms.Compose(
            [
                transforms.RandomResizedCrop(SIZE),
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, SPREAD),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> Tensor:
        with Image.open(self.files[number]) as picture:
            changed: Tensor = self.change(picture.convert("RGB"))
        return changed


def measure(folder: Path) -> Iterator[Race]:
    """Two rows, measured in a child process."""
    command = [sys.executable, "-m", "benchmarks.batches", str(folder)]
    done = subprocess.run(command, env=os.environ | CELL, stdout=subprocess.PIPE, check=True)
    yield from (Race(*row) for row in json.loads(done.stdout))


def races(folder: Path) -> Iterator[Race]:
    """Batches of floats from this process alone; and batches of bytes, handed to a device that does the rest."""
    torch.set_num_threads(os.cpu_count() or 1)
    view, generator = opened(folder), Generator().manual_seed(0)
    loader = DataLoader(Files(paths(folder / "jpegs")), BATCH, shuffle=True, num_workers=WORKERS, drop_last=True)
    other = f"Pillow and torchvision, {WORKERS} workers"

    def plan() -> Iterator[Tensor]:
        return shuffled(len(view), BATCH, generator)

    yield race(
        "training batches, floats",
        lambda: pace(lambda: floats(view, plan(), generator)),
        other,
        lambda: pace(lambda: iter(loader)),
        3,
    )
    yield race(
        "training batches, bytes for the device to augment",
        lambda: pace(lambda: chosen(view, plan())),
        other,
        lambda: pace(lambda: iter(loader)),
        6,
    )


def floats(view: View, plan: Iterator[Tensor], generator: Generator) -> Iterator[Tensor]:
    """Cropped, flipped and normalised."""
    mean, spread = torch.tensor(MEAN)[:, None, None], torch.tensor(SPREAD)[:, None, None]
    for images, _ in view.batches(plan, CROPS, generator):
        yield images.sub_(mean).div_(spread)


def chosen(view: View, plan: Iterator[Tensor]) -> Iterator[Tensor]:
    """As they lie in the cache: what `View.images` hands to its device."""
    for index in plan:
        yield torch.from_numpy(view.pictures[index.numpy()])


def pace(batches: Callable[[], Iterator[Tensor]]) -> float:
    """Seconds a picture of one epoch after its first batch, with which workers start."""
    coming = batches()
    next(coming)
    began = time.perf_counter()
    count = sum(len(batch) for batch in coming)
    return (time.perf_counter() - began) / count


if __name__ == "__main__":
    print(json.dumps(list(races(Path(sys.argv[1])))))
