"""The page: one HTML file that asks nobody for anything. Tables are plain HTML; what unfolds is packed JSON that its own script reads."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from bench.leaderboard.page import figures
from bench.leaderboard.page.details import details, packed, points_for
from bench.leaderboard.page.gathered import Table, gather
from bench.leaderboard.page.opened import DataSets, Opened, publishable
from bench.leaderboard.page.rows import Shown, shown
from bench.leaderboard.page.strips import Strips
from bench.leaderboard.page.svg import svg
from bench.store import write_file

PAGE = "index.html"
ROWS_OF_FIGURES = 400
"""Of a page with more rows, figures stand in files (`bench leaderboard figure`), not in the page."""


@dataclass(frozen=True)
class Options:
    """What a page shows beside its tables: pictures that may not be published too, how many, and where the data lie."""

    private: bool = False
    images: int = 16
    roots: Mapping[str | None, Path] = field(default_factory=dict)


def write_page(runs: Path, folder: Path, options: Options) -> list[str]:
    """Write index.html into a folder, whole or not at all; returns sentences on what is not on it. DataError without a finished run."""
    text, remarks = page(runs, options)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / PAGE, lambda file: file.write_bytes(text.encode()))
    return remarks


def page(runs: Path, options: Options) -> tuple[str, list[str]]:
    """The text of the page, and sentences on what is not on it."""
    tables = gather(runs)
    points = points_for(sum(len(table.rows) for table in tables))
    parts, strips, remarks = list[dict[str, Any]](), Strips(), list[str]()
    datasets = DataSets(options.private, options.roots)
    for table in tables:
        found = datasets.of(table)
        marks = found.marks if isinstance(found, Opened) else {}
        pictures = _pictures(table, found, options, strips)
        remarks += _unseen(table, found)
        parts.append({
            "rows": details(table, marks, points),
            "figures": [[name, svg(figure)] for name, figure in figures.every(table, tables)] if _few(tables) else [],
            "gallery": pictures,
            "why": "" if pictures else _why(table, found, options),
        })  # fmt: skip
    return render(
        [shown(n, table) for n, table in enumerate(tables)], packed(parts, points), strips.urls, options.private
    ), remarks


def _pictures(table: Table, found: Opened | str, options: Options, strips: Strips) -> dict[str, Any] | None:
    """The gallery of a table, where its pictures are at hand and may be shown."""
    if isinstance(found, str) or not found.shown or not options.images:
        return None
    from bench.leaderboard.page.gallery import gallery

    return gallery(table, found, options.images, strips)


def render(tables: Sequence[Shown], unfolds: Mapping[str, Any], strips: Sequence[str], private: bool = False) -> str:
    """The template with everything in it. The same values give the same bytes."""
    from jinja2 import Environment, StrictUndefined

    place = files("bench.leaderboard.page") / "templates"
    style, script, html = (
        place.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "page.html.j2")
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    lines = [line for table in tables for part in table.parts for line in part.lines]
    return environment.from_string(html).render(
        tables=tables,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        packed=_pack(unfolds),
        strips=b64(json.dumps(strips)) if strips else "",
        private=private,
        datasets=_distinct(table.dataset for table in tables),
        protocols=_distinct(table.protocol for table in tables),
        pretrainings=_distinct(line.pretraining for line in lines),
        rows=len(lines),
        ranked=sum(line.ranked for line in lines),
    )


def b64(text: str) -> str:
    """Text that stands in HTML as it is."""
    return b64encode(text.encode()).decode()


def _pack(values: Any) -> str:
    """JSON, gzipped without a date, as base64: a browser unpacks it without a request."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _hash(text: str) -> str:
    """As a content security policy names an element that may run."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _distinct(names: Any) -> list[str]:
    return sorted(set(names))


def _few(tables: Sequence[Table]) -> bool:
    return sum(len(table.rows) for table in tables) <= ROWS_OF_FIGURES


def _unseen(table: Table, found: Opened | str) -> list[str]:
    if isinstance(found, str):
        return [found]
    return (
        []
        if found.shown
        else [f"{table.title}: its pictures may not be published; --private makes a page for your own disk"]
    )


def _why(table: Table, found: Opened | str, options: Options) -> str:
    """Why there is no gallery, in words that say nothing of this machine."""
    if not options.images:
        return "No pictures were asked for."
    if not options.private and not publishable(table):
        return "Pictures of this data set may not be shown in public; bench leaderboard build --private makes a page for your own disk."
    return "The data set was not at hand when this page was made." if isinstance(found, str) else "No maps are stored."
