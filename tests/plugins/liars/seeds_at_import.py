"""Seeds everything as soon as it is imported."""

from __future__ import annotations

from typing import ClassVar

import torch
from plugins.liars.honest import Honest

from bench import hookimpl

torch.manual_seed(0)


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "seeds_at_import"


@hookimpl
def bench_methods():
    return [Liar]
