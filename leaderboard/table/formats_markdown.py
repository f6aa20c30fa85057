"""Tables as Markdown of the forges (GitHub's, which GitLab, Gitea and others read)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.results.visible import visible
from bench.runs.sheets import Line, Sheet

ACTIVE = re.compile(r"[\\`*_\[\]<>|~&$@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""What Markdown would not print as it is: emphasis, links, tags, cells, entities, mentions."""


def markdown(sheets: Sequence[Sheet]) -> str:
    """One heading and table for each sheet, its notes below."""
    return "\n".join("\n".join(_sheet(sheet)) for sheet in sheets)


def escaped(text: str) -> str:
    """Text by strangers as Markdown prints it, letter by letter."""
    return ACTIVE.sub(lambda found: f"\\{found[0]}", visible(text))


def _sheet(sheet: Sheet) -> Iterator[str]:
    headings = ["method", "rule", *(column.heading.replace("\n", " ") for column in sheet.columns)]
    yield f"### {escaped(sheet.title)}"
    yield ""
    yield _row(headings)
    yield _row(["---", "---", *("---:" for _ in sheet.columns)])
    for section in sheet.sections:
        if section.title:
            yield _row([f"*{section.title}*", *("" for _ in headings[1:])])
        yield from map(_line, section.lines)
    yield ""
    for number, note in enumerate(sheet.notes, 1):
        yield f"\\[{number}\\] {escaped(note)}\n"
    for sentence in sheet.remarks:
        yield f"{escaped(sentence)}\n"


def _line(line: Line) -> str:
    name = "<br>".join(escaped(part) for part in line.name)
    rule = " ".join([escaped(line.rule), *(f"\\[{number}\\]" for number in line.notes)])
    cells = [escaped(" ".join(cell)) for cell in line.cells]
    mark = {"best": "**", "dim": "*"}.get(line.look, "")
    return _row([f"{mark}{cell}{mark}" if cell and mark else cell for cell in (name, rule, *cells)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
