"""Says that it looks at no label: its row would say that it used none."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "hides_labels"
    reads_labels: ClassVar[bool] = False


@hookimpl
def bench_methods():
    return [Liar]
