"""Figures with a line or a dot for each row of a table: letters, difference to the strongest floor, cost against Dice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.leaderboard.page.axes import Axis, around, frame, vertical
from bench.leaderboard.page.gathered import Table, named
from bench.leaderboard.page.shapes import Dot, Figure, Words, line, shortened
from bench.results.columns import ROLES

WIDTH, NAMES, LINE, TOP, BOTTOM = 720.0, 232.0, 20.0, 46.0, 44.0
"""Units: the sheet, the column of names, a row, and the room above and below."""
INK = {"method": "s0", "floor": "s6", "control": "s4", "full": "s2"}
"""Of each role."""
WORDS = {"method": "method", "floor": "floor", "control": "control", "full": "trained on masks"}

Row = Mapping[str, Any]


def letters(table: Table) -> Figure | None:
    """Test U-Net with intervals, best first; a vertical bar for each letter joins the rows that are not told apart. Hollow: not ranked."""
    rows = best_first(table, "test_unet")
    if not rows:
        return None
    names = sorted({letter for row in rows for letter in _letters(row)})
    figure = _sheet(
        "Letters",
        table,
        len(rows),
        f"{len(rows)} rows by test U-Net Dice in %; rows that share a letter are not told apart.",
    )
    axis = around(_ends(rows, "test_unet"), NAMES + 12, WIDTH - 30 - 13 * len(names), least=5)
    vertical(figure, axis, TOP, _foot(rows), "test U-Net, Dice in %, 95 % interval")
    for number, row in enumerate(rows):
        _line(figure, axis, number, row, table.name(row), "test_unet")
    for column, letter in enumerate(names):
        _bar(figure, axis.end + 18 + 13 * column, letter, [n for n, row in enumerate(rows) if letter in _letters(row)])
    legend(figure, rows, figure.height - 6)
    return figure


def floors(table: Table) -> Figure | None:
    """Test U-Net minus the strongest floor without masks, with intervals: right of the line is above the floor."""
    rows = best_first(table, "over_floor")
    if not rows:
        return None
    best = rows[0]["floor_best"]
    figure = _sheet("Over the strongest floor", table, len(rows), f"Test U-Net minus {best}, {len(rows)} rows.")
    axis = around([0.0, *_ends(rows, "over_floor")], NAMES + 12, WIDTH - 24)
    vertical(figure, axis, TOP, _foot(rows), f"test U-Net minus {best}, points of Dice, 95 % interval")
    figure.add(line(axis.at(0), TOP, axis.at(0), _foot(rows), "ink"))
    for number, row in enumerate(rows):
        _line(figure, axis, number, row, table.name(row), "over_floor")
    legend(figure, rows, figure.height - 6)
    return figure


def cost(table: Table) -> Figure | None:
    """Test U-Net against the seconds that a row took, on a logarithmic axis; hollow: not ranked."""
    rows = [row for row in best_first(table, "test_unet") if row["seconds"]]
    if not rows:
        return None
    figure = Figure(
        WIDTH, 380, f"Cost and Dice: {table.title}", f"{len(rows)} rows: seconds against test U-Net Dice in %."
    )
    title(figure, "Cost and Dice", table.title)
    x = around([row["seconds"] for row in rows], 56, WIDTH - 150, log=True)
    y = around([100 * row["test_unet"] for row in rows], 318, TOP + 14, least=5)
    frame(figure, x, y, "seconds for one seed (fit, maps, U-Net)", "test U-Net, Dice in %")
    for row in rows:
        figure.add(
            Dot((x.at(row["seconds"]), y.at(100 * row["test_unet"])), INK[row["role"]], hollow=not row["ranked"])
        )
    spots = [((x.at(row["seconds"]), y.at(100 * row["test_unet"])), table.name(row)) for row in rows[:40]]
    _labels(figure, spots)
    legend(figure, rows, figure.height - 6)
    return figure


def best_first(table: Table, column: str) -> list[Row]:
    """The measured rows that have a number in a column, the highest first; an oracle is no competitor."""
    there = [one.row for one in table.scored if one.row.get(column) is not None and one.row["rule"] != "oracle"]
    return sorted(there, key=lambda row: (-row[column], ROLES.index(row["role"]), named(row)))


def title(figure: Figure, words: str, where: str) -> None:
    """The heading of a figure."""
    figure.add(Words((8, 20), words, size=14, bold=True))
    figure.add(Words((figure.width - 8, 20), shortened(where, figure.width - 280), "faint", anchor="end"))


def legend(figure: Figure, rows: Iterable[Row], y: float) -> None:
    """What colours and hollow dots mean, of those that are there."""
    rows, x = list(rows), 12.0
    for role in (role for role in ROLES if any(row["role"] == role for row in rows)):
        figure.add(Dot((x, y - 4), INK[role]), Words((x + 9, y), WORDS[role], "faint", 11))
        x += 32 + 6.4 * len(WORDS[role])
    if any(not row["ranked"] for row in rows):
        figure.add(Dot((x, y - 4), "faint", hollow=True), Words((x + 9, y), "hollow: not ranked", "faint", 11))


def _sheet(words: str, table: Table, lines: int, description: str) -> Figure:
    figure = Figure(WIDTH, TOP + LINE * lines + BOTTOM + 22, f"{words}: {table.title}", description)
    title(figure, words, table.title)
    return figure


def _foot(rows: Sequence[Row]) -> float:
    return TOP + LINE * len(rows)


def _line(figure: Figure, axis: Axis, number: int, row: Row, name: str, column: str) -> None:
    """A row: its name, its interval, its dot, in %."""
    y, ink = TOP + LINE * (number + 0.5), INK[row["role"]]
    figure.add(Words((NAMES, y + 4), shortened(name, NAMES - 12), "ink" if row["ranked"] else "faint", anchor="end"))
    low, high = row[f"{column}_lo"], row[f"{column}_hi"]
    if low is not None and high is not None:
        figure.add(line(axis.at(100 * low), y, axis.at(100 * high), y, ink, 2))
    figure.add(Dot((axis.at(100 * row[column]), y), ink, hollow=not row["ranked"]))


def _bar(figure: Figure, x: float, letter: str, numbers: Sequence[int]) -> None:
    """A letter over a bar beside its rows; a dot where a row between them has not the letter."""
    ys = [TOP + LINE * (number + 0.5) for number in numbers]
    figure.add(Words((x, TOP - 4), letter, anchor="middle"), line(x, min(ys), x, max(ys), "faint", 1))
    for y in ys:
        figure.add(line(x, y - 7, x, y + 7, "ink", 3))


def _letters(row: Row) -> list[str]:
    """`abz1` -> a, b, z1."""
    found: list[str] = []
    for sign in row["tie_group"] or "":
        if sign.isdigit() and found:
            found[-1] += sign
        else:
            found.append(sign)
    return found


def _ends(rows: Sequence[Row], column: str) -> list[float]:
    """Every number of a column with the ends of its interval, in %."""
    found = (row[f"{column}{end}"] for row in rows for end in ("", "_lo", "_hi"))
    return [100 * value for value in found if value is not None]


def _labels(figure: Figure, spots: Sequence[tuple[tuple[float, float], str]]) -> None:
    """Names beside dots, each where no other name or dot is; one without room is left out (the table has it)."""
    taken = [(x - 5, y - 5, x + 5, y + 5) for (x, y), _ in spots]
    for (x, y), text in spots:
        short = shortened(text, 150, 11)
        wide = 6.2 * len(short)
        for left, base, anchor in (
            (x + 8, y + 4, "start"),
            (x - 8, y + 4, "end"),
            (x, y - 9, "middle"),
            (x, y + 17, "middle"),
        ):
            start = {"start": left, "end": left - wide, "middle": left - wide / 2}[anchor]
            box = (start, base - 10, start + wide, base + 2)
            if box[0] >= 56 and box[2] <= figure.width and not any(_overlap(box, other) for other in taken):
                figure.add(Words((left, base), short, "ink", 11, anchor))
                taken.append(box)
                break


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
