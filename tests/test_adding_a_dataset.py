"""docs/adding-a-dataset.md does what it says: its module is loaded, checked, described and run on a few made plates."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from bench.commands.cli import cli
from bench.entry_points import entry_points

PAGE = Path(__file__).resolve().parent.parent / "docs" / "adding-a-dataset.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def plates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the page beside its module, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "wells.py").write_text(blocks("python")[0])
    random = np.random.default_rng(0)
    lines = ["well,plate,treated,split"]
    for folder in ("wells", "outlines"):
        (tmp_path / "plates" / folder).mkdir(parents=True)
    for number, split in enumerate(s for s in ("weak", "weak_heldout", "masks", "val", "test") for _ in range(4)):
        name = f"{split[0]}{number:02}"
        lines.append(f"{name},{split},{number % 2},{split}")
        picture = random.integers(0, 90, (40, 50, 3), dtype=np.uint8)
        outline = np.zeros((40, 50), np.uint8)
        outline[10:30, 10 + number : 30 + number] = 255
        picture[outline > 0] += 120
        Image.fromarray(picture).save(tmp_path / "plates" / "wells" / f"{name}.png")
        if not split.startswith("weak"):
            Image.fromarray(outline).save(tmp_path / "plates" / "outlines" / f"{name}.png")
    (tmp_path / "plates" / "wells.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_the_module_of_the_page_keeps_the_contract(plates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(plates)
    exec(blocks("python")[1], {})


def test_the_commands_of_the_page_work(plates: Path, monkeypatch: pytest.MonkeyPatch, inline: object) -> None:
    said = {}
    for line in blocks("sh")[0].splitlines():
        words = line.split()[1:]
        command = words[1] if words[0] == "data" else words[0]
        short = ["--set", "protocol.steps=2"] if command == "run" else []
        result = CliRunner().invoke(cli, [*words, *short])
        assert result.exit_code == 0, result.output
        said[command] = result.output
    assert "no fault stops a run" in said["check"]
    assert "all-foreground  Dice 33.33 %" in said["describe"]  # 400 of 2,000 pixels: 2 * 400 / (2 * 400 + 1600)
    assert "wells · protocol smoke(steps=2) v1" in said["run"]


def test_the_entry_point_of_the_page_names_its_group() -> None:
    (group,) = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]
    assert group in {point.group for point in entry_points()}
