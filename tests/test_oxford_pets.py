"""Oxford-IIIT Pet: items, labels and masks are those of torchvision's loader, and each fault is one sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import OxfordIIITPet

from bench.api import Item
from bench.datasets.oxford_pets import OxfordPets, _divide, bench_datasets
from bench.errors import DataError
from bench.testing import check_dataset

SPLITS = ("weak", "weak_heldout", "masks", "val", "test")
BREEDS = ("Abyssinian", "american_bulldog", "Bengal", "pug")  # cats begin with a capital
HEIGHT, WIDTH = 6, 8


@pytest.fixture(scope="session")
def official(tmp_path_factory):
    """Twenty-five pictures of each of four breeds to train on and three to test on, as the two archives unpack."""
    root = tmp_path_factory.mktemp("pets")
    base = root / "oxford-iiit-pet"
    (base / "images").mkdir(parents=True)
    (base / "annotations" / "trimaps").mkdir(parents=True)
    for name, first, count in (("trainval", 1, 25), ("test", 26, 3)):
        lines = [
            f"{breed}_{n} {1 + number} {1 + breed.islower()} {1 + number // 2}"
            for number, breed in enumerate(BREEDS)
            for n in range(first, first + count)
        ]
        (base / "annotations" / f"{name}.txt").write_text("\n".join(lines) + "\n")
        for line in lines:
            _pet(base, line.split()[0])
    (base / "annotations" / "list.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n")
    (base / "annotations" / "trimaps" / "._pug_1.png").write_text("left by an archiver")
    (base / "images" / "pug_1.mat").write_bytes(b"no picture")
    (base / "images" / "pug_999.jpg").write_bytes(b"listed nowhere")
    return root


@pytest.fixture
def root(official, tmp_path):
    """A copy of the tree to break."""
    return shutil.copytree(official, tmp_path / "pets")


# What it offers


@pytest.mark.parametrize("border", ["ignored", "counted"])
def test_pictures_labels_and_masks_are_torchvisions(official, border):
    data = OxfordPets(root=official, border=border)
    items = {item.id: item for split in SPLITS for item in data.items(split)}
    seen = 0
    for split in ("trainval", "test"):
        loader = OxfordIIITPet(official, split=split, target_types=["binary-category", "segmentation"])
        for path, (picture, (species, trimap)) in zip(loader._images, loader, strict=True):
            item, seen = items[path.stem], seen + 1
            assert data.task.classes[item.labels[0]] == loader.bin_classes[species].lower()
            np.testing.assert_array_equal(data.image(item), np.asarray(picture).transpose(2, 0, 1))
            trimap = np.asarray(trimap)
            expected = np.where(trimap == 1, 1, 0)
            expected[trimap == 3] = 255 if border == "ignored" else 1
            np.testing.assert_array_equal(data.mask(item), expected if species == 1 else 0 * expected)
            assert data.mask(item).shape == (HEIGHT, WIDTH)
            assert data.mask(item).dtype == np.uint8
    assert seen == len(items) == 112


def test_splits_share_nothing_and_leave_nothing_out(official):
    data = OxfordPets(root=official)
    ids = {split: [item.id for item in data.items(split)] for split in SPLITS}
    assert {split: len(found) for split, found in ids.items()} == {
        "weak": 48,
        "weak_heldout": 12,
        "masks": 20,
        "val": 20,
        "test": 12,
    }
    assert len({i for found in ids.values() for i in found}) == 112
    assert all(found == sorted(found) for found in ids.values())
    assert data.items("train") == ()
    assert set(ids["test"]) == {f"{breed}_{n}" for breed in BREEDS for n in (26, 27, 28)}


def test_each_breed_is_in_proportion(official):
    data = OxfordPets(root=official)
    for split, each in (("val", 5), ("masks", 5), ("weak_heldout", 3), ("weak", 12)):
        assert Counter(item.id.rpartition("_")[0] for item in data.items(split)) == dict.fromkeys(BREEDS, each)


def test_the_official_numbers_make_the_documented_sizes():
    """3,680 pictures of 37 breeds of 93 to 100."""
    counts = [100] * 30 + [93, 96, 96, 99, 100, 100, 96]
    breeds = {f"b{breed}_{n}": breed for breed, count in enumerate(counts) for n in range(count)}
    parts = _divide(breeds)
    assert {part: len(ids) for part, ids in parts.items()} == {
        "weak": 1766,
        "weak_heldout": 442,
        "masks": 736,
        "val": 736,
    }
    assert sorted(name for ids in parts.values() for name in ids) == sorted(breeds)


def test_splits_are_the_same_each_time_and_for_both_borders(official):
    first = [OxfordPets(root=official).items(split) for split in SPLITS]
    assert [OxfordPets(root=official, border="counted").items(split) for split in SPLITS] == first


def test_files_are_images_then_trimaps_in_the_order_of_the_items(official):
    data = OxfordPets(root=official)
    ids = [item.id for item in data.items("val")]
    assert [path.name for path in data.files("val")] == [f"{i}.jpg" for i in ids] + [f"{i}.png" for i in ids]


def test_the_dog_is_the_object(official):
    task = OxfordPets(root=official).task
    assert (task.classes, task.foreground, task.shows) == (("cat", "dog"), ("dog",), (None, 0))
    assert list(bench_datasets()) == [OxfordPets]
    assert not OxfordPets.publishable


def test_sources_are_torchvisions():
    images, annotations = OxfordPets().sources()
    assert images.url == "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz"
    assert (images.file, images.unpack, images.md5) == (
        "images.tar.gz",
        "oxford-iiit-pet",
        "5c4f3ee8e5d25df40f4fd59a7f44e54c",
    )
    assert (annotations.file, annotations.md5) == ("annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f")


def test_its_module_starts_without_torch():
    code = "import sys, bench.datasets.oxford_pets, bench.datasets.imagenet_dogs; print('torch' in sys.modules, 'scipy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False False\n"
    )


def test_odd_pictures_of_the_set_are_read(root):
    """Some .jpg of the set are PNG, GIF or CMYK inside."""
    folder = root / "oxford-iiit-pet" / "images"
    pixels = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[:, :4] = (250, 10, 10)
    Image.fromarray(pixels).save(folder / "pug_1.jpg", format="png")
    Image.fromarray(pixels).save(folder / "pug_2.jpg", format="gif")
    Image.fromarray(pixels).convert("RGBA").save(folder / "pug_3.jpg", format="png")
    Image.fromarray(pixels).convert("CMYK").save(folder / "pug_4.jpg", format="jpeg", quality=95)
    data = OxfordPets(root=root)
    for n in range(1, 4):
        np.testing.assert_array_equal(data.image(Item(f"pug_{n}", (1,))), pixels.transpose(2, 0, 1))
    assert np.abs(data.image(Item("pug_4", (1,))).astype(int) - pixels.transpose(2, 0, 1)).mean() < 40


def test_a_trimap_is_turned_with_its_picture(root):
    """torchvision pairs stored pixels with the trimap; ours stand upright, and every pixel keeps its partner."""
    folder = root / "oxford-iiit-pet"
    trimap = np.asarray(_opened(folder / "annotations" / "trimaps" / "pug_1.png"))
    data = OxfordPets(root=root)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = Image.fromarray(np.stack([80 * trimap] * 3, axis=-1))
        picture.save(folder / "images" / "pug_1.jpg", format="png", exif=exif)
        image, mask = data.image(Item("pug_1", (1,))), data.mask(Item("pug_1", (1,)))
        assert mask.shape == image.shape[1:] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
        np.testing.assert_array_equal(mask, np.array([0, 1, 0, 255])[image[0] // 80])


def test_a_trimap_with_a_palette_is_read_by_its_indices(root):
    path = root / "oxford-iiit-pet" / "annotations" / "trimaps" / "pug_1.png"
    before = OxfordPets(root=root).mask(Item("pug_1", (1,)))
    coloured = _opened(path)
    coloured.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert coloured.mode == "P"
    coloured.save(path)
    np.testing.assert_array_equal(OxfordPets(root=root).mask(Item("pug_1", (1,))), before)


def test_the_contract_holds(official):
    check_dataset(OxfordPets(root=official))


# What it refuses


def test_no_root_names_the_ways():
    with pytest.raises(DataError, match=r"bench data get oxford_pets.*--data-root.*\$BENCH_DATA/oxford_pets"):
        OxfordPets().items("weak")


def test_missing_parts(root):
    base = root / "oxford-iiit-pet"
    for part in ("images", "annotations/trimaps", "annotations/trainval.txt", "annotations/test.txt"):
        (base / part).rename(root / "aside")
        _refused(root, "layout", f"{base} has no {part}; get it with `bench data get oxford_pets`")
        (root / "aside").rename(base / part)


def test_nothing_there(tmp_path):
    _refused(
        tmp_path,
        "layout",
        "has no images, annotations, annotations/trimaps, annotations/trainval.txt, annotations/test.txt",
    )


@pytest.mark.parametrize(
    ("line", "kind", "sentence"),
    [
        ("pug_1 4 2", "table", "trainval.txt line 3 is not a name and three numbers; extract annotations.tar.gz again"),
        ("pug_1 4 two 2", "table", "trainval.txt line 3 is not a name and three numbers"),
        ("", "table", "trainval.txt line 3 is not a name and three numbers"),
        ("pug_1 4 3 2", "unknown-class", "line 3 gives pug_1 the species 3; 1 is a cat and 2 a dog"),
        ("../pug_1 4 2 2", "id", "line 3 names '../pug_1'; extract annotations.tar.gz again: an id is"),
    ],
)
def test_faulty_lines(root, line, kind, sentence):
    _edit(root, lambda lines: [*lines[:2], line, *lines[3:]])
    _refused(root, kind, sentence)
    lenient = OxfordPets(root=root, accept=(kind,))  # as `bench data check` asks
    with pytest.raises(DataError, match=r"trainval\.txt line 3"):
        lenient.items("weak")


def test_a_picture_listed_twice(root):
    _edit(root, lambda lines: [*lines, "pug_26 4 2 2"])
    _refused(
        root, "duplicate-id", "test.txt line 10 lists pug_26 a second time, after", "trainval.txt line 101; remove one"
    )


def test_pictures_and_trimaps_that_are_missing(root):
    base = root / "oxford-iiit-pet"
    (base / "images" / "pug_1.jpg").unlink()
    (base / "annotations" / "trimaps" / "Bengal_27.png").unlink()
    blocking = {(fault.kind, fault.place) for fault in OxfordPets(root=root).faults() if fault.blocks}
    assert blocking == {("missing-image", "pug_1"), ("missing-mask", "Bengal_27")}
    _refused(
        root, "missing-image", "pug_1.jpg is missing", "names it; extract images.tar.gz again", "--accept missing-image"
    )
    data = OxfordPets(root=root, accept=("missing-image", "missing-mask"))
    left = {item.id for split in SPLITS for item in data.items(split)}
    assert len(left) == 110
    assert not left & {"pug_1", "Bengal_27"}


def test_a_link_that_leaves_the_folder(root, tmp_path):
    path = root / "oxford-iiit-pet" / "images" / "pug_1.jpg"
    path.rename(tmp_path / "elsewhere.jpg")
    path.symlink_to(tmp_path / "elsewhere.jpg")
    _refused(root, "outside", f"{path} leads to {tmp_path / 'elsewhere.jpg'}, outside {root}")


def test_counts_are_told_and_stop_nothing(official):
    told = [fault for fault in OxfordPets(root=official).faults() if fault.kind == "count"]
    assert [fault.blocks for fault in told] == [False, False]
    assert "trainval.txt lists 100 pictures; the official one has 3,680" in told[0].text
    assert "test.txt lists 12 pictures; the official one has 3,669" in told[1].text


def test_a_trimap_with_other_values(root):
    path = root / "oxford-iiit-pet" / "annotations" / "trimaps" / "pug_1.png"
    Image.fromarray(np.full((HEIGHT, WIDTH), 4, dtype=np.uint8)).save(path)
    _mask_refused(root, "mask-values", "pug_1.png has the value 4; a trimap has 1 (pet), 2 (background) and 3 (border)")


def test_a_trimap_of_another_size(root):
    path = root / "oxford-iiit-pet" / "annotations" / "trimaps" / "pug_1.png"
    Image.fromarray(np.full((HEIGHT, 5), 1, dtype=np.uint8)).save(path)
    _mask_refused(root, "mask-size", "pug_1.png is a mask of 5 x 6 pixels and its image pug_1.jpg has 8 x 6; replace")


def test_a_trimap_in_colours(root):
    path = root / "oxford-iiit-pet" / "annotations" / "trimaps" / "pug_1.png"
    _opened(path).convert("RGB").save(path)
    _mask_refused(root, "mask-values", "pug_1.png is a mask of mode RGB where L or P is expected")


def test_strange_item(official):
    with pytest.raises(DataError, match="has no picture pug_999; take items from items"):
        OxfordPets(root=official).image(Item("pug_999", (1,)))


def _pet(base: Path, name: str) -> None:
    random = np.random.default_rng(zlib.crc32(name.encode()))
    picture = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(picture).save(base / "images" / f"{name}.jpg")
    trimap = random.integers(1, 4, (HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(trimap).save(base / "annotations" / "trimaps" / f"{name}.png")


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()


def _edit(root: Path, change) -> None:
    file = root / "oxford-iiit-pet" / "annotations" / "trainval.txt"
    file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")


def _refused(root: Path, kind: str, *sentences: str) -> None:
    data = OxfordPets(root=root)
    with pytest.raises(DataError) as caught:
        data.items("weak")
    for sentence in sentences:
        assert sentence in str(caught.value)
    assert next(fault for fault in data.faults() if fault.blocks).kind == kind


def _mask_refused(root: Path, kind: str, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        OxfordPets(root=root).mask(Item("pug_1", (1,)))
    assert sentence in str(caught.value)
    assert caught.value.kind == kind
