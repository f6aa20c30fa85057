"""`bench runs show`: which images, in which order, what is drawn of them, and that nothing is shown that may not be."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny_runs import PLUGINS, folder_of, out, result_of

from bench import plugins
from bench.api import Item
from bench.commands.cli import cli
from bench.errors import DataError, UsageError
from bench.evenly import evenly
from bench.results.csv_files import read_scores
from bench.runs import contact_sheet, sheet
from bench.runs import data as run_data
from bench.runs.learning_curves import panel, read_curves
from bench.runs.listing import find_run

__all__ = ["out"]


def bench(*args):
    return CliRunner().invoke(cli, [str(a) for a in args])


@pytest.mark.parametrize(
    ("method", "dataset", "columns"),
    [
        ("tiny", "tiny_shapes", ["image", "truth", "map", "proxy", "prediction"]),
        ("class_maps", "three_classes", ["image", "truth", "map", "proxy", "prediction"]),
        ("class_maps", "unmasked", ["image", "truth (not drawn)", "map", "proxy", "prediction"]),
        ("full_supervision", "tiny_shapes", ["image", "truth", "prediction"]),
        ("centre_disc", "tiny_shapes", ["image", "truth", "map", "proxy"]),
    ],
)
def test_each_kind_of_run_has_its_columns(out, tmp_path, monkeypatch, method, dataset, columns):
    seen = []
    monkeypatch.setattr(
        contact_sheet, "strip", lambda caption, tiles: seen.append([t for t, _ in tiles]) or sheet.text([caption])
    )
    words = ["runs", "show", folder_of(out, method, dataset), "-o", tmp_path / "s.png", "--images", 3, "--private"]
    done = bench(*words)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 's.png'}\n"
    assert len(seen) == 3
    assert columns in seen


def test_the_file_is_one_picture_with_all_strips_and_curves(out, tmp_path):
    for images in (2, 4):
        words = [
            "runs",
            "show",
            folder_of(out, "tiny"),
            "-o",
            tmp_path / f"{images}.png",
            "--private",
            "--images",
            images,
        ]
        assert bench(*words).exit_code == 0
    with Image.open(tmp_path / "2.png") as two, Image.open(tmp_path / "4.png") as four:
        assert two.width == four.width == sheet.WIDTH + 2 * sheet.LINE
        strip = sheet.strip(("x", sheet.INK, 13), [])
        assert four.height - two.height == 2 * (strip.height + sheet.GAP)


def test_images_run_evenly_from_the_worst_to_the_best_dice(out):
    run = find_run(str(folder_of(out, "tiny")), out)
    with (run.folder / "scores.csv").open() as file:
        lines = [
            ln for ln in csv.DictReader(file) if (ln["split"], ln["stage"], ln["rule"]) == ("test", "unet", "otsu")
        ]
    by_hand = [ln["image"] for ln in sorted(lines, key=lambda ln: float(ln["dice"]))]
    frame = read_scores(run.folder / "scores.csv")
    items = plugins.load("datasets", "tiny_shapes")().items("test")
    rows = contact_sheet.order(frame[(frame["split"] == "test") & (frame["rule"] == "otsu")], items)
    assert [row.item.id for row in rows] == by_hand
    assert [items[row.number] for row in rows] == [row.item for row in rows]
    assert [row.item.id for row in evenly(rows, 3)] == [by_hand[n] for n in (0, 2, 5)]


@pytest.mark.parametrize(("stage", "rule"), [("init", "fixed"), ("init", "otsu"), ("unet", "otsu")])
def test_what_is_drawn_as_proxy_and_prediction_is_what_was_scored(out, stage, rule):
    """The masks on the sheet have the counts of scores.csv."""
    run = folder_of(out, "class_maps", "three_classes")
    data = plugins.load("datasets", "three_classes")()
    frame = read_scores(run / "scores.csv")
    frame = frame[(frame["split"] == "test") & (frame["stage"] == stage) & (frame["rule"] == rule)]
    maps = np.load(run / "predictions" / f"{'init' if stage == 'init' else f'unet-{rule}'}-test.npy")
    shown = 0
    for number, item in enumerate(data.items("test")):
        truth = data.mask(item)
        lines = frame[frame["image"] == item.id]
        for k, line in enumerate(lines.itertuples()):
            alone = contact_sheet.cut(
                maps[number][k : k + 1], truth.shape, [line.threshold], stage == "init" and rule == "otsu"
            )
            above = (alone == 1) & (truth != 255)
            assert (above.sum(), (above & (truth == k + 1)).sum()) == (line.tp + line.fp, line.tp)
            shown += above.sum()
        mask = contact_sheet.cut(
            maps[number], truth.shape, list(lines["threshold"]), stage == "init" and rule == "otsu"
        )
        assert set(np.unique(mask)) <= {0, 1, 2, 3}
    assert shown


def test_where_two_maps_are_above_the_larger_wins():
    maps = np.array([[[60_000, 60_000]], [[65_000, 30_000]]], np.uint16)
    assert contact_sheet.cut(maps, (1, 2), [0.5, 0.4], False).tolist() == [[2, 1]]


def test_colours_tell_foregrounds_apart_and_ignored_pixels_are_grey():
    mask = np.array([[0, 1, 2, 255]], np.uint8)
    several = np.asarray(sheet.coloured(mask, several=True))[0].tolist()
    assert several[0] == [0, 0, 0]
    assert several[3] == [128, 128, 128]
    assert len({tuple(colour) for colour in several}) == 4
    assert np.asarray(sheet.coloured(mask, several=False))[0, 1].tolist() == [255, 255, 255]


def test_pictures_that_may_not_be_shown_need_a_word(out, tmp_path):
    done = bench("runs", "show", folder_of(out, "tiny"), "-o", tmp_path / "s.png")
    assert done.exit_code == 2
    assert "pictures of tiny_shapes may not be shown in public" in done.output
    assert "--private" in done.output
    assert not (tmp_path / "s.png").exists()
    data = plugins.load("datasets", "synthetic")()
    run_data.require_publishable(data, private=False)


def test_other_images_than_those_of_the_run_are_refused(out, monkeypatch):
    run = find_run(str(folder_of(out, "tiny")), out)
    data = run_data.open_dataset(run, None)
    assert run_data.same_images(data, run) == data.items("test")
    monkeypatch.setattr(type(data), "items", lambda self, split: [Item("other", None)])
    with pytest.raises(DataError, match=r"test images of tiny_shapes are not those of r-.*--data-root"):
        run_data.same_images(data, run)


def test_the_data_set_is_opened_with_the_settings_of_the_run(out, tmp_path):
    run = find_run(str(folder_of(out, "class_maps", "unmasked")), out)
    run.result["dataset_settings"]["settings"]["masks"] = 2
    run.result["label"] = "mine"
    data = run_data.open_dataset(run, None)
    assert (data.masks, data.label) == (2, "mine")
    folder = find_run(str(folder_of(out, "tiny")), out)
    folder.result.update(dataset="isic", dataset_settings={"settings": {"split": "paper"}})
    with pytest.raises(DataError, match=r"data set isic is not found: give its folder with --data-root"):
        run_data.open_dataset(folder, None)


def test_a_rule_that_the_run_has_not_is_refused(out):
    run = find_run(str(folder_of(out, "tiny")), out)
    assert contact_sheet.pick_rule(run, None) == "otsu"
    assert contact_sheet.pick_rule(find_run(str(folder_of(out, "full_supervision")), out), None) == ""
    with pytest.raises(UsageError, match=f"{run.id} has no rule oracle; it has fixed, otsu"):
        contact_sheet.pick_rule(run, "oracle")


def test_curves_are_those_of_history_csv(out):
    run = folder_of(out, "tiny")
    found = read_curves(run / "history.csv")
    fit = next(s["artifact"] for s in result_of(run)["stages"] if s["artifact"].startswith("fit-"))
    with (run / "history.csv").open() as file:
        by_hand = [float(ln["value"]) for ln in csv.DictReader(file) if (ln["stage"], ln["name"]) == (fit, "loss")]
    assert [value for _, value in found[fit, "loss"]] == by_hand
    assert len(by_hand) == 4
    assert read_curves(run / "nothing.csv") == {}


def test_odd_curves_are_drawn(tmp_path):
    (tmp_path / "history.csv").write_text("stage,epoch,step,name,value\na,0,,x,nan\na,1,,x,words\na,2,,x,3\na,,,x,4\n")
    points = read_curves(tmp_path / "history.csv")
    assert points == {("a", "x"): [(2.0, 3.0)]}
    for each in ([(0.0, 1.0)], [(0.0, 1.0), (1.0, 1.0)], [(n, n * 1e300) for n in range(100)]):
        assert panel("title", each, 300).size == (300, 130)


def test_a_plugin_file_is_named_where_the_data_set_comes_from_one(out, tmp_path):
    words = ["runs", "show", folder_of(out, "tiny"), "-o", tmp_path / "s.png", "--private", "--images", 1]
    assert bench(*words, "--plugin", PLUGINS / "tiny.py").exit_code == 0
