"""A figure as shapes on a sheet: what leaderboard.svg writes as text and leaderboard.png as pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from unicodedata import east_asian_width

Point = tuple[float, float]

RULE = " · "
"""What stands before the rule in the name of a row."""
SERIES = 10
"""So many colours are told apart; a longer list begins again."""


@dataclass(frozen=True)
class Path:
    """A line through points; `dash` for what is read off rather than measured."""

    points: Sequence[Point]
    ink: str = "ink"
    width: float = 1.0
    dash: bool = False


@dataclass(frozen=True)
class Area:
    """A pale region."""

    points: Sequence[Point]
    ink: str


@dataclass(frozen=True)
class Dot:
    """A point; hollow for what is not ranked."""

    at: Point
    ink: str = "ink"
    radius: float = 4.0
    hollow: bool = False


@dataclass(frozen=True)
class Words:
    """Text on a line; `at` is the left, middle or right end of its base line, as `anchor` (start, middle, end) says."""

    at: Point
    text: str
    ink: str = "ink"
    size: int = 12
    anchor: str = "start"
    bold: bool = False


Shape = Path | Area | Dot | Words


@dataclass
class Figure:
    """Shapes on a sheet of `width` x `height` units, with the words that stand for it where it cannot be seen."""

    width: float
    height: float
    title: str
    description: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Draw on top of what is there."""
        self.shapes.extend(shapes)


def series(number: int) -> str:
    """The ink of the n-th curve."""
    return f"s{number % SERIES}"


def line(x1: float, y1: float, x2: float, y2: float, ink: str = "ink", width: float = 1.0, dash: bool = False) -> Path:
    """A straight line."""
    return Path(((x1, y1), (x2, y2)), ink, width, dash)


def shortened(text: str, room: float, size: int = 12) -> str:
    """A text that takes no more than `room` units at a size, with dots where it was cut; the rule at its end stays.

    >>> shortened("reconstruction", 60), shortened("otsu", 60), shortened("reconstruction · fixed", 110)
    ('reconst…', 'otsu', 'reconst… · fixed')
    """
    if _wide(text, size) <= room:
        return text
    kept, dot, rule = text.partition(RULE)
    room -= _wide(dot + rule, size)
    while kept and _wide(kept, size) > room - 0.6 * size:
        kept = kept[:-1]
    return f"{kept}…{dot}{rule}"


def _wide(text: str, size: int) -> float:
    """About how wide a text is: full-width letters take a square."""
    return sum(1.0 if east_asian_width(letter) in "WF" else 0.56 for letter in text) * size
