"""Every number again from predictions and data, and rows trained again from their recorded settings."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from submitted import changed, contents, groups, ours, request, theirs, with_json, work

from bench import UsageError, plugins
from bench.commands.cli import cli
from bench.leaderboard.files import commands as cli_files
from bench.leaderboard.files import identity, reproduce, sealed
from bench.leaderboard.files.identity import protocol_of
from bench.leaderboard.files.recount import images_of
from bench.leaderboard.files.submission import submit
from bench.leaderboard.files.verify import verify
from bench.pipeline import cell_process
from bench.pipeline.cell import RESULT
from bench.pipeline.plan import Planned, prepare
from bench.pipeline.request import RunRequest
from bench.protocol import PAPER
from bench.results.columns import LEADERBOARD_COLUMNS
from bench.runs.listing import Run, read_run

__all__ = ["groups", "ours", "theirs"]


def invoke(*words: object) -> tuple[int, str]:
    done = CliRunner(env={"COLUMNS": "300"}).invoke(cli, ["leaderboard", *map(str, words)])
    return done.exit_code, done.output


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def image_sizes(run: Run, split: str) -> Sequence[tuple[int, int]]:
    images = images_of(run, None)
    return [images.dataset.image(item).shape[1:] for item in images[split]]


def test_every_number_is_recomputed(ours: Path, tmp_path: Path) -> None:
    code, said = invoke("verify", ours, "-o", tmp_path / "rows.csv")
    assert code == 0, said
    assert "5 rows recomputed" in said
    told = list(csv.DictReader(io.StringIO(contents(ours)[sealed.ROWS].decode())))
    made = rows_of(tmp_path / "rows.csv")
    assert [row.pop("kind") for row in made] == ["recomputed"] * 5
    assert [row.pop("kind") for row in told] == ["measured"] * 5
    assert made == told


def test_a_prediction_that_was_changed_is_named_with_row_and_column(ours: Path, tmp_path: Path) -> None:
    """A pixel of the U-Net's map from below one half to above."""

    def brighter(content: bytes) -> bytes:
        maps = np.load(io.BytesIO(content))
        maps[2, 0, 10:20] = 65_280 - maps[2, 0, 10:20]
        file = io.BytesIO()
        np.save(file, maps)
        return file.getvalue()

    mutant = changed(ours, tmp_path / "mutant.zip", "unet-otsu-test.npy", brighter)
    code, said = invoke("--json", "verify", mutant, "-o", tmp_path / "rows.csv")
    assert code == 6
    told = json.loads(said)
    (dice,) = (one for one in told["differences"] if one["column"] == "dice" and "scores.csv" in one["file"])
    assert dice["row"] == "test-2 (box, test, unet, otsu)"
    assert dice["expected"] != dice["found"]
    assert {one["row"] for one in told["differences"] if one["file"] == "leaderboard.csv"} == {
        "tiny_shapes, tiny, otsu"
    }
    assert not (tmp_path / "rows.csv").exists(), "rows that differ are not handed out"


