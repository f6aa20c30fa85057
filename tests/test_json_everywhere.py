"""`--json` prints one document and nothing else, also of the commands that only write a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_runs import folder_of, out

from bench.commands.cli import cli

__all__ = ["out"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("runs", "show", "RUN", "-o", "TO/a.png", "--private"), {"sheet": "TO/a.png"}),
        (("runs", "export", "RUN", "-o", "TO/maps"), {"files": 30, "folder": "TO/maps"}),
        (("data", "path", "TO"), {"path": "TO"}),
        (("leaderboard", "build", "OUT", "-o", "TO/page"), {"page": "TO/page/index.html"}),
        (("leaderboard", "figure", "cost", "OUT", "-o", "TO/cost.svg", "--dataset", "tiny_shapes"), {"figure": "TO/cost.svg"}),
    ],
)  # fmt: skip
def test_what_was_written_is_told_as_a_document(
    out: Path, tmp_path: Path, words: tuple[str, ...], expected: dict
) -> None:
    place, run = tmp_path / "to", folder_of(out, "tiny")
    (place / "images").mkdir(parents=True)

    def filled(text: str) -> str:
        return text.replace("RUN", str(run)).replace("OUT", str(out)).replace("TO", str(place))

    done = CliRunner().invoke(cli, [*map(filled, words), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert {name: told[name] for name in expected} == {
        name: filled(value) if isinstance(value, str) else value for name, value in expected.items()
    }
