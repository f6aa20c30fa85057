"""Dogs against not-dogs: the synsets, the splits of an ImageNet folder, the masks of ImageNet-S, and one sentence for each fault."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.api import Item
from bench.datasets import _imagenet_folders, _imagenet_plan
from bench.datasets._dog_names import CARDIGAN, DOGS, IMAGENET_S_DOGS, MISSED, dogs
from bench.datasets._imagenet_truth import DEVKIT, META, NUMBERS, find_truth
from bench.datasets.imagenet_dogs import ImagenetDogs, bench_datasets
from bench.errors import DataError
from bench.testing import check_dataset

SPLITS = ("weak", "weak_heldout", "masks", "val", "test")
CHIHUAHUA, TERRIER, WOLF, TENCH = "n02085620", "n02097474", "n02114367", "n01440764"
SYNSETS = (TENCH, CHIHUAHUA, TERRIER, WOLF, CARDIGAN)
TRUE_DOGS = {CHIHUAHUA, TERRIER}


@pytest.fixture(scope="session")
def official(tmp_path_factory):
    """Ten pictures for training and three for validation of each of five synsets, two of them dogs."""
    root = tmp_path_factory.mktemp("imagenet")
    for number, synset in enumerate(SYNSETS):
        for n in range(10):
            _save(root / "train" / synset / f"{synset}_{n}.JPEG", 100 * number + n)
        for n in range(3):
            _save(root / "val" / synset / f"ILSVRC2012_val_{1 + 5 * n + number:08}.JPEG", 1000 + 100 * number + n)
    return root


@pytest.fixture
def root(official, tmp_path):
    """A copy of the tree to break."""
    return shutil.copytree(official, tmp_path / "imagenet")


@pytest.fixture
def drawn(root):
    """The same with ImageNet-S: two pictures of `train` and two of `val` for each of three synsets, with masks."""
    for synset in (TENCH, CHIHUAHUA, WOLF):
        for folder, source in (("train-semi", "train"), ("validation", "val")):
            for picture in sorted((root / source / synset).iterdir())[:2]:
                target = root / "ImageNetS919" / folder / synset / picture.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, target)
                mask = root / "ImageNetS919" / f"{folder}-segmentation" / synset / f"{picture.stem}.png"
                _draw(mask, [[0, 1000, 152, 269, 151, 270, 1, 919]] * 6)
    return root


# The synsets


def test_dogs_are_the_118_breeds_from_chihuahua_to_mexican_hairless():
    assert len(set(DOGS)) == 118
    assert (DOGS[0], DOGS[-1]) == ("n02085620", "n02113978")
    not_dogs = "n02114367 n02114548 n02114712 n02114855 n02115641 n02115913 n02116738 n02119022 n02119789 n02120079 n02120505 n03218198"
    assert not set(DOGS) & set(not_dogs.split())  # wolves, coyote, dingo, dhole, African hunting dog, foxes, dogsled


def test_the_published_list_calls_111_synsets_dogs():
    assert len(dogs("code")) == 111
    assert set(DOGS) - dogs("code") == MISSED
    assert dogs("code") - set(DOGS) == {"n02963159"}
    assert len(MISSED) == 8


@pytest.mark.data
def test_dogs_are_numbers_151_to_268_of_the_sorted_synsets(shared_data):
    import pandas as pd

    table = pd.read_csv(shared_data / "imagenet_dogs" / "imagenet_classes.csv")
    assert tuple(table.synset.sort_values().iloc[151:269]) == DOGS
    assert set(table.synset[table.dog == 1]) == set(DOGS)


# An ImageNet folder


def test_all_pictures_are_used_where_there_are_few(official):
    data = ImagenetDogs(root=official)
    counts = {split: Counter(item.labels for item in data.items(split)) for split in SPLITS}
    assert counts == {
        "weak": {(1,): 16, (0,): 24},
        "weak_heldout": {(1,): 4, (0,): 6},
        "masks": {},
        "val": {(1,): 2, (0,): 3},
        "test": {(1,): 4, (0,): 6},
    }
    ids = [item.id for split in SPLITS for item in data.items(split)]
    assert len(set(ids)) == len(ids) == 65
    assert data.items("train") == ()


@pytest.mark.parametrize(("listed", "expected"), [("synsets", TRUE_DOGS), ("code", {CHIHUAHUA, CARDIGAN})])
def test_a_dog_is_what_the_list_says_in_training_and_a_dog_in_the_test(official, listed, expected):
    data = ImagenetDogs(root=official, list=listed)
    weak = [item for split in ("weak", "weak_heldout") for item in data.items(split)]
    assert {item.id.split("_")[0] for item in weak if item.labels == (1,)} == expected
    assert {item.id.split("_")[0] for item in weak if item.labels == (0,)} == set(SYNSETS) - expected
    for item in [*data.items("val"), *data.items("test")]:
        (file,) = official.glob(f"val/*/{item.id}.JPEG")
        assert item.labels == ((file.parent.name in TRUE_DOGS),)


def test_fewer_pictures_on_request(official):
    data = ImagenetDogs(root=official, images=5)
    counts = {split: Counter(item.labels for item in data.items(split)) for split in SPLITS}
    assert counts["weak"] == {(0,): 4, (1,): 4}
    assert counts["weak_heldout"] == {(0,): 1, (1,): 1}
    assert counts["val"] + counts["test"] == Counter({(0,): 5, (1,): 5})
    everything = {item for split in SPLITS for item in ImagenetDogs(root=official).items(split)}
    assert {item for split in SPLITS for item in data.items(split)} < everything


def test_the_sample_is_of_sorted_ids_and_not_of_a_directorys_order(official, monkeypatch):
    expected = [ImagenetDogs(root=official, images=7).items(split) for split in SPLITS]
    scandir = os.scandir

    class Backwards:
        def __init__(self, folder):
            self._entries = sorted(scandir(folder), key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self._entries)

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(_imagenet_folders.os, "scandir", Backwards)
    assert [ImagenetDogs(root=official, images=7).items(split) for split in SPLITS] == expected


def test_the_sample_is_uniform_over_pictures(monkeypatch):
    """Of 3,000 pictures of one breed and 1,000 of another a quarter of the sample is of the second (400 drawn: 8.7 is one sigma)."""
    names = [f"{CHIHUAHUA}_{n}" for n in range(3000)] + [f"{TERRIER}_{n}" for n in range(1000)]
    drawn = _imagenet_plan._sample(names, 400)
    assert len(set(drawn)) == 400
    assert abs(sum(name.startswith(TERRIER) for name in drawn) - 100) < 26


def test_it_says_how_much_there_is(official):
    faults = ImagenetDogs(root=official).faults()
    assert not any(fault.blocks for fault in faults)
    texts = " | ".join(fault.text for fault in faults)
    assert "5 of 1,000 synset folders (2 of 118 of dogs) and 50 of 1,281,167 pictures" in texts
    assert "30 pictures of anything but dogs where imagenet_dogs.images asks for 10,000: all are taken" in texts
    assert "20 pictures of dogs where imagenet_dogs.images asks for 10,000: all are taken" in texts
    assert "val has 15 of 50,000 pictures" in texts
    assert "no ImageNetS919: without its masks only classes, areas and false positives can be measured" in texts
    few = ImagenetDogs(root=official, images=20).faults()
    assert not [fault for fault in few if "asks for" in fault.text]


def test_pictures_without_masks(official):
    data = ImagenetDogs(root=official)
    item = data.items("test")[0]
    assert data.mask(item) is None
    assert data.image(item).shape == (3, 6, 8)
    assert [path.stem for path in data.files("test")] == [item.id for item in data.items("test")]
    assert data.task.shows == (None, 0)
    assert data.task.classes == ("not_dog", "dog")
    assert list(bench_datasets()) == [ImagenetDogs]
    assert not ImagenetDogs.publishable


def test_nothing_of_val_is_trained_on_and_val_may_be_missing(root):
    shutil.rmtree(root / "val")
    data = ImagenetDogs(root=root)
    assert len(data.items("weak")) == 40
    assert data.items("test") == ()
    assert f"{root} has no folder val" in " ".join(fault.text for fault in data.faults())


def test_flat_pictures_with_kaggles_table(root, official):
    synset = _flatten(root / "val")
    rows = [f"{name},{synset} 85 1 499 272 1 2 3 4" for name, synset in synset.items()]
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]))
    assert [ImagenetDogs(root=root).items(s) for s in SPLITS] == [ImagenetDogs(root=official).items(s) for s in SPLITS]
    assert ImagenetDogs(root=root).files("test")[0].parent == root / "val"


@pytest.mark.parametrize("place", [f"{DEVKIT}/data", "."])
def test_flat_pictures_with_the_devkit(root, official, place):
    synset = _flatten(root / "val")
    _devkit(root / place, [synset[name] for name in sorted(synset)])
    assert [ImagenetDogs(root=root).items(s) for s in SPLITS] == [ImagenetDogs(root=official).items(s) for s in SPLITS]


def test_the_devkit_is_read_as_torchvision_reads_it(tmp_path, monkeypatch):
    import torch
    from torchvision.datasets import imagenet

    _devkit(tmp_path / DEVKIT / "data", [WOLF, TENCH, TERRIER, CARDIGAN, CHIHUAHUA, TENCH])
    with tarfile.open(tmp_path / "devkit.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / DEVKIT, DEVKIT)
    monkeypatch.setattr(imagenet, "_verify_archive", lambda *_: None)
    imagenet.parse_devkit_archive(tmp_path, "devkit.tar.gz")
    _, theirs = torch.load(tmp_path / imagenet.META_FILE, weights_only=False)
    assert list(find_truth(tmp_path).synset.values()) == theirs
    assert next(iter(find_truth(tmp_path).synset)) == "ILSVRC2012_val_00000001"


def test_odd_pictures_of_imagenet_are_read(root):
    """A PNG named JPEG, a JPEG in CMYK and one that lies on its side."""
    folder = root / "train" / CHIHUAHUA
    pixels = np.zeros((20, 40, 3), dtype=np.uint8)
    pixels[:, :20] = (250, 10, 10)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / f"{CHIHUAHUA}_0.JPEG", format="png")
    Image.fromarray(pixels).convert("CMYK").save(folder / f"{CHIHUAHUA}_1.JPEG", quality=95)
    Image.fromarray(pixels).save(folder / f"{CHIHUAHUA}_2.JPEG", exif=exif, quality=95)
    data = ImagenetDogs(root=root)
    png, cmyk, lying = (data.image(Item(f"{CHIHUAHUA}_{n}", (1,))) for n in range(3))
    np.testing.assert_array_equal(png, pixels.transpose(2, 0, 1))
    assert np.abs(cmyk.astype(int) - png).mean() < 8
    assert lying.shape == (3, 40, 20)
    assert lying[0, :18].min() > 200


def test_a_class_name_with_an_apostrophe_makes_a_sound_id(root):
    (root / "train" / TENCH / f"{TENCH}_0.JPEG").rename(root / "train" / TENCH / f"{TENCH}_potter's_wheel.JPEG")
    data = ImagenetDogs(root=root)
    assert data.image(Item(f"{TENCH}_potters_wheel", (0,))).shape == (3, 6, 8)


# ImageNet-S


def test_with_masks_val_is_train_semi_and_test_is_validation(drawn):
    data = ImagenetDogs(root=drawn)
    assert [item.id for item in data.items("val")] == sorted(
        f"{s}_{n}" for s in (TENCH, CHIHUAHUA, WOLF) for n in (0, 1)
    )
    assert Counter(item.labels for item in data.items("test")) == {(0,): 4, (1,): 2}
    assert all(path.parts[-3] in ("validation", "validation-segmentation") for path in data.files("test"))
    assert [path.suffix for path in data.files("test")] == [".JPEG"] * 6 + [".png"] * 6
    assert data.items("masks") == ()


def test_dogs_in_masks_are_one_and_what_is_ignored_255(drawn):
    """151 is the sea lion and 270 the timber wolf: the dogs between them are ImageNet's numbers plus one."""
    data = ImagenetDogs(root=drawn)
    mask = data.mask(data.items("val")[0])
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0, 255, 1, 1, 0, 0, 0, 0]] * 6
    assert data.mask(data.items("weak")[0]) is None


