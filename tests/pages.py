"""Reading the pages for people: their blocks of code with the mark above each, their links and their headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, its text, and what the comment right above it says (`not run: REASON`)."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    @property
    def where(self) -> str:
        return f"{self.page.name}, line {self.line}"

    @property
    def commands(self) -> list[str]:
        """Shell lines without their comments; a line that ends in a backslash goes on in the next."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.partition("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(page, line, found["language"], found["text"], found["mark"] or "")


def links(page: Path) -> list[str]:
    """The targets of a page's links, without those inside code."""
    return _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """What `#...` can name in a page: its headings as a forge spells them."""
    text = re.sub(r"```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    slugs = [slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    seen = Counter[str]()
    found = set()
    for each in slugs:
        found.add(f"{each}-{seen[each]}" if seen[each] else each)
        seen[each] += 1
    return found


def slug(heading: str) -> str:
    """`## \\`bench run\\`` -> `bench-run`."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
