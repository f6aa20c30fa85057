"""ISIC 2018: splits that part no lesion and no near-duplicates, and one sentence for each fault of the files."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.api import Item
from bench.datasets import isic
from bench.datasets._duplicates import near_duplicates, thumbnails
from bench.datasets._isic_folders import CLASSES, IMAGES, LESIONS, MASKS, WEAK_IMAGES, WEAK_TABLE
from bench.datasets._splits import blocks, fill, permuted, shares
from bench.datasets.isic import Isic
from bench.duplicates import pairs
from bench.errors import DataError
from bench.faults import KINDS
from bench.files import image_size, read_image

SPLITS = ("weak", "weak_heldout", "masks", "val", "test")
TWINS = ("ISIC_0000002", "ISIC_0000007", "ISIC_0000011")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def official(tmp_path_factory):
    """Sixty labelled pictures of forty lesions, and twenty with masks of which three show one lesion."""
    root = tmp_path_factory.mktemp("isic")
    random = np.random.default_rng(0)
    for folder in (WEAK_IMAGES, WEAK_TABLE, IMAGES, MASKS):
        (root / folder).mkdir()
    for n in range(60):
        _save(root / WEAK_IMAGES / f"ISIC_00243{n:02}.jpg", random.integers(0, 256, (12, 16, 3)))
    _write(_table(root), [["image", *CLASSES], *([f"ISIC_00243{n:02}", *_one_hot(_class(n))] for n in range(60))])
    rows = [[f"ISIC_00243{n:02}", f"HAM_{_lesion(n):07}", "histo"] for n in range(60)]
    _write(root / LESIONS, [["image", "lesion_id", "diagnosis_confirm_type"], *rows])
    for n in range(20):
        name = f"ISIC_{n:07}"
        pixels = np.random.default_rng(100 if name in TWINS else n).integers(0, 256, (24, 30, 3))
        _save(root / IMAGES / f"{name}.jpg", pixels // 2 + 10 * (n % 3), quality=95)
        _save(root / MASKS / f"{name}_segmentation.png", np.where(np.arange(30) < n + 4, 255, 0) + np.zeros((24, 1)))
    (root / IMAGES / "ATTRIBUTION.txt").write_text("text")
    (root / IMAGES / "._ISIC_0000001.jpg").write_text("left by an archiver")
    return root


@pytest.fixture
def root(official, tmp_path):
    """A copy of the tree to break."""
    return shutil.copytree(official, tmp_path / "isic")


# What it offers


def test_weak_pictures_have_their_label_and_lesion(official):
    items = [item for split in ("weak", "weak_heldout") for item in Isic(root=official).items(split)]
    assert sorted(items) == [Item(f"ISIC_00243{n:02}", (_class(n),), f"HAM_{_lesion(n):07}") for n in range(60)]


@pytest.mark.parametrize("split", ["lesion", "paper"])
def test_splits_share_nothing_and_leave_nothing_out(official, split):
    data = Isic(root=official, split=split)
    ids = {name: [item.id for item in data.items(name)] for name in SPLITS}
    assert {name: len(found) for name, found in ids.items()} == {
        "weak": 48,
        "weak_heldout": 12,
        "masks": 8,
        "val": 4,
        "test": 8,
    }
    assert len({i for found in ids.values() for i in found}) == 80
    assert all(found == sorted(found) for found in ids.values())
    assert data.items("train") == ()


def test_no_lesion_stands_on_both_sides(official):
    assert not _lesions_of(official, "lesion", "weak") & _lesions_of(official, "lesion", "weak_heldout")
    assert _lesions_of(official, "paper", "weak") & _lesions_of(official, "paper", "weak_heldout")


def test_classes_are_in_proportion(official):
    labels = Counter(item.labels for item in Isic(root=official).items("weak_heldout"))
    assert labels == {(0,): 4, (1,): 4, (2,): 4}  # of 21, 20 and 19 pictures


def test_near_duplicates_stay_together_and_name_their_group(official):
    data = Isic(root=official)
    homes = [split for split in SPLITS for item in data.items(split) if item.id in TWINS]
    assert len(homes) == 3
    assert len(set(homes)) == 1
    groups = {item.id: item.group for split in ("masks", "val", "test") for item in data.items(split)}
    assert {name for name, group in groups.items() if group} == set(TWINS)
    assert {groups[name] for name in TWINS} == {TWINS[0]}


def test_splits_are_the_same_each_time_and_differ_by_setting(official):
    assert [Isic(root=official).items(s) for s in SPLITS] == [Isic(root=official).items(s) for s in SPLITS]
    assert Isic(root=official).items("weak") != Isic(root=official, split="paper").items("weak")


def test_masks_are_zero_and_one(official):
    data = Isic(root=official)
    for item in data.items("val"):
        mask = data.mask(item)
        assert mask.shape == data.image(item).shape[1:] == (24, 30)
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask[3], np.arange(30) < int(item.id[-2:]) + 4)
    assert data.mask(data.items("weak")[0]) is None


def test_files_are_images_then_masks_in_the_order_of_the_items(official):
    data = Isic(root=official)
    ids = [item.id for item in data.items("test")]
    assert [path.name for path in data.files("test")] == [f"{i}.jpg" for i in ids] + [
        f"{i}_segmentation.png" for i in ids
    ]
    assert [path.stem for path in data.files("weak")] == [item.id for item in data.items("weak")]


def test_folders_are_listed_once(official, monkeypatch):
    data = Isic(root=official)
    first = [data.items(split) for split in SPLITS]
    monkeypatch.setattr(os, "scandir", lambda folder: pytest.fail(f"listed {folder} again"))
    assert [data.items(split) for split in SPLITS] == first
    data.image(first[0][0])
    data.files("test")


def test_root_is_no_part_of_the_settings_that_name_it(official):
    assert Isic(root=official).model_dump(exclude={"root"}) == {"label": "", "accept": (), "split": "lesion"}
    assert list(isic.bench_datasets()) == [Isic]
    assert not Isic.publishable


def test_orientation_is_applied(root):
    """Orientation 6: the top of the picture is at the right of the stored pixels, which are turned clockwise to stand."""
    path = root / IMAGES / "ISIC_0000005.jpg"
    stored = np.zeros((20, 40, 3), dtype=np.uint8)
    stored[:, :20] = (250, 10, 10)  # left of the stored picture = top of the upright one
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(path, exif=exif, quality=95)
    image = read_image(path)
    assert image.shape == (3, 40, 20)
    assert image_size(path) == (40, 20)
    assert image[0, :18].min() > 200
    assert image[0, 22:].max() < 50
    _save(root / MASKS / "ISIC_0000005_segmentation.png", np.zeros((40, 20)))
    assert Isic(root=root).mask(Item("ISIC_0000005", None)).shape == (40, 20)


def test_a_byte_order_mark_crlf_and_blank_lines_do_no_harm(root, official):
    text = _table(root).read_text().replace("\n", "\r\n") + "\r\n\r\n"
    _table(root).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert Isic(root=root).items("weak") == Isic(root=official).items("weak")


def test_lesions_may_lie_in_the_folder_of_the_labels(root, official):
    (root / LESIONS).rename(root / WEAK_TABLE / LESIONS)
    assert Isic(root=root).items("weak") == Isic(root=official).items("weak")


def test_bilevel_masks_are_read_like_grey_ones(root):
    path = root / MASKS / "ISIC_0000004_segmentation.png"
    before = Isic(root=root).mask(Item("ISIC_0000004", None))
    Image.open(path).convert("1").save(path)
    np.testing.assert_array_equal(Isic(root=root).mask(Item("ISIC_0000004", None)), before)


# What it refuses


def test_no_root_names_all_three_ways():
    with pytest.raises(DataError, match=r"--data-root.*\$BENCH_DATA/isic.*user data folder"):
        Isic().items("weak")


@pytest.mark.parametrize("folder", [WEAK_IMAGES, WEAK_TABLE, IMAGES, MASKS])
def test_missing_folder(root, folder):
    shutil.rmtree(root / folder)
    for split in ("weak", "val"):
        _refused(root, split, f"isic: {root} has no folder {folder}; extract the official {folder}.zip", "--data-root")


def test_a_root_that_does_not_exist(tmp_path):
    _refused(
        tmp_path / "nowhere", "val", f"nowhere has no folder {WEAK_IMAGES}, {WEAK_TABLE}, {IMAGES}, {MASKS}; extract"
    )


@pytest.mark.parametrize("folder", [WEAK_IMAGES, IMAGES])
def test_folder_without_pictures(root, folder):
    for path in (root / folder).glob("*.jpg"):
        path.unlink()
    _refused(root, "weak", f"{folder} holds no pictures; extract {folder}.zip again")


def test_row_without_picture(root):
    (root / WEAK_IMAGES / "ISIC_0024303.jpg").unlink()
    (root / WEAK_IMAGES / "ISIC_0024305.jpg").unlink()
    _refused(
        root,
        "weak",
        "has no image for the table's row ISIC_0024303; extract",
        "--accept missing-image",
        "(at least 1 more;",
    )


def test_picture_without_row(root):
    _edit(_table(root), lambda rows: rows[:-1])
    _refused(root, "weak", "GroundTruth.csv has no row for the image ISIC_0024359; extract")


def test_table_without_column(root):
    _edit(_table(root), lambda rows: [[*row[:1], *row[2:]] for row in rows])
    _refused(
        root, "weak", "has no column MEL: it has image, NV, BCC, AKIEC, BKL, DF, VASC; the file needs image, MEL, NV"
    )


@pytest.mark.parametrize(
    "values", [["1.0", "1.0"], ["0.0", "0.0"], ["0.5", "0.5"], ["nan", "1.0"], ["x", "1.0"], ["", "1.0"], ["2", "-1"]]
)
def test_row_that_is_not_one_hot(root, values):
    _edit(_table(root), lambda rows: [*rows[:4], [rows[4][0], *values, *["0.0"] * 5], *rows[5:]])
    _refused(root, "weak", f"GroundTruth.csv line 5 is not one 1 among zeros but {','.join(values)},0.0,0.0")


def test_row_that_ends_early(root):
    _edit(_table(root), lambda rows: [*rows[:3], rows[3][:4], *rows[4:]])
    _refused(root, "weak", "GroundTruth.csv line 4 ends after 4 fields")


def test_row_listed_twice(root):
    _edit(_table(root), lambda rows: [*rows, rows[1]])
    _refused(root, "weak", "GroundTruth.csv line 62 lists ISIC_0024300 a second time")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "GroundTruth.csv is empty"),
        (b"\xef\xbb\xbf\r\n", "GroundTruth.csv is empty"),
        (b"image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n", "GroundTruth.csv has a header and no rows"),
        (b"image;MEL;NV\nISIC_1;1;0\n", "GroundTruth.csv separates its columns with semicolons; save it with commas"),
        (b"image\tMEL\nISIC_1\t1\n", "GroundTruth.csv separates its columns with tabs"),
        ("image,MÉL".encode("utf-16"), "GroundTruth.csv is not UTF-8 text"),
    ],
)
def test_table_that_is_none(root, content, sentence):
    _table(root).write_bytes(content)
    _refused(root, "weak", sentence)


def test_missing_table(root):
    _table(root).unlink()
    _refused(root, "weak", "GroundTruth.csv is missing; put the file back")


def test_missing_lesions(root):
    (root / LESIONS).unlink()
    _refused(root, "weak", f"put the official {LESIONS} into {root}")


def test_picture_without_lesion(root):
    _edit(root / LESIONS, lambda rows: [*rows[:2], [rows[2][0], "", "histo"], *rows[4:]])
    _refused(
        root,
        "weak",
        f"{LESIONS} has no lesion_id for the image ISIC_0024301; put the official file there",
        "(at least 1 more;",
    )


def test_picture_with_two_lesions(root):
    _edit(root / LESIONS, lambda rows: [*rows, [rows[1][0], "HAM_9", "histo"]])
    _refused(root, "weak", f"{LESIONS} line 62 lists ISIC_0024300 a second time")


def test_picture_without_mask(root):
    (root / MASKS / "ISIC_0000009_segmentation.png").unlink()
    _refused(root, "val", f"{MASKS} has no mask for the image ISIC_0000009; extract {MASKS}.zip again")


def test_mask_without_picture(root):
    (root / IMAGES / "ISIC_0000009.jpg").unlink()
    _refused(root, "val", f"{IMAGES} has no image for the mask ISIC_0000009; extract")


def test_two_pictures_of_one_id(root):
    shutil.copy(root / IMAGES / "ISIC_0000009.jpg", root / IMAGES / "ISIC_0000009.JPEG")
    _refused(root, "val", "has both ISIC_0000009.JPEG and ISIC_0000009.jpg; remove one")


def test_one_id_in_both_tasks(root):
    shutil.copy(root / IMAGES / "ISIC_0000009.jpg", root / WEAK_IMAGES)
    _refused(
        root, "val", f"{IMAGES} has an id of {WEAK_IMAGES}: ISIC_0000009; remove it from one, it would leak labels"
    )


def test_mask_of_another_size(root):
    _save(root / MASKS / "ISIC_0000009_segmentation.png", np.zeros((12, 15)))
    _mask_refused(root, "is a mask of 15 x 12 pixels and its image ISIC_0000009.jpg has 30 x 24")


def test_mask_of_other_values(root):
    path = root / MASKS / "ISIC_0000009_segmentation.png"
    _save(path, np.where(np.arange(30) < 9, 1, 0) + np.zeros((24, 1)))
    _mask_refused(root, "is a mask with the values 0, 1; make it 0 (background) and 255 (foreground) only")
    _save(path, np.arange(24 * 30).reshape(24, 30) % 256)
    _mask_refused(root, "values 0, 1, 2, 3, 4, 5, … (256 different ones)")


@pytest.mark.parametrize("mode", ["RGB", "P", "LA", "I;16"])
def test_mask_in_colours(root, mode):
    path = root / MASKS / "ISIC_0000009_segmentation.png"
    if mode == "I;16":
        Image.fromarray(np.zeros((24, 30), dtype=np.uint16)).save(path)
    else:
        Image.open(path).convert(mode).save(path)
    _mask_refused(root, f"is a mask of mode {mode}", "save it as an 8-bit grey PNG of 0 and 255")


def test_mask_cut_off(root):
    _cut(root / MASKS / "ISIC_0000009_segmentation.png")
    _mask_refused(root, "ISIC_0000009_segmentation.png cannot be read", "replace it with an intact copy")


def test_picture_cut_off(root):
    _cut(root / IMAGES / "ISIC_0000009.jpg")
    with pytest.raises(DataError, match=r"ISIC_0000009\.jpg cannot be read \(.*truncated.*\); replace it"):
        Isic(root=root).image(Item("ISIC_0000009", None))
    assert Isic(root=root).items("test")  # listed all the same: a check tells all faults at once


def test_picture_that_is_none(root):
    (root / WEAK_IMAGES / "ISIC_0024301.jpg").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=r"ISIC_0024301\.jpg cannot be read \(it is no image\); replace it"):
        Isic(root=root).image(Item("ISIC_0024301", None))


def test_picture_that_went_away(root):
    data = Isic(root=root)
    item = data.items("weak")[0]
    data.files("weak")[0].unlink()
    with pytest.raises(DataError, match=f"{item.id}.jpg is missing; put the file back"):
        data.image(item)


def test_picture_of_sixteen_bits_is_not_clipped(root):
    path = root / IMAGES / "ISIC_0000009.png"
    Image.fromarray(np.full((24, 30), 40000, dtype=np.uint16)).save(path)
    (root / IMAGES / "ISIC_0000009.jpg").unlink()
    with pytest.raises(DataError, match="its mode is I;16, not 8 bits a channel"):
        Isic(root=root).image(Item("ISIC_0000009", None))


def test_strange_item(official):
    with pytest.raises(DataError, match="has no picture test-001; take items from items"):
        Isic(root=official).image(Item("test-001", None))


# All faults at once, and what can be accepted


def _found(root):
    return sorted((fault.kind, fault.place) for fault in Isic(root=root).faults() if fault.blocks)


def test_the_official_tree_has_no_faults_but_its_size(official):
    assert _found(official) == []
    texts = [fault.text for fault in Isic(root=official).faults()]
    assert {fault.kind for fault in Isic(root=official).faults()} == {"count"}
    assert len(texts) == 1 + len(CLASSES) + 1 + 1  # images, classes, lesions; images with masks
    assert f"{official / IMAGES} has 20 images and the official data set 2,594" in texts[-1]
    assert any("has 0 images of class VASC and the official data set 142" in text for text in texts)
    assert any("has 40 lesions and the official data set 7,470" in text for text in texts)


def test_every_fault_is_listed_and_none_invented(root, tmp_path):
    weak, images, masks = root / WEAK_IMAGES, root / IMAGES, root / MASKS
    (weak / "ISIC_0024300.jpg").unlink()
    _save(weak / "ISIC_0099999.jpg", np.zeros((4, 4, 3)))
    shutil.copy(weak / "ISIC_0024301.jpg", weak / "a picture.jpg")
    (images / "ISIC_0000001.jpg").unlink()
    (masks / "ISIC_0000002_segmentation.png").unlink()
    shutil.copy(images / "ISIC_0000003.jpg", images / "ISIC_0000003.png")
    shutil.move(images / "ISIC_0000004.jpg", tmp_path / "elsewhere.jpg")
    (images / "ISIC_0000004.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    _edit(_table(root), lambda rows: [*rows[:3], [*rows[3][:1], *["0.5"] * 7], rows[4][:2], *rows[5:], rows[2]])
    _edit(root / LESIONS, lambda rows: [*rows[:6], *rows[7:]])
    assert _found(root) == sorted(
        [
            ("missing-image", "ISIC_0024300"),
            ("missing-label", "ISIC_0099999"),
            ("id", str(weak / "a picture.jpg")),
            ("missing-image", "ISIC_0000001"),
            ("missing-mask", "ISIC_0000002"),
            ("duplicate-id", str(images / "ISIC_0000003.png")),
            ("outside", str(images / "ISIC_0000004.jpg")),
            ("table", str(_table(root))),  # not one-hot
            ("table", str(_table(root))),  # ends early
            ("duplicate-id", "ISIC_0024301"),
            ("missing-label", "ISIC_0024305"),  # no lesion
        ]
    )


@pytest.mark.parametrize(
    ("kind", "gone", "left_out"),
    [
        ("missing-image", f"{WEAK_IMAGES}/ISIC_0024303.jpg", "ISIC_0024303"),
        ("missing-image", f"{IMAGES}/ISIC_0000009.jpg", "ISIC_0000009"),
        ("missing-mask", f"{MASKS}/ISIC_0000009_segmentation.png", "ISIC_0000009"),
    ],
)
def test_what_is_accepted_is_left_out(root, kind, gone, left_out):
    (root / gone).unlink()
    _refused(root, "val", left_out, f"or go on with --accept {kind}: ")
    ids = [item.id for s in SPLITS for item in Isic(root=root, accept=(kind,)).items(s)]
    assert len(ids) == 79
    assert left_out not in ids


def test_an_image_without_row_is_left_out_if_accepted(root):
    _edit(_table(root), lambda rows: rows[:-1])
    accepting = Isic(root=root, accept=("missing-label",))
    assert "ISIC_0024359" not in [item.id for s in SPLITS for item in accepting.items(s)]
    _edit(root / LESIONS, lambda rows: rows[:-2])
    assert len([item for s in ("weak", "weak_heldout") for item in Isic(**dict(accepting)).items(s)]) == 58


def test_what_may_not_be_accepted_still_stops(root):
    (root / MASKS / "ISIC_0000009_segmentation.png").unlink()
    (root / LESIONS).unlink()
    with pytest.raises(DataError, match=f"put the official {LESIONS}"):
        Isic(root=root, accept=("missing-mask",)).items("val")


@pytest.mark.parametrize(
    ("task", "empty", "count"),
    [((WEAK_IMAGES, WEAK_TABLE), ("weak", "weak_heldout"), 20), ((IMAGES, MASKS), ("masks", "val", "test"), 60)],
)
def test_one_task_is_enough(root, task, empty, count):
    for folder in task:
        shutil.rmtree(root / folder)
    data = Isic(root=root)
    assert [split for split in SPLITS if not data.items(split)] == list(empty)
    assert sum(len(data.items(split)) for split in SPLITS) == count
    assert not [fault for fault in data.faults() if task[0] in fault.text]


def test_a_class_that_isic_does_not_have(root):
    _edit(_table(root), lambda rows: [[*rows[0], "SCC"], *([*row, "0.0"] for row in rows[1:])])
    assert _found(root) == []
    _edit(_table(root), lambda rows: [*rows[:2], [rows[2][0], *["0.0"] * 7, "1.0"], *rows[3:]])
    _refused(root, "weak", f"line 3 gives ISIC_0024301 the class SCC; it takes {', '.join(CLASSES)}, correct it")
    assert _found(root) == [("unknown-class", "ISIC_0024301")]


def test_a_row_that_has_more_fields_than_the_header(root):
    _edit(_table(root), lambda rows: [*rows[:2], [*rows[2], "1.0"], *rows[3:]])
    _refused(root, "weak", "GroundTruth.csv line 3 has 9 fields and the header 8; put quotes around")


def test_a_stray_quote_does_not_swallow_the_rest(root):
    text = _table(root).read_text().replace("ISIC_0024305", '"ISIC_0024305')
    _table(root).write_text(text)
    _refused(root, "weak", "GroundTruth.csv line", "is no comma-separated text", "look for a stray quote")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a\x00b", "a\nb", "x" * 300, "CON", "nul.jpg", "-rf", "é"]
)
def test_odd_ids_in_the_table(root, name):
    _edit(_table(root), lambda rows: [*rows, [name, *_one_hot(0)]])
    _refused(root, "weak", "GroundTruth.csv line 6", f"has the image {name!r}; correct it: an id is 1 to 128 letters")
    assert _found(root) == [("id", str(_table(root)))]


def test_a_folder_that_is_a_link_out_is_one_fault(root, tmp_path):
    shutil.move(root / IMAGES, tmp_path / "disk")
    (root / IMAGES).symlink_to(tmp_path / "disk")
    _refused(root, "val", f"{root / IMAGES} leads to {tmp_path / 'disk'}, outside {root}; put the file itself there")
    assert _found(root) == [("outside", str(root / IMAGES))]


def test_links_inside_the_root_are_files(root, official):
    inside = root / "pictures"
    shutil.move(root / IMAGES, inside)
    (root / IMAGES).symlink_to(inside)
    link = root.parent / "link"
    link.symlink_to(root)
    assert [Isic(root=link).items(s) for s in SPLITS] == [Isic(root=official).items(s) for s in SPLITS]


def test_a_link_to_nothing_is_a_missing_picture(root):
    path = root / IMAGES / "ISIC_0000009.jpg"
    path.unlink()
    path.symlink_to(path.parent / "gone.jpg")
    assert _found(root) == [("missing-image", "ISIC_0000009")]


def test_nothing_raises_when_everything_is_accepted(root):
    """`bench data check` looks on behind faults that stop a run."""
    everything = tuple(KINDS)
    assert [Isic(accept=everything).items(s) for s in ("weak", "test")] == [[], []]
    (root / LESIONS).unlink()
    shutil.rmtree(root / MASKS)
    assert [len(Isic(root=root, accept=everything).items(s)) for s in SPLITS] == [0] * 5
    assert [fault.kind for fault in Isic(root=root).faults() if fault.blocks] == ["layout", "layout"]


# Its parts


def test_thumbnails_are_remembered_until_a_file_changes(root, tmp_path, monkeypatch):
    paths = sorted((root / IMAGES).glob("ISIC*.jpg"))
    first = thumbnails(paths)
    expected = [np.asarray(Image.open(p).convert("RGB").resize((24, 24), Image.Resampling.BOX)) for p in paths]
    np.testing.assert_array_equal(first, expected)
    (store,) = (tmp_path / "cache" / "thumbnails").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("bench.datasets._duplicates.read_thumbnail", lambda *_: pytest.fail("decoded again"))
        np.testing.assert_array_equal(thumbnails(paths), first)
    store.write_bytes(store.read_bytes()[:99])  # damaged: made again
    np.testing.assert_array_equal(thumbnails(paths), first)
    os.utime(paths[0], ns=(0, 0))  # another picture may have as many bytes
    thumbnails(paths)
    assert len(list(store.parent.iterdir())) == 2
    _save(paths[0], np.zeros((24, 30, 3)))
    assert thumbnails(paths)[0].max() == 0


def test_thumbnail_of_a_large_jpeg_is_that_of_its_pixels(tmp_path):
    """Decoded at a quarter it must correlate with the whole picture's thumbnail far above the threshold of near-duplicates."""
    path = tmp_path / "large.jpg"
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((2400, 1800), Image.Resampling.BICUBIC).save(path, quality=95)
    whole = np.asarray(Image.open(path).resize((24, 24), Image.Resampling.BOX)).ravel()
    assert np.corrcoef(whole, thumbnails([path])[0].ravel())[0, 1] > 0.9999


