"""Has a setting that is another one in another process."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest
from pydantic import Field

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "not_json"
    table: dict[int | str, float] = Field({1: 0.5}, description="weight of each class")


@hookimpl
def bench_methods():
    return [Liar]
