"""The upper bound: the same segmenter, trained on masks that people drew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from bench.api import MaskMethod
from bench.hookspecs import hookimpl


class FullSupervision(MaskMethod):
    """Trains the segmenter on true masks, all or the first N."""

    name: ClassVar[str] = "full_supervision"
    paper: ClassVar[str] = "the upper bound of Adiga et al., 2020"


@hookimpl
def bench_methods() -> Iterable[type[MaskMethod]]:
    """Full supervision."""
    return (FullSupervision,)
