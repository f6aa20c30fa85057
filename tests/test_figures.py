"""Figures: curves against what was scored, places against hand-worked ones, and files that any program opens."""

from __future__ import annotations

import json
import random
from xml.etree import ElementTree

import made_page
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from made_page import full_row, row, runs, table
from made_results import finished
from PIL import Image
from tiny_runs import folder_of, out

from bench import plugins
from bench.commands.cli import cli
from bench.errors import DataError, UsageError
from bench.leaderboard.page import figures, figures_attribution, figures_curves, figures_rows
from bench.leaderboard.page.axes import Axis, around
from bench.leaderboard.page.gathered import gather
from bench.leaderboard.page.png import SCALE, png
from bench.leaderboard.page.shapes import Dot, Figure, Path, Words, line
from bench.leaderboard.page.svg import INKS, svg
from bench.leaderboard.page.threshold_curves import threshold_curves
from bench.resizing import resize

__all__ = ["out"]
SVG = "{http://www.w3.org/2000/svg}"


def bench(*args):
    return CliRunner().invoke(cli, [str(a) for a in args])


def words(figure):
    return [shape.text for shape in figure.shapes if isinstance(shape, Words)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9), st.floats(0, 10))
def test_an_axis_holds_its_values_and_its_ticks(values, least):
    axis = around(values, 10, 110, least)
    slack = 1e-6 * max(1.0, axis.high - axis.low)
    assert axis.low <= min(values) + slack
    assert axis.high >= max(values) - slack
    assert all(9.999 <= axis.at(value) <= 110.001 for value in values)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    assert ticks == sorted(ticks)
    assert all(axis.low - 1e-6 <= tick <= axis.high + 1e-6 for tick in ticks)


@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=9))
def test_equal_ratios_take_equal_room(values):
    axis = around(values, 0, 100, log=True)
    assert axis.ticks()
    middle = (axis.low * axis.high) ** 0.5
    assert axis.at(middle) == pytest.approx(50)


def test_a_file_has_its_colours_and_a_page_gives_them():
    figure = Figure(100, 50, "a <b> & c", "d", [Words((1, 2), made_page.HOSTILE + "\x00\x1b"), line(0, 0, 1.25, 3)])
    alone = ElementTree.fromstring(svg(figure, standalone=True))
    assert alone.find(f"{SVG}text").text == made_page.HOSTILE + "  "
    assert alone.find(f"{SVG}title").text == "a <b> & c"
    assert INKS["ink"] in alone.find(f"{SVG}style").text
    inside = ElementTree.fromstring(svg(figure))
    assert inside.find(f"{SVG}style") is None
    assert inside.attrib["role"] == "img"
    assert inside.find(f"{SVG}path").attrib["d"] in ("M0 0L1.2 3", "M0 0L1.3 3")


def test_pixels_lie_where_the_shapes_do(tmp_path):
    figure = Figure(
        40, 20, "", "", [Dot((10, 10), "s1", 4), line(20, 5, 38, 5, "ink", 2), Dot((30, 14), "s0", 4, hollow=True)]
    )
    (tmp_path / "f.png").write_bytes(png(figure))
    image = Image.open(tmp_path / "f.png")
    assert image.size == (40 * SCALE, 20 * SCALE)
    assert image.info["dpi"] == pytest.approx((96 * SCALE, 96 * SCALE), rel=0.01)

    def at(x, y):
        return "#{:02x}{:02x}{:02x}".format(*image.getpixel((round(x * SCALE), round(y * SCALE))))

    assert [at(10, 10), at(29, 5), at(30, 14), at(2, 2)] == [INKS["s1"], INKS["ink"], INKS["paper"], INKS["paper"]]


def test_inks_can_be_read_on_paper():
    def light(colour):
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ink in set(INKS) - {"paper", "grid"}:
        assert 1.05 / (light(INKS[ink]) + 0.05) >= 4.5, ink


def test_a_curve_is_what_counting_pixels_gives(out):
    first = next(one for one in gather(out) if one.scored[0].row["dataset"] == "tiny_shapes")
    curve = next(one for one in threshold_curves(first) if one.method == "tiny")
    rows = {one.row["rule"]: one.row for one in first.scored if one.row["method"] == "tiny"}
    assert curve.at(0.5) == pytest.approx(rows["fixed"]["test_init"], abs=1e-12)
    dataset = plugins.instantiate(plugins.load("datasets", "tiny_shapes"), {})
    items = dataset.items("test")
    for j in (100, 140):
        dices = []
        for seed in (0, 1):
            stored = np.load(folder_of(out, "tiny", seed=seed) / "predictions" / "init-test.npy")
            for n, item in enumerate(items):
                mask = dataset.mask(item) == 1
                cut = resize(stored[n, 0].astype(np.float32) / np.float32(65280), mask.shape) > j / 256
                dices.append(2 * (cut & mask).sum() / (cut.sum() + mask.sum()))
        assert curve.dice[j] == pytest.approx(np.mean(dices), abs=1e-12)
    assert curve.dice[round(256 * curve.oracle)] == max(curve.dice)
    assert not [one for one in threshold_curves(first) if one.method == "full_supervision"]


