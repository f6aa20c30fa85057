"""`bench data check` and `describe`: every fault that was put in, none that was not; numbers as pandas and NumPy have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from bench import DataError
from bench.commands.cli import cli
from bench.data.check import check
from bench.data.describe import describe
from bench.data.samples import Samples
from bench.datasets.folder import Folder
from bench.datasets.isic import Isic
from bench.datasets.synthetic import Synthetic
from bench.datasets.synthetic_presence import SyntheticPresence
from bench.pipeline.cell import read_result
from bench.pipeline.cell_process import work
from bench.pipeline.plan import plan
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE

SPLITS = {"weak": 12, "weak_heldout": 4, "masks": 6, "val": 6, "test": 8}
SIDES = (20, 30)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*SIDES, 3), dtype=np.uint8))


def save_mask(place: Path, width: int) -> None:
    Image.fromarray(np.where(np.arange(SIDES[1]) < width, 255, 0)[None].repeat(SIDES[0], 0).astype(np.uint8)).save(
        place
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder without a fault: every picture another noise, two classes, a group for each pair, splits as in `SPLITS`."""
    root = tmp_path / "mine"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rows, number = [], 0
    for split, count in SPLITS.items():
        for n in range(count):
            name = f"{split}{n}"
            noise(number).save(root / "images" / f"{name}.png")
            if not split.startswith("weak"):
                save_mask(root / "masks" / f"{name}.png", 3 + n)
            rows.append((name, "ab"[n % 2], f"{split}-pair{n // 2}", split))
            number += 1
    for column, file in ((1, "labels"), (2, "groups"), (3, "splits")):
        lines = [f"image,{file.removesuffix('s')}", *(f"{row[0]},{row[column]}" for row in rows)]
        (root / f"{file}.csv").write_text("\n".join(lines) + "\n")
    return root


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_sound_folder_has_no_fault(root: Path) -> None:
    report = check(Folder(root=root))
    assert report.faults == []
    assert report.images == SPLITS
    assert report.lookalikes == {}