def test_pictures_of_the_masks_are_in_no_weak_split_by_id_and_by_bytes(drawn):
    copy = drawn / "train" / CHIHUAHUA / f"{CHIHUAHUA}_99.JPEG"
    shutil.copy(drawn / "ImageNetS919" / "validation" / CHIHUAHUA / "ILSVRC2012_val_00000002.JPEG", copy)
    changed = drawn / "train" / WOLF / f"{WOLF}_1.JPEG"  # another picture under the id of one in train-semi
    _save(changed, 4711)
    data = ImagenetDogs(root=drawn)
    weak = {item.id for split in ("weak", "weak_heldout") for item in data.items(split)}
    assert len(weak) == 50 - 6
    assert copy.stem not in weak
    assert not weak & {item.id for item in data.items("val")}


def test_bytes_are_hashed_only_where_sizes_agree(drawn, monkeypatch):
    hashed = []
    monkeypatch.setattr(_imagenet_plan, "file_digest", lambda path: hashed.append(path) or str(path))
    big = drawn / "train" / TENCH / f"{TENCH}_5.JPEG"
    big.write_bytes(big.read_bytes() + b"0" * 9999)
    ImagenetDogs(root=drawn).items("weak")
    assert big not in hashed
    assert hashed


def test_imagenet_s_may_lie_elsewhere(drawn, tmp_path):
    expected = [ImagenetDogs(root=drawn).items(split) for split in SPLITS]
    (drawn / "ImageNetS919").rename(tmp_path / "masks")
    assert [ImagenetDogs(root=drawn, imagenet_s=tmp_path / "masks").items(split) for split in SPLITS] == expected
    assert ImagenetDogs(root=drawn).items("val") != expected[3]