def test_other_images_stop_it(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = plugins.load("datasets", "tiny_shapes")
    monkeypatch.setattr(dataset, "sizes", {**dataset.sizes, "test": 5})
    code, said = invoke("verify", theirs)
    assert code == 3
    assert "the test images of tiny_shapes are not those of r-" in said
    assert "--data-root" in said


def test_a_data_set_that_is_not_here(theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data missing is exit 3, before anything is counted."""
    monkeypatch.setattr(plugins.load("datasets", "tiny_shapes"), "embedded", False)
    monkeypatch.setattr("bench.roots.platformdirs.user_data_path", lambda name: tmp_path / "nowhere")
    code, said = invoke("verify", theirs)
    assert code == 3
    assert "data set tiny_shapes is not found: give its folder with --data-root PATH" in said


def test_masks_instead_of_maps_say_what_they_cannot(groups: tuple[Path, Path], tmp_path: Path) -> None:
    code, _ = invoke("submit", groups[0], "-o", tmp_path / "a.zip", "--compact")
    assert code == 0
    members = contents(tmp_path / "a.zip")
    assert any(name.endswith("unet-otsu-test.rle.npy") for name in members)
    assert not any(name.endswith("unet-otsu-test.npy") for name in members)
    told = contents(groups[0].with_suffix(".zip"))
    assert members[sealed.ROWS] == told[sealed.ROWS], "the numbers are those of the maps"
    code, said = invoke("verify", tmp_path / "a.zip", "-o", tmp_path / "rows.csv")
    assert code == 0, said
    assert "ap, dead_map, pxap, pxap_wsol of the U-Net (fixed, otsu, val) are not recomputable" in said
    assert rows_of(tmp_path / "rows.csv")[0]["test_unet"] == rows_of_text(told[sealed.ROWS])[0]["test_unet"]


def rows_of_text(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_mask_that_was_changed_is_seen(groups: tuple[Path, Path], tmp_path: Path) -> None:
    submit(groups[1], tmp_path / "a.zip", sizes=image_sizes)

    def grown(content: bytes) -> bytes:
        runs = np.load(io.BytesIO(content))
        assert runs[:2].tolist() == [20, 24]
        first = int(runs[3])
        runs[3:5] = (first - 1, int(runs[4]) + 1) if first else (1, int(runs[4]) - 1)
        file = io.BytesIO()
        np.save(file, runs)
        return file.getvalue()

    mutant = changed(tmp_path / "a.zip", tmp_path / "b.zip", "unet-test.rle.npy", grown)
    found = verify(mutant, {}).findings
    assert {"tp", "fp", "fn", "tn"} & {one.column for one in found}


@pytest.mark.parametrize("dataset", ["three_classes", "unmasked"])
@pytest.mark.parametrize("compact", [False, True])
def test_several_foregrounds_ignored_pixels_and_images_without_masks(
    dataset: str,
    compact: bool,
    groups: tuple[Path, Path],
    inline: None,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    out = tmp_path_factory.getbasetemp() / f"corner-{dataset}"
    if not out.exists():
        work(request(out, "class_maps", 0, dataset))
    submit(out, tmp_path / "a.zip", sizes=image_sizes if compact else None)
    done = verify(tmp_path / "a.zip", {})
    assert done.findings == []
    assert bool(done.left_out) is compact
    assert done.rows[0]["kind"] == "recomputed"


def test_the_role_is_what_the_method_says(theirs: Path, tmp_path: Path) -> None:
    """Whoever makes a floor a method, everywhere alike, is found where the method is installed."""
    members = contents(theirs)
    name = next(name for name in members if "centre_disc" in name and name.endswith(RESULT))
    members[name] = with_json(lambda value: value.update(role="method"))(members[name])
    members[sealed.ROWS] = members[sealed.ROWS].replace(b"centre_disc,floor", b"centre_disc,method")
    from submitted import resealed

    found = verify(resealed(members, tmp_path / "a.zip"), {}).findings
    assert ("role", "floor", "method") in {(one.column, one.expected, one.found) for one in found}


def work_here(planned: Sequence[Planned], asked: RunRequest) -> None:
    """Cells worked out in this process."""
    prepare(list(planned), lambda *_: None)
    for one in planned:
        one.folder.mkdir(parents=True, exist_ok=True)
        cell_process.work(one.cell, one.folder, lambda *_: None)


def test_rows_are_trained_again_and_hit(
    theirs: Path, inline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_files, "_work", work_here)
    out = tmp_path / "again"
    code, said = invoke(
        "reproduce", theirs, "--out", out, "--tolerance", 0, "-o", tmp_path / "rows.csv", "--rows", "centre_disc"
    )
    assert code == 0, said
    assert "largest difference 0.0000 Dice points, tolerance 0" in said
    (row,) = rows_of(tmp_path / "rows.csv")
    assert (row["method"], row["kind"]) == ("centre_disc", "reproduced")
    assert set(row) == set(LEADERBOARD_COLUMNS)
    monkeypatch.setattr(
        cli_files, "_work", lambda planned, asked: work_here([], asked) if not planned else pytest.fail("made again")
    )
    assert invoke("reproduce", theirs, "--out", out, "--rows", "centre_disc:fixed")[0] == 0


def test_rows_that_are_missed_are_named(
    theirs: Path, groups: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows trained again have another Dice on every image, by 0.02; the tolerance is half a point."""

    def other(planned: Sequence[Planned], asked: RunRequest) -> None:
        for one in planned:
            source = next(groups[1].glob(f"*/*/{one.folder.name}"))
            shutil.copytree(source, one.folder)
            file = one.folder / "scores.csv"
            lines = rows_of(file)
            for line in lines:
                line["dice"] = line["dice"] and repr(float(line["dice"]) + 0.02)
            with file.open("w", newline="") as to:
                writer = csv.DictWriter(to, list(lines[0]))
                writer.writeheader()
                writer.writerows(lines)

    monkeypatch.setattr(cli_files, "_work", other)
    code, said = invoke("reproduce", theirs, "--out", tmp_path / "again", "--rows", "centre_disc")
    assert code == 6
    assert "tiny_shapes, centre_disc, fixed, seed 0" in said
    assert "largest difference 2.0000 Dice points, tolerance 0.5" in said
    assert invoke("reproduce", theirs, "--out", tmp_path / "again", "--rows", "centre_disc", "--tolerance", 3)[0] == 0


def test_a_row_that_cannot_be_made_here(theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = invoke("reproduce", theirs, "--rows", "centre_disk")
    assert code == 2
    assert "no row is called centre_disk; did you mean centre_disc" in said
    dataset = plugins.load("datasets", "tiny_shapes")
    monkeypatch.setattr(dataset, "sizes", {**dataset.sizes, "weak": 21})
    code, said = invoke("reproduce", theirs, "--rows", "centre_disc", "--out", tmp_path)
    assert code == 2
    assert "centre_disc with seed 0 would not be r-" in said
    assert "--data-root" in said


def test_recorded_settings_become_set_again() -> None:
    plugins.load_file(Path(__file__).parent / "plugins" / "tiny.py")
    result: dict[str, Any] = {
        "method": "tiny", "dataset": "tiny_shapes", "label": "mine",
        "settings": {"lr": 1e-05, "classifier.weights": "w.pt", "names": ["a", "b"], "off": None, "labels": "shuffled", "c": "C++"},
        "all_settings": {"lr": 1e-05, "classifier": {"weights": "0" * 64}, "names": ["a", "b"], "off": None},
        "dataset_settings": {"settings": {"accept": ["empty"]}},
    }  # fmt: skip
    made = list(reproduce.settings_of(result))
    assert made == [
        ("tiny", "lr", "1e-05"),
        ("tiny", "names", "a,b"),
        ("tiny", "off", "none"),
        ("tiny", "c", "C++"),
        ("tiny_shapes", "label", "mine"),
    ]
    assert reproduce.files_of(result) == {"classifier.weights": "0" * 64}


def test_what_was_accepted_of_the_data_is_accepted_again(
    groups: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(next(groups[0].glob("*/centre_disc/r-*")))
    run.result["dataset_settings"]["settings"]["accept"] = ["empty-mask"]
    asked: list[RunRequest] = []
    monkeypatch.setattr(reproduce, "plan", lambda request: asked.append(request) or [])
    with pytest.raises(UsageError, match="would not be r-"):
        reproduce.cell_of(run, RunRequest((), (), PAPER))
    assert asked[0].accept == ("empty-mask",)


def test_an_id_tells_the_rules_that_a_run_was_made_under(groups: tuple[Path, Path]) -> None:
    run = read_run(next(groups[0].glob("*/centre_disc/r-*")))
    rules = protocol_of(run.result)
    assert rules is not None
    assert rules.rules == ("fixed", "otsu", "val", "oracle"), "of which a map that is decided already shows one"
    assert not list(identity.faults(run.result, "result.json"))
    for edit in ({"seed": 1}, {"rules": {**run.result["rules"], "steps": 4}}):
        found = {finding.column for finding in identity.faults({**run.result, **edit}, "result.json")}
        assert "run_id" in found
        assert ("rules" in found) == ("rules" in edit)
