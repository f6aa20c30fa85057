"""Pictures as data URLs: strips of small squares, so that a page holds few files and a browser opens each once."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

SIDE = 128
"""Pixels: the longer side of a picture."""
QUALITY = 82
"""Of photographs; maps and masks lose nothing."""


class Strips:
    """Pictures as data URLs, each strip once; a strip is named by its number."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self._known: dict[str, int] = {}

    def add(self, tiles: Sequence[Image.Image], mode: str, form: str) -> int:
        """Squares of SIDE pixels, one below the other, each picture in the corner of its own."""
        strip = Image.new(mode, (SIDE, SIDE * len(tiles)))
        for number, tile in enumerate(tiles):
            strip.paste(tile, (0, SIDE * number))
        file = BytesIO()
        strip.save(file, format=form, quality=QUALITY)
        url = f"data:image/{form.lower()};base64,{b64encode(file.getvalue()).decode()}"
        if url not in self._known:
            self._known[url] = len(self.urls)
            self.urls.append(url)
        return self._known[url]
