"""`python tests/generate_example.py DEMO` writes docs/example/table.svg from the runs that `bench demo --out DEMO` made."""

from __future__ import annotations

import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from bench.results.collected import collect
from bench.results.tables import show

FILE = Path(__file__).resolve().parent.parent / "docs" / "example" / "table.svg"
WIDTH = 118
FONTS = re.compile(r" *@font-face \{.*?\}\n", re.DOTALL)
"""What the picture would fetch; without it the reader's own monospace is taken."""


def table(runs: Path) -> str:
    """The table of the runs as an SVG. The same runs give the same text."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, highlight=False)
    show(collect(runs), console)
    picture = FONTS.sub("", console.export_svg(title="bench demo", theme=DIMMED_MONOKAI, unique_id="table"))
    return re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(table(Path(sys.argv[1])), encoding="utf-8")
    print(FILE)
