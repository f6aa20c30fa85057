"""The learning curves of history.csv as pictures: one panel for each stage and quantity."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PANEL_HEIGHT, GAP, MARGIN = 130, 16, 48
"""Pixels; the margin holds the numbers left of a panel."""
FINE = 2
"""Panels are drawn so many times larger and made smaller, for smooth lines."""
INK, FAINT, GRID, LINE = (20, 20, 20), (110, 110, 110), (225, 225, 225), (0, 90, 160)
COLUMNS = 3

Point = tuple[float, float]


def read_curves(file: Path) -> dict[tuple[str, str], list[Point]]:
    """The points (epoch, value) of each curve (stage, name) of a history.csv, numbers only; none where there is no file."""
    found: dict[tuple[str, str], list[Point]] = {}
    if not file.exists():
        return found
    with file.open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            point = _point(line)
            if point is not None:
                found.setdefault((line["stage"], line["name"]), []).append(point)
    return found


def curves(file: Path, names: Mapping[str, str], width: int) -> Iterator[Image.Image]:
    """Rows of panels, `width` pixels wide; `names`: what a stage is called, else by its kind."""
    panels = [
        panel(f"{names.get(stage, stage.partition('-')[0])}: {name}", points, (width - (COLUMNS - 1) * GAP) // COLUMNS)
        for (stage, name), points in read_curves(file).items()
    ]
    for start in range(0, len(panels), COLUMNS):
        row = Image.new("RGB", (width, PANEL_HEIGHT), "white")
        for column, one in enumerate(panels[start : start + COLUMNS]):
            row.paste(one, (column * (one.width + GAP), 0))
        yield row


def panel(title: str, points: Sequence[Point], width: int) -> Image.Image:
    """One curve with its title, the range of its values, and its epochs."""
    sheet = Image.new("RGB", (width * FINE, PANEL_HEIGHT * FINE), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11 * FINE)
    box = (MARGIN * FINE, 24 * FINE, (width - 8) * FINE, (PANEL_HEIGHT - 22) * FINE)
    pen.text((0, 2 * FINE), title, INK, font)
    pen.rectangle(box, outline=GRID, width=FINE)
    (first, last), (low, high) = _range([x for x, _ in points]), _range([y for _, y in points])
    at = [(_between(x, first, last, box[0], box[2]), _between(y, low, high, box[3], box[1])) for x, y in points]
    pen.line(at, LINE, 2 * FINE)
    for x, y in at if len(at) < 40 else at[-1:]:
        pen.ellipse((x - 2 * FINE, y - 2 * FINE, x + 2 * FINE, y + 2 * FINE), LINE)
    for value, y in ((high, box[1]), (low, box[3])):
        pen.text((box[0] - 5 * FINE, y), f"{value:.3g}", FAINT, font, anchor="rm")
    for value, x, anchor in ((first, box[0], "la"), (last, box[2], "ra")):
        pen.text((x, box[3] + 4 * FINE), f"{value:.0f}", FAINT, font, anchor=anchor)
    return sheet.resize((width, PANEL_HEIGHT), Image.Resampling.LANCZOS)


def _point(line: Mapping[str, str]) -> Point | None:
    try:
        point = float(line["epoch"]), float(line["value"])
    except (KeyError, TypeError, ValueError):
        return None
    return point if all(map(math.isfinite, point)) else None


def _range(values: Sequence[float]) -> Point:
    return min(values), max(values)


def _between(value: float, low: float, high: float, start: int, end: int) -> float:
    """Where a value lies between two pixels; in the middle where all values are the same."""
    share = (value - low) / (high - low) if high > low else 0.5
    return start + share * (end - start)
