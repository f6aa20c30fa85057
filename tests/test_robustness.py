"""What `show` adds when asked: whether a ranking holds under other averages, and whether signals without masks go with Dice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from made_results import finished, run, score
from scipy import stats

from bench.commands.cli import cli
from bench.leaderboard.table.robustness import robustness_of
from bench.leaderboard.table.signals import Correlation, Signal, seed_agreement, signals_of
from bench.pipeline import mapfile
from bench.results import collected as results


def shown(*words: str | Path) -> str:
    done = CliRunner().invoke(cli, ["leaderboard", "show", *map(str, words)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def turned(out: Path, method: str, seed: int, small: float, large: float, init: float) -> None:
    """Dice `small` on 30 small objects and `large` on 10 large ones, so that averages disagree; at 224 pixels the two change places."""
    noise = np.random.default_rng([seed, *method.encode()])
    lines: list[dict[str, Any]] = []
    for n in range(40):
        dice, size = (large, 8000) if n >= 30 else (small, 10)
        d = float(dice + noise.normal(0, 0.01))
        tp = int(d * size)
        counts = {"tp": tp, "fn": size - tp, "fp": size - tp, "tn": 10_000 - 2 * size + tp}
        for rule in ("otsu", "fixed"):
            lines.append(score(f"i{n:02}", "test", "unet", d, dice_224=1 - d, rule=rule, **counts))
            lines.append(score(f"i{n:02}", "test", "init", init + float(noise.normal(0, 0.01)), rule=rule, **counts))
    rules = [{"rule": "otsu"}, {"rule": "fixed"}]
    finished(out, seed, lines, method=method, rows=rules, run_id=f"r-{method}{seed}")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        turned(made, "small", seed, small=0.8, large=0.3, init=0.4)
        turned(made, "large", seed, small=0.5, large=0.7, init=0.4)
    return made


def test_rank_intervals_follow_what_was_changed(out: Path) -> None:
    (table,) = robustness_of(results.collect_scored(out)).tables
    assert table.methods == ("large", "small")
    ranks = {variant.name: variant.ranks for variant in table.variants}
    assert ranks == {
        "as ranked": ((2, 2), (1, 1)),
        "rule fixed": ((2, 2), (1, 1)),
        "at 224 pixels": ((1, 1), (2, 2)),
        "pooled": ((1, 1), (2, 2)),
        "macro": ((1, 1), (2, 2)),  # two sizes, so two groups: (0.8 + 0.3) / 2 is below (0.5 + 0.7) / 2
        "init": ((1, 2), (1, 2)),
    }
    text = shown(out, "--robustness")
    small = [line.split() for line in text.splitlines() if line.startswith(" small ")]
    assert small[-1] == ["small", "1", "1", "2", "2", "2", "1-2"]


def test_what_was_not_run_has_a_dash_and_one_method_no_table(tmp_path: Path) -> None:
    for seed in range(3):
        run(tmp_path, "alone", seed, test_unet=0.8)
    assert "robustness: not enough data" in shown(tmp_path, "--robustness")
    for seed in range(3):
        run(tmp_path, "other", seed, test_unet=0.6)
    (table,) = robustness_of(results.collect_scored(tmp_path)).tables
    assert next(v.ranks for v in table.variants if v.name == "rule fixed") == (None, None)
    extras = json.loads(shown(tmp_path, "--robustness", "--json"))
    assert (len(extras["rows"]), extras["robustness"][0]["methods"]) == (2, ["alone", "other"])


def with_signals(out: Path) -> list[tuple[int, float, float]]:
    """Four methods: entropy falls with Dice from seed to seed, and rises with it from method to method. Returns method, signal, Dice."""
    points = []
    for number in range(4):
        for seed in range(3):
            dice, entropy = 0.4 + 0.1 * number + 0.01 * seed, number - 0.1 * seed
            lines = [score(f"i{n}", "test", "unet", dice) for n in range(3)]
            signals = {"map_entropy": entropy, "heldout_accuracy": None, "rules": {"otsu": {"agreement": dice / 2}}}
            finished(out, seed, lines, method=f"m{number}", signals=signals, run_id=f"r-{number}{seed}")
            points.append((number, entropy, dice))
    return points


def test_agreement_of_seeds_is_of_the_maps_of_every_other_seed(tmp_path: Path) -> None:
    """Two seeds look left, one looks right; of one nothing is kept but tables, and the last is older than rules in results."""
    for seed in range(5):
        lines = [score(f"i{n}", "test", "unet", 0.5) for n in range(3)]
        rules = {"rules": {"size": 8}} if seed < 4 else {}
        folder = finished(tmp_path, seed, lines, signals={"map_entropy": 0.5}, **rules)
        maps = np.zeros((3, 1, 8, 8), np.uint16)
        maps[..., slice(0, 4) if seed < 2 else slice(4, 8)] = mapfile.FULL
        if seed != 3:
            (folder / "predictions").mkdir()
            np.save(folder / "predictions" / "init-test.npy", maps)
    (row,) = results.collect_scored(tmp_path)
    assert seed_agreement(row.results) == {
        0: {"seed_agreement": 0.5},
        1: {"seed_agreement": 0.5},
        2: {"seed_agreement": 0.0},
    }
    (table,) = signals_of([row]).tables
    assert {signal.name: signal.within.n for signal in table.signals} == {"map_entropy": 5, "seed_agreement": 3}


def test_within_and_between_methods_are_kept_apart(tmp_path: Path) -> None:
    points = np.array(with_signals(tmp_path))
    lines = [score(f"i{n}", "test", "unet", 0.1) for n in range(3)]
    finished(tmp_path, 0, lines, method="some_floor", role="floor", signals={"map_entropy": 9.0})
    (table,) = signals_of(results.collect_scored(tmp_path)).tables
    found = {signal.name: signal for signal in table.signals}
    assert set(found) == {"map_entropy", "agreement"}
    methods = [points[points[:, 0] == number] for number in range(4)]
    centred = np.concatenate([each - each.mean(0) for each in methods])
    means = np.array([each.mean(0) for each in methods])
    entropy = found["map_entropy"]
    assert (
        entropy.within.value
        == pytest.approx(stats.pearsonr(centred[:, 1], centred[:, 2]).statistic)
        == pytest.approx(-1)
    )
    assert (
        entropy.between.value == pytest.approx(stats.spearmanr(means[:, 1], means[:, 2]).statistic) == pytest.approx(1)
    )
    assert (entropy.within.n, entropy.methods, entropy.between.n) == (12, 4, 4)
    text = shown(tmp_path, "--signals")
    assert "4 methods: no advice below 10" in text
    assert ["map_entropy", "-1.00", "12", "+1.00", "4"] in [line.split() for line in text.splitlines()]


def test_runs_without_signals_and_constant_ones(tmp_path: Path) -> None:
    finished(tmp_path, 0, [score("i0", "test", "unet", 0.1)])
    assert "signals: no run has recorded any" in shown(tmp_path, "--signals")
    for number in range(3):
        finished(
            tmp_path, 0, [score("i0", "test", "unet", number / 4)], method=f"m{number}", signals={"map_entropy": 1.0}
        )
    (table,) = signals_of(results.collect_scored(tmp_path)).tables
    assert (table.signals[0].between.value, table.signals[0].within.value) == (None, None)
    assert [Signal("map_entropy", Correlation(None, n), n, Correlation(None, n)).advice for n in (1, 2, 10)] == [
        "1 method: no advice below 10",
        "2 methods: no advice below 10",
        "",
    ]