def test_without_stored_counts_there_is_no_curve(out):
    for file in out.glob("artifacts/scores-*/scores.npz"):
        file.unlink()
    assert all(threshold_curves(one) == [] for one in gather(out))


def test_letters_are_drawn_beside_their_rows(tmp_path):
    (first, _) = gather(runs(tmp_path))
    figure = figures_rows.letters(first)
    order = [text for text in words(figure) if text in {one.row["method"] for one in first.scored}]
    assert order == ["full_supervision", "clear", *order[2:4], "odd", "ground"]
    letters = {letter for one in first.scored for letter in (one.row["tie_group"] or "")}
    marks = [shape for shape in figure.shapes if isinstance(shape, Path) and shape.width == 3]
    assert len(marks) == sum(len(one.row["tie_group"] or "") for one in first.scored)
    assert letters <= set(words(figure))
    hollow = [shape for shape in figure.shapes if isinstance(shape, Dot) and shape.hollow]
    assert len(hollow) == 2 + 1  # floor, full supervision, and the legend


def test_a_number_after_a_letter_belongs_to_it():
    draws = random.Random(0)
    figure = figures_rows.letters(table(full_row(draws, tie_group="abz1"), full_row(draws, tie_group="z1")))
    assert [text for text in words(figure) if text in ("a", "b", "z", "z1", "1")] == ["a", "b", "z1"]


def test_the_floor_is_where_zero_is(tmp_path):
    (first, _) = gather(runs(tmp_path))
    figure = figures_rows.floors(first)
    (zero,) = [shape for shape in figure.shapes if isinstance(shape, Path) and shape.ink == "ink" and shape.width == 1]
    dots = [shape.at[0] for shape in figure.shapes if isinstance(shape, Dot) and shape.at[1] < figure.height - 30]
    over = sorted((one.row["over_floor"] for one in first.scored if one.row["over_floor"] is not None), reverse=True)
    assert [x > zero.points[0][0] for x in dots] == [value > 0 for value in over]
    assert dots == sorted(dots, reverse=True)


def supervised(out, method=0.5):
    """Full supervision with 1, 10 and 100 masks at Dice 0.3, 0.5 and 0.7 (U-Net 0.03 more), and a method."""
    number = 0
    for masks, base in ((1, 0.3), (10, 0.5), (100, 0.7)):
        for seed in range(3):
            number += 1
            finished(out, seed, made_page.lines(base, seed), method="full_supervision", role="full", settings={"count": masks},
                     masks_train=masks, run_id=f"r-{number:012x}", stages=[])  # fmt: skip
    for seed in range(3):
        finished(out, seed, made_page.lines(method, seed), method="mine", run_id=f"r-{900 + seed:012x}", stages=[])
    return gather(out)


def test_break_even_crosses_where_the_curve_does(tmp_path):
    (first,) = supervised(tmp_path)
    mine = next(one.row for one in first.scored if one.row["method"] == "mine")
    assert mine["break_even"] == pytest.approx(10, rel=0.2)
    figure = figures_curves.break_even(first)
    curve = [shape.at for shape in figure.shapes if isinstance(shape, Dot) and shape.ink == "ink"]
    (crossing,) = [shape.at for shape in figure.shapes if isinstance(shape, Dot) and shape.ink == "s0"]
    assert crossing == pytest.approx(curve[1], abs=6)
    (interval,) = [shape for shape in figure.shapes if isinstance(shape, Path) and shape.width == 4]
    assert interval.points[0][0] < crossing[0] < interval.points[1][0]


def test_labels_take_rows_of_protocols_that_differ_in_them_alone(tmp_path):
    number = 0
    for labels, base in ((50, 0.4), (100, 0.5), (200, 0.6)):
        for seed in range(2):
            number += 1
            finished(
                tmp_path,
                seed,
                made_page.lines(base, seed),
                protocol=f"quick(weak_images={labels})",
                labels_used=labels,
                run_id=f"r-{number:012x}",
                stages=[],
            )
    tables = gather(tmp_path)
    figure = figures.one("labels", tables)
    dots = [shape.at for shape in figure.shapes if isinstance(shape, Dot)]
    assert len(dots) == 3
    assert dots[1][0] - dots[0][0] == pytest.approx(dots[2][0] - dots[1][0])  # 50, 100, 200: equal ratios
    assert [y for _, y in dots] == sorted((y for _, y in dots), reverse=True)