def test_a_mask_is_turned_with_its_picture(drawn):
    """LUSSeg's tools and torchvision look at stored pixels; ours stand upright, and so must their masks."""
    place = drawn / "ImageNetS919" / "train-semi" / CHIHUAHUA / f"{CHIHUAHUA}_0.JPEG"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(place, exif=exif)
    data = ImagenetDogs(root=drawn)
    item = Item(place.stem, (1,))
    assert data.image(item).shape == (3, 8, 6)
    assert data.mask(item)[:, 0].tolist() == [0, 255, 1, 1, 0, 0, 0, 0]  # the left of the stored picture is its top


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        ("mode", "mask-values", "is a mask of mode L where RGB is expected; extract it again"),
        ("size", "mask-size", "is a mask of 8 x 5 pixels and its image n02085620_0.JPEG has 8 x 6; replace"),
        ("id", "mask-values", "has the class id 920; those of ImageNetS919 are 0 to 919, and 1000"),
        ("cut", "unreadable", "n02085620_0.png cannot be read ("),
        ("text", "unreadable", "n02085620_0.png cannot be read (it is no image); replace it with an intact copy"),
        ("gone", "unreadable", "n02085620_0.png is missing; put the file back"),
    ],
)
def test_faulty_masks(drawn, fault, kind, sentence):
    data = ImagenetDogs(root=drawn)
    data.items("val")
    place = drawn / "ImageNetS919" / "train-semi-segmentation" / CHIHUAHUA / f"{CHIHUAHUA}_0.png"
    whole = place.read_bytes()
    {
        "mode": lambda: Image.open(place).convert("L").save(place),
        "size": lambda: _draw(place, [[0] * 8] * 5),
        "id": lambda: _draw(place, [[920] * 8] * 6),
        "cut": lambda: place.write_bytes(whole[:60]),
        "text": lambda: place.write_text("<html>"),
        "gone": place.unlink,
    }[fault]()
    with pytest.raises(DataError) as caught:
        data.mask(Item(f"{CHIHUAHUA}_0", (1,)))
    assert sentence in str(caught.value)
    assert caught.value.kind == kind


