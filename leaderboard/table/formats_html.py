"""Tables as one HTML file that needs nothing else: no script, no picture, no address."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.results.visible import visible
from bench.runs.sheets import Sheet

TEMPLATE = Path(__file__).with_name("table.html")


def html(sheets: Sequence[Sheet]) -> str:
    """The page; Jinja2 escapes whatever it prints."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = visible
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(sheets=sheets) + "\n"
