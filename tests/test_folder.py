"""A user's own folder: what it is read as, how its splits are drawn, and one sentence for each fault, all at once."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from bench.api import Item
from bench.contract.dataset import check_dataset
from bench.data.samples import Samples
from bench.data_tables import collect_rows
from bench.datasets._folder_splits import MASKED, WEAK, draw
from bench.datasets._splits import components, deal
from bench.datasets.folder import Folder, bench_datasets
from bench.errors import DataError
from bench.faults import KINDS
from bench.files import is_id, read_mask
from bench.protocol import SMOKE

SPLITS = ("weak", "weak_heldout", "masks", "val", "test")
SIZE = (10, 14)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def make(root, count=40, masks=range(0), labels=lambda n: "ant bee cow".split()[n % 3]):
    """A folder as a user would make it by hand; every picture is other noise."""
    (root / "images").mkdir(parents=True)
    for n in range(count):
        picture(root / "images" / f"p{n:02}.png", n)
    for n in masks:
        (root / "masks").mkdir(exist_ok=True)
        save(root / "masks" / f"p{n:02}.png", mask(n))
    table(root, "labels.csv", "image,label", *(f"p{n:02},{labels(n)}" for n in range(count) if labels(n)))
    return root


def picture(path, seed):
    save(path, np.random.default_rng(seed).integers(0, 256, (*SIZE, 3)))


def mask(n):
    return np.where(np.arange(SIZE[1]) < n % 9 + 2, 255, 0) + np.zeros((SIZE[0], 1))


def save(path, pixels):
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def table(root, name, *lines):
    (root / name).write_text("\n".join(lines) + "\n")


def edit(root, name, change):
    table(root, name, *change((root / name).read_text().splitlines()))


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """40 images of three classes, the last 15 with masks."""
    return make(tmp_path_factory.mktemp("usual") / "mine", masks=range(25, 40))


@pytest.fixture
def root(usual, tmp_path):
    """A copy of it to break."""
    return shutil.copytree(usual, tmp_path / "mine")


def homes(data):
    found = [(item.id, split) for split in SPLITS for item in data.items(split)]
    assert len(dict(found)) == len(found), "an image stands in two splits"
    return dict(found)


def sizes(data):
    return [len(data.items(split)) for split in SPLITS]


# What it is read as


def test_a_folder_without_further_settings(usual):
    data = Folder(root=usual)
    assert data.task.classes == ("ant", "bee", "cow")
    assert (data.task.foreground, data.task.shows, data.task.exclusive) == (("object",), (0, 0, 0), True)
    assert list(data.faults()) == []
    assert sizes(data) == [20, 5, 6, 3, 6]
    assert {i for i, split in homes(data).items() if split in ("masks", "val", "test")} == {
        f"p{n}" for n in range(25, 40)
    }
    item = next(item for item in data.items("test") if item.id)
    n = int(item.id[1:])
    assert item == Item(item.id, (n % 3,), None)
    np.testing.assert_array_equal(data.image(item)[0], np.asarray(Image.open(usual / f"images/{item.id}.png"))[..., 0])
    np.testing.assert_array_equal(data.mask(item), mask(n) == 255)
    assert data.mask(data.items("weak")[0]) is None
    assert list(bench_datasets()) == [Folder]
    check_dataset(data)


def test_files_are_images_then_masks_in_the_order_of_the_items(usual):
    data = Folder(root=usual)
    ids = [item.id for item in data.items("val")]
    assert list(data.files("val")) == [usual / kind / f"{i}.png" for kind in ("images", "masks") for i in ids]
    assert len(data.files("weak")) == 20


def test_splits_are_the_same_again_and_elsewhere(usual, root):
    assert homes(Folder(root=usual)) == homes(Folder(root=root))
    assert Samples(Folder(root=usual), SMOKE).fingerprint == Samples(Folder(root=root), SMOKE).fingerprint


def test_images_may_be_named_by_file_and_several_labels_are_not_exclusive(root):
    change = {"p00,ant": "p00.png,ant", "p01,bee": "p01,bee; cow ;", "p02,cow": "p02,cow\np02,ant"}
    edit(root, "labels.csv", lambda lines: [change.get(line, line) for line in lines])
    data = Folder(root=root)
    labels = {item.id: item.labels for split in SPLITS for item in data.items(split)}
    assert (labels["p00"], labels["p01"], labels["p02"]) == ((0,), (1, 2), (0, 2))
    assert not data.task.exclusive
    assert [f for f in data.faults() if f.blocks] == []


def test_images_with_a_mask_need_no_label(root):
    edit(root, "labels.csv", lambda lines: lines[:31])
    data = Folder(root=root)
    assert sizes(data)[2:] == [6, 3, 6]
    assert {item.labels for split in ("masks", "val", "test") for item in data.items(split)} == {
        None,
        (0,),
        (1,),
        (2,),
    }


def test_ids_that_look_like_numbers_stay_text(tmp_path):
    names = ["00000012", "000000e5", "NA", "1-2", "0012", "12", "1e5", "True", "nan", "inf", "0x10"]
    root = make(tmp_path / "mine", count=0)
    for n, name in enumerate(names):
        picture(root / "images" / f"{name}.jpg", n)
    table(root, "labels.csv", "image,label", *(f"{name},00{n % 2}" for n, name in enumerate(names)))
    data = Folder(root=root)
    assert sorted(homes(data)) == sorted(names)
    assert data.task.classes == ("000", "001")


def test_groups_are_the_clusters_and_near_duplicates_where_there_is_none(root):
    copy = (np.asarray(Image.open(root / "images/p30.png")) // 2 + 9).astype(np.uint8)
    save(root / "images/p31.png", copy)
    table(root, "groups.csv", "image,group", "p00,anna", "p07,anna", "p32,bert", "p33.png,bert", "p31,carl")
    data = Folder(root=root)
    groups = {item.id: item.group for split in SPLITS for item in data.items(split)}
    assert {i: group for i, group in groups.items() if group} == {
        "p00": "anna",
        "p07": "anna",
        "p32": "bert",
        "p33": "bert",
        "p30": "p30",
        "p31": "carl",
    }
    found = homes(data)
    assert all(found[i] == found[j] for i, j in (("p00", "p07"), ("p32", "p33"), ("p30", "p31")))


def test_splits_csv_decides(root):
    parts = [
        f"p{n:02},{'weak' if n < 20 else 'weak_heldout' if n < 25 else ('masks', 'val', 'test')[n % 3]}"
        for n in range(40)
    ]
    table(root, "splits.csv", "image,split", *parts)
    data = Folder(root=root)
    assert homes(data) == dict(part.split(",") for part in parts)
    assert [f for f in data.faults() if f.blocks] == []


def test_crlf_a_byte_order_mark_blank_lines_and_quotes_do_no_harm(root, usual):
    text = (root / "labels.csv").read_text().replace("p05,cow", ' "p05" , cow'.replace(' "', '"').replace('" ', '"'))
    (root / "labels.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n\r\n").encode())
    assert homes(Folder(root=root)) == homes(Folder(root=usual))
    assert [f for f in Folder(root=root).faults() if f.blocks] == []


def test_what_was_understood(root):
    assert Folder(root=root).understood() == [
        "40 images; 40 with labels (ant 14, bee 13, cow 13), one each",
        "15 masks: 0 is background, 255 object",
        "images of ant, bee, cow show object",
        "no groups.csv: each image is independent, but for near-duplicates",
        "no splits.csv: drawn by a fixed seed, 20 weak, 5 weak_heldout, 6 masks, 3 val, 6 test",
    ]
    table(root, "groups.csv", "image,group", "p00,anna", "p30,anna", "p31,bert")
    edit(root, "labels.csv", lambda lines: [*lines, "p03,cow"])
    table(root, "splits.csv", "image,split", *(f"p{n:02},{'weak' if n < 25 else 'test'}" for n in range(40)))
    data = Folder(root=root, foreground=("ant", "bee"), absent=("cow",))
    assert data.understood() == [
        "40 images; 40 with labels (ant 14, bee 13, cow 14), 1 of them with several, as p03",
        "15 masks: 0 is background, 1 ant, 2 bee, 255 ignored",
        "images of ant show ant; images of bee show bee; images of cow show nothing",
        "groups.csv: 3 images in 2 groups; other images are independent",
        "splits.csv: 25 weak, 0 weak_heldout, 0 masks, 0 val, 15 test",
    ]


# What classes and masks mean


@pytest.mark.parametrize(
    ("settings", "shows"),
    [
        ({}, (0, 0, 0)),
        ({"foreground": ("animal",)}, (0, 0, 0)),
        ({"absent": ("cow",)}, (0, 0, None)),
        ({"foreground": ("cow",), "absent": ("ant", "bee")}, (None, None, 0)),
        ({"foreground": ("bee", "ant"), "absent": ("cow",)}, (1, 0, None)),
        ({"foreground": ("cow", "ant", "bee")}, (1, 2, 0)),
    ],
)
def test_what_classes_show(usual, settings, shows):
    data = Folder(root=usual, **settings)
    assert data.task.shows == shows
    assert [f for f in data.faults() if f.blocks] == []


def test_a_class_without_object_needs_no_mask(tmp_path):
    """Its images follow the others: as large a part of them is scored on, where all of a picture counts as background."""
    root = make(tmp_path / "mine", masks=range(0, 20, 5), labels=lambda n: "dog" if n < 20 else "none")
    data = Folder(root=root, absent=("none",))
    assert data.task.shows == (0, None)
    found = homes(data)
    sides = Counter((int(i[1:]) < 20, split in MASKED) for i, split in found.items())
    assert sides == {(True, False): 16, (True, True): 4, (False, False): 16, (False, True): 4}
    assert [len(data.items(split)) for split in ("masks", "val", "test")] == [3, 2, 3]
    assert all(data.mask(item) is None for item in data.items("test") if item.labels == (1,))
    check_dataset(data)


def test_masks_of_class_numbers(tmp_path):
    root = make(tmp_path / "mine", masks=range(40))
    pixels = np.arange(140).reshape(SIZE) % 4
    values = np.array([0, 1, 2, 255], np.uint8)[pixels]
    for n in range(40):
        save(root / "masks" / f"p{n:02}.png", values)
    data = Folder(root=root, foreground=("ant", "bee"), absent=("cow",))
    np.testing.assert_array_equal(data.mask(data.items("test")[0]), values)
    check_dataset(data)
    with pytest.raises(DataError, match=r"values 0, 1, 2, 255; make it 0 \(background\) and 255 \(foreground\) only"):
        Folder(root=root).mask(data.items("test")[0])


def test_a_palette_is_read_by_number_and_other_masks_are_refused(tmp_path):
    save(tmp_path / "image.png", np.zeros((4, 6, 3)))
    path, values = tmp_path / "mask.png", np.array([[0, 1, 2, 3, 255, 0]] * 4, np.uint8)
    coloured = Image.new("P", (6, 4))
    coloured.putdata(values.ravel().tolist())
    coloured.putpalette([n * 7 % 256 for n in range(768)])
    coloured.save(path)
    with Image.open(path) as stored:
        assert stored.mode == "P"
    np.testing.assert_array_equal(read_mask(path, tmp_path / "image.png", 3), values)
    for foregrounds, sentence in [
        (2, "values 0, 1, 2, 3, 255; save it as an 8-bit PNG of 0 to 2, and 255 where it is ignored"),
        (None, "is a mask of mode P (colours, palette or 16 bits); save it as an 8-bit grey PNG of 0 and 255"),
    ]:
        with pytest.raises(DataError, match=re.escape(sentence)) as refusal:
            read_mask(path, tmp_path / "image.png", foregrounds)
        assert refusal.value.kind == "mask-values"
    Image.fromarray(values).convert("RGB").save(path)
    with pytest.raises(DataError, match="is a mask of mode RGB"):
        read_mask(path, tmp_path / "image.png", 3)
    save(path, np.zeros((6, 4)))
    with pytest.raises(DataError, match=r"mask of 4 x 6 pixels and its image image.png has 6 x 4") as refusal:
        read_mask(path, tmp_path / "image.png", 3)
    assert refusal.value.kind == "mask-size"


@pytest.mark.parametrize(
    "settings", [{"foreground": ()}, {"foreground": ("a", "a")}, {"foreground": ("a",), "absent": ("a",)}]
)
def test_settings_that_contradict_themselves(settings):
    with pytest.raises(ValidationError, match="foreground"):
        Folder(**settings)


# Splits that are drawn


def test_where_all_images_have_both_half_are_learned_from(tmp_path):
    data = Folder(root=make(tmp_path / "mine", masks=range(40)))
    assert sizes(data) == [17, 4, 7, 4, 8]
    labels = {split: Counter(item.labels for item in data.items(split)) for split in ("weak", "test")}
    assert all(max(found.values()) - min(found.values()) <= 1 for found in labels.values())
    check_dataset(data)


def test_without_masks_everything_is_learned_from(tmp_path):
    assert sizes(Folder(root=make(tmp_path / "mine"))) == [32, 8, 0, 0, 0]


def test_a_small_class_is_learned_before_it_is_scored(tmp_path):
    root = make(tmp_path / "mine", masks=range(40), labels=lambda n: "rare" if n == 5 else "few" if n < 2 else "many")
    found = homes(Folder(root=root))
    assert found["p05"] == "weak"
    assert sorted([found["p00"] in MASKED, found["p01"] in MASKED]) == [False, True]


CLASSES, KINDS_OF_IMAGE = ("a", "b", "c", "none"), ("label", "mask", "both")
images = st.dictionaries(
    st.integers(0, 99).map(lambda n: f"i{n:02}"),
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(KINDS_OF_IMAGE), st.integers(0, 20)),
    min_size=1,
    max_size=60,
)


@given(images)
def test_drawn_splits_keep_their_promises(drawn):
    classes = {i: c for i, (c, kind, _) in drawn.items() if kind != "mask"}
    known = {i for i, (c, kind, _) in drawn.items() if kind != "label" or c == "none"}
    together = {i: f"g{group}" for i, (*_, group) in drawn.items() if group < 5}
    found = draw(classes, known, ("none",), together)
    assert all((i in classes) if split in WEAK else (i in known) for i, split in found.items())
    for group in set(together.values()):
        assert len({split for i, split in found.items() if together.get(i) == group}) <= 1
    assert {i for i in drawn if i not in together} <= found.keys()
    learned = {c for i, c in classes.items() if found.get(i) == "weak"}
    assert learned >= {c for i, c in classes.items() if i not in together and c != "none"}
    assert draw(dict(reversed(classes.items())), sorted(known), ("none",), together) == found


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_dealing_single_images_is_exact_in_all_and_near_in_each(counts):
    strata = {f"s{n}": [[f"{n}-{i}"] for i in range(count)] for n, count in enumerate(counts)}
    found = deal(strata, MASKED)
    total = sum(counts)
    assert sorted(i for ids in found.values() for i in ids) == sorted(i for s in strata.values() for (i,) in s)
    for name, portion in MASKED.items():
        assert abs(len(found[name]) - portion * total) < 1
        for n, count in enumerate(counts):
            assert abs(sum(i.startswith(f"{n}-") for i in found[name]) - portion * count) < 2


def test_dealing_makes_up_for_large_blocks():
    strata = {name: [[f"{name}{n}" for n in range(4)]] for name in "abcdefghij"}
    found = deal(strata, MASKED)
    assert {name: len(ids) for name, ids in found.items()} == {"test": 16, "val": 8, "masks": 16}
    halves = {"x": Fraction(1, 2), "y": Fraction(1, 2)}
    assert deal({"a": [["1"], ["2"], ["3"]]}, halves, first="y")["y"][0] == "1"


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=12))
def test_components_are_what_is_reached(links):
    found = components(links)
    reach = {name: {name} for link in links for name in link}
    for _ in reach:  # the plainest closure: as many rounds as there are names
        for a, b in links:
            union = reach[a] | reach[b]
            for name in union:
                reach[name] = reach[name] | union
    assert found == {name: min(others) for name, others in reach.items()}


# What it refuses: rows 4 to 11 and 23 of the list of faults


def found(data):
    return sorted((fault.kind, fault.place) for fault in data.faults() if fault.blocks)


def refused(root, *sentences, kind, settings=None):
    """items() stops with one sentence; returns the faults that block."""
    data = Folder(root=root, **(settings or {}))
    with pytest.raises(DataError) as refusal:
        data.items("weak")
    text = str(refusal.value)
    assert "\n" not in text
    for sentence in sentences:
        assert sentence in text
    assert kind in {fault.kind for fault in data.faults()}
    return found(data)


def told(root, settings=None):
    """What is worth knowing and does not block."""
    data = Folder(root=root, **(settings or {}))
    data.items("weak")
    return [fault.text for fault in data.faults() if not fault.blocks]


def test_no_folder():
    with pytest.raises(DataError, match="folder has no data folder: name it with --data-root FOLDER"):
        Folder().items("weak")


def test_an_empty_folder_and_none(tmp_path):
    (tmp_path / "mine").mkdir()
    faults = refused(
        tmp_path / "mine",
        f"{tmp_path / 'mine'} has no images; put the pictures there",
        "(at least 1 more;",
        kind="layout",
    )
    assert faults == [("layout", str(tmp_path / "mine" / name)) for name in ("images", "labels.csv")]
    refused(tmp_path / "gone", "gone cannot be listed (No such file or directory)", kind="layout")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("images", "Images"), ("images", "image"), ("labels.csv", "label.csv"), ("labels.csv", "Labels.csv")],
)
def test_a_needed_name_that_is_spelled_otherwise(root, name, wrong):
    (root / name).rename(root / "between")
    (root / "between").rename(root / wrong)
    refused(root, f"{root} has no {name} (is it {wrong}? call it {name}); ", kind="layout")


@pytest.mark.parametrize(
    ("name", "wrong"), [("masks", "mask"), ("splits.csv", "split.csv"), ("groups.csv", "group.csv")]
)
def test_an_optional_name_that_is_spelled_otherwise_is_told(root, name, wrong):
    if name == "masks":
        (root / name).rename(root / wrong)
    else:
        (root / wrong).write_text("x")
    assert told(root) == [f"{root / wrong} is not read; if it is meant to be, call it {name}"]


def test_pictures_in_folders_of_classes(root):
    shutil.rmtree(root / "images")
    (root / "images" / "ant").mkdir(parents=True)
    faults = refused(root, "images holds no pictures; put .jpg or .png files directly into it", kind="layout")
    assert faults == [("layout", str(root / "images"))]


def test_formats_that_are_not_read(root):
    Image.open(root / "images/p00.png").save(root / "images/q.tif")
    Image.open(root / "masks/p30.png").save(root / "masks/p01.jpg")
    faults = refused(root, "q.tif is in a format that is not read; save it as an 8-bit PNG", kind="unreadable")
    assert faults == [("unreadable", str(root / "images/q.tif")), ("unreadable", str(root / "masks/p01.jpg"))]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "labels.csv is empty; fill it"),
        (b"\xef\xbb\xbf\r\n", "labels.csv is empty; fill it"),
        (b"image,label\r\n", "labels.csv has a header and no rows"),
        (b"image;label\np00;ant\n", "labels.csv separates its columns with semicolons; save it with commas"),
        (b"image\tlabel\np00\tant\n", "labels.csv separates its columns with tabs; save it with commas"),
        (
            b"Image,class\np00,ant\n",
            "labels.csv has no column image, label: it has Image, class; the file needs image, label",
        ),
        (b"p00,ant\n", "labels.csv has no column image, label: it has p00, ant"),
        (
            b"image,label,label\np00,ant,bee\n",
            "labels.csv has two columns label; the file needs image, label, each once",
        ),
        ("image,label\np00,grün\n".encode("latin-1"), "labels.csv is not UTF-8 text"),
        (
            b'image,label\np00,ant\np01,"bee\np02,cow\n',
            "is no comma-separated text (unexpected end of data); look for a stray quote",
        ),
    ],
)
def test_a_table_that_is_none(root, content, sentence):
    (root / "labels.csv").write_bytes(content)
    assert refused(root, sentence, kind="table") == [("table", str(root / "labels.csv"))]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("p05", "labels.csv line 7 ends after 1 fields; complete it"),
        ("p05,ant,bee", "labels.csv line 7 has 3 fields and the header 2; put quotes around a text with commas"),
        ("p05,", "labels.csv line 7 names no label for p05; fill it in or remove the row"),
        ("p05,;", "labels.csv line 7 names no label for p05; fill it in"),
        ("p05,\x1b[31mred", r"labels.csv line 7 has the label '\x1b[31mred'; take out what cannot be printed"),
    ],
)
def test_a_row_that_is_none(root, row, sentence):
    edit(root, "labels.csv", lambda lines: [*lines[:6], row, *lines[7:]])
    assert refused(root, sentence, kind="table") == [("table", str(root / "labels.csv"))]


def test_a_column_that_is_not_read_is_told(root):
    edit(root, "labels.csv", lambda lines: [lines[0] + ",notes,", *(line + ",blurred," for line in lines[1:])])
    assert told(root) == [f"{root / 'labels.csv'} has the column notes, which is not read; its columns are image,label"]


def test_a_row_without_image(root):
    edit(root, "labels.csv", lambda lines: [*lines, "p99,ant", "P05,ant", "p06.tiff,ant"])
    faults = refused(
        root, "images has no image for the row p99 (labels.csv line 42); add the image", kind="missing-image"
    )
    assert faults == [("missing-image", i) for i in ("P05", "p06.tiff", "p99")]
    texts = [fault.text for fault in Folder(root=root).faults()]
    assert "did you mean p05?" in texts[1]
    assert "did you mean p06?" in texts[2]
    assert homes(Folder(root=root, accept=("missing-image",))).keys() == {f"p{n:02}" for n in range(40)}


def test_an_image_without_row_and_mask(root):
    edit(root, "labels.csv", lambda lines: [line for line in lines if line[:3] not in ("p03", "p33")])
    faults = refused(
        root, "labels.csv has no row for the image p03, which has no mask either; add a row", kind="missing-label"
    )
    assert faults == [("missing-label", "p03")]
    assert "p03" not in homes(Folder(root=root, accept=("missing-label",)))


def test_a_mask_without_image(root):
    (root / "masks/p30.png").rename(root / "masks/p30_mask.png")
    sentence = "images has no image for the mask p30_mask.png; did you mean p30?; give both one name or remove the mask"
    assert refused(root, sentence, kind="missing-image") == [("missing-image", "p30_mask")]


def test_two_files_of_one_id(root):
    shutil.copy(root / "images/p00.png", root / "images/p00.jpg")
    faults = refused(
        root, "images has both p00.jpg and p00.png; remove one, an id stands for one picture", kind="duplicate-id"
    )
    assert faults == [("duplicate-id", str(root / "images/p00.png"))]


def test_an_image_in_two_groups_or_splits(root):
    table(root, "groups.csv", "image,group", "p00,anna", "p00,anna", "p01,anna", "p01,bert")
    faults = refused(
        root, "groups.csv line 5 gives p01 the group bert after anna; remove one of the rows", kind="duplicate-id"
    )
    assert faults == [("duplicate-id", "p01")]
    (root / "groups.csv").unlink()
    rows = [f"p{n:02},weak" for n in range(40)]
    table(root, "splits.csv", "image,split", *rows, "p02,weak_heldout")
    refused(root, "splits.csv line 42 gives p02 the split weak_heldout after weak", kind="duplicate-id")


def test_a_split_that_is_none(root):
    table(root, "splits.csv", "image,split", *(f"p{n:02},{'weak' if n else 'tset'}" for n in range(40)))
    sentence = (
        "splits.csv puts p00 into the split tset; did you mean test?; splits are weak, weak_heldout, masks, val, test"
    )
    assert refused(root, sentence, kind="table") == [("table", str(root / "splits.csv"))]


def test_splits_that_cannot_be(root):
    """p00 has a label and no mask, p39 a mask and no label."""
    edit(root, "labels.csv", lambda lines: lines[:-1])
    part = {0: "test", 39: "weak"}
    table(root, "splits.csv", "image,split", *(f"p{n:02},{part.get(n, 'weak')}" for n in range(40) if n != 7))
    assert found(Folder(root=root)) == [("missing-label", "p07"), ("missing-label", "p39"), ("missing-mask", "p00")]
    texts = [fault.text for fault in Folder(root=root).faults()]
    assert "splits.csv has no row for the image p07; add one or remove the image" in texts[1]
    assert "splits.csv puts p00 among the images with masks and there is no masks/p00.png; add it" in texts[0]
    assert "splits.csv puts p39 among the images to learn from and labels.csv has no row for it; add one" in texts[2]
    data = Folder(root=root, accept=("missing-label", "missing-mask"))
    assert homes(data).keys() == {f"p{n:02}" for n in range(40)} - {"p00", "p07", "p39"}


def test_classes_that_the_settings_do_not_know(root):
    sentence = "the setting absent names cwo, which is no class of"
    faults = refused(
        root, sentence, "did you mean cow?; it has ant, bee, cow", kind="unknown-class", settings={"absent": ("cwo",)}
    )
    assert faults == [("unknown-class", "cwo")]
    settings = {"foreground": ("ant", "beee", "cow")}
    faults = refused(
        root,
        "labels.csv has the class bee, which is no foreground (ant, beee, cow); did you mean beee?",
        "--set folder.absent=",
        kind="unknown-class",
        settings=settings,
    )
    assert faults == [("unknown-class", "bee")]
    texts = [fault.text for fault in Folder(root=root, **settings).faults() if not fault.blocks]
    assert texts == [f"{root / 'labels.csv'} has no class called beee as the foreground is; no method can learn it"]


def test_classes_with_few_images(root):
    edit(root, "labels.csv", lambda lines: [*lines[:-1], "p39,antt"])
    one = f"{root / 'labels.csv'} has one image of the class antt; did you mean ant?; batches take two images of a class, "
    assert told(root) == [one + "so it is hardly learned"]
    parts = [f"p{n:02},{'weak_heldout' if n % 3 == 1 else 'weak'}" for n in range(40)]
    table(root, "splits.csv", "image,split", *parts)
    none = f"{root / 'splits.csv'} puts no image of the class bee into weak; no method can learn it"
    assert told(root) == [one + "so it is hardly learned", none]


def test_a_class_whose_images_are_all_gone(root):
    edit(root, "labels.csv", lambda lines: [*lines, "p77,yak"])
    assert found(Folder(root=root)) == [("empty-class", "yak"), ("missing-image", "p77")]
    with pytest.raises(
        DataError, match="has the class yak and none of its images is there; put one there or remove its rows"
    ):
        Folder(root=root, accept=("missing-image",)).items("weak")


ODD = ["../x", "/etc/passwd", "a\x00b", "a\nb", "x" * 300, "CON", "aux.png", ".hidden", "-rf", "ünder", "a b", ""]


@pytest.mark.parametrize("name", ODD)
def test_odd_ids_in_a_table(root, name):
    with (root / "labels.csv").open("a", newline="") as file:
        csv.writer(file).writerow([name, "ant"])
    line = 42 + name.count("\n")  # of a quoted line break the last
    sentence = f"labels.csv line {line} has the image {name!r}; correct it: an id is 1 to 128 letters A to Z and a to z"
    assert refused(root, sentence, kind="id") == [("id", str(root / "labels.csv"))]


@pytest.mark.parametrize("name", ["my photo (1).png", "ünder.png", "-x.png", "CON.png", "a\nb.png"])
def test_odd_names_of_pictures(root, name):
    shutil.copy(root / "images/p00.png", root / "images" / name)
    faults = refused(
        root, f"images has {name!r}; rename it: an id is 1 to 128 letters A to Z and a to z, digits", kind="id"
    )
    assert faults == [("id", str(root / "images" / name))]


def test_links_that_leave_the_folder(root, tmp_path):
    for name in ("images/p00.png", "masks/p30.png", "labels.csv"):
        place = tmp_path / name.replace("/", "-")
        shutil.move(root / name, place)
        (root / name).symlink_to(place)
    faults = refused(
        root,
        f"p00.png leads to {tmp_path / 'images-p00.png'}, outside {root}; put the file itself there",
        kind="outside",
    )
    assert faults == [("outside", str(root / name)) for name in ("images/p00.png", "labels.csv", "masks/p30.png")]


def test_torn_pictures_are_told_by_name(root):
    path = root / "images/p00.png"
    path.write_bytes(path.read_bytes()[:60])
    data = Folder(root=root)
    assert data.items("weak")  # listed all the same, so that all faults are told at once
    with pytest.raises(DataError, match=r"p00\.png cannot be read .*; replace it with an intact copy"):
        data.image(Item("p00", None))


def test_strange_item(usual):
    with pytest.raises(DataError, match="has no picture x; take items from items"):
        Folder(root=usual).image(Item("x", None))


def test_nothing_raises_when_everything_is_accepted(root):
    everything = tuple(KINDS)
    edit(root, "labels.csv", lambda lines: [*lines, "../x,ant", "p99,yak", "p01"])
    table(root, "splits.csv", "image,split", "p00,tset", "p01,test", "p02,weak")
    assert sizes(Folder(root=root, accept=everything)) == [1, 0, 0, 0, 0]
    (root / "labels.csv").write_text("")
    shutil.rmtree(root / "images")
    assert sizes(Folder(root=root, accept=everything)) == [0] * 5
    assert sizes(Folder(accept=everything)) == [0] * 5


# Its parts


@given(st.text(max_size=140))
@example("a" * 128)
@example("a" * 129)
@example("a\n")
@example("com1.x")
def test_an_id_can_name_a_file_everywhere(name):
    letters = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    plain = 0 < len(name) <= 128 and name[0] in letters and set(name) <= letters | set("._-")
    device = name.split(".")[0].upper() in {
        "CON",
        "PRN",
        "AUX",
        "NUL",
        *(f"{d}{n}" for d in ("COM", "LPT") for n in range(10)),
    }
    assert is_id(name) == (plain and not device)


cells = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00\r"), max_size=8).map(str.strip)


@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=6), newline=st.sampled_from(["\n", "\r\n"]))
def test_a_table_is_what_was_written(rows, newline, tmp_path_factory):
    """Whatever Python's csv writes is read back, but for blank lines and spaces around cells."""
    path = tmp_path_factory.getbasetemp() / "table.csv"
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=newline).writerows([("image", "label"), *rows])
    path.write_bytes(text.getvalue().encode())
    faults = []
    read = collect_rows(path, ("image", "label"), faults)
    wanted = [(one, other) for one, other in rows if one or other]
    assert [(row["image"], row["label"]) for _, row in read.rows] == wanted
    assert bool(faults) == (not wanted)
    assert all(first < second for (first, _), (second, _) in pairwise(read.rows))


@given(content=st.binary(max_size=60))
def test_no_bytes_break_the_reading_of_a_table(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    path.write_bytes(content)
    faults = []
    read = collect_rows(path, ("image", "label"), faults)
    assert read.rows or faults
    assert all("\n" not in fault.text for fault in faults)