def test_the_contract_holds_without_masks_and_with_them(official, drawn):
    check_dataset(ImagenetDogs(root=official))
    check_dataset(ImagenetDogs(root=drawn))


# What it refuses


def test_no_root_names_all_three_ways():
    with pytest.raises(DataError, match=r"--data-root.*\$BENCH_DATA/imagenet_dogs.*user data folder"):
        ImagenetDogs().items("weak")


def test_strange_item(official):
    with pytest.raises(DataError, match="has no picture n00000000_1; take items from items"):
        ImagenetDogs(root=official).image(Item("n00000000_1", (0,)))


def test_no_train_folder(root):
    shutil.rmtree(root / "train")
    _refused(
        root, "layout", f"{root} has no folder train; extract the official pictures there (train/nXXXXXXXX/*.JPEG)"
    )


def test_archives_that_were_not_extracted(root):
    for synset in SYNSETS:
        shutil.rmtree(root / "train" / synset)
        (root / "train" / f"{synset}.tar").write_bytes(b"")
    _refused(
        root, "layout", "train holds the archive n01440764.tar (and 4 more); extract each into a folder of its name"
    )


def test_a_folder_without_synsets(root):
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    _refused(root, "layout", "train holds no synset folders (nXXXXXXXX); extract the official archive there")


