"""Where Dice says nothing or a pixel has several answers: ignored pixels, images without the object, missing masks, several foregrounds."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from rich.console import Console
from torch.nn import functional

from bench import plugins
from bench.api import Item
from bench.data.door import Door, open_mask
from bench.data.samples import Samples
from bench.datasets.synthetic_presence import SyntheticPresence
from bench.errors import DataError
from bench.metrics import Truth, counts, dice, score_image, size_quartiles
from bench.pipeline import cell_process, mapfile, score_lines, segmenter
from bench.pipeline.plan import plan, prepare
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, change
from bench.results import collected as results
from bench.results import csv_files, tables
from bench.results.seed_scores import by_stage, numbers, per_image

SIZE = 32
FEW = {"size": str(SIZE), "steps": "80", "segmenter_lr": "0.02", "base_channels": "8", "batch": "4", "fit_share": "1"}
RULES = replace(change(SMOKE, FEW), settings=MappingProxyType({}))
FILE = Path(__file__).with_name("plugins") / "three_classes.py"


def work(out, methods, dataset, settings=(), rules=RULES):
    """Work these cells out in this process: their folders by method, then the rows of the leaderboard."""
    plugins.load_file(FILE)
    planned = plan(RunRequest(methods, (dataset,), rules, settings=settings, out=out))
    prepare(planned, lambda *_: None)
    for one in planned:
        one.folder.mkdir(parents=True)
        cell_process.work(replace(one.cell, threads=1), one.folder, lambda *_: None)
    folders = {one.cell.method.name: one.folder for one in planned}
    return folders, {(row["method"], row["rule"]): row for row in results.leaderboard(out)}


@pytest.fixture(scope="module")
def three(tmp_path_factory, inline_process):
    """The three-class data through every stage, with a weak method and with masks."""
    out = tmp_path_factory.mktemp("three")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.pipeline.workbench.MethodProcess", inline_process)
        folders, board = work(out, ("class_maps", "full_supervision"), "three_classes")
    return out, folders, board, plugins.load("datasets", "three_classes")()


def lines(folder):
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def artifacts(out, kind):
    """Folders of a kind with the inputs of their keys."""
    found = {}
    for folder in (out / "artifacts").glob(f"{kind}-*"):
        if (folder / "manifest.json").exists():
            found[folder] = json.loads((folder / "manifest.json").read_text())["inputs"]
    return found


def enlarged(stored, size):
    values = torch.from_numpy(stored.astype(np.float64)) / 65280
    return functional.interpolate(values[None], size, mode="bilinear", align_corners=False)[0].numpy()


def otsu_by_hand(values):
    """Pixels above the threshold j/256 of the min-maxed map with the greatest variance between the two sides, by trying all."""
    if values.min() == values.max():
        return np.zeros(values.shape, bool)
    spread = np.ceil((values - values.min()) / (values.max() - values.min()) * 256)
    best, chosen = -1.0, None
    for j in range(256):
        above = spread > j
        if 0 < above.sum() < above.size:
            share = above.mean()
            variance = share * (1 - share) * (spread[above].mean() - spread[~above].mean()) ** 2
            if variance > best * (1 + 1e-9):
                best, chosen = variance, above
    return chosen


# --- several foregrounds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["fixed", "otsu"])
def test_proxies_take_the_largest_of_the_maps_above_their_own_thresholds(three, rule):
    out, *_ = three
    ((folder, inputs),) = [(f, i) for f, i in artifacts(out, "targets").items() if i.get("rule") == rule]
    made = np.load(folder / "masks.npy")
    stored = np.concatenate([np.load(out / "artifacts" / name / "maps.npy") for name in inputs["maps"]])
    assert stored.shape[1] == 3
    same = 0
    for proxy, channels in zip(made, stored, strict=True):
        maps = enlarged(channels, (SIZE, SIZE))
        above = maps > 0.5 if rule == "fixed" else np.stack([otsu_by_hand(m) for m in maps])
        expected = np.where(above.any(0), np.where(above, maps, -1).argmax(0) + 1, 0)
        same += (expected == proxy).mean() / len(made)
    assert same > 0.999  # a value at its threshold may fall to the other side in the last bit
    if rule == "otsu":
        assert set(np.unique(made)) == {0, 1, 2, 3}
        assert any(len(set(np.unique(proxy)) - {0}) == 2 for proxy in made)  # pictures of two lesions


def test_masks_for_training_keep_every_foreground_and_what_is_ignored(three):
    out, *_, data = three
    (targets,) = [np.load(f / "masks.npy") for f, i in artifacts(out, "targets").items() if "rule" not in i]
    for target, item in zip(targets, data.items("masks"), strict=True):
        native = data.mask(item)
        down, right = (((np.arange(SIZE) + 0.5) * n / SIZE).astype(int) for n in native.shape)
        assert np.array_equal(target, native[down][:, right])
    assert set(np.unique(targets)) == {0, 1, 2, 3, 255}


@pytest.mark.parametrize(
    ("method", "stage", "rule"),
    [("class_maps", "init", "otsu"), ("class_maps", "unet", "otsu"), ("full_supervision", "unet", "")],
)
def test_dice_of_every_foreground_is_that_of_comparing_pixels(three, method, stage, rule):
    _, folders, board, data = three
    kept = [r for r in lines(folders[method]) if (r["split"], r["stage"], r["rule"]) == ("test", stage, rule)]
    found = {(r["image"], r["class"]): r for r in kept}
    name = {"init": "init-test", "unet": f"unet-{rule}-test" if rule else "unet-test"}[stage]
    stored = np.load(folders[method] / "predictions" / f"{name}.npy")
    assert stored.shape[:2] == (12, 3)
    of_images = []
    for item, channels in zip(data.items("test"), stored, strict=True):
        mask = data.mask(item)
        maps = enlarged(channels, mask.shape)
        regions = maps > 0.5 if stage == "unet" else np.stack([otsu_by_hand(m) for m in maps])
        assert stage == "init" or regions.sum(0).max() <= 1  # one class a pixel
        scores = [
            compared(found[item.id, name], region, mask, k + 1)
            for k, (name, region) in enumerate(zip(data.task.foreground, regions, strict=True))
        ]
        of_images.append([score for score in scores if score is not None])
    assert {len(scores) for scores in of_images} == {1, 2}
    assert board[method, rule][f"test_{stage}"] == pytest.approx(np.mean([np.mean(scores) for scores in of_images]))
    assert board[method, rule]["images"] == 12
    if method == "full_supervision":
        assert (stored > 32640).any((0, 2, 3)).sum() >= 2  # of several foregrounds something is found


def compared(found, region, mask, value):
    """Hold a line of scores.csv to the pixels; its Dice, None where the mask does not show this foreground."""
    valid, true = mask != 255, mask == value
    region = region & valid
    assert sum(int(found[name]) for name in ("tp", "fp", "fn", "tn")) == valid.sum()
    assert int(found["tp"]) + int(found["fn"]) == true.sum()
    assert int(found["present"]) == true.any()
    assert float(found["foreground_share"]) == pytest.approx(region.sum() / valid.sum(), abs=2e-3)
    if not true.any():
        assert found["dice"] == found["dice_224"] == found["ap"] == ""
        return None
    assert float(found["dice"]) == pytest.approx(2 * (region & true).sum() / (region.sum() + true.sum()), abs=3e-3)
    return float(found["dice"])


@pytest.mark.oracle
def test_dice_of_every_foreground_is_scikit_learns_f1(three):
    from sklearn.metrics import f1_score

    _, folders, _, data = three
    found = {(r["image"], r["class"]): r for r in lines(folders["full_supervision"]) if r["split"] == "val"}
    stored = np.load(folders["full_supervision"] / "predictions" / "unet-val.npy")
    for item, channels in zip(data.items("val"), stored, strict=True):
        mask = data.mask(item)
        above = enlarged(channels, mask.shape) > 0.5
        predicted = np.where(above.any(0), above.argmax(0) + 1, 0)[mask != 255]
        expected = f1_score(mask[mask != 255], predicted, labels=[1, 2, 3], average=None, zero_division=np.nan)
        for k, name in enumerate(data.task.foreground):
            if (line := found[item.id, name])["dice"]:
                assert float(line["dice"]) == pytest.approx(expected[k], abs=2e-3)


def test_every_foreground_has_its_own_otsu_threshold(three):
    _, folders, *_ = three
    init = [r for r in lines(folders["class_maps"]) if (r["stage"], r["rule"], r["split"]) == ("init", "otsu", "test")]
    stored = np.load(folders["class_maps"] / "predictions" / "init-test.npy")
    thresholds = np.array([float(r["threshold"]) for r in init]).reshape(12, 3)
    shares = np.array([float(r["foreground_share"]) for r in init]).reshape(12, 3)
    assert (thresholds.std(1) > 0).any()
    assert stored.shape[:2] == (12, 3)
    assert (shares > 0).all()  # each map is cut by itself: a pixel may lie in two of them


def test_false_positives_are_of_each_foreground_by_itself_then_their_mean(three):
    _, folders, board, _ = three
    found = [r for r in lines(folders["full_supervision"]) if r["split"] == "test"]
    rates, shares = [], []
    for name in ("first", "second", "third"):
        absent = [r for r in found if r["class"] == name and int(r["tp"]) + int(r["fn"]) == 0]
        wrong = [int(r["fp"]) / (int(r["fp"]) + int(r["tn"])) for r in absent]
        rates.append(np.mean([w > 0 for w in wrong]))
        shares.append(np.mean(wrong))
    row = board["full_supervision", ""]
    assert row["false_positive_rate"] == pytest.approx(np.mean(rates))
    assert row["false_positive_share"] == pytest.approx(np.mean(shares))
    assert 0 < row["false_positive_share"] < 1


# --- ignored pixels --------------------------------------------------------------------------------------------------------------------


def test_ignored_pixels_change_no_number_whatever_lies_there():
    """At native size and at 224; the map is flat along the ignored band, so that no resizing mixes it."""
    random = np.random.default_rng(0)
    values = random.random((224, 224), dtype=np.float32)
    mask = (random.random((224, 224)) < 0.3).astype(np.uint8)
    mask[:, 200:] = 255
    other = values.copy()
    other[:, 200:] = random.random((224, 24))
    one, two = score_image(values, mask), score_image(other, mask)
    for name in ("raw", "raw_224", "fine"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    cut = score_image(values[:, :200], mask[:, :200])
    assert np.array_equal(one.raw, cut.raw)
    assert one.ap == cut.ap


def test_ignored_pixels_train_nothing_with_several_foregrounds():
    torch.manual_seed(0)
    logits, masks = torch.randn(2, 4, 6, 6, requires_grad=True), torch.randint(0, 4, (2, 6, 6), dtype=torch.uint8)
    masks[:, :2] = 255
    segmenter.pixel_loss(logits, masks).backward()
    assert not logits.grad[:, :, :2].any()
    assert logits.grad[:, :, 2:].all()


def test_a_lesion_size_is_a_share_of_the_pixels_that_count(tmp_path):
    """Sizes by the whole picture would be 10, 20, 15, 25 %; half of the third is ignored: its lesion takes 30 % of what counts."""
    pixels = {"a": (10, 90), "b": (20, 80), "c": (15, 35), "d": (25, 75)}
    frame = read([line(i, tp=tp, tn=tn) for i, (tp, tn) in pixels.items()], tmp_path)
    shares = per_image(frame)["share"]
    assert shares.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.25])
    assert size_quartiles(shares.to_numpy()).tolist() == [0, 1, 3, 2]


def test_a_mask_that_ignores_everything_says_neither_present_nor_absent():
    assert score_lines._pixels(0, 0, 0, 0, missing=False) == {
        "tp": 0, "fp": 0, "fn": 0, "tn": 0, "present": None, "foreground_share": None,
    }  # fmt: skip


# --- images without the object ---------------------------------------------------------------------------------------------------------


def line(image, tp=0, fp=0, fn=0, tn=0, **more):
    """A line of scores.csv under the rule otsu on test."""
    score = float(dice(tp, fp, fn))
    known = {} if np.isnan(score) else {"dice": score, "dice_224": score, "ap": score}
    head = {"image": image, "cluster": image, "class": "object", "split": "test", "stage": "unet", "rule": "otsu"}
    return {
        **head,
        "threshold": 0.5,
        **score_lines._pixels(tp, fp, fn, tn, missing=False),
        "dead_map": 0,
        **known,
        **more,
    }


def read(made, folder):
    csv_files.write_scores(folder / "scores.csv", made)
    return csv_files.read_scores(folder / "scores.csv")


def seed_numbers(lines):
    parts = by_stage(lines, "otsu")
    return numbers(parts, {stage: per_image(part) for stage, part in parts.items()})


def test_false_positives_stand_apart_and_never_in_dice(tmp_path):
    lesions = [line("a", tp=10, fn=10, tn=80), line("b", tp=20, tn=80)]
    empty = [line("c", fp=1, tn=99), line("d", tn=100), line("e", fp=50, tn=50), line("f", tn=100)]
    found = seed_numbers(read([*lesions, *empty], tmp_path))
    assert found["test_unet"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["false_positive_rate"] == 0.5  # one pixel is enough
    assert found["false_positive_share"] == pytest.approx(0.51 / 4)
    assert found["foreground_share"] == pytest.approx(0.15)
    without = seed_numbers(read(lesions, tmp_path))
    assert without["test_unet"] == found["test_unet"]
    assert without["false_positive_rate"] is None


@pytest.mark.parametrize("columns", [1, 3])
def test_a_file_of_before_has_the_same_numbers(tmp_path, columns):
    """Files of before lack the last column (distances), or the last three; what follows from the counts is worked out."""
    made = [line("a", tp=10, fn=10, tn=80), line("c", fp=1, tn=99), line("x")]
    new = seed_numbers(read(made, tmp_path))
    old = tmp_path / "scores.csv"
    with old.open(newline="") as file:
        kept = [row[:-columns] for row in csv.reader(file)]
    with old.open("w", newline="") as file:
        csv.writer(file).writerows(kept)
    assert "hd95" not in old.read_text()
    assert ("present" in old.read_text()) == (columns == 1)
    assert seed_numbers(csv_files.read_scores(old)) == new
    assert new["false_positive_rate"] == 1.0
    assert new["test_hd95"] is None


def test_where_only_distances_lack_a_missing_mask_stays_missing(tmp_path):
    """Its counts are empty: worked out again, the foreground would be taken for absent."""
    made = [{**line("a"), **score_lines._pixels(10, 10, 10, 70, missing=True), "tp": "", "fp": "", "fn": "", "tn": ""}]
    read(made, tmp_path)
    file = tmp_path / "scores.csv"
    file.write_text("\n".join(row.rpartition(",")[0] for row in file.read_text().splitlines()))
    frame = csv_files.read_scores(file)
    assert (frame["present"][0], frame["foreground_share"][0]) == (1, 0.2)


def test_overlap_distance_dead_and_empty_maps_by_hand(tmp_path):
    """Of images with the object: where it is absent, an empty map is the right one. Dead maps are the method's, the rest the U-Net's."""
    unet = [
        line("a", tp=10, fn=10, tn=80, hd95=3.0),
        line("b", tp=30, fp=10, tn=60, hd95=5.0),
        line("c", fn=20, tn=80, hd95=14.0),
        line("d", tn=100, dead_map=1),
    ]
    dead = {"a": 0, "b": 1, "c": 1, "d": 1}
    init = [{**row, "stage": "init", "dead_map": dead[row["image"]], "hd95": 99.0} for row in unet]
    found = seed_numbers(read([*init, *unet], tmp_path))
    assert found["test_iou"] == pytest.approx((10 / 20 + 30 / 40 + 0) / 3)
    assert found["test_hd95"] == pytest.approx((3 + 5 + 14) / 3)
    assert found["empty_maps"] == pytest.approx(1 / 3)
    assert found["dead_maps"] == pytest.approx(2 / 3)
    alone = seed_numbers(read(unet, tmp_path))
    assert alone["dead_maps"] == 0


def test_presence_is_scored_by_pixels_and_by_images(tmp_path, inline):
    _, board = work(tmp_path, ("all_foreground",), "unmasked", (("unmasked", "masks", "1000"),))
    row = board["all_foreground", "fixed"]
    data = SyntheticPresence()
    areas = [data.mask(item).mean() for item in data.items("test")[1:10:2]]
    assert row["test_init"] == pytest.approx(np.mean([2 * a / (1 + a) for a in areas]))
    assert (row["false_positive_rate"], row["false_positive_share"], row["images"]) == (1, 1, 5)
    assert row["notes"] == ""
    text = shown([row])
    assert "area %" in text
    assert "100.0" in text


def shown(table):
    file = io.StringIO()
    tables.show(table, Console(file=file, width=80))
    assert max(map(len, file.getvalue().splitlines())) <= 80
    return file.getvalue()


# --- missing masks ---------------------------------------------------------------------------------------------------------------------


def test_without_any_mask_labels_give_false_positives_and_shares_and_dice_stays_empty(tmp_path, inline):
    folders, board = work(
        tmp_path, ("all_foreground", "class_maps"), "unmasked", rules=change(RULES, {"rules": "fixed"})
    )
    for row in board.values():
        assert [row[stage] for stage in results.STAGES] == [None] * 4
        assert [row[name] for name in ("test_dice_pooled", "test_dice_macro", "test_ap_image", "test_pxap")] == [
            None
        ] * 4
        assert row["notes"] == "no masks: image-level measures only"
        assert (row["masks_eval"], row["test_openings"], row["images"], row["ranked"]) == (0, 0, 0, False)
    every = board["all_foreground", "fixed"]
    assert (every["false_positive_rate"], every["false_positive_share"], every["foreground_share"]) == (1, 1, 1)
    learned = board["class_maps", "fixed"]
    found = [
        r for r in lines(folders["class_maps"]) if (r["split"], r["stage"], r["rule"]) == ("test", "unet", "fixed")
    ]
    for number, r in enumerate(found):
        assert r["dice"] == r["ap"] == ""
        assert r["present"] == str(number % 2)
        assert ("" in (r["tp"], r["fp"], r["fn"], r["tn"])) == (number % 2 == 1)
    stored = np.load(folders["class_maps"] / "predictions" / "unet-fixed-test.npy")
    items = SyntheticPresence().items("test")[:10]
    sizes = [SyntheticPresence().image(item).shape[1:] for item in items]
    shares = [(enlarged(m, size) > 0.5).mean() for m, size in zip(stored, sizes, strict=True)]
    assert [float(r["foreground_share"]) for r in found] == pytest.approx(shares, abs=1e-3)
    assert learned["foreground_share"] == pytest.approx(np.mean(shares[1::2]), abs=1e-3)
    assert learned["false_positive_share"] == pytest.approx(np.mean(shares[::2]), abs=1e-3)
    text = shown(list(board.values()))
    assert "[1] no masks: image-level measures only" in text or "[2] no masks: image-level measures only" in text
    assert "object" in text


def test_with_some_masks_dice_is_of_those_and_the_row_says_how_many(tmp_path, inline):
    _, board = work(tmp_path, ("all_foreground",), "unmasked", (("unmasked", "masks", "4"),))
    row = board["all_foreground", "fixed"]
    areas = [SyntheticPresence().mask(item).mean() for item in SyntheticPresence().items("test")[1:4:2]]
    assert row["test_init"] == pytest.approx(np.mean([2 * a / (1 + a) for a in areas]))
    assert (row["images"], row["masks_eval"]) == (2, 8)  # 4 masks of val, 4 of test
    assert row["notes"] == "no masks for 3 of 5 test images that show the object"


def test_where_no_test_image_shows_the_object_only_false_positives_are_left(tmp_path, inline):
    settings = (("unmasked", "objects", "false"), ("unmasked", "masks", "1000"))
    _, board = work(tmp_path, ("centre_disc",), "unmasked", settings)
    row = board["centre_disc", "fixed"]
    assert (row["test_init"], row["test_pxap"], row["false_positive_rate"], row["foreground_share"]) == (
        None,
        None,
        1,
        None,
    )
    assert row["val_init"] > 0
    assert row["false_positive_share"] == pytest.approx(np.pi * 0.3**2, abs=0.02)
    assert row["notes"] == "no test image shows the object: false positives only"


@pytest.mark.parametrize("method", ["shape_prior", "full_supervision"])
def test_a_method_that_reads_masks_has_an_empty_row_where_there_are_none(tmp_path, inline, method):
    _, board = work(tmp_path, (method,), "unmasked")
    row = board[method, ""]
    assert row["notes"].split("; ")[0] == "no masks to train on"
    assert (row["test_init"], row["test_unet"], row["masks_train"], row["seconds"]) == (None, None, 0, 0)
    assert not row["ranked"]
    assert "no masks to train on" in shown([row])


def test_what_is_known_without_a_mask():
    plugins.load_file(FILE)
    data = plugins.load("datasets", "unmasked")()
    absent, present = data.items("test")[:2]
    known = list(Door(Samples(data, RULES)).truths("test"))[:2]
    assert [k.drawn for k in known] == [False, False]
    assert [k.missing for k in known] == [(), (0,)]
    for k, item in zip(known, (absent, present), strict=True):
        assert k.mask.shape == data.image(item).shape[1:]
        assert not k.mask.any()


def test_a_mask_to_train_on_is_drawn_or_known_to_be_empty():
    plugins.load_file(FILE)
    data = plugins.load("datasets", "unmasked")()
    absent, present = data.items("test")[:2]
    assert not open_mask(data, absent).any()
    with pytest.raises(DataError, match="image test-001 of data set unmasked has no mask"):
        open_mask(data, present)


def test_an_image_without_mask_and_label_is_refused():
    plugins.load_file(FILE)

    class Silent(plugins.load("datasets", "unmasked")):
        def items(self, split):
            return [Item(i.id, i.labels if split.startswith("weak") else None) for i in super().items(split)]

    with pytest.raises(
        DataError, match="image val-000 of data set unmasked has no mask; add its mask or take the image"
    ):
        Door(Samples(Silent(label="silent"), RULES)).check()


def test_a_foreground_that_the_label_denies_is_scored_and_one_without_mask_is_not(tmp_path):
    """Two foregrounds, no mask, a label that shows the second: the first is known to be nowhere."""
    maps = torch.rand(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    mapfile.save_maps(tmp_path / mapfile.MAPS, 2, [maps])
    nothing = np.zeros((8, 8), np.uint8)
    truths = [Truth(nothing, False, (1,)), Truth((maps[1, 1] > 0.5).numpy().astype(np.uint8) * 2)]
    counted = mapfile.count(mapfile.open_maps(tmp_path), truths, 2)
    assert counted["missing"].tolist() == [[False, True], [False, False]]
    assert counted["drawn"].tolist() == [False, True]
    assert counted["fine"].sum((1, 2)).tolist() == [128, 64]  # 64 pixels an image; the unknown ones are in no sum
    above = [int(n) for n in counts(counted["raw"][0, 0], 0.5)]
    assert above == [0, int((maps[0, 0] > 0.5).sum()), 0, int((maps[0, 0] <= 0.5).sum())]
