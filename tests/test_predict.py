"""`bench predict`: the same pixels as the run's own predictions, at each image's own size; nothing of the user's is lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny_runs import folder_of, out, result_of

from bench import plugins
from bench.commands.cli import cli
from bench.errors import DataError, UsageError
from bench.runs.listing import find_run
from bench.runs.own_images import find_images
from bench.runs.predict import open_segmenter

__all__ = ["out"]


def bench(*args):
    return CliRunner().invoke(cli, [str(a) for a in args])


def test_images(dataset: str, to: Path):
    """The test images of a data set as PNG files, by id, and the data set."""
    made = plugins.load("datasets", dataset)()
    to.mkdir()
    for item in made.items("test"):
        Image.fromarray(made.image(item).transpose(1, 2, 0)).save(to / f"{item.id}.png")
    return made


test_images.__test__ = False


@pytest.mark.parametrize(
    ("method", "dataset", "rule"),
    [
        ("tiny", "tiny_shapes", "otsu"),
        ("tiny", "tiny_shapes", "fixed"),
        ("full_supervision", "tiny_shapes", ""),
        ("class_maps", "three_classes", "otsu"),
        ("class_maps", "unmasked", "otsu"),
    ],
)
def test_masks_of_the_test_images_have_the_counts_of_scores_csv(out, tmp_path, method, dataset, rule):
    """Scores are of the stored predictions: equal counts in every image are equal masks, all but for a swap inside truth or background."""
    data = test_images(dataset, tmp_path / "images")
    run = folder_of(out, method, dataset)
    done = bench("predict", run, tmp_path / "images", "-o", tmp_path / "masks", *(["--rule", rule] if rule else []))
    assert done.exit_code == 0, done.output
    with (run / "scores.csv").open() as file:
        lines = [ln for ln in csv.DictReader(file) if (ln["split"], ln["stage"], ln["rule"]) == ("test", "unet", rule)]
    assert len(lines) == len(data.items("test")) * len(data.task.foreground)
    items, predicted = {item.id: item for item in data.items("test")}, 0
    for line in lines:
        with Image.open(tmp_path / "masks" / f"{line['image']}.png") as picture:
            mask = np.asarray(picture)
        predicted += (mask > 0).sum()
        truth, value = data.mask(items[line["image"]]), 1 + data.task.foreground.index(line["class"])
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) <= set(range(1 + len(data.task.foreground)))
        if truth is None:  # no mask: only the share of pixels is known
            share = float((mask == value).mean())
            assert share == pytest.approx(float(line["foreground_share"]), abs=0) or line["tp"]
            continue
        known = truth != 255
        counts = [
            ((mask == value) & (truth == value) & known).sum(),
            ((mask == value) & (truth != value) & known).sum(),
        ]
        assert counts == [int(float(line["tp"])), int(float(line["fp"]))], line["image"]
    assert predicted


def test_at_the_size_of_the_views_they_are_the_stored_maps(out, tmp_path):
    data = test_images("three_classes", tmp_path / "images")
    run = find_run(str(folder_of(out, "class_maps", "three_classes")), out)
    pictures = [data.image(item) for item in data.items("test")]
    found = np.stack(open_segmenter(run, "otsu").maps(pictures))
    stored = np.load(run.folder / "predictions" / "unet-otsu-test.npy")
    assert found.shape == stored.shape == (12, 3, 32, 32)
    np.testing.assert_allclose(found * 65_280, stored, atol=1.01)


def test_probabilities_are_16_bits_and_decide_the_mask(out, tmp_path):
    test_images("three_classes", tmp_path / "images")
    run = folder_of(out, "class_maps", "three_classes")
    done = bench("predict", run, tmp_path / "images", "-o", tmp_path / "masks", "--probabilities")
    assert "(0 background, 1 first, 2 second, 3 third; by segment-" in done.stdout
    for image in (tmp_path / "images").iterdir():
        maps = [np.asarray(Image.open(tmp_path / "masks" / "probabilities" / str(k) / image.name)) for k in (1, 2, 3)]
        assert all(each.dtype == np.uint16 for each in maps)
        mask = np.asarray(Image.open(tmp_path / "masks" / image.name))
        assert mask.shape == maps[0].shape == np.asarray(Image.open(image)).shape[:2]
        for k, each in enumerate(maps, 1):
            assert ((each > 32_768) <= (mask == k)).all()
            assert ((mask == k) <= (each >= 32_767)).all()


def test_a_picture_that_lies_on_its_side_has_an_upright_mask(out, tmp_path):
    """The same picture stored turned, with the note how to hold it, has the same mask."""
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    (tmp_path / "images").mkdir()
    Image.fromarray(pixels).save(tmp_path / "images" / "upright.png")
    note = Image.Exif()
    note[0x0112] = 6
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "images" / "turned.png", exif=note)
    assert bench("predict", folder_of(out, "tiny"), tmp_path / "images", "-o", tmp_path / "masks").exit_code == 0
    upright, turned = (np.asarray(Image.open(tmp_path / "masks" / f"{n}.png")) for n in ("upright", "turned"))
    assert upright.shape == (20, 30)
    assert (upright == turned).all()


def test_what_cannot_be_read_is_named_and_the_others_are_done(out, tmp_path):
    folder = tmp_path / "images"
    test_images("tiny_shapes", folder)
    (folder / "cut.png").write_bytes((folder / "test-0.png").read_bytes()[:200])
    (folder / "words.tif").write_text("no picture")
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(folder / "deep.png")
    (folder / "notes.txt").write_text("is called like no picture")
    (folder / ".hidden.png").write_text("")
    done = bench("predict", folder_of(out, "tiny"), folder, "-o", tmp_path / "masks", "--json")
    assert done.exit_code == 3
    told = json.loads(done.stdout)
    assert (told["written"], len(told["unread"])) == (6, 3)
    for name, why in (("cut.png", "cannot be read"), ("words.tif", "it is no image"), ("deep.png", "not 8 bits")):
        assert any(name in text and why in text for text in told["unread"]), name
    assert {p.name for p in (tmp_path / "masks").iterdir()} == {f"test-{n}.png" for n in range(6)}
    assert done.stderr.count("error: ") == 3


def test_names_and_forms_of_the_users_files_are_kept_apart(out, tmp_path):
    folder = tmp_path / "my photos"
    folder.mkdir()
    grey = np.full((40, 25), 90, np.uint8)
    for name in ("Läsion 1.png", "scan.v2.bmp", "b.webp"):
        Image.fromarray(grey).save(folder / name)
    done = bench("predict", folder_of(out, "tiny"), folder, folder / "b.webp", "-o", tmp_path / "masks")
    assert done.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "masks").iterdir()) == ["Läsion 1.png", "b.png", "scan.v2.png"]


def test_no_image_loses_its_place_to_a_mask(out, tmp_path):
    folder = tmp_path / "images"
    test_images("tiny_shapes", folder)
    before = {p: p.read_bytes() for p in folder.iterdir()}
    (tmp_path / "other").symlink_to(folder)
    for to in (folder, tmp_path / "other", folder.parent / "other" / ".." / "images"):
        done = bench("predict", folder_of(out, "tiny"), folder, "-o", to)
        assert done.exit_code == 2
        assert "would take the place of an image" in done.output
    assert {p: p.read_bytes() for p in folder.iterdir()} == before
    with pytest.raises(UsageError, match="would take the place"):
        find_images([folder / "test-0.png"], folder)
    Image.new("RGB", (4, 4)).save(folder / "TEST-1.jpg")
    with pytest.raises(UsageError, match=r"would have one mask test-1.png; name them apart"):
        find_images([folder], tmp_path / "masks")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no image in"):
        find_images([tmp_path / "empty"], tmp_path / "masks")


@pytest.mark.parametrize(
    ("method", "rule", "said"),
    [
        ("centre_disc", None, "has trained no U-Net: a map that is the same for every image leaves nothing to learn"),
        ("tiny", "val", "has no U-Net for the rule val; it has fixed, otsu"),
        ("full_supervision", "otsu", "one that was trained on masks: leave --rule out"),
    ],
)
def test_a_run_without_that_segmenter_says_so(out, tmp_path, method, rule, said):
    test_images("tiny_shapes", tmp_path / "images")
    words = ["predict", folder_of(out, method), tmp_path / "images", "-o", tmp_path / "masks"]
    done = bench(*words, *(["--rule", rule] if rule else []))
    assert (done.exit_code, said in done.output) == (2, True)
    assert not (tmp_path / "masks").exists()


def test_a_segmenter_that_is_gone_says_how_to_have_it_again(out, tmp_path):
    test_images("tiny_shapes", tmp_path / "images")
    run = folder_of(out, "full_supervision")
    segment = next(s["artifact"] for s in result_of(run)["stages"] if s["artifact"].startswith("segment-"))
    (out / "artifacts" / segment / "net.safetensors").unlink()
    done = bench("predict", run, tmp_path / "images", "-o", tmp_path / "masks")
    assert done.exit_code == 3
    assert f"the U-Net {segment} of {run.name} is gone" in done.output