def test_pairs_are_those_of_numpys_correlation():
    random = np.random.default_rng(1)
    thumbs = random.integers(0, 256, (700, 24, 24, 3)).astype(np.uint8)
    thumbs[650] = thumbs[3] // 2 + 20  # brightness and contrast do not hide a copy
    thumbs[690] = 255 - thumbs[520] // 2
    thumbs[691] = thumbs[690]
    thumbs[11] = thumbs[12] = 7  # pictures of one colour
    thumbs[600] = np.clip(thumbs[30] + random.normal(0, 12, thumbs[30].shape), 0, 255)
    thumbs[601] = np.clip(thumbs[31] + random.normal(0, 18, thumbs[31].shape), 0, 255)
    with np.errstate(invalid="ignore"):
        correlation = np.corrcoef(thumbs.reshape(700, -1))
    expected = [(i, j) for i, j in zip(*np.nonzero(np.triu(correlation, 1) > 0.985), strict=True)]
    assert pairs(thumbs) == expected == [(3, 650), (30, 600), (690, 691)]


def test_groups_are_connected_components(monkeypatch):
    monkeypatch.setattr("bench.datasets._duplicates.thumbnails", lambda paths: np.empty(0))
    links = [(3, 4), (0, 1), (4, 6), (1, 6), (2, 5)]
    monkeypatch.setattr("bench.datasets._duplicates.pairs", lambda thumbs: links)
    found = near_duplicates({name: Path(name) for name in "gabcdefh"})
    assert found == {"a": "a", "b": "a", "d": "a", "e": "a", "g": "a", "c": "c", "f": "c"}


