"""The device a cell runs on, how many threads, and what it cost."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from bench.errors import MachineError

PACKAGES = ("wsss-bench", "torch", "torchvision", "timm", "segmentation-models-pytorch", "numpy", "pillow")


def pick(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:n` as a device; a named device is never replaced by another."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise MachineError(f"--device takes auto, cpu, cuda or cuda:n, not {name!r}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise MachineError(
            f"there is no device {name}: torch sees {torch.cuda.device_count()} GPUs; use --device auto or cpu"
        )
    return device


def settle(threads: int, device: torch.device) -> None:
    """Threads for the arithmetic, at most as many as there are cores; on the CPU the same bits again and again.

    Without torch's deterministic algorithms two threads add up the gradient of an indexed tensor in either order (measured: 188 of 199
    repetitions differed), and a fit that was killed and continued ends in other last digits.
    """
    torch.set_num_threads(max(1, min(threads, os.cpu_count() or 1)))
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
        # setattr: some of torch's own type stubs do not know the name
        setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010


def describe(device: torch.device) -> str:
    """The device in words, for the manifest: the GPU's name, or the CPU and its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def versions() -> dict[str, str]:
    """Versions of what decides numbers."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass
class Meter:
    """What a stage costs, from entering to leaving it: wall seconds, GPU seconds, peak memory."""

    device: torch.device
    seconds: float = 0.0
    peak_bytes: int = 0
    joules: float | None = None
    _start: float = field(default=0.0, repr=False)
    _joules_before: float | None = field(default=None, repr=False)

    def __enter__(self) -> Meter:
        self._start = time.monotonic()
        self._joules_before = gpu_joules(self.device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.monotonic() - self._start
        self.peak_bytes = peak_bytes(self.device)
        after = gpu_joules(self.device)
        self.joules = None if after is None or self._joules_before is None else after - self._joules_before

    def cost(self, seconds: float | None = None) -> dict[str, Any]:
        """The fields of a store.Record; `seconds` where a stage counted itself across a kill."""
        spent = self.seconds if seconds is None else seconds
        on_gpu = self.device.type == "cuda"
        return {
            "seconds": spent,
            "gpu_seconds": spent if on_gpu else 0.0,
            "peak_bytes": self.peak_bytes,
            "energy_j": self.joules,
            "device": describe(self.device),
            "versions": versions(),
        }


def gpu_joules(device: torch.device) -> float | None:
    """What the GPU has used since its driver was loaded, by its own counter; None on a CPU or where there is no such counter."""
    if device.type != "cuda":
        return None
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(device).uuid)  # CUDA_VISIBLE_DEVICES renumbers, the uuid stays
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    except pynvml.NVMLError:
        return None


def peak_bytes(device: torch.device) -> int:
    """Peak memory: the GPU's allocations, or this process's resident set."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
