"""Four threshold rules, never mixed: who chose a threshold, which cells stay empty, and that the stored value gives the reported Dice."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, distance_transform_edt

from bench import plugins
from bench.errors import DataError
from bench.metrics import counts
from bench.pipeline import cell_process, mapfile
from bench.pipeline.plan import plan
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, change
from bench.resizing import resize, resize_nearest
from bench.results import collected as results
from bench.runs.export import export

FILE = Path(__file__).with_name("plugins") / "three_classes.py"
FEW = {"size": "32", "steps": "2", "base_channels": "2", "batch": "4", "fit_share": "1"}
RULES = replace(change(SMOKE, FEW), settings=MappingProxyType({}), rules=("fixed", "otsu", "val", "oracle"))
NAMES = ("first", "second", "third")


def work(out, dataset="three_classes", rules=RULES, method="class_maps"):
    """One cell worked out in this process; its folder and result."""
    plugins.load_file(FILE)
    (one,) = plan(RunRequest((method,), (dataset,), rules, out=out))
    one.folder.mkdir(parents=True, exist_ok=True)
    cell_process.work(replace(one.cell, threads=1), one.folder, lambda *_: None)
    return one.folder, json.loads((one.folder / "result.json").read_text())


@pytest.fixture(scope="module")
def cell(tmp_path_factory, inline_process):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.pipeline.workbench.MethodProcess", inline_process)
        folder, result = work(tmp_path_factory.mktemp("four"))
    return folder, result, {row["rule"]: row for row in result["rows"]}, plugins.load("datasets", "three_classes")()


def lines(folder, **wanted):
    with (folder / "scores.csv").open(newline="") as file:
        return [line for line in csv.DictReader(file) if all(line[key] == value for key, value in wanted.items())]


def maps_and_masks(folder, data, split, name):
    """Each map of one foreground at the size of its mask, and the mask: pairs (H, W)."""
    k, stored = NAMES.index(name), np.load(folder / "predictions" / f"init-{split}.npy")
    masks = [data.mask(item) for item in data.items(split)]
    return [(resize(mapfile.as_floats(m[k]), mask.shape), mask, k + 1) for m, mask in zip(stored, masks, strict=True)]


def dice_of_pixels(values, mask, value, threshold):
    """Dice of `values > threshold`, pixel by pixel; None where the mask does not show this foreground."""
    above, true = (values > threshold) & (mask != 255), mask == value
    return 2 * (above & true).sum() / (above.sum() + true.sum()) if true.any() else None


def holds(line, pairs, data):
    """The stored threshold, applied to the stored map, gives the Dice that is reported."""
    number = [item.id for item in data.items(line["split"])].index(line["image"])
    again = dice_of_pixels(*pairs[number], float(line["threshold"]))
    assert (again is None) == (line["dice"] == "")
    assert again is None or float(line["dice"]) == again


# --- the stored value -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "splits"), [("fixed", {"val", "test"}), ("val", {"test"}), ("oracle", {"val", "test"})]
)
def test_the_stored_threshold_gives_the_reported_dice(cell, rule, splits):
    folder, _, _, data = cell
    kept = lines(folder, stage="init", rule=rule)
    assert {line["split"] for line in kept} == splits
    for split in splits:
        for name in NAMES:
            pairs = maps_and_masks(folder, data, split, name)
            for line in kept:
                if (line["split"], line["class"]) == (split, name):
                    holds(line, pairs, data)


@pytest.mark.parametrize("rule", ["val", "oracle"])
def test_it_is_the_threshold_at_the_papers_size_too(cell, rule):
    """Its map is resized to 224 x 224, its mask to the nearest pixel there."""
    folder, _, _, data = cell
    stored = np.load(folder / "predictions" / "init-test.npy")
    found = {(line["image"], line["class"]): line for line in lines(folder, stage="init", rule=rule, split="test")}
    for item, channels in zip(data.items("test"), stored, strict=True):
        mask = resize_nearest(data.mask(item), (224, 224))
        for k, name in enumerate(NAMES):
            line = found[item.id, name]
            values = resize(mapfile.as_floats(channels[k]), (224, 224))
            again = dice_of_pixels(values, mask, k + 1, float(line["threshold"]))
            assert line["dice_224"] == ("" if again is None else repr(float(again)))


def test_a_mirrored_table_of_thresholds_is_caught(cell, tmp_path, inline, monkeypatch):
    """The same cell, scored by code that counts its thresholds from the other end."""
    _, _, _, data = cell
    monkeypatch.setattr("bench.pipeline.score_lines.counts", lambda hist, threshold: counts(hist, 1 - threshold))
    folder, _ = work(tmp_path, rules=replace(RULES, rules=("fixed", "oracle")))
    pairs = maps_and_masks(folder, data, "test", "first")
    caught = 0
    for line in lines(folder, stage="init", rule="oracle", split="test", **{"class": "first"}):
        try:
            holds(line, pairs, data)
        except AssertionError:
            caught += 1
    assert caught > 5


def best_of_curve(pairs, mirrored):
    """An evaluator of its own, that counts from the highest score down, as many do; mirrored: it reads its threshold from the lowest up."""
    ascending = np.arange(256) / 256
    curve = np.array([np.mean([dice_of_pixels(*p, t) for p in pairs if (p[1] == p[2]).any()]) for t in ascending[::-1]])
    best = len(curve) - 1 - curve[::-1].argmax()  # the lowest threshold of equal ones
    return (ascending if mirrored else ascending[::-1])[best], curve[best]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", ["val", "test"])
def test_the_oracle_is_the_best_threshold_and_a_mirrored_evaluator_is_another(cell, split, name):
    folder, _, rows, data = cell
    pairs = maps_and_masks(folder, data, split, name)
    threshold, dice = best_of_curve(pairs, mirrored=False)
    assert rows["oracle"]["chosen"][split][name] == threshold
    found = lines(folder, stage="init", rule="oracle", split=split, **{"class": name})
    assert {float(line["threshold"]) for line in found} == {threshold}
    reported = np.mean([float(line["dice"]) for line in found if line["dice"]])
    assert reported == pytest.approx(dice, abs=1e-12)
    wrong, claimed = best_of_curve(pairs, mirrored=True)
    reapplied = np.mean([dice_of_pixels(*p, wrong) for p in pairs if (p[1] == p[2]).any()])
    assert reapplied < claimed - 0.02  # what a mirrored evaluator reports is not what its threshold gives


# --- who chose ---------------------------------------------------------------------------------------------------------------------------


def test_validation_masks_choose_by_the_same_measure_and_its_cells_stay_empty(cell):
    folder, _, rows, _ = cell
    assert rows["val"]["chosen"] == {"val": rows["oracle"]["chosen"]["val"]}
    found = lines(folder, rule="val")
    assert {(line["split"], line["stage"]) for line in found} == {("test", "init"), ("test", "unet")}
    init = {line["class"]: float(line["threshold"]) for line in found if line["stage"] == "init"}
    assert init == rows["val"]["chosen"]["val"]
    assert {line["threshold"] for line in found if line["stage"] == "unet"} == {"0.5"}


def test_the_oracle_trains_nothing(cell):
    folder, _, rows, _ = cell
    assert {line["stage"] for line in lines(folder, rule="oracle")} == {"init"}
    assert rows["oracle"]["coverage"] is None
    assert not [name for name in rows["oracle"]["artifacts"] if name.startswith(("targets", "segment"))]
    assert not list((folder / "predictions").glob("unet-oracle*"))


def test_every_mask_is_in_the_ledger_of_the_rows_that_rest_on_it_and_of_no_other(cell):
    _, result, rows, _ = cell
    ledger = {rule: (r["masks_tune"], r["masks_eval"], r["test_openings"]) for rule, r in rows.items()}
    assert ledger == {"fixed": (0, 16, 2), "otsu": (0, 16, 2), "val": (4, 12, 2), "oracle": (16, 16, 1)}
    assert (result["masks_tune"], result["masks_eval"], result["test_openings"]) == (4, 16, 4)
    assert {r["labels_used"] for r in rows.values()} == {28}
    assert 0 < rows["oracle"]["seconds"] < rows["otsu"]["seconds"] < result["seconds"]


def test_targets_of_the_other_rules_are_found_where_they_lay(cell):
    """A run of before knew two rules: what it made of maps must be found again, so their keys name nothing new."""
    folder, result, _, _ = cell
    store = folder.parents[2] / "artifacts"
    inputs = [json.loads((store / s["artifact"] / "manifest.json").read_text()) for s in result["stages"]]
    targets = {m["inputs"]["rule"]: m for m in inputs if m["kind"] == "targets"}
    same = {"revision": 1, "maps": targets["val"]["inputs"]["maps"], "size": 32}
    assert targets["fixed"]["inputs"] == {**same, "rule": "fixed", "threshold": 0.5}
    assert targets["otsu"]["inputs"] == {**same, "rule": "otsu", "threshold": None}
    chosen_by = targets["val"]["inputs"]["chosen_by"]
    (by,) = [m["inputs"] for s, m in zip(result["stages"], inputs, strict=True) if s["artifact"] == chosen_by]
    assert by["masks"]["split"] == "val"  # its masks decide the threshold: another content is another key
    assert len(targets["val"]["inputs"]["threshold"]) == 3
    assert targets["val"]["record"]["masks"] == [{"split": "val", "count": 4, "purpose": "tuning"}]


def test_proxies_of_the_chosen_threshold_are_cut_there(cell):
    folder, _, rows, _ = cell
    store = folder.parents[2] / "artifacts"
    (masks,) = [np.load(store / name / "masks.npy") for name in rows["val"]["artifacts"] if name.startswith("targets-")]
    sources = json.loads((store / targets_of(rows["val"]) / "manifest.json").read_text())["inputs"]["maps"]
    stored = np.concatenate([np.load(store / name / "maps.npy") for name in sources])
    cut = list(rows["val"]["chosen"]["val"].values())
    for proxy, channels in zip(masks, stored, strict=True):
        maps = np.stack([resize(mapfile.as_floats(c), (32, 32)) for c in channels])
        above = maps > np.float32(cut)[:, None, None]
        assert np.array_equal(proxy, np.where(above.any(0), np.where(above, maps, -1).argmax(0) + 1, 0))


def targets_of(row):
    (name,) = [name for name in row["artifacts"] if name.startswith("targets-")]
    return name


def test_without_validation_masks_no_threshold_is_chosen_and_the_row_says_so(tmp_path, inline):
    folder, result = work(tmp_path, "unmasked", replace(RULES, rules=("fixed", "val", "oracle")))
    assert [row["rule"] for row in result["rows"]] == ["fixed"]
    assert "no validation masks: no threshold can be chosen" in result["notes"]
    assert {line["rule"] for line in lines(folder)} == {"fixed"}
    (row,) = results.collect(tmp_path)
    assert "no validation masks: no threshold can be chosen" in row["notes"]


def test_where_no_rule_is_left_the_cell_says_what_to_add(tmp_path, inline):
    with pytest.raises(
        DataError, match=r"no validation masks: no threshold can be chosen; add otsu to protocol\.rules"
    ):
        work(tmp_path, "unmasked", replace(RULES, rules=("val",)))


def test_a_constant_map_has_its_init_cells_under_every_rule(tmp_path, inline):
    folder, result = work(tmp_path, method="shape_prior")
    assert [row["rule"] for row in result["rows"]] == ["fixed", "otsu", "val", "oracle"]
    assert {line["stage"] for line in lines(folder)} == {"init"}
    assert [row["masks_tune"] for row in result["rows"]] == [0, 0, 4, 16]


# --- distances ---------------------------------------------------------------------------------------------------------------------------


def distance_by_hand(region, true):
    """From every outline pixel to the nearest of the other outline, by distance transforms of the whole image."""
    if not region.any():
        return float(np.hypot(*region.shape))
    a, b = (r & ~binary_erosion(r) for r in (region, true))
    there, back = distance_transform_edt(~b)[a], distance_transform_edt(~a)[b]
    return max(np.percentile(there, 95), np.percentile(back, 95))


@pytest.mark.parametrize("rule", ["fixed", "otsu", "val"])
def test_distances_are_of_the_thresholded_map_and_pixels_that_are_ignored_lie_in_no_outline(cell, rule):
    folder, _, _, data = cell
    seen = 0
    for name in NAMES:
        pairs = maps_and_masks(folder, data, "test", name)
        found = lines(folder, stage="init", rule=rule, split="test", **{"class": name})
        for line, (values, mask, value) in zip(found, pairs, strict=True):
            stretched = (values - values.min()) / max(float(np.ptp(values)), 1e-9) if rule == "otsu" else values
            region = (stretched > np.float32(line["threshold"])) & (mask != 255)
            if not (mask == value).any():
                assert line["hd95"] == ""
                continue
            seen += 1
            assert float(line["hd95"]) == pytest.approx(distance_by_hand(region, mask == value), abs=1e-9)
    assert seen == 15


def test_the_oracle_has_no_distances_and_the_segmenter_has(cell):
    folder, *_ = cell
    assert {line["hd95"] for line in lines(folder, rule="oracle")} == {""}
    shown = Counter(bool(line["hd95"]) == bool(line["dice"]) for line in lines(folder, stage="unet"))
    assert set(shown) == {True}


# --- the table ---------------------------------------------------------------------------------------------------------------------------


def test_a_table_keeps_the_ledgers_of_the_rules_apart(cell):
    """What `val` looked at must not make the label-free row beside it one that was tuned on masks."""
    folder, *_ = cell
    rows = {row["rule"]: row for row in results.collect(folder.parents[2])}
    assert {rule: (row["masks_tune"], row["masks_eval"]) for rule, row in rows.items()} == {
        "fixed": (0, 16), "otsu": (0, 16), "val": (4, 12), "oracle": (16, 16),
    }  # fmt: skip
    cells = {rule: [row[stage] is not None for stage in results.STAGES] for rule, row in rows.items()}
    assert cells["otsu"] == [True] * 4
    assert cells["val"] == [False, False, True, True]
    assert cells["oracle"] == [True, False, True, False]
    assert [row["test_hd95"] is None for row in rows.values()] == [False, False, False, True]
    assert all(0 < row["test_pxap_wsol"] <= 1 for row in rows.values())
    assert rows["oracle"]["test_pxap"] == pytest.approx(rows["oracle"]["test_pxap_wsol"], abs=0.01)


def test_signals_of_the_run_are_of_its_stored_maps(cell):
    folder, result, rows, _ = cell
    told = result["signals"]
    assert set(told["rules"]) == {"fixed", "otsu", "val"}
    assert 0 < told["map_entropy"] <= 1
    assert told["heldout_accuracy"] is None
    stored = [np.load(folder / "predictions" / f"{name}-test.npy") for name in ("init", "unet-val")]
    cuts = list(rows["val"]["chosen"]["val"].values())
    above = [np.stack([[resize(mapfile.as_floats(m), (32, 32)) for m in image] for image in maps]) for maps in stored]
    init, unet = (
        np.where(
            (m > np.float32(c)[:, None, None]).any(1),
            np.where(m > np.float32(c)[:, None, None], m, -1).argmax(1) + 1,
            0,
        )
        for m, c in zip(above, (cuts, [0.5] * 3), strict=True)
    )
    assert told["rules"]["val"]["foreground_share"] == pytest.approx((init > 0).mean())
    shown = [
        (a == k, b == k) for a, b in zip(init, unet, strict=True) for k in (1, 2, 3) if (a == k).any() or (b == k).any()
    ]
    expected = np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in shown])
    assert told["rules"]["val"]["agreement"] == pytest.approx(expected)


def test_proxies_and_predictions_of_every_rule_are_exported_apart(cell, tmp_path):
    folder, *_ = cell
    assert export(folder, tmp_path / "masks", "proxies", "npy") == 3 * 28
    assert (
        export(folder, tmp_path / "predictions", "predictions", "npy") == 16 + 16 + 12
    )  # of `val` those that are scored
    for place in ("masks", "predictions"):
        assert {path.name for path in (tmp_path / place).iterdir()} == {"fixed", "otsu", "val"}
