"""Everything that can be refused before the first cell is refused there: one sentence, the right exit code, and nothing written."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from bench.commands.cli import cli

CLASSES = "MEL,NV,BCC,AKIEC,BKL,DF,VASC"


def bench(*words: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], env=environment)


def refused(result: Result, code: int, *parts: str) -> None:
    """The exit code, one sentence on stderr with these parts in it, nothing on stdout, no traceback."""
    said = " ".join(result.stderr.split())
    assert result.exit_code == code, result.output
    for part in parts:
        assert part in said
    assert said.count("error: ") == 1
    assert "Traceback" not in result.output
    assert not result.stdout


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    """A small ISIC 2018 in the official folders."""
    root, random = tmp_path_factory.mktemp("isic"), np.random.default_rng(0)
    names = [f"ISIC_00243{n:02}" for n in range(20)]
    for name in names:
        save(root / "ISIC2018_Task3_Training_Input" / f"{name}.jpg", random.integers(0, 256, (12, 16, 3)))
    table = root / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv"
    table.parent.mkdir()
    rows = [f"{name},{','.join('1.0' if c == n % 7 else '0.0' for c in range(7))}" for n, name in enumerate(names)]
    table.write_text("\n".join([f"image,{CLASSES}", *rows]) + "\n")
    lesions = [f"{name},HAM_{n:07},histo" for n, name in enumerate(names)]
    (root / "ISIC2018_Task3_Training_LesionGroupings.csv").write_text(
        "\n".join(["image,lesion_id,diagnosis_confirm_type", *lesions]) + "\n"
    )
    for n in range(10):
        name = f"ISIC_{n:07}"
        save(root / "ISIC2018_Task1-2_Training_Input" / f"{name}.jpg", random.integers(0, 256, (20, 24, 3)))
        mask = np.zeros((20, 24))
        mask[5:12, 6:15] = 255
        save(root / "ISIC2018_Task1_Training_GroundTruth" / f"{name}_segmentation.png", mask)
    return root


@pytest.fixture
def isic(official, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return shutil.copytree(official, tmp_path / "isic")


def run_on(root: Path, out: Path, *more: str | Path) -> Result:
    words = ("--method", "otsu", "--dataset", "isic", "--protocol", "smoke", "--data-root", root, "--out", out)
    result = bench("run", *words, *more)
    assert not list(out.glob("*/*/r-*/result.json"))
    return result


def test_good_data_is_not_refused(isic, tmp_path):
    result = run_on(isic, tmp_path / "runs", "--dry-run")
    assert result.exit_code == 0, result.output


def test_data_that_are_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    words = ("run", "--method", "otsu", "--dataset", "isic", "--protocol", "smoke")
    refused(bench(*words), 3, "data set isic is not found", "--data-root PATH", "$BENCH_DATA/isic", "wsss-bench/isic")
    refused(bench(*words, "--data-root", tmp_path / "gone"), 3, f"--data-root {tmp_path / 'gone'} is no folder")


def test_data_are_found_through_the_environment(isic, tmp_path):
    result = bench(
        *(
            "run",
            "--method",
            "otsu",
            "--dataset",
            "isic",
            "--protocol",
            "smoke",
            "--dry-run",
            "--out",
            tmp_path / "runs",
        ),
        BENCH_DATA=str(isic.parent),
    )
    assert result.exit_code == 0, result.output


MASK = "ISIC2018_Task1_Training_GroundTruth/ISIC_0000004_segmentation.png"
TABLE = "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"


def test_a_folder_of_something_else(tmp_path):
    refused(run_on(tmp_path, tmp_path / "runs"), 3, "ISIC2018_Task")


def test_an_image_without_a_mask(isic, tmp_path):
    (isic / MASK).unlink()
    refused(run_on(isic, tmp_path / "runs"), 3, "ISIC_0000004")


def test_a_mask_of_another_size(isic, tmp_path):
    save(isic / MASK, np.zeros((10, 24)))
    refused(run_on(isic, tmp_path / "runs"), 3, "ISIC_0000004_segmentation.png", "24", "10", "20")


def test_a_mask_with_other_values(isic, tmp_path):
    save(isic / MASK, np.full((20, 24), 7))
    refused(run_on(isic, tmp_path / "runs"), 3, "ISIC_0000004_segmentation.png", "7", "255")


def test_a_table_without_a_column(isic, tmp_path):
    (isic / TABLE).write_text((isic / TABLE).read_text().replace("VASC", "OTHER"))
    refused(run_on(isic, tmp_path / "runs"), 3, "ISIC2018_Task3_Training_GroundTruth.csv", "VASC", "OTHER")


def test_a_torn_picture(isic, tmp_path):
    file = isic / "ISIC2018_Task3_Training_Input" / "ISIC_0024303.jpg"
    file.write_bytes(file.read_bytes()[:200])
    refused(run_on(isic, tmp_path / "runs"), 3, "ISIC_0024303.jpg")


def test_weights_that_are_not_there(isic, tmp_path):
    words = ("run", "--method", "gradcam_resnet50", "--dataset", "isic", "--protocol", "quick", "--data-root", isic)
    out = ("--out", tmp_path / "runs")
    missing = ("--set", "gradcam_resnet50.weights=gone.safetensors")
    refused(bench(*words, *out, *missing), 5, "gradcam_resnet50.weights", "gone.safetensors")
    result = bench(*words, *out, HF_HUB_CACHE=str(tmp_path / "empty"))
    refused(result, 5, "--set gradcam_resnet50.weights=FILE", "--set gradcam_resnet50.pretrained=false")


SYNTHETIC = ("run", "--dataset", "synthetic", "--protocol", "smoke")


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("--method", "dcml"), 2, ("no method is called dcml", "dcml_attention")),
        (("--method", "otsu", "--protocol", "quik"), 2, ("no protocol is called quik", "quick")),
        (("--method", "dcml_attention", "--set", "lr=nan"), 2, ("dcml_attention", "lr", "nan")),
        (("--method", "dcml_attention", "--set", "lr=fast"), 2, ("dcml_attention", "lr", "fast")),
        (("--method", "dcml_attention", "--set", "lrr=1"), 2, ("lrr", "did you mean lr?")),
        (("--method", "dcml_attention", "--set", "k=7"), 2, ("k must divide dimension",)),
        (("--method", "otsu", "--set", "protocol.threshold=0.3"), 2, ("multiple of 1/256", "0.30078125")),
        (("--method", "otsu", "--set", "protocol.steps=-1"), 2, ("protocol.steps", "-1")),
        (("--method", "otsu", "--set", "protocol.segmenter=smp-unett"), 2, ("smp-unett", "smp-unet")),
        (("--method", "full_supervision", "--set", "count=0"), 2, ("count", "0")),
        (("--method", "otsu", "--device", "cuda:99"), 5, ("cuda:99",)),
    ],
)
def test_what_does_not_exist_is_named(words, code, parts, tmp_path):
    refused(bench(*SYNTHETIC, *words, "--out", tmp_path / "runs"), code, *parts)
    assert not (tmp_path / "runs").exists()


def test_a_plugin_file_with_a_syntax_error(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import torch\ndef broken(:\n")
    refused(bench(*SYNTHETIC, "--method", "mine", "--plugin", file), 4, "mine.py", "line 2")


def test_the_paper_on_a_cpu_says_what_it_takes_and_goes_on(tmp_path):
    words = ("run", "--dataset", "synthetic", "--method", "otsu", "--device", "cpu", "--out", tmp_path / "runs")
    result = bench(*words, "--dry-run")
    assert result.exit_code == 0
    said = " ".join(result.stderr.split())
    assert "protocol paper on a CPU takes about 4." in said
    assert "--protocol quick takes minutes" in said
    assert "1 of 1 cells to do" in result.stdout
