"""What `bench break-even` prints: masks worth by method and rule, and the curves that they were read off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.tables import ASCII_BOX
from bench.statistics.masks_worth import MasksWorth
from bench.statistics.pairs import NOT_ENOUGH
from bench.worth.break_even import Point, columns


@dataclass(frozen=True)
class Curve:
    """Full supervision by number of masks."""

    name: str
    protocol: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Answer:
    """One row: what a method under a rule is worth, against each curve in turn. Dice in 0 to 1, of the test images."""

    method: str
    settings: str
    rule: str
    stage: str
    """unet, or init where no U-Net is trained on maps that never change"""
    seeds: int
    dice: float
    worth: Sequence[MasksWorth | None]


@dataclass(frozen=True)
class Report:
    """Everything that was found out."""

    dataset: str
    protocol: str
    images: int
    clusters: int
    curves: Sequence[Curve]
    answers: Sequence[Answer]

    def to_json(self) -> dict[str, Any]:
        """One document; fractions in 0 to 1, None where a number is off the curve or nothing was measured."""
        whole = asdict(self)
        whole["curves"] = [{**asdict(c), "points": [p._asdict() for p in c.points]} for c in self.curves]
        whole["answers"] = [{**asdict(a), "worth": list(self._worth(a))} for a in self.answers]
        return whole

    def _worth(self, answer: Answer) -> Any:
        for curve, found in zip(self.curves, answer.worth, strict=True):
            yield {
                "curve": curve.name,
                "protocol": curve.protocol,
                "text": text_of(found),
                **columns(found, [p.masks for p in curve.points]),
            }


def text_of(found: MasksWorth | None) -> str:
    """`14 masks (7 to 30)`, or that there is not enough data."""
    return NOT_ENOUGH if found is None else found.text


def show(report: Report, console: Console) -> None:
    """Print both tables."""
    dot = "-" if console.options.ascii_only else "·"
    size = f"{report.images} test images, {report.clusters} independent"
    console.print(Text(f"{report.dataset} {dot} protocol {report.protocol} {dot} {size}"))
    console.print(answers_table(report, console))
    console.print(curves_table(report, console))
    for curve in report.curves:
        console.print(Text(f"{curve.name}: full supervision, protocol {curve.protocol}"))


def answers_table(report: Report, console: Console) -> Table:
    """A line for each method and rule: Dice in %, and the masks that it is worth with the 95 % interval."""
    table = _table(console, "method", "rule", right=("test\nDice", "seeds"))
    for curve in report.curves:
        table.add_column(f"masks worth,\n{curve.name}", overflow="fold")
    for answer in report.answers:
        name = "\n  ".join([answer.method, *filter(None, answer.settings.split(","))])
        rule = answer.rule + (" (maps)" if answer.stage == "init" else "")
        texts = [text_of(found) for found in answer.worth]
        table.add_row(*map(Text, (name, rule, f"{100 * answer.dice:.2f}", str(answer.seeds), *texts)))
    return table


def curves_table(report: Report, console: Console) -> Table:
    """A line for each number of masks: Dice in % of full supervision, its spread over draws, and how many there were."""
    table = _table(console, right=("masks",))
    for curve in report.curves:
        table.add_column(f"test Dice,\n{curve.name}", justify="right")
        table.add_column("draws", justify="right", vertical="bottom")
    found = [{point.masks: point for point in curve.points} for curve in report.curves]
    for masks in sorted({masks for curve in found for masks in curve}):
        cells = [cell for curve in found for cell in _point(curve.get(masks), console)]
        table.add_row(str(masks), *map(Text, cells))
    return table


def _point(point: Point | None, console: Console) -> tuple[str, str]:
    if point is None:
        return "", ""
    spread = "" if point.sd is None else f" {'+-' if console.options.ascii_only else '±'}{100 * point.sd:.2f}"
    return f"{100 * point.dice:.2f}{spread}", str(point.draws)


def _table(console: Console, *left: str, right: Sequence[str]) -> Table:
    lines = ASCII_BOX if console.options.ascii_only else box.SIMPLE_HEAD
    table = Table(box=lines, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in left:
        table.add_column(heading, overflow="fold", min_width=8)
    for heading in right:
        table.add_column(heading, justify="right")
    return table
