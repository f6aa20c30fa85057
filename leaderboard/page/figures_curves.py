"""Figures with curves: Dice against the threshold, break-even, label budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.leaderboard.page.axes import Axis, around, frame
from bench.leaderboard.page.figures_rows import TOP, WIDTH, Row, best_first, title
from bench.leaderboard.page.gathered import Table, named
from bench.leaderboard.page.shapes import SERIES, Area, Dot, Figure, Path, Words, line, series, shortened
from bench.leaderboard.page.threshold_curves import ThresholdCurve, threshold_curves
from bench.worth.break_even import FEWEST, REFERENCE, points
from bench.worth.label_budget import BudgetCurve, label_budget

HEIGHT, LEFT, RIGHT, FOOT = 400.0, 56.0, WIDTH - 216, 340.0
MOST = SERIES
"""Curves in one figure; more cannot be told apart."""


def thresholds(table: Table) -> Figure | None:
    """Mean test Dice of a method's maps at every threshold; marked: fixed, chosen on val, the oracle's, and Otsu's rule as a line."""
    curves = threshold_curves(table)[:MOST]
    if not curves:
        return None
    figure = _sheet(
        "Dice against the threshold",
        table.title,
        f"{len(curves)} methods: mean test Dice in % of their maps cut at T from 0 to 1.",
    )
    y = around([0.0, *(100 * d for curve in curves for d in curve.dice)], FOOT, TOP + 14)
    x = Axis(0, 1, LEFT, RIGHT)
    frame(figure, x, y, "threshold T", "Dice of the maps in %")
    for number, curve in enumerate(curves):
        _threshold_curve(figure, x, y, curve, series(number))
    _names(figure, [curve.name for curve in curves])
    _key(figure, figure.height - 6)
    return figure


def _key(figure: Figure, y: float) -> None:
    """What the marks on a threshold curve mean."""
    figure.add(Dot((LEFT + 4, y - 4), "faint"), Words((LEFT + 13, y), "fixed T", "faint", 11))
    figure.add(Dot((LEFT + 74, y - 4), "faint", hollow=True), Words((LEFT + 83, y), "chosen on val", "faint", 11))
    figure.add(*_cross(LEFT + 180, y - 4, "faint"), Words((LEFT + 190, y), "oracle", "faint", 11))
    figure.add(
        line(LEFT + 240, y - 4, LEFT + 262, y - 4, "faint", 1, dash=True),
        Words((LEFT + 268, y), "Otsu's rule", "faint", 11),
    )


def _cross(x: float, y: float, ink: str) -> tuple[Path, Path]:
    return line(x - 5, y - 5, x + 5, y + 5, ink, 1.6), line(x - 5, y + 5, x + 5, y - 5, ink, 1.6)


def _threshold_curve(figure: Figure, x: Axis, y: Axis, curve: ThresholdCurve, ink: str) -> None:
    figure.add(Path([(x.at(j / 256), y.at(100 * d)) for j, d in enumerate(curve.dice)], ink, 1.6))
    if curve.otsu is not None:
        place = y.at(100 * curve.otsu)
        figure.add(line(x.start, place, x.end, place, ink, 1, dash=True))
    figure.add(Dot((x.at(curve.fixed), y.at(100 * curve.at(curve.fixed))), ink))
    if curve.val is not None:
        figure.add(Dot((x.at(curve.val), y.at(100 * curve.at(curve.val))), ink, hollow=True))
    figure.add(*_cross(x.at(curve.oracle), y.at(100 * curve.at(curve.oracle)), ink))


