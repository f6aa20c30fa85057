"""Says that its maps are decisions."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "says_binary"
    binary: ClassVar[bool] = True


@hookimpl
def bench_methods():
    return [Liar]