def test_pictures_beside_synset_folders(root):
    shutil.copy(root / "train" / TENCH / f"{TENCH}_0.JPEG", root / "train" / "dog.jpg")
    _refused(root, "layout", "train holds dog.jpg beside synset folders; move each into the folder of its synset")


def test_a_folder_that_is_no_synset(root):
    (root / "train" / WOLF).rename(root / "train" / "wolves")
    _refused(root, "unknown-class", "wolves is no synset folder (n and eight digits); rename it")


def test_an_empty_synset_folder(root):
    (root / "train" / "n02113978").mkdir()
    (root / "train" / "n02113978" / "Thumbs.db").write_text("no picture")
    (root / "train" / "n02113978" / "._n02113978_1.JPEG").write_text("left by an archiver")
    _refused(root, "empty-class", "n02113978 holds no pictures; extract n02113978 again or remove the folder")


def test_one_side_only(root):
    for synset in TRUE_DOGS:
        shutil.rmtree(root / "train" / synset)
    _refused(root, "empty-class", "train holds no pictures of dogs; a task of dogs against not-dogs needs both")


@pytest.mark.parametrize("name", ["a b.JPEG", "=1+1.JPEG", "x" * 129 + ".JPEG", "con.JPEG", "\n.JPEG", "é.JPEG"])
def test_odd_ids(root, name):
    _save(root / "train" / TENCH / name, 0)
    _refused(root, "id", "train has 'n01440764/", "rename it")


def test_two_pictures_of_one_id(root):
    shutil.copy(root / "train" / TENCH / f"{TENCH}_0.JPEG", root / "train" / WOLF)
    _refused(root, "duplicate-id", f"train has both {TENCH}/{TENCH}_0.JPEG and {WOLF}/{TENCH}_0.JPEG; remove one")


def test_one_id_in_train_and_val(root):
    shutil.copy(root / "train" / TENCH / f"{TENCH}_0.JPEG", root / "val" / TENCH)
    _refused(
        root, "duplicate-id", f"{TENCH}_0 is a picture of {root / 'val'} and of {root / 'train'}; take it out of one"
    )


def test_links_that_leave_the_folder(root, tmp_path):
    outside = tmp_path / "elsewhere"
    (root / "train" / TENCH).rename(outside)
    (root / "train" / TENCH).symlink_to(outside)
    _refused(root, "outside", f"{root / 'train' / TENCH} leads to {outside}, outside {root}")
    lenient = ImagenetDogs(root=root, accept=("outside",))  # as `bench data check` asks: what lies outside is not read
    assert not [item for item in lenient.items("weak") if item.id.startswith(TENCH)]
    (root / "train" / TENCH).unlink()
    (root / "train" / WOLF / "inside.JPEG").symlink_to(root / "train" / WOLF / f"{WOLF}_0.JPEG")
    assert not [fault for fault in ImagenetDogs(root=root).faults() if fault.blocks]
    (root / "train").rename(tmp_path / "far")
    (root / "train").symlink_to(tmp_path / "far")
    _refused(root, "outside", "put the file itself there")