def test_permutation_is_of_sorted_ids_and_never_changes():
    ids = [f"ISIC_{n:07}" for n in range(8)]
    # Worked out from the first eight raw values of PCG64(0), which NumPy guarantees: 637, 270, 41, 17, 813, 913, 607, 729 thousandths
    assert permuted(reversed(ids), 0) == [ids[i] for i in (3, 2, 1, 6, 0, 7, 4, 5)]
    assert permuted(ids, 1) != permuted(ids, 0)


def test_blocks_gather_at_the_first_member():
    assert blocks(["d", "a", "c", "b"], {"a": "x", "b": "x"}) == [["d"], ["a", "b"], ["c"]]


def test_fill_keeps_blocks_whole_and_sizes_exact():
    parts = [["a"], ["b", "c", "d"], ["e"], ["f"], ["g", "h"]]
    assert fill(parts, {"val": 2, "test": 3, "masks": 3}) == {
        "val": ["a", "e"],
        "test": ["b", "c", "d"],
        "masks": ["f", "g", "h"],
    }
    assert fill([["a", "b", "c"]], {"val": 1, "test": 2}) == {"val": [], "test": ["a", "b", "c"]}


def test_shares_add_up():
    assert shares({0: 5, 1: 3, 2: 2}, 3) == {0: 1, 1: 1, 2: 1}  # of 1.5, 0.9 and 0.6
    assert shares({0: 6705, 1: 1113, 2: 2197}, 2000) == {0: 1339, 1: 222, 2: 439}  # of 1338.99, 222.27 and 438.74


