"""Scales of figures: where a value lies, which values are written beside an axis, and a frame of two axes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

from bench.leaderboard.page.shapes import Figure, Words, line

TICKED = 2.6
"""Between values whose ratio is so large lies a 1, 2 or 5."""


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` between two places on the sheet; `log`: equal ratios take equal room."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value; what lies beyond an end is put there."""
        low, high, given = (log10(v) if self.log else v for v in (self.low, self.high, max(value, self.low)))
        return self.start + (self.end - self.start) * min(1.0, (given - low) / (high - low))

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the axis."""
        return _powers(self.low, self.high) if self.log else _steps(self.low, self.high, about)


def around(values: Iterable[float], start: float, end: float, least: float = 0.0, log: bool = False) -> Axis:
    """An axis with room around the values; linear ones are at least `least` wide and end on round values."""
    low, high = min(values := list(values), default=0.0), max(values, default=1.0)
    if log:
        low, high = max(low, 1e-6), max(high, 1e-6)
        pad = max(1.3, (TICKED * low / high) ** 0.5)
        return Axis(low / pad, high * pad, start, end, log=True)
    width = max(high - low, least)
    if width <= 1e-9 * max(abs(low), abs(high), 1e-9):
        width = max(1.0, 0.1 * abs(high))  # one value: any axis around it
    room, step = (width - (high - low)) / 2, _step(width, 5)
    return Axis(floor((low - room) / step + 1e-9) * step, ceil((high + room) / step - 1e-9) * step, start, end)


def frame(figure: Figure, x: Axis, y: Axis, x_title: str, y_title: str) -> None:
    """Grid, numbers and titles of two axes; values are written as they are."""
    for value in y.ticks():
        place = y.at(value)
        figure.add(
            line(x.start, place, x.end, place, "grid"),
            Words((x.start - 7, place + 4), number(value), "faint", anchor="end"),
        )
    vertical(figure, x, y.end, y.start, x_title)
    figure.add(Words((x.start - 7, y.end - 12), y_title, "faint", anchor="start" if x.start < 60 else "end"))


def vertical(figure: Figure, x: Axis, top: float, bottom: float, title: str) -> None:
    """Vertical lines of an axis with numbers and the title below."""
    for value in x.ticks():
        place = x.at(value)
        figure.add(
            line(place, top, place, bottom, "grid"),
            Words((place, bottom + 17), number(value), "faint", anchor="middle"),
        )
    figure.add(Words(((x.start + x.end) / 2, bottom + 35), title, "faint", anchor="middle"))


def number(value: float) -> str:
    """A number beside an axis.

    >>> number(12500.0), number(0.25), number(70.0)
    ('12,500', '0.25', '70')
    """
    return f"{value:,.0f}" if value >= 1000 else f"{value:.10g}"


def _step(room: float, about: int) -> float:
    rough = (room or 1.0) / about
    power = 10.0 ** floor(log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))


def _steps(low: float, high: float, about: int) -> list[float]:
    step = _step(high - low, about)
    first = ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, floor(high / step + 1e-9) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """1, 10, 100, ...; with 2 and 5 between them where those are few."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    few = [digit * 10.0**p for p in powers for digit in (1, 2, 5) if low <= digit * 10.0**p <= high]
    return few if len(few) <= 9 else [value for value in few if f"{value:e}".startswith("1.0")]
