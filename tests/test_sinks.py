"""Texts by strangers through every sink: whatever a plugin calls itself, it is read, and nothing acts on it."""

from __future__ import annotations

import csv
import html
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from bench.leaderboard.table.compare import Compared, Image
from bench.leaderboard.table.export import text_of
from bench.leaderboard.table.formats_latex import SIGNS
from bench.leaderboard.table.formats_latex import escaped as in_latex
from bench.leaderboard.table.formats_markdown import escaped as in_markdown
from bench.leaderboard.table.show_compare import show as show_comparison
from bench.results import tables
from bench.results.columns import LEADERBOARD_COLUMNS, Row
from bench.results.visible import visible

ATTACKS = [
    "\x1b[2J\x1b]0;title\x07", "[bold red]x[/]", "[link=file:///etc]x[/link]", "<script>alert(1)</script>", "a|b\n|c|", "=cmd()",
    "\\input{/etc/passwd}", "\\\\[9cm]", "$x$ & %", "{{ 7 * 7 }}", "{% raw %}", "‮abc", "![x](http://x)", "a\r\nb", "\ud800",
    "https://x.example", "<!-- ", "&lt;", "~~x~~", "`x`", "'", '"><img onerror=x>', "​", "漢字" * 9, "é" * 40,
]  # fmt: skip
TEXT = st.text(st.characters(), min_size=1, max_size=40) | st.sampled_from(ATTACKS)


def row(**texts: Any) -> Row:
    """A measured row with these texts."""
    base: Row = dict.fromkeys(LEADERBOARD_COLUMNS)
    base |= {
        "dataset": "isic",
        "label": "",
        "fingerprint": "f0",
        "protocol": "quick",
        "protocol_version": 1,
        "method": "theirs",
    }
    base |= {
        "role": "method",
        "settings": "",
        "kind": "measured",
        "ranked": False,
        "rule": "otsu",
        "degenerate": "",
        "seeds": 1,
    }
    return {**base, "test_unet": 0.5, "test_init": 0.25, "notes": "", "images": 3, "clusters": 3, **texts}


def rows(text: str) -> list[Row]:
    """The text in every place that a stranger can reach."""
    names = {"method": text, "settings": f"{text}={text}", "notes": text, "degenerate": text, "label": text}
    named = {"protocol": text, "rule": text, "plugin": text, "pretraining": text, "floor_best": text, "run_ids": text}
    return [row(**names, **named, floors_untested=[f"{text} (maps)"], failures=[text]), row(dataset=text)]


def on_terminal(text: str, encoding: str) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=100)
    tables.show(rows(text), console)
    image = Image(text, 0.5, 0.25)
    show_comparison(Compared(text, text, "unet", text, text, (), (image,), (image,)), console)
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@given(text=TEXT)
@settings(max_examples=25)
def test_a_terminal_obeys_nothing(encoding: str, text: str) -> None:
    shown = on_terminal(text, encoding)
    lines = shown.split("\n")
    assert all(line.isprintable() for line in lines)
    assert {len(line) <= 100 for line in lines} == {True}


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/]", "[@click=app.bell]x[/]", ":smile:"])
def test_markup_is_printed_as_it_is(text: str) -> None:
    assert text in on_terminal(text, "utf-8")


@given(text=TEXT)
def test_what_is_visible_is_printable_and_printable_text_stays(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)
    if text.isprintable():
        assert visible(text) == text


class Tags(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.add("!--")


def read(page: str) -> Tags:
    reader = Tags()
    reader.feed(page)
    reader.close()
    return reader


HARMLESS = read(text_of("html", rows("harmless")))


@given(text=TEXT)
@settings(max_examples=40)
def test_html_has_the_tags_of_a_harmless_page_and_the_text(text: str) -> None:
    page = read(text_of("html", rows(text)))
    assert page.tags == HARMLESS.tags
    assert page.names == HARMLESS.names
    assert visible(text).strip() in html.unescape(page.text) or visible(text).strip() in page.text


MARKDOWN = MarkdownIt("gfm-like", {"linkify": False, "html": True})


@given(text=TEXT)
@example("\\")
@example("a\\|b")
@settings(max_examples=60)
def test_markdown_prints_the_text_and_makes_nothing_of_it(text: str) -> None:
    page = read(MARKDOWN.render(text_of("md", rows(text))))
    assert page.tags <= {"h3", "table", "thead", "tbody", "tr", "th", "td", "p", "em", "strong", "br"}
    paragraph = read(MARKDOWN.render(f"x {in_markdown(text)} x"))
    assert paragraph.tags == {"p"}
    assert " ".join(paragraph.text.split()) == " ".join(f"x {visible(text)} x".split())


def in_words(latex: str) -> str:
    """The text that LaTeX prints: every escape of ours taken back, longest first; what is left has no active sign."""
    back = {made: chr(sign) for sign, made in SIGNS.items()}
    pattern = "|".join(re.escape(made) for made in sorted(back, key=len, reverse=True))
    rest = re.sub(pattern, "", latex)
    assert not set(rest) & set("\\{}$&#^_%~<>|\"'`-[]*"), rest
    return re.sub(pattern, lambda found: back[found[0]], latex)


@given(text=TEXT)
@settings(max_examples=60)
def test_latex_prints_the_text_and_runs_none_of_it(text: str) -> None:
    assert in_words(in_latex(text)) == visible(text)
    page = text_of("latex", rows(text))
    known = (
        r"\\(?:begin|end|centering|caption|toprule|midrule|bottomrule|addlinespace|multicolumn|textit|textbf|quad|par"
    )
    known += r"|footnotesize|textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|ensuremath|pm"
    known += r"|textperiodcentered|textsuperscript|textcolor|\\|[&%$#_{}]|usepackage)"
    assert "\\" not in re.sub(known, "", page)


@given(text=TEXT)
@example("a\rb")  # Python's csv does not quote it
@settings(max_examples=40)
def test_csv_has_no_formula_and_gives_the_text_back(text: str) -> None:
    made = text_of("csv", rows(text))
    first = next(csv.DictReader(io.StringIO(made, newline="")))
    assert not first["method"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert first["method"] == (f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else text)
