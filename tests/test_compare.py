"""Two rows on the same images: against numbers worked out by hand and by scipy, and selectors that mean what a user means."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_results import RESULT, finished, run, score
from scipy import stats

from bench.commands.cli import cli
from bench.leaderboard.table.compare import _touches
from bench.results import collected as results

IMAGES = [f"i{n:02}" for n in range(40)]


def bench(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["leaderboard", "compare", *map(str, words)])


def compared(*words: str | Path) -> dict[str, Any]:
    done = bench(*words, "--json")
    assert done.exit_code == 0, done.stderr
    (found,) = json.loads(done.stdout)
    return dict(found)


def lines(dice: dict[str, float], sizes: dict[str, int], **more: Any) -> list[dict[str, Any]]:
    counts = {name: {"tp": size, "fn": 0, "tn": 100 - size - 5} for name, size in sizes.items()}
    return [score(name, "test", "init", d, rule="otsu", **counts[name], **more) for name, d in dice.items()]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two deterministic rows on 40 images of growing size; `a` is better by the number of the image, less ten, in per mille."""
    out = tmp_path_factory.mktemp("two")
    sizes = {name: n + 1 for n, name in enumerate(IMAGES)}
    for method, dice in (
        ("a", {name: 0.5 + (n - 10) / 1000 for n, name in enumerate(IMAGES)}),
        ("b", dict.fromkeys(IMAGES, 0.5)),
    ):
        finished(out, 0, lines(dice, sizes), method=method, deterministic=True, run_id=f"r-{ord(method):012x}")
    return out


def test_the_difference_is_that_of_a_paired_t_test(two: Path) -> None:
    found = compared("a", "b", two)
    differences = np.array([(n - 10) / 1000 for n in range(40)])
    whole = found["parts"][0]["found"]
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert whole["difference"] == pytest.approx(differences.mean())
    assert (whole["low"], whole["high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found["stage"] == "init"  # the last that both have


def test_strata_are_quarters_by_size_and_small_ones_have_no_interval(two: Path) -> None:
    parts = [part for part in compared("a", "b", two)["parts"] if part["stratum"] == "size"]
    assert [part["images"] for part in parts] == [10, 10, 10, 10]
    assert [part["found"]["difference"] for part in parts] == pytest.approx([-0.0055, 0.0045, 0.0145, 0.0245])
    assert {part["found"]["low"] for part in parts} == {None}
    assert bench("a", "b", two).stdout.count("not enough data") == 4


def test_images_that_differ_most_either_way(two: Path) -> None:
    found = compared("a", "b", two, "--images", "3")
    assert [image["id"] for image in found["for_a"]] == ["i39", "i38", "i37"]
    assert [image["id"] for image in found["for_b"]] == ["i00", "i01", "i02"]
    assert found["for_a"][0]["difference"] == pytest.approx(0.029)
    shown = bench("a", "b", two).stdout
    assert re.search(r"i39 +52.90 +50.00 +\+2.90", shown)
    assert compared("a", "b", two, "--images", "0")["for_a"] == []


def test_each_foreground_by_itself(tmp_path: Path) -> None:
    for method, cat, dog in (("a", 0.6, 0.2), ("b", 0.5, 0.4)):
        both = [
            {**line, "class": name}
            for name, d in (("cat", cat), ("dog", dog))
            for line in lines(dict.fromkeys(IMAGES, d), dict.fromkeys(IMAGES, 10))
        ]
        finished(tmp_path, 0, both, method=method, deterministic=True, run_id=f"r-{ord(method):012x}")
    parts = {part["name"]: part for part in compared("a", "b", tmp_path)["parts"] if part["stratum"] == "class"}
    assert {name: part["found"]["difference"] for name, part in parts.items()} == pytest.approx(
        {"cat": 0.1, "dog": -0.2}
    )
    assert parts["cat"]["images"] == 40


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        for k in (3, 4):
            run(made, "theirs", seed, test_unet=0.8, settings={"k": k})
        run(made, "theirs", seed, test_unet=0.7, settings={"k": 3}, rule="fixed")
        run(made, "plain", seed, test_unet=0.6)
        run(made, "other_protocol", seed, test_unet=0.6, protocol="paper")
    run(made, "constant_floor", 0, test_init=0.4, role="floor")
    finished(made, 0, [], method="broken", failed="no")
    return made


def test_selectors_by_method_rule_settings_and_run(out: Path) -> None:
    found = compared("theirs:fixed", "plain", out)
    assert (found["a"], found["b"]) == ("theirs:fixed,k=3", "plain:otsu")
    assert found["parts"][0]["found"]["low"] is not None
    assert compared("theirs,k=4", "plain", out)["a"] == "theirs:otsu,k=4"
    (plain,) = (scored for scored in results.collect_scored(out) if scored.row["method"] == "plain")
    one = plain.results[0]["run_id"]
    seed = compared(one, "theirs,k=3", out)
    assert "seed=0" in seed["a"]
    assert seed["parts"][0]["found"]["low"] is None  # one seed says nothing about training
    assert compared("constant_floor", "plain", out)["stage"] == "init"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("theris,k=3", "plain"), "no row is of a method theris; did you mean theirs?"),
        (
            ("theirs", "plain"),
            "theirs means several rows of isic (reduced), protocol quick: theirs:otsu,k=3; theirs:otsu,k=4; add a",
        ),
        (
            ("theirs:oracle", "plain"),
            "no row is theirs:oracle; of theirs there are theirs:fixed,k=3; theirs:otsu,k=3; theirs:otsu,k=4",
        ),
        (("plain", "theirs,k=5"), "no row is theirs,k=5; of theirs there are"),
        (("plain", "other_protocol"), "plain and other_protocol are in no table together"),
        (("r-00000000000f", "plain"), "no finished run with scores is called r-00000000000f;"),
        (("broken", "plain"), "no row is broken; of broken there are only runs that failed"),
        (
            ("constant_floor", "plain", "--stage", "unet"),
            "constant_floor:otsu has no test images scored at stage unet in every seed",
        ),
    ],
)
def test_what_means_no_row_is_a_usage_error_that_helps(words: tuple[str, ...], sentence: str, out: Path) -> None:
    done = bench(*words[:2], out, *words[2:])
    assert (done.exit_code, done.stderr.startswith(f"error: {sentence}")) == (2, True), done.stderr


