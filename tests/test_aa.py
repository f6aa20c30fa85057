"""`bench leaderboard show --aa`: the seeds of one row dealt to rows that are then the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_results import finished, run, score

from bench.commands.cli import cli
from bench.leaderboard.table.aa import TABLES, aa_of
from bench.results import collected as results


def shown(*words: str | Path) -> str:
    done = CliRunner().invoke(cli, ["leaderboard", "show", *map(str, words)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`alike`: 20 seeds of one spread. `two_kinds`: each second seed is 30 points better. `few`: 19 seeds."""
    made = tmp_path_factory.mktemp("runs")
    for seed in range(20):
        run(made, "alike", seed, test_unet=0.6)
        run(made, "two_kinds", seed, test_unet=0.6 + 0.3 * (seed % 2))
        if seed < 19:
            run(made, "few", seed, test_unet=0.6)
    return made


def test_rows_that_are_one_cell_are_seldom_declared_different(out: Path) -> None:
    found = aa_of(results.collect_scored(out))
    alike, two_kinds = sorted(found.tests, key=lambda test: test.title)
    assert alike.title == "alike · isic (reduced) · protocol quick v1 · rule otsu"
    assert (alike.seeds, alike.rows, alike.seeds_each, alike.tables) == (20, 4, 5, TABLES)
    assert alike.false_share <= 0.064  # the bound of the recipe: 5 % of 1,000 tables and two standard deviations
    assert two_kinds.title.startswith("two_kinds")
    assert found.most_seeds == 20


def test_it_has_teeth_where_the_seeds_of_a_table_are_no_sample_of_the_cell(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeds of two kinds that are dealt by kind: their rows are declared different in every table."""

    def by_kind(values, methods, seeds_each, _):
        order = np.argsort(values.mean(1), kind="stable")[: methods * seeds_each]
        return values[order].reshape(methods, seeds_each, -1)

    monkeypatch.setattr("bench.statistics.families._deal", by_kind)
    shares = {test.title.split()[0]: test.false_share for test in aa_of(results.collect_scored(out)).tests}
    assert shares["two_kinds"] == 1


def test_what_it_says(out: Path, tmp_path: Path) -> None:
    text = " ".join(shown(out, "--aa").split())
    assert "A/A · alike · isic (reduced) · protocol quick v1 · rule otsu" in text
    assert "its 20 seeds dealt 1000 times to 4 rows of 5, clusters of" in text
    assert "of these tables declare a difference; 5% are allowed" in text
    assert {test["seeds"] for test in json.loads(shown(out, "--aa", "--json"))["aa"]} == {20}
    for seed in range(3):
        run(tmp_path, "alone", seed, test_unet=0.6)
    assert "A/A: not enough data; 20 seeds of a row are needed, 3 are there" in " ".join(
        shown(tmp_path, "--aa").split()
    )


def test_few_images_are_not_enough(tmp_path: Path) -> None:
    for seed in range(20):
        finished(tmp_path, seed, [score(f"i{n}", "test", "unet", 0.5 + seed / 100) for n in range(19)])
    assert aa_of(results.collect_scored(tmp_path)).tests == ()
