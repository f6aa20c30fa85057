"""Tables as LaTeX with booktabs; letters stand as superscripts of the test U-Net, a setting on a line of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.results.visible import visible
from bench.runs.sheets import Line, Sheet

HEAD = "% \\usepackage{booktabs,xcolor}; XeLaTeX or LuaLaTeX where names are not Latin\n"
SIGNS = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': "{''}",
        "'": "{'}",
        "`": "{`}",
        "-": "{-}",  # -- is a dash
        "[": "{[}",  # behind \\ it would be a length
        "]": "{]}",
        "*": "{*}",
        "±": r"\ensuremath{\pm}",
        "·": r"\textperiodcentered{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)
MINUS = re.compile(r"(?<![^ (])\{-\}(?=\d)")
"""Before a number, as it is escaped."""
LETTERS, LETTERED = "tie_group", "test_unet"


def latex(sheets: Sequence[Sheet]) -> str:
    """One `table` for each sheet."""
    return HEAD + "\n".join("\n".join(_sheet(sheet)) + "\n" for sheet in sheets)


def escaped(text: str) -> str:
    """Text by strangers as LaTeX prints it, letter by letter; nothing of it is a command."""
    return visible(text).translate(SIGNS)


def _sheet(sheet: Sheet) -> Iterator[str]:
    lettered = {LETTERS, LETTERED} <= {column.name for column in sheet.columns}
    columns = [column for column in sheet.columns if not (lettered and column.name == LETTERS)]
    headings = ["method", "rule", *(escaped(column.heading.replace("\n", " ")) for column in columns)]
    yield "\\begin{table}\n\\centering"
    yield f"\\caption{{{escaped(sheet.title)}}}"
    yield f"\\begin{{tabular}}{{ll{'r' * len(columns)}}}\n\\toprule"
    yield " & ".join(headings) + r" \\"
    for number, section in enumerate(sheet.sections):
        yield "\\addlinespace" if number else "\\midrule"
        if section.title:
            yield f"\\multicolumn{{{len(headings)}}}{{l}}{{\\textit{{{section.title}}}}} \\\\"
        for line in section.lines:
            yield from _line(sheet, line, lettered)
    yield "\\bottomrule\n\\end{tabular}"
    for number, note in enumerate(sheet.notes, 1):
        yield f"\\par\\footnotesize {{[}}{number}{{]}} {escaped(note)}"
    for sentence in sheet.remarks:
        yield f"\\par\\footnotesize {escaped(sentence)}"
    yield "\\end{table}"


def _line(sheet: Sheet, line: Line, lettered: bool) -> Iterator[str]:
    """The row, and one for each setting."""
    rule = " ".join([escaped(line.rule), *(f"{{[}}{number}{{]}}" for number in line.notes)])
    named = dict(zip((column.name for column in sheet.columns), line.cells, strict=True))
    cells = [
        MINUS.sub(r"\\ensuremath{-}", escaped(" ".join(cell)))
        for name, cell in named.items()
        if not (lettered and name == LETTERS)
    ]
    if lettered and named[LETTERS]:
        place = [name for name in named if name != LETTERS].index(LETTERED)
        cells[place] += f"\\textsuperscript{{{escaped(' '.join(named[LETTERS]))}}}"
    first = [escaped(line.name[0]), rule, *cells]
    yield " & ".join(_looks(cell, line.look) for cell in first) + r" \\"
    for setting in line.name[1:]:
        yield _looks(f"\\quad {escaped(setting)}", line.look) + " &" * (len(first) - 1) + r" \\"


def _looks(text: str, look: str) -> str:
    if not text or look not in ("best", "dim"):
        return text
    return f"\\textbf{{{text}}}" if look == "best" else f"\\textcolor{{gray}}{{{text}}}"