def test_the_edge_of_an_image_by_its_mask() -> None:
    mask = np.zeros((5, 6), np.uint8)
    mask[2, 2:4] = 1
    assert not _touches(mask)
    for where in ((0, 3), (4, 1), (2, 0), (1, 5)):
        touching = mask.copy()
        touching[where] = 2
        assert _touches(touching)
        touching[where] = 255  # ignored pixels are no object
        assert not _touches(touching)
    assert not _touches(None)


def test_images_whose_object_touches_the_edge_are_told_apart_by_the_data(tmp_path: Path) -> None:
    from bench import plugins
    from bench.data.samples import file_digests, split_hash

    data = plugins.instantiate(plugins.load("datasets", "synthetic"), {})
    items = data.items("test")
    known = {"split_hashes": {"test": split_hash(items, file_digests(data.files("test")))}}
    more = {**RESULT, **known, "dataset": data.name, "label": data.label, "dataset_settings": {"settings": {}}}
    for method, d in (("a", 0.6), ("b", 0.5)):
        dice = {item.id: d for item in items}
        finished(tmp_path, 0, lines(dice, dict.fromkeys(dice, 10)), **{**more, "method": method, "deterministic": True,
                 "run_id": f"r-{ord(method):012x}"})  # fmt: skip
    parts = {part["name"]: part["images"] for part in compared("a", "b", tmp_path, "--data-root", tmp_path)["parts"]}
    at_edge = sum(bool(m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any()) for m in map(data.mask, items))
    assert parts.get("touches the edge", 0) == at_edge
    assert parts.get("inside", 0) == len(items) - at_edge