def test_attribution_finds_the_masks_that_are_as_wrong(tmp_path):
    protocol = "quick(segment_on=masks)"
    stages = [{"artifact": "targets-00000000000a", "seconds": 1.0}]
    finished(tmp_path, 0, made_page.lines(0.5, 0), protocol=protocol, run_id="r-000000000001", stages=stages)
    for number, (kind, dice) in enumerate((("boundary", 0.612), ("size", 0.612), ("boundary", 0.4)), 2):
        finished(tmp_path, 0, made_page.lines(0.55, 0), protocol=protocol, method="degraded_masks", role="control",
                 settings={"kind": kind, "dice": dice}, run_id=f"r-{number:012x}", stages=[])  # fmt: skip
    finished(
        tmp_path,
        0,
        made_page.lines(0.8, 0),
        protocol=protocol,
        method="full_supervision",
        role="full",
        run_id="r-000000000009",
        stages=[],
    )
    of_proxies = {"targets": "targets-00000000000a", "content": "now"}
    for name, manifest in {
        "targets-00000000000a": {"inputs": {"rule": "otsu"}, "files": {"masks.npy": {"sha256": "now"}}},
        "scores-00000000000b": {"inputs": of_proxies, "record": {"facts": {"dice": 0.6121}}},
        "scores-00000000000c": {
            "inputs": {**of_proxies, "content": "before --fresh"},
            "record": {"facts": {"dice": 0.2}},
        },
        "scores-00000000000d": {"inputs": {"maps": "maps-00000000000e"}, "record": {"facts": {}}},
    }.items():
        folder = tmp_path / "artifacts" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(manifest))
    (first,) = gather(tmp_path)
    figure = figures_attribution.attribution(first)
    bars = [
        "nothing: the maps (init)",
        "its proxies",
        "masks degraded by boundary",
        "masks degraded by size",
        "true masks",
    ]
    assert [text for text in words(figure) if text in bars or text.startswith("masks degraded")] == bars


def test_a_hundred_rows_and_long_names_are_drawn():
    draws = random.Random(0)
    rows = [full_row(draws, method=f"{made_page.CHINESE}{n}" if n % 2 else f"{made_page.LONG}{n}") for n in range(100)]
    for name, figure in figures.every(table(*rows), [table(*rows)]):
        ElementTree.fromstring(svg(figure, standalone=True))
        assert figure.height > 300, name
        assert all(shape.at[0] >= 0 for shape in figure.shapes if isinstance(shape, Words))
    png(figures_rows.letters(table(*rows[:3])))


def test_what_is_not_there_is_said(tmp_path):
    made = runs(tmp_path / "runs")
    tables = gather(made)
    with pytest.raises(DataError, match="break-even takes full supervision with three numbers of masks"):
        figures.one("break-even", tables)
    with pytest.raises(
        UsageError,
        match=r"2 tables have the figure letters: isic \(reduced\) · quick v1, other · quick v1; choose with --dataset",
    ):
        figures.one("letters", tables)
    with pytest.raises(UsageError, match="no table is called that; there are isic"):
        figures.one("letters", tables, dataset="cats")
    done = bench("leaderboard", "figure", "letters", made, "-o", tmp_path / "f.jpg", "--dataset", "other")
    assert done.exit_code != 0
    assert not (tmp_path / "f.jpg").exists()


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_command_writes_a_file_that_opens(tmp_path, ending):
    to = tmp_path / f"f.{ending}"
    done = bench("leaderboard", "figure", "letters", runs(tmp_path / "runs"), "-o", to, "--dataset", "isic")
    assert (done.exit_code, done.stdout) == (0, f"{to}\n"), done.output
    if ending == "svg":
        assert ElementTree.parse(to).getroot().tag == f"{SVG}svg"
    else:
        assert Image.open(to).convert("L").getextrema() == (Image.open(to).convert("L").getextrema()[0], 255)


def test_rows_without_a_unet_have_no_figure():
    assert list(figures.every(table(row()), [table(row())])) == []


def test_an_axis_puts_what_lies_beyond_on_its_end():
    assert Axis(0, 1, 0, 10).at(3) == 10
    assert Axis(0, 1, 0, 10).at(-3) == 0
