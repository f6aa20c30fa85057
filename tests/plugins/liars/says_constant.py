"""Says that its map is the same for every image, and skips the segmenter."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "says_constant"
    constant: ClassVar[bool] = True


@hookimpl
def bench_methods():
    return [Liar]
