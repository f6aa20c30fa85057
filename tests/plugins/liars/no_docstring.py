"""Says nothing of itself."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    name: ClassVar[str] = "no_docstring"


@hookimpl
def bench_methods():
    return [Liar]
