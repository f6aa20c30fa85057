"""What `bench attribution` prints: one table for each method and rule, and the sentence on whether the U-Net is above its own maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.tables import ASCII_BOX
from bench.statistics.pairs import NOT_ENOUGH, Comparison, Interval

MAPS, PROXIES, WORSE, TRUE = "nothing: the maps (init)", "its proxies", "masks degraded by", "true masks"
"""What the lines are called."""
TOLERANCE = 0.006
"""Of a degraded mask's Dice: 0.005 of its own search, and the rounding of what was asked for."""


@dataclass(frozen=True)
class Line:
    """What a U-Net was trained on, and what came of it. Dice in 0 to 1."""

    trained_on: str
    targets_dice: float | None
    """of what it was trained on against the true masks; None for the maps themselves"""
    seeds: int
    dice: Interval
    """of the test images, mean over images and seeds"""
    over_proxies: Comparison | None
    """against the U-Net that was trained on proxies; None for that one"""


@dataclass(frozen=True)
class Report:
    """The attribution of one method under one rule."""

    dataset: str
    protocol: str
    method: str
    settings: str
    rule: str
    images: int
    clusters: int
    masks_eval: int
    """masks that the Dice of the proxies was measured with; they trained nothing of the method"""
    lines: Sequence[Line]
    over_init: Comparison
    """the U-Net on proxies against the method's own maps"""

    def to_json(self) -> dict[str, Any]:
        """Plain values; fractions in 0 to 1."""
        return {**asdict(self), "verdict": verdict(self.over_init)}


def verdict(over_init: Comparison) -> str:
    """One sentence: is the U-Net above the maps whose proxies it was trained on?"""
    points = f"{100 * over_init.difference:+.2f} points"
    if over_init.low is None or over_init.high is None:
        return f"whether the U-Net is above its own init cannot be said: {points}, {NOT_ENOUGH} for an interval"
    found = f"{points} ({_range(over_init.low, over_init.high)})"
    if over_init.low > 0:
        return f"the U-Net is above its own init: {found}"
    if over_init.high < 0:
        return f"the U-Net is below its own init: {found}"
    return f"whether the U-Net is above its own init is undecided: {found}"


def unlike(report: Report) -> list[str]:
    """A sentence for each degraded line whose masks are not as wrong as the proxies: some errors cannot take that much."""
    dice = {line.trained_on: line.targets_dice for line in report.lines if line.targets_dice is not None}
    wanted = dice[PROXIES]
    return [
        f"{words} have a Dice of {100 * reached:.2f}, not of {100 * wanted:.2f} as the proxies; this line is no like with like"
        for words, reached in dice.items()
        if words.startswith(WORSE) and abs(reached - wanted) > TOLERANCE
    ]


def show(report: Report, console: Console) -> None:
    """Print the table and the sentence."""
    dot = "-" if console.options.ascii_only else "·"
    row = f"{report.method}{f' ({report.settings})' if report.settings else ''}, rule {report.rule}"
    size = f"{report.images} test images, {report.clusters} independent"
    console.print(Text(f"{row} {dot} {report.dataset} {dot} protocol {report.protocol} {dot} {size}"))
    console.print(_table(report, console))
    for sentence in (*unlike(report), verdict(report.over_init)):
        console.print(Text(sentence))
    console.print(
        Text(f"masks that measured the proxies: {report.masks_eval} (evaluation; the method saw none of them)")
    )


def _table(report: Report, console: Console) -> Table:
    table = Table(
        box=ASCII_BOX if console.options.ascii_only else box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    table.add_column("the U-Net was trained on", overflow="fold")
    for heading in ("their\nDice", "test\nDice", "95 %\ninterval", "over the U-Net\non proxies"):
        table.add_column(heading, justify="right", vertical="top")
    for line in report.lines:
        own = "" if line.targets_dice is None else f"{100 * line.targets_dice:.2f}"
        interval = _range(line.dice.low, line.dice.high)
        table.add_row(*map(Text, (line.trained_on, own, f"{100 * line.dice.value:.2f}", interval, _over(line))))
    return table


def _over(line: Line) -> str:
    found = line.over_proxies
    if found is None:
        return ""
    interval = f" ({_range(found.low, found.high)})" if found.enough else ""
    return f"{100 * found.difference:+.2f}{interval}"


def _range(low: float | None, high: float | None) -> str:
    return NOT_ENOUGH if low is None or high is None else f"{100 * low:.2f} to {100 * high:.2f}"