# The real pictures, at reduced size


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        data = Isic(root=shared_data / "isic2018")
        data.items("test")
        yield data


@pytest.mark.data
def test_real_splits_have_the_papers_sizes(real):
    assert {s: len(real.items(s)) for s in SPLITS} == {
        "weak": 8015,
        "weak_heldout": 2000,
        "masks": 1036,
        "val": 520,
        "test": 1038,
    }
    paper = Isic(root=real.root, split="paper")
    assert [len(paper.items(s)) for s in ("weak", "weak_heldout")] == [8015, 2000]
    assert len({item.id for s in SPLITS for item in real.items(s)}) == 10_015 + 2594


@pytest.mark.data
def test_real_labels_and_lesions(real):
    items = [*real.items("weak"), *real.items("weak_heldout")]
    counts = Counter(CLASSES[item.labels[0]] for item in items)
    assert counts == {"NV": 6705, "MEL": 1113, "BKL": 1099, "BCC": 514, "AKIEC": 327, "VASC": 142, "DF": 115}
    assert len({item.group for item in items}) == 7470
    assert not {item.group for item in real.items("weak")} & {item.group for item in real.items("weak_heldout")}
    heldout = Counter(CLASSES[item.labels[0]] for item in real.items("weak_heldout"))
    assert all(abs(heldout[c] - counts[c] * 2000 / 10_015) < 1 for c in CLASSES)


