"""A sheet of paper: text, strips of pictures, masks in colours, one below the other. Pillow and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from bench.api import Pixels
from bench.thresholds import IGNORED

TILE, GAP, LINE, LEADING = 176, 6, 18, 7
"""Pixels: the side of a picture, between two, the height of a line of text, between two lines."""
WIDTH = 5 * TILE + 4 * GAP
Colour = tuple[int, int, int]
Picture = Image.Image
Text = tuple[str, Colour, int]
"""Words, their colour, their height in pixels."""
PAPER: Colour = (255, 255, 255)
INK: Colour = (20, 20, 20)
FAINT: Colour = (110, 110, 110)
COLOURS = ((255, 255, 255), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))
"""Of a single foreground white; of several Okabe and Ito's colours, which most colour-blind people tell apart."""
GREY = (128, 128, 128)


def coloured(mask: Pixels, several: bool) -> Picture:
    """A mask (H, W) as a picture: black background, grey where it is ignored, a colour for each foreground."""
    palette = np.full((256, 3), GREY, np.uint8)
    palette[0] = 0
    for value in range(1, IGNORED):
        palette[value] = COLOURS[1 + (value - 1) % (len(COLOURS) - 1)] if several else COLOURS[0]
    return Image.fromarray(palette[mask])


def strip(caption: Text, tiles: Iterable[tuple[str, Picture]]) -> Picture:
    """A caption, and below it up to five pictures side by side, each with its title, in a square of its own."""
    heading = text([caption])
    sheet = Image.new("RGB", (WIDTH, heading.height + TILE + LINE), PAPER)
    sheet.paste(heading)
    for column, (title, picture) in enumerate(tiles):
        left = column * (TILE + GAP)
        sheet.paste(ImageOps.pad(picture, (TILE, TILE), color=PAPER), (left, heading.height))
        ImageDraw.Draw(sheet).text((left, heading.height + TILE + 1), title, FAINT, ImageFont.load_default(12))
    return sheet


def text(lines: Sequence[Text]) -> Picture:
    """Lines of text, one below the other."""
    sheet = Image.new("RGB", (WIDTH, sum(size + LEADING for *_, size in lines) + 4), PAPER)
    top = 3
    for words, colour, size in lines:
        ImageDraw.Draw(sheet).text((0, top), words, colour, ImageFont.load_default(size))
        top += size + LEADING
    return sheet


def below(parts: Sequence[Picture]) -> Picture:
    """Pictures one below the other, with a margin."""
    sheet = Image.new(
        "RGB", (max(p.width for p in parts) + 2 * LINE, sum(p.height + GAP for p in parts) + 2 * LINE), PAPER
    )
    top = LINE
    for part in parts:
        sheet.paste(part, (LINE, top))
        top += part.height + GAP
    return sheet
