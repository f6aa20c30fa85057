"""What a plugin shares with everything else in its process: random generators, the folder it runs in, torch's defaults, standard output."""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch


class Part(NamedTuple):
    """Something global: its name in a sentence, how to read it, how to put it back."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


def _set_environment(values: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(values)


def _set_filters(filters: list[Any]) -> None:
    warnings.resetwarnings()  # tells the interpreter that they have changed
    warnings.filters.extend(filters)  # type: ignore[attr-defined]


def _set_deterministic(values: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(values[0], warn_only=values[1])


def _set_cudnn(values: tuple[bool, bool]) -> None:
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = values


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return (name, np.asarray(keys).tobytes(), *rest)


def _set_numpy_state(state: tuple[Any, ...]) -> None:
    name, keys, *rest = state
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))


GENERATORS = (
    Part("Python's random generator", random.getstate, random.setstate),
    Part("NumPy's random generator", _numpy_state, _set_numpy_state),
    Part(
        "torch's random generator",
        lambda: torch.get_rng_state().numpy().tobytes(),
        lambda state: torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
    ),
)
LIBRARIES = (
    Part("the environment variables", lambda: dict(os.environ), _set_environment),
    Part("sys.path", lambda: list(sys.path), lambda paths: sys.path.__setitem__(slice(None), paths)),
    Part("the warnings filters", lambda: list(warnings.filters), _set_filters),
)
"""What a library may change when it is imported."""
DEFAULTS = (
    Part("the working directory", os.getcwd, os.chdir),
    Part("NumPy's handling of errors", np.geterr, lambda kept: np.seterr(**kept)),
    Part("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Part("torch's default device", torch.get_default_device, torch.set_default_device),
    Part("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    Part("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Part(
        "torch's deterministic algorithms",
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        _set_deterministic,
    ),
    Part(
        "torch's matrix multiplication precision",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    Part(
        "torch's cuDNN flags",
        lambda: (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        _set_cudnn,
    ),
)
SETTINGS = (*LIBRARIES, *DEFAULTS)
AT_IMPORT = (*GENERATORS, *DEFAULTS)
EVERYTHING = (*GENERATORS, *SETTINGS)


@contextlib.contextmanager
def watched(parts: Sequence[Part] = EVERYTHING) -> Iterator[list[str]]:
    """Names in the list, after the block, what the block has changed (`changes torch's default dtype`), and puts it back.

    Standard output is always watched; what the block prints goes nowhere.
    """
    before = [part.read() for part in parts]
    said: list[str] = []
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            yield said
        finally:
            for part, old in zip(parts, before, strict=True):
                if part.read() != old:
                    part.write(old)
                    said.append(f"changes {part.name}")
            if printed.getvalue():
                said.append("prints to standard output")


def generators() -> dict[str, Any]:
    """The states of all random generators, by name."""
    return {part.name: part.read() for part in GENERATORS}