def test_every_fault_is_listed_and_none_is_invented(root: Path) -> None:
    images, masks = root / "images", root / "masks"
    whole = (images / "weak0.png").read_bytes()
    (images / "weak0.png").write_bytes(whole[: len(whole) // 2])
    (images / "weak1.png").write_bytes(b"")
    (images / "test0.png").write_text("<!doctype html><html>please log in</html>")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(masks / "test1.png")
    Image.fromarray(np.full(SIDES, 7, np.uint8)).save(masks / "val0.png")
    (masks / "val1.png").unlink()
    save_mask(masks / "nobody.png", 4)
    noise(900).save(images / "unlabelled.png")
    noise(901).save(images / "weak2.jpg")  # beside weak2.png
    noise(902).save(images / "od d.png")
    (images / "away.png").symlink_to(root.parent / "elsewhere.png")
    noise(903).save(root.parent / "elsewhere.png")
    (images / "test2.png").write_bytes((images / "weak3.png").read_bytes())
    brighter = np.clip(np.asarray(Image.open(images / "weak5.png")).astype(int) + 3, 0, 255).astype(np.uint8)
    Image.fromarray(brighter).save(images / "test3.png")
    replace(root / "groups.csv", "masks0,masks-pair0", "masks0,weak-pair2")
    replace(root / "groups.csv", "val4,val-pair2", "val4,weak-pair3")
    found = [(fault.kind, Path(fault.place).name, fault.blocks) for fault in check(Folder(root=root)).faults]
    assert sorted(found) == sorted(
        [
            ("unreadable", "weak0", True),
            ("unreadable", "weak1", True),
            ("unreadable", "test0", True),
            ("mask-size", "test1", True),
            ("mask-values", "val0", True),
            ("missing-mask", "val1", True),
            ("missing-image", "nobody", True),
            ("missing-label", "unlabelled", True),
            ("duplicate-id", "weak2.png", True),
            ("id", "od d.png", True),
            ("outside", "away.png", True),
            ("missing-label", "away", True),
            ("duplicate-bytes", "test2", True),
            ("near-duplicate", "test2", False),
            ("near-duplicate", "test3", False),
            ("group-split", "weak-pair2", False),
            ("group-split", "weak-pair3", True),
        ]
    )


def test_the_report_as_json_and_the_exit_code(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    sound = CliRunner().invoke(cli, ["data", "check", str(root), "-o", str(out), "--json"])
    assert sound.exit_code == 0
    assert json.loads(sound.stdout) == json.loads(out.read_text())
    assert json.loads(sound.stdout)["images"] == SPLITS
    (root / "masks" / "val1.png").unlink()
    faulty = CliRunner().invoke(cli, ["data", "check", str(root)])
    assert faulty.exit_code == 3
    assert "(or --accept missing-mask: the image is left out)" in faulty.stdout
    assert "1 fault stops a run" in faulty.stdout


def test_a_run_goes_on_only_with_what_it_was_told_to_accept(root: Path) -> None:
    (root / "images" / "test2.png").write_bytes((root / "images" / "weak3.png").read_bytes())
    with pytest.raises(
        DataError,
        match=r"weak3 \(weak\) and test2 \(test\) have the same bytes; .*, or go on with --accept",
    ):
        Samples(Folder(root=root), SMOKE)
    accepting = Samples(Folder(root=root, accept=("duplicate-bytes",)), SMOKE)
    assert accepting.accepted == "accepted: duplicate-bytes (1)"
    (root / "images" / "test2.png").unlink()
    noise(99).save(root / "images" / "test2.png")
    clean = Samples(Folder(root=root), SMOKE)
    lenient = Samples(Folder(root=root, accept=("duplicate-bytes",)), SMOKE)
    assert (clean.accepted, lenient.accepted) == ("", "")
    assert clean.fingerprint != lenient.fingerprint


def test_an_accepted_fault_is_stamped_on_the_row(root: Path, inline: None, tmp_path: Path) -> None:
    (root / "images" / "test2.png").write_bytes((root / "images" / "weak3.png").read_bytes())
    asked = RunRequest(
        ("all_foreground",),
        ("folder",),
        SMOKE,
        data_roots={None: root},
        accept=("duplicate-bytes",),
        out=tmp_path / "runs",
    )
    (planned,) = plan(asked)
    planned.folder.mkdir(parents=True)
    work(planned.cell, planned.folder, lambda *_: None)
    assert "accepted: duplicate-bytes (1)" in (read_result(planned.folder / "result.json") or {})["notes"]


def test_describe_equals_a_few_lines_of_numpy(root: Path) -> None:
    found = describe(Folder(root=root))
    test = found["splits"]["test"]
    shares = np.array([(3 + n) / 30 for n in range(SPLITS["test"])])
    assert (test["images"], test["clusters"], test["masks"]) == (8, 4, 8)
    assert test["foreground"]["mean"] == pytest.approx(shares.mean())
    assert test["foreground"]["quartiles"] == pytest.approx(np.quantile(shares, (0.25, 0.5, 0.75)).tolist())
    assert test["all_foreground_dice"] == pytest.approx((2 * shares / (1 + shares)).mean())
    assert found["splits"]["weak"]["labels"] == {"a": 6, "b": 6}
    assert found["splits"]["weak"]["masks"] == 0
    assert test["height"] == {"least": 20, "median": 20, "most": 20}


def test_embedded_sets_have_no_fault() -> None:
    for dataset in (Synthetic(), SyntheticPresence()):
        assert check(dataset).blocking == []


def test_path_prints_the_folder_and_says_where_it_looked(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CliRunner().invoke(cli, ["data", "path", "isic", "--data-root", str(root)]).stdout.strip() == str(root)
    (tmp_path / "data" / "isic").mkdir(parents=True)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    assert CliRunner().invoke(cli, ["data", "path", "isic"]).stdout.strip() == str(tmp_path / "data" / "isic")
    missing = CliRunner().invoke(cli, ["data", "path", "oxford_pets"])
    assert missing.exit_code == 3
    assert all(
        place in missing.stderr for place in ("--data-root PATH", "$BENCH_DATA/oxford_pets", "wsss-bench/oxford_pets")
    )
    embedded = CliRunner().invoke(cli, ["data", "path", "synthetic"])
    assert "made by its own code" in embedded.stderr


def test_an_unknown_name_gets_a_near_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["data", "check", "isik"])
    assert result.exit_code == 2
    assert "did you mean isic?" in result.stderr


@pytest.mark.data
def test_isic_agrees_with_pandas(shared_data: Path) -> None:
    root = shared_data / "isic2018"
    truth = pd.read_csv(
        root / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv", dtype={"image": str}
    )
    lesions = pd.read_csv(root / "ISIC2018_Task3_Training_LesionGroupings.csv", dtype=str)
    found = describe(Isic(root=root))["splits"]
    weak = [found["weak"], found["weak_heldout"]]
    assert sum(split["images"] for split in weak) == len(truth) == 10_015
    assert sum(split["clusters"] for split in weak) == lesions["lesion_id"].nunique() == 7_470
    assert {c: sum(split["labels"][c] for split in weak) for c in truth.columns[1:]} == truth.iloc[:, 1:].sum().astype(
        int
    ).to_dict()
    masked = [found[split] for split in ("masks", "val", "test")]
    assert sum(split["masks"] for split in masked) == 2_594
    assert sum(split["nearly_all_foreground"] for split in masked) == 73
    report = check(Isic(root=root))
    assert report.blocking == []
    assert sum(report.lookalikes.get(split, 0) for split in ("masks", "val", "test")) == 9