@pytest.mark.data
def test_real_near_duplicates(real):
    """Nine pairs, as the issue found with code of its own, and no two splits share one."""
    groups = Counter(
        (split, item.group) for split in ("masks", "val", "test") for item in real.items(split) if item.group
    )
    assert sorted(groups.values()) == [2] * 9
    assert len({group for _, group in groups}) == 9


@pytest.mark.data
def test_real_masks_are_whole(real):
    masks = [real.mask(item) for item in real.items("val")]
    assert all(mask.shape == (256, 256) and mask.any() for mask in masks)


def _save(path, pixels, **options):
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path, **options)


def _write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _edit(path, change):
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    _write(path, change(rows))


def _table(root):
    return root / WEAK_TABLE / f"{WEAK_TABLE}.csv"


def _lesion(n):
    return n % 40


def _class(n):
    return _lesion(n) % 3


def _one_hot(label):
    return ["1.0" if c == label else "0.0" for c in range(7)]


def _lesions_of(root, split, part):
    return {item.group for item in Isic(root=root, split=split).items(part)}


def _cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def _refused(root, split, *sentences):
    with pytest.raises(DataError) as refusal:
        Isic(root=root).items(split)
    _is_one_sentence(str(refusal.value), sentences)


def _mask_refused(root, *sentences):
    with pytest.raises(DataError) as refusal:
        Isic(root=root).mask(Item("ISIC_0000009", None))
    _is_one_sentence(str(refusal.value), sentences)


def _is_one_sentence(text, sentences):
    assert "\n" not in text
    for sentence in sentences:
        assert sentence in text
