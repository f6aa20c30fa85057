"""Exports: the same numbers in every form, read back by readers that are not ours."""

from __future__ import annotations

import csv
import html.parser
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from made_results import finished, run
from markdown_it import MarkdownIt

from bench.commands.cli import cli
from bench.leaderboard.table.export import text_of
from bench.results import collected as results
from bench.results.columns import LEADERBOARD_COLUMNS, Row
from bench.results.table_columns import chosen
from bench.runs.sheets import sheets


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        run(made, "good", seed, test_unet=0.8, settings={"lr": 0.1, "map_norm": "none"}, notes=["from scratch"])
        run(made, "fair", seed, test_unet=0.6)
        run(made, "floor_of_all", seed, test_unet=0.70, role="floor")
    finished(made, 0, [], method="broken", failed="loss is NaN")
    return made


@pytest.fixture(scope="module")
def rows(out: Path) -> list[Row]:
    return results.collect(out)


def bench(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["leaderboard", "export", *map(str, words)])


def cells_of(rows: list[Row]) -> list[list[str]]:
    """What every form has to show: name, rule, cells."""
    (sheet,) = sheets(rows)
    return [["".join(line.name), line.rule, *(" ".join(cell) for cell in line.cells)] for line in sheet.lines]


def plain(text: str) -> str:
    return re.sub(r" ?\[\d+\]", "", text).strip()


class Reader(html.parser.HTMLParser):
    """Rows of `td` and the tags that were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data.replace("\n", "")


def read_html(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def full(rows: list[list[str]]) -> list[list[str]]:
    """Without headings and titles of sections."""
    return [[plain(cell) for cell in row] for row in rows if len(row) > 1 and any(row[1:])]


def test_html_shows_the_cells_and_needs_nothing_else(rows: list[Row]) -> None:
    text = text_of("html", rows)
    assert full(read_html(text).rows) == cells_of(rows)
    assert not {"script", "img", "link", "iframe"} & set(read_html(text).tags)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text


def test_markdown_shows_the_cells_to_a_reader_of_markdown(rows: list[Row]) -> None:
    page = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text_of("md", rows))
    assert full(read_html(page).rows) == cells_of(rows)
    assert "[1] broken, seed 0 failed: loss is NaN" in page


def test_latex_shows_the_cells_with_letters_above(rows: list[Row]) -> None:
    text = text_of("latex", rows)
    (tabular,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    lines = [line for line in tabular[1].split("\n") if line.endswith(r"\\") and "multicolumn" not in line]
    assert {line.count(" &") + 1 for line in lines} == {len(tabular[0])}  # as many cells as columns
    (good,) = (line for line in lines if line.startswith(r"\textbf{good}"))
    row = next(row for row in rows if row["method"] == "good")
    mean = f"{100 * row['test_unet']:.2f} \\ensuremath{{\\pm}}{100 * row['test_unet_sd']:.2f}"
    assert f"{mean}\\textsuperscript{{a}}" in good
    assert lines[lines.index(good) + 1].startswith(r"\textbf{\quad lr=0.1}")
    assert r"map\_norm=none" in text
    assert r"\ensuremath{-}10." in text  # fair is below the floor; a minus, no hyphen
    assert all(word in text for word in (r"\toprule", r"\midrule", r"\bottomrule", r"\textit{floors}"))
    assert text.count("{") == text.count("}")


def test_columns_are_chosen_and_letters_stay_where_there_is_no_unet(rows: list[Row]) -> None:
    text = text_of("latex", rows, chosen(["tie_group", "test_init"]))
    assert "textsuperscript" not in text
    assert "method & rule & tie group & test init" in text
    assert "seconds" in text_of("md", rows, chosen(["seconds"]))


def test_csv_and_json_are_exact(rows: list[Row], out: Path) -> None:
    read = list(csv.DictReader(text_of("csv", rows).splitlines()))
    plain_rows = json.loads(text_of("json", rows))
    for line, row, made in zip(read, plain_rows, rows, strict=True):
        assert tuple(line) == tuple(row) == LEADERBOARD_COLUMNS
        assert row == {name: made[name] for name in LEADERBOARD_COLUMNS}
        assert [float(line[stage]) if line[stage] else None for stage in results.STAGES] == [
            made[stage] for stage in results.STAGES
        ]
    results.leaderboard(out)
    assert text_of("csv", rows) == (out / "leaderboard.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["csv", "md", "latex", "html", "json"])
def test_a_file_is_what_stdout_would_be(kind: str, out: Path, tmp_path: Path) -> None:
    done = bench(out, "--format", kind, "-o", tmp_path / "table", "--sort", "test_unet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"wrote 4 rows to {tmp_path / 'table'}\n")
    assert (tmp_path / "table").read_text() == text_of(kind, results.collect(out), sort="test_unet")


def test_an_unknown_form_and_a_folder_that_is_not_there(out: Path, tmp_path: Path) -> None:
    wrong = bench(out, "--format", "docx")
    assert (wrong.exit_code, "'docx' is not one of" in wrong.stderr) == (2, True)
    nowhere = bench(tmp_path / "none")
    assert (nowhere.exit_code, "there is no finished run under" in nowhere.stderr) == (3, True)


def test_reported_rows_are_exported_as_such_when_asked(out: Path) -> None:
    read = list(csv.DictReader(bench(out, "--reported").stdout.splitlines()))
    theirs = [line for line in read if line["kind"] == "reported"]
    assert [line["test_unet"] for line in theirs] == ["0.4065", "0.3953", "0.5916", "0.6612", "0.8615"]
    assert not any(line["kind"] == "reported" for line in csv.DictReader(bench(out).stdout.splitlines()))
