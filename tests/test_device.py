"""The device that was asked for and no other, and what a stage costs on it."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import pytest
import torch

from bench import MachineError
from bench.device import Meter, describe, gpu_joules, pick, settle, versions


def test_auto_takes_what_is_there_and_a_named_device_is_never_replaced(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert pick("auto") == pick("cpu") == torch.device("cpu")
    with pytest.raises(MachineError, match="there is no device cuda: torch sees 0 GPUs"):
        pick("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick("auto") == torch.device("cuda")
    assert pick("cuda:1") == torch.device("cuda:1")
    with pytest.raises(MachineError, match="cuda:2"):
        pick("cuda:2")


def test_a_meter_takes_the_time_and_the_memory():
    with Meter(torch.device("cpu")) as meter:
        time.sleep(0.05)
    cost = meter.cost()
    assert 0.05 <= cost["seconds"] < 5
    assert cost["gpu_seconds"] == 0
    assert cost["energy_j"] is None
    assert cost["peak_bytes"] > 50_000_000  # torch alone takes more
    assert meter.cost(seconds=7.0)["seconds"] == 7.0


def test_energy_is_the_difference_of_the_gpus_own_counter(monkeypatch):
    counter = iter([1_000_000, 1_250_000])
    fake = SimpleNamespace(
        NVMLError=OSError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(counter) if handle == "GPU-0a1b" else None,
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="0a1b"))
    first, second = (gpu_joules(torch.device("cuda")) for _ in range(2))
    assert second - first == 250.0


def indexed_gradient():
    """What paper 1's loss does to embeddings: rows are taken by number, many times over."""
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(32, 128, generator=draw, requires_grad=True)
    taken = rows[torch.randint(32, (256,), generator=draw)]
    (taken * torch.randn(256, 128, generator=draw)).sum().backward()
    return rows.grad


@pytest.fixture
def as_before():
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def test_two_threads_give_the_same_bits_again_and_again(as_before):
    settle(2, torch.device("cpu"))
    first = indexed_gradient()
    assert all(torch.equal(first, indexed_gradient()) for _ in range(100))


def test_a_gpu_is_left_as_fast_as_it_is(as_before):
    torch.use_deterministic_algorithms(False)
    settle(1, torch.device("cuda"))
    assert not torch.are_deterministic_algorithms_enabled()


def test_threads_and_versions_are_recorded(as_before):
    settle(1, torch.device("cpu"))
    assert describe(torch.device("cpu")) == "cpu, 1 threads"
    assert versions()["torch"] == torch.__version__.partition("+")[0] or versions()["torch"] == torch.__version__
