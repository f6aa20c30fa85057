"""A figure as SVG: for the page, whose style sheet colours it, or a file of its own with its colours in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from bench.leaderboard.page.shapes import Area, Dot, Figure, Path, Point, Shape

INKS = {
    "paper": "#ffffff",
    "ink": "#1c1e21",
    "faint": "#5f656d",
    "grid": "#d9dce0",
    **{f"s{n}": colour for n, colour in enumerate(
        "#0b62a8 #b84a00 #00795a #a3427f #7a6a00 #5b3fb5 #5f656d #0e7490 #c2182b #3f7d20".split()
    )},
}  # fmt: skip
"""Colours of a figure on paper, each at least 4.5 to 1 against white but the grid; Okabe and Ito's hues, darkened."""
PAINT = (
    ".l{fill:none;stroke:currentColor}.f{fill:currentColor;stroke:none}.a{fill:currentColor;stroke:none;opacity:.16}"
)
CONTROL = dict.fromkeys((*range(32), *range(127, 160), 0xFFFE, 0xFFFF), " ")
"""Letters that XML does not have."""


def svg(figure: Figure, standalone: bool = False) -> str:
    """The text of an SVG element; `standalone`: a file with white paper, colours and a font."""
    size = f"0 0 {_n(figure.width)} {_n(figure.height)}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" role="img" font-size="12"'
    if standalone:
        head += f' width="{_n(figure.width)}" height="{_n(figure.height)}" font-family="Helvetica, Arial, sans-serif"'
    parts = [f"{head}>", f"<title>{_text(figure.title)}</title><desc>{_text(figure.description)}</desc>"]
    if standalone:
        parts.append(f"<style>{PAINT}{''.join(f'.{ink}{{color:{colour}}}' for ink, colour in INKS.items())}</style>")
        parts.append('<rect width="100%" height="100%" class="f paper"/>')
    return "".join([*parts, *map(_shape, figure.shapes), "</svg>"]) + ("\n" if standalone else "")


def _shape(shape: Shape) -> str:
    if isinstance(shape, Path):
        dash = ' stroke-dasharray="4 3"' if shape.dash else ""
        width = "" if shape.width == 1 else f' stroke-width="{_n(shape.width)}"'
        return f'<path class="l {shape.ink}" d="{_way(shape.points)}"{width}{dash}/>'
    if isinstance(shape, Area):
        return f'<path class="a {shape.ink}" d="{_way(shape.points)}z"/>'
    if isinstance(shape, Dot):
        kind = "l" if shape.hollow else "f"
        return (
            f'<circle class="{kind} {shape.ink}" cx="{_n(shape.at[0])}" cy="{_n(shape.at[1])}" r="{_n(shape.radius)}"/>'
        )
    anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
    look = ("" if shape.size == 12 else f' font-size="{shape.size}"') + (' font-weight="600"' if shape.bold else "")
    return f'<text class="f {shape.ink}" x="{_n(shape.at[0])}" y="{_n(shape.at[1])}"{anchor}{look}>{_text(shape.text)}</text>'


def _way(points: Sequence[Point]) -> str:
    return "M" + "L".join(_pairs(points))


def _pairs(points: Sequence[Point]) -> Iterator[str]:
    return (f"{_n(x)} {_n(y)}" for x, y in points)


def _text(text: str) -> str:
    return escape(text.translate(CONTROL))


def _n(value: float) -> str:
    """At most one digit after the point."""
    return f"{value:.1f}".removesuffix(".0")
