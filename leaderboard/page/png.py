"""A figure as PNG, drawn by Pillow with the font that it brings: no library for SVG, the same pixels everywhere."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageColor, ImageDraw, ImageFont

from bench.leaderboard.page.shapes import Area, Dot, Figure, Path, Point, Shape
from bench.leaderboard.page.svg import CONTROL, INKS

SCALE, FINE = 3, 2
"""Pixels for a unit of the figure; drawn so many times larger and made smaller, for smooth lines."""
DPI = 96 * SCALE
PALE = 0.16
ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
DASH, SPACE = 4.0, 3.0

Colour = tuple[int, ...]


def png(figure: Figure) -> bytes:
    """The bytes of a PNG, three pixels for a unit; the font has Latin, Greek and Cyrillic letters (SVG has all of them)."""
    size = round(figure.width * SCALE), round(figure.height * SCALE)
    sheet = Image.new("RGB", (size[0] * FINE, size[1] * FINE), INKS["paper"])
    pen = ImageDraw.Draw(sheet)
    for shape in figure.shapes:
        _draw(pen, shape, SCALE * FINE)
    file = BytesIO()
    sheet.resize(size, Image.Resampling.BOX).save(file, format="PNG", dpi=(DPI, DPI), optimize=True)
    return file.getvalue()


def _draw(pen: ImageDraw.ImageDraw, shape: Shape, by: int) -> None:
    if isinstance(shape, Path):
        points = [(x * by, y * by) for x, y in shape.points]
        for part in _dashes(points, by) if shape.dash else [points]:
            pen.line(part, INKS[shape.ink], max(1, round(shape.width * by)), joint="curve")
    elif isinstance(shape, Area):
        pen.polygon([(x * by, y * by) for x, y in shape.points], _pale(shape.ink))
    elif isinstance(shape, Dot):
        (x, y), radius = shape.at, shape.radius
        box = [(x - radius) * by, (y - radius) * by, (x + radius) * by, (y + radius) * by]
        pen.ellipse(box, INKS["paper" if shape.hollow else shape.ink], INKS[shape.ink], round(1.2 * by))
    else:
        at, font = (shape.at[0] * by, shape.at[1] * by), ImageFont.load_default(shape.size * by)
        weight = by // 4 if shape.bold else 0
        text = shape.text.translate(CONTROL)
        pen.text(at, text, INKS[shape.ink], font, ANCHORS[shape.anchor], stroke_width=weight)


def _pale(ink: str) -> Colour:
    """An ink as it looks through an area, over paper."""
    return tuple(round(255 - PALE * (255 - part)) for part in ImageColor.getrgb(INKS[ink]))


def _dashes(points: list[Point], by: int) -> list[list[Point]]:
    """The parts of a line that are drawn."""
    found = []
    for (x1, y1), (x2, y2) in pairwise(points):
        length = max(1e-9, ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5)
        start = 0.0
        while start < length:
            ends = start / length, min(1.0, (start + DASH * by) / length)
            found.append([(x1 + share * (x2 - x1), y1 + share * (y2 - y1)) for share in ends])
            start += (DASH + SPACE) * by
    return found