def test_flat_pictures_without_their_classes(root):
    _flatten(root / "val")
    _refused(
        root,
        "layout",
        "val holds flat pictures",
        "LOC_val_solution.csv, or the folder ILSVRC2012_devkit_t12 (with data/",
    )


def test_flat_pictures_that_the_table_lacks(root):
    names = sorted(_flatten(root / "val"))
    (root / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + f"{names[0]},{TENCH} 1 2 3 4\n")
    faults = [fault for fault in ImagenetDogs(root=root).faults() if fault.kind == "missing-label"]
    assert len(faults) == 14
    assert f"LOC_val_solution.csv has no class for the picture {names[1]}.JPEG" in faults[0].text
    accepted = ImagenetDogs(root=root, accept=("missing-label",))
    assert [item.id for split in ("val", "test") for item in accepted.items(split)] == [names[0]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("ImageId\nx\n", "has no column PredictionString"),
        ("ImageId,PredictionString\nx,dog 1 2\n", "line 2 names no synset but 'dog'"),
    ],
)
def test_a_faulty_table(root, content, sentence):
    _flatten(root / "val")
    (root / "LOC_val_solution.csv").write_text(content)
    _refused(root, "table", sentence)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        (META, b"no matlab", f"{META} cannot be read ("),
        (META, None, f"{META} is missing; put the devkit's {META} beside {NUMBERS}"),
        (NUMBERS, b"3\n6\n", f"{NUMBERS} line 2 is 6 and no number of a synset"),
        (NUMBERS, b"\x93\xff", f"{NUMBERS} line 1 is"),
    ],
)
def test_a_faulty_devkit(root, file, content, sentence):
    _flatten(root / "val")
    _devkit(root, [TENCH] * 15)
    (root / file).unlink() if content is None else (root / file).write_bytes(content)
    _refused(root, "table", sentence)


@pytest.mark.parametrize("folder", ["train-semi", "train-semi-segmentation", "validation", "validation-segmentation"])
def test_imagenet_s_without_one_of_its_folders(drawn, folder):
    shutil.rmtree(drawn / "ImageNetS919" / folder)
    _refused(drawn, "layout", f"ImageNetS919 has no folder {folder}; make all four with data_preparation.sh")


def test_pictures_and_masks_without_each_other(drawn):
    place = drawn / "ImageNetS919"
    (place / "train-semi-segmentation" / WOLF / f"{WOLF}_0.png").unlink()
    (place / "validation" / TENCH / "ILSVRC2012_val_00000001.JPEG").unlink()
    blocking = {(fault.kind, fault.place) for fault in ImagenetDogs(root=drawn).faults() if fault.blocks}
    assert blocking == {("missing-mask", f"{WOLF}_0"), ("missing-image", "ILSVRC2012_val_00000001")}
    _refused(
        drawn,
        "missing-mask",
        f"train-semi-segmentation has no mask of the image {WOLF}/{WOLF}_0.JPEG",
        "--accept missing-mask",
    )
    accepted = ImagenetDogs(root=drawn, accept=("missing-mask", "missing-image"))
    assert (len(accepted.items("val")), len(accepted.items("test"))) == (5, 5)


def test_one_picture_in_both_splits_of_imagenet_s(drawn):
    for end, suffix in (("", "JPEG"), ("-segmentation", "png")):
        name = f"{WOLF}/{WOLF}_0.{suffix}"
        shutil.copy(
            drawn / "ImageNetS919" / f"train-semi{end}" / name, drawn / "ImageNetS919" / f"validation{end}" / name
        )
    _refused(
        drawn,
        "duplicate-id",
        f"{WOLF}_0 is a picture of",
        "train-semi and of",
        "validation; an image belongs to one split",
    )


