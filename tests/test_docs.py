"""The pages do what they say: every shell line and Python block is run, or says why not; links lead somewhere; helps do not drift.

Above a block stands one of: nothing (run here), `<!-- not run: REASON -->`, `<!-- run by tests/FILE.py -->`, or README's
`<!-- ci: NAME -->` (.ci/run runs it). A page is run from top to bottom in a folder of its own; a block of any language under
`<!-- file: NAME -->` is a file there.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import generate_reference
import pytest
from click.testing import CliRunner
from pages import PAGES, ROOT, Block, anchors, blocks, links, slug

from bench import plugins
from bench.commands.cli import cli
from bench.entry_points import entry_points
from bench.pipeline.cell_process import work

LANGUAGES = ("sh", "python")
CODE = [block for page in PAGES for block in blocks(page) if block.language in LANGUAGES]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def runs_here(block: Block) -> bool:
    return block.language in LANGUAGES and not block.mark.startswith(("not run:", "run by ", "ci: ", "file: "))


RUN = [page for page in PAGES if any(runs_here(block) for block in blocks(page))]


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch, inline: None) -> None:
    """Cells are worked out here: the pages are about what is typed, not about processes."""

    def cell(planned: Any, *rest: Any) -> str:
        work(replace(planned.cell, threads=1), planned.folder, lambda *_: None)
        return ""

    monkeypatch.setattr(import_module("bench.pipeline.run"), "cell_in_a_child", cell)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_a_page_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, Any] = {}
    before = dict(plugins._files)
    try:
        for block in blocks(page):
            if block.mark.startswith("file: "):
                Path(block.mark.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
            elif not runs_here(block):
                continue
            elif block.language == "python":
                exec(compile(block.text, block.where, "exec"), names)
            else:
                for line in block.commands:
                    type_in(block, line)
    finally:
        plugins._files.clear()
        plugins._files.update(before)
        entry_points.cache_clear()


def type_in(block: Block, line: str) -> None:
    words = shlex.split(line)
    assert words[0] == "bench", f"{block.where}: only `bench` is run here, not: {line}"
    done = CliRunner().invoke(cli, words[1:])
    assert done.exit_code == 0, f"{block.where}: {line}\n{done.output}"


@pytest.mark.parametrize("block", [b for b in CODE if not runs_here(b)], ids=lambda block: block.where)
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    kind, _, rest = block.mark.partition(" ")
    if kind == "run":
        file = ROOT / rest.removeprefix("by ")
        assert file.is_file(), f"{block.where}: there is no {file.name}"
        assert block.page.name in file.read_text(encoding="utf-8"), f"{file.name} does not speak of {block.page.name}"
    elif kind == "ci:":
        assert f"promise {rest}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    elif kind != "file:":
        assert len(block.mark.removeprefix("not run:").strip()) > 2


LINES = [(block, line) for block in CODE if block.language == "sh" for line in block.commands]


@pytest.mark.parametrize(("block", "line"), LINES, ids=[f"{b.where}: {line[:40]}" for b, line in LINES])
def test_a_shell_line_names_commands_and_options_that_exist(block: Block, line: str) -> None:
    for part in re.split(r"&&|\||;", line):
        words = shlex.split(part)
        if not words or Path(words[0]).name != "bench":
            continue
        command: click.Command = cli
        known = {*_options(command)}
        for word in words[1:]:
            if word.startswith("-"):
                assert word.partition("=")[0] in known, f"{block.where}: {line}: no option {word}"
            elif isinstance(command, click.Group):
                found = command.get_command(click.Context(command), word)
                assert found is not None, f"{block.where}: {line}: no command {word}"
                command = found
                known |= {*_options(command)}


def _options(command: click.Command) -> list[str]:
    return [name for parameter in command.params for name in parameter.opts] + ["-h", "--help"]


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_between_files_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name}: no {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {target.name} has no heading #{anchor}"


def test_the_command_reference_is_what_help_says() -> None:
    written = generate_reference.PAGE.read_text(encoding="utf-8")
    assert written == generate_reference.reference(), "run `python tests/generate_reference.py`"


def test_the_command_reference_has_every_command() -> None:
    names = [name for name, _ in generate_reference.commands()]
    assert {"bench run", "bench data check", "bench leaderboard show", "bench new"} <= set(names)
    assert {slug(name) for name in names} <= anchors(generate_reference.PAGE)


@pytest.mark.parametrize("name", [name for name, _ in generate_reference.commands()])
def test_every_command_takes_the_options_of_all_and_says_what_it_does(name: str) -> None:
    command = dict(generate_reference.commands())[name]
    assert set(_options(command)) >= {"-q", "-v", "--json", "--no-progress", "--debug", "--version"}
    assert command.get_short_help_str(), name


def test_headings_are_spelled_as_a_forge_does() -> None:
    assert slug("`bench run`") == "bench-run"
    assert slug("Look before you run") == "look-before-you-run"
    assert slug("Thresholds, and why: T = 0.5") == "thresholds-and-why-t--05"
