"""An analysis plan: since when it stands, and every way in which a table can be otherwise."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from made_results import run

from bench import DataError
from bench.commands.cli import cli
from bench.leaderboard.table.plan import Held, fixed_when, held_against, read
from bench.results import collected as results

ROOT = Path(__file__).resolve().parent.parent
FIELDS = {
    "dataset": "isic",
    "protocol": "quick",
    "methods": ["good", "fair"],
    "floors": ["best_floor"],
    "seeds": [0, 1, 2],
}


def write(folder: Path, **changes: Any) -> Path:
    file = folder / "analysis-plan.md"
    fields = {key: value for key, value in {**FIELDS, **changes}.items() if value is not None}
    block = "\n".join(f"{key} = {json.dumps(value)}" for key, value in fields.items())
    file.write_text(f"# Plan\n\nWhy.\n\n```toml\n{block}\n```\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        for method, mean in (("good", 0.8), ("fair", 0.6)):
            run(made, method, seed, test_unet=mean, finished=f"2026-03-0{seed + 1}T12:00:00Z")
        run(made, "best_floor", seed, test_unet=0.7, role="floor", rule="fixed", finished="2026-03-05T12:00:00Z")
    return made


@pytest.fixture
def held(out: Path, tmp_path: Path) -> Callable[..., Held]:
    return lambda **changes: held_against(write(tmp_path, **changes), results.collect_scored(out))


def test_a_table_as_planned(held: Callable[..., Held]) -> None:
    found = held()
    assert found.deviations == ()
    assert found.sentences[-1] == "The table is as planned."
    assert (
        "Family: good, fair; floors best_floor; isic, protocol quick, rule otsu, seeds 0, 1, 2, margin 2 points."
        in found.sentences
    )


@pytest.mark.parametrize(
    ("changes", "deviation"),
    [
        ({"rule": "fixed"}, "letters and ranks are of the rule otsu, the plan has fixed"),
        ({"rule": "fixed"}, "good has no row of the rule fixed"),
        ({"margin": 3.0}, "`equivalent` is of 2 points, the plan has 3"),
        ({"seeds": [0, 1, 2, 3, 4]}, "good, rule otsu, lacks seed 3, 4"),
        ({"seeds": [0, 1]}, "fair, rule otsu, has seed 2 that was not planned"),
        ({"methods": ["good"]}, "fair is ranked and no part of the family"),
        ({"methods": ["good", "fair", "third"]}, "third was not run"),
        ({"floors": ["otsu_classic"]}, "otsu_classic was not run"),
        ({"protocol": "paper"}, "there is no run on isic under protocol paper"),
    ],
)
def test_every_deviation_is_named(changes: dict[str, Any], deviation: str, held: Callable[..., Held]) -> None:
    found = held(**changes)
    assert deviation in found.deviations
    assert f"Deviation: {deviation}." in found.sentences
    assert "The table is as planned." not in found.sentences


def git(folder: Path, *words: str, when: str = "2026-02-01T10:00:00+00:00") -> None:
    names = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    place = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **names, **place, **dates}
    )


def test_the_commit_says_since_when_and_whether_that_was_before_the_runs(
    held: Callable[..., Held], tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "plan")
    found = held()  # writes the same again
    assert found.fixed.text.startswith("2026-02-01 10:00 UTC (commit ")
    assert found.order == "before the first of its runs finished (2026-03-01 12:00 UTC)"
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "other work", when="2026-04-01T10:00:00+00:00")
    assert held().order.startswith("before")  # the commit of the plan counts
    changed = held(margin=4.0)
    assert changed.fixed.commit == ""  # as it is now, no commit has it
    assert "date of the file; no commit has it" in changed.fixed.text
    assert changed.order.startswith("AFTER")
    git(tmp_path, "commit", "-q", "-a", "-m", "changed", when="2026-03-02T10:00:00+00:00")
    assert held(margin=4.0).order.startswith("AFTER")


def test_without_git_the_date_of_the_file_counts(tmp_path: Path) -> None:
    file = write(tmp_path)
    os.utime(file, (0, 0))
    assert fixed_when(file).text == "1970-01-01 00:00 UTC (date of the file; no commit has it as it is)"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeds": []}, r"analysis-plan\.md, seeds: List should have at least 1 item"),
        ({"margin": -1}, r"analysis-plan\.md, margin: Input should be greater than 0"),
        ({"methods": None}, r"analysis-plan\.md, methods: Field required"),
        ({"sedes": [1]}, r"analysis-plan\.md, sedes: Extra inputs are not permitted; did you mean seeds\?"),
        ({"rule": "best"}, r"analysis-plan\.md, rule: Input should be 'otsu', 'fixed' or 'val'"),
    ],
)
def test_a_faulty_plan_names_its_field(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        read(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "sentence"), [("no block", "has no block ```toml"), ("```toml\na = \n```\n", "is no analysis plan: ")]
)
def test_a_file_that_is_no_plan(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.md"
    file.write_text(text)
    with pytest.raises(DataError, match=sentence):
        read(file)


def test_the_template_is_a_plan() -> None:
    plan = read(ROOT / "docs" / "analysis-plan.md")
    assert (plan.rule, plan.margin) == ("otsu", 2)


def test_show_prints_it(out: Path, tmp_path: Path) -> None:
    words = ["leaderboard", "show", str(out), "--plan", str(write(tmp_path, seeds=[0, 1]))]
    done = CliRunner().invoke(cli, words)
    said = " ".join(done.stdout.split())
    assert (done.exit_code, "Analysis plan analysis-plan.md, fixed" in said) == (0, True)
    assert "Deviation: good, rule otsu, has seed 2 that was not planned." in said
    document = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    assert len(document["rows"]) == 3
    assert "good, rule otsu, has seed 2 that was not planned" in document["plan"]["deviations"]