def test_masks_of_another_list_of_classes(drawn):
    """With all 919 folders there the Chihuahua must be number 152."""
    for folder, suffix in (("train-semi", "JPEG"), ("train-semi-segmentation", "png")):
        base = drawn / "ImageNetS919" / folder
        some = next((base / TENCH).iterdir())
        for n in range(916):
            (base / f"n03{n:06}").mkdir()
            os.link(some, base / f"n03{n:06}" / f"n03{n:06}.{suffix}")
    _refused(
        drawn, "layout", "train-semi has 919 folders but n02085620 is not number 152; its masks are of another list"
    )


# The real pictures


@pytest.mark.data
def test_the_real_pack_agrees_with_its_index(shared_data):
    import pandas as pd

    folder = shared_data / "imagenet_dogs"
    index = pd.read_csv(folder / "index.csv")
    assert (len(index), index.dog.sum()) == (2000, 1093)
    data = ImagenetDogs(root=folder, label="reduced")
    items = {split: data.items(split) for split in SPLITS}
    label = {Path(file).stem.replace("'", ""): (dog,) for file, dog in zip(index.file, index.dog, strict=True)}
    assert {item.id: item.labels for part in items.values() for item in part} == label
    assert sum(map(len, items.values())) == 2000
    part = index.file.str.split("/").str[0]
    for name, splits in (("train", ("weak", "weak_heldout")), ("val", ("val", "test"))):
        dogs_there = int(index.dog[part == name].sum())
        assert sum(item.labels == (1,) for split in splits for item in items[split]) == dogs_there
    assert f"{(index.dog[part == 'train'] == 1).sum()} pictures of dogs" in " ".join(f.text for f in data.faults())
    assert not any(fault.blocks for fault in data.faults())


@pytest.mark.data
def test_the_published_list_on_the_real_pack(shared_data):
    import pandas as pd

    folder = shared_data / "imagenet_dogs"
    index = pd.read_csv(folder / "index.csv").query("file.str.startswith('train')")
    expected = (index.dog == 1) & ~index.synset.isin(MISSED) | (index.synset == CARDIGAN)
    data = ImagenetDogs(root=folder, list="code")
    found = [item.labels == (1,) for split in ("weak", "weak_heldout") for item in data.items(split)]
    assert sum(found) == expected.sum()


def test_ids_of_imagenet_s_are_152_to_269():
    assert (IMAGENET_S_DOGS.start, IMAGENET_S_DOGS.stop - 1) == (152, 269)


def _save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="jpeg")


def _draw(path: Path, ids) -> None:
    ids = np.array(ids)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([ids % 256, ids // 256, 0 * ids], axis=-1).astype(np.uint8)).save(path)


def _flatten(folder: Path) -> dict[str, str]:
    """Pictures out of their synset folders; the synset of each."""
    synset = {}
    for path in sorted(folder.glob("*/*")):
        synset[path.stem] = path.parent.name
        path.rename(folder / path.name)
    for each in set(synset.values()):
        (folder / each).rmdir()
    return synset


def _devkit(folder: Path, classes: list[str]) -> None:
    """The devkit's two files: numbers of synsets in an order of their own, and a node of the tree that is no class."""
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    names = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children"]
    known = [*reversed(SYNSETS), "n00001740"]
    rows = [(n, s, f"{s}, a name", "what it is", 5 if s == "n00001740" else 0) for n, s in enumerate(known, 1)]
    savemat(folder / META, {"synsets": np.array(rows, dtype=[(name, object) for name in names])})
    (folder / NUMBERS).write_text("".join(f"{known.index(each) + 1}\n" for each in classes))


def _refused(root: Path, kind: str, *sentences: str) -> None:
    data = ImagenetDogs(root=root)
    with pytest.raises(DataError) as caught:
        data.items("weak")
    for sentence in sentences:
        assert sentence in str(caught.value)
    assert next(fault for fault in data.faults() if fault.blocks).kind == kind
