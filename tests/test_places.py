"""Folders as users have them: names with spaces and other letters, data that is read only, places that cannot be written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from bench.commands.cli import cli
from bench.pipeline.plan import plan
from bench.pipeline.progress import Display
from bench.pipeline.request import RunRequest
from bench.pipeline.run import tell_of_data
from bench.protocol import SMOKE


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a name that needs care, in which everything lies."""
    place = tmp_path / "meine Bilder für später"
    (place / "data" / "images").mkdir(parents=True)
    (place / "data" / "masks").mkdir()
    rows = ["image,label"]
    for n in range(24):
        noise = np.random.default_rng(n).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).save(place / "data" / "images" / f"p{n}.png")
        rows.append(f"p{n},{'ab'[n % 2]}")
        if n >= 12:
            Image.fromarray(np.uint8(255) * (np.arange(16) < n - 8)[None].repeat(12, 0)).save(
                place / "data" / "masks" / f"p{n}.png"
            )
    (place / "data" / "labels.csv").write_text("\n".join(rows))
    monkeypatch.setenv("BENCH_CACHE", str(place / "ein cache"))
    return place


def run(place: Path, out: str = "die Läufe", **environment: str | None) -> tuple[int, str]:
    words = ["run", "--method", "all_foreground", "--dataset", "folder", "--protocol", "smoke"]
    where = ["--data-root", str(place / "data"), "--out", str(place / out)]
    done = CliRunner().invoke(cli, [*words, *where], env=environment)
    return done.exit_code, done.output


def listing(folder: Path) -> list[tuple[str, float]]:
    return sorted((str(path), path.stat().st_mtime) for path in (folder, *folder.rglob("*")))


def test_a_read_only_data_folder_in_a_place_of_any_name_without_a_home(place: Path) -> None:
    for path in (place / "data").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = listing(place / "data")
    code, said = run(place, HOME=None)
    assert code == 0, said
    assert (place / "die Läufe" / "leaderboard.csv").exists()
    assert listing(place / "data") == before


@pytest.mark.parametrize(
    ("what", "remedy"),
    [
        ("the cache", "name another folder with BENCH_CACHE"),
        ("the results folder", "name another folder with --out or BENCH_RUNS"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_before_anything_is_done(place: Path, what: str, remedy: str) -> None:
    (place / "in the way").write_text("a file")
    blocked = place / "in the way" / "below"
    code, said = run(place, "in the way/below") if "results" in what else run(place, BENCH_CACHE=str(blocked))
    assert code == 5
    assert said.strip().splitlines()[-1] == (
        f"error: {what} {blocked} cannot be written (Not a directory); make room or give it rights, or {remedy}"
    )


def test_data_check_says_it_of_the_cache_too(place: Path) -> None:
    done = CliRunner().invoke(cli, ["data", "check", str(place / "data")], env={"BENCH_CACHE": "/proc/nowhere"})
    assert done.exit_code == 5
    assert "the cache /proc/nowhere cannot be written" in done.output


def test_what_is_worth_knowing_of_the_data_is_said_and_stops_nothing(place: Path) -> None:
    labels = place / "data" / "labels.csv"
    labels.write_text(labels.read_text().replace("p0,a", "p0,rare"))
    asked = RunRequest(("all_foreground",), ("folder",), SMOKE, data_roots={None: place / "data"}, out=place / "runs")
    said: list[str] = []
    tell_of_data(plan(asked), cast(Display, SimpleNamespace(say=said.append)))
    (sentence,) = said
    assert sentence.startswith("folder: ")
    assert "rare" in sentence