def break_even(table: Table) -> Figure | None:
    """Full supervision by number of masks (mean and spread of its draws), and where methods cross it, with the interval of the crossing."""
    found = {
        int(one.row["masks_train"]): one.cells["test_unet"].scores.values
        for one in table.scored
        if one.row["method"] == REFERENCE and one.row["masks_train"] and "test_unet" in one.cells
    }
    if len(found) < FEWEST:
        return None
    curve = points(found)
    rows = [row for row in best_first(table, "test_unet") if row["method"] != REFERENCE][:MOST]
    figure = _sheet(
        "Break-even",
        table.title,
        f"Full supervision with {curve[0].masks} to {curve[-1].masks} masks, and {len(rows)} rows beside it.",
    )
    x = around([float(point.masks) for point in curve], LEFT, RIGHT, log=True)
    y = around(
        [100 * value for value in (*(p.dice for p in curve), *(row["test_unet"] for row in rows))], FOOT, TOP + 14
    )
    frame(figure, x, y, "masks that full supervision is trained on", "test U-Net, Dice in %")
    spread = [
        (x.at(p.masks), y.at(100 * (p.dice + sign * (p.sd or 0))))
        for sign, order in ((1, curve), (-1, curve[::-1]))
        for p in order
    ]
    figure.add(Area(spread, "ink"), Path([(x.at(p.masks), y.at(100 * p.dice)) for p in curve], "ink", 1.8))
    figure.add(*(Dot((x.at(p.masks), y.at(100 * p.dice)), "ink", 3) for p in curve))
    for number, row in enumerate(rows):
        _crossing(figure, x, y.at(100 * row["test_unet"]), row, series(number))
    _names(figure, [table.name(row) for row in rows])
    return figure


def _crossing(figure: Figure, x: Axis, y: float, row: Row, ink: str) -> None:
    """A method's Dice as a line, the interval of the masks that it is worth as a thick part; an open end runs to the axis' end."""
    figure.add(line(x.start, y, x.end, y, ink, 1, dash=True))
    point, low, high = (row[f"break_even{end}"] for end in ("", "_lo", "_hi"))
    if low is not None or high is not None:
        figure.add(line(x.start if low is None else x.at(low), y, x.end if high is None else x.at(high), y, ink, 4))
    if point is not None:
        figure.add(Dot((x.at(point), y), ink))


def labels(table: Table, tables: Sequence[Table]) -> Figure | None:
    """Test Dice against the number of image labels: rows of protocols that differ only in `weak_images`; whiskers: spread over seeds."""
    same = [each for each in tables if each.dataset == table.dataset]
    if table is not same[0]:
        return None  # one figure for all budgets of a data set
    rows = [one.row for each in same for one in each.scored]
    curves = [curve for curve in label_budget(rows) if any(_height(p) is not None for p in curve.points)][:MOST]
    if not curves:
        return None
    figure = _sheet(
        "Label budget", table.dataset, f"{len(curves)} methods: test Dice in % against the number of image labels."
    )
    there = [point for curve in curves for point in curve.points]
    x = around([float(point.labels) for point in there], LEFT, RIGHT, log=True)
    y = around([100 * d for point in there if (d := _height(point)) is not None], FOOT, TOP + 14, least=5)
    frame(figure, x, y, "image labels", "test Dice in %")
    for number, curve in enumerate(curves):
        _budget(figure, x, y, curve, series(number))
    _names(figure, [named(curve.row) for curve in curves])
    return figure


def _budget(figure: Figure, x: Axis, y: Axis, curve: BudgetCurve, ink: str) -> None:
    there = [(point, dice) for point in curve.points if (dice := _height(point)) is not None]
    figure.add(Path([(x.at(point.labels), y.at(100 * dice)) for point, dice in there], ink, 1.8))
    for point, dice in there:
        place, sd = x.at(point.labels), point.init_sd if point.unet is None else point.unet_sd
        figure.add(Dot((place, y.at(100 * dice)), ink, 3.5))
        if sd is not None:
            figure.add(line(place, y.at(100 * (dice - sd)), place, y.at(100 * (dice + sd)), ink))


def _height(point: Any) -> float | None:
    """The U-Net's Dice, or the maps' own where nothing was trained on them."""
    found: float | None = point.init if point.unet is None else point.unet
    return found


def _sheet(words: str, where: str, description: str) -> Figure:
    figure = Figure(WIDTH, HEIGHT, f"{words}: {where}", description)
    title(figure, words, where)
    return figure


def _names(figure: Figure, names: Sequence[str]) -> None:
    """The names of the curves beside the frame, each with its colour."""
    for number, name in enumerate(names):
        y = TOP + 18 + 19 * number
        figure.add(line(RIGHT + 16, y - 4, RIGHT + 32, y - 4, series(number), 3))
        figure.add(Words((RIGHT + 38, y), shortened(name, WIDTH - RIGHT - 46)))
