"""`bench runs check`: whole runs have no difference, and every kind of damage is found where it was done."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_runs import folder_of, out, result_of

from bench.commands.cli import cli
from bench.runs.check import KINDS, check

__all__ = ["out"]


def differences(out):
    return [(finding.kind, finding.place.rpartition("/")[2], finding.text) for finding in check(out) if finding.differs]


def bench(*args):
    return CliRunner().invoke(cli, [str(a) for a in args])


def test_whole_runs_have_no_difference(out):
    assert check(out) == []
    done = bench("runs", "check", out)
    assert (done.exit_code, done.stdout) == (
        0,
        "no difference; 0 unfinished or without a result (`bench runs gc` removes them)\n",
    )


def artifact(out, kind, method="tiny", seed=0):
    stages = result_of(folder_of(out, method, seed=seed))["stages"]
    return out / "artifacts" / next(s["artifact"] for s in stages if s["artifact"].startswith(f"{kind}-"))


@pytest.mark.parametrize(("kind", "file"), [("fit", "net.safetensors"), ("maps", "maps.npy"), ("scores", "scores.npz")])
def test_one_flipped_bit_of_an_artifact_is_found(out, kind, file):
    folder = artifact(out, kind)
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    found = [finding for finding in differences(out) if finding[0] == "damaged"]
    assert [(k, place) for k, place, _ in found] == [("damaged", folder.name)]
    assert f"{file} has the sha256" in found[0][2]


def test_what_is_missing_or_too_much_in_an_artifact_is_found(out):
    folder = artifact(out, "targets")
    (folder / "masks.npy").unlink()
    (folder / "notes.txt").write_text("mine")
    assert {text for _, _, text in differences(out)} == {
        "masks.npy cannot be read (No such file or directory)",
        "notes.txt is not in manifest.json",
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told["inputs"].update(seed=7), "manifest.json has the inputs of segment-"),
        (lambda told: told.pop("files"), "manifest.json cannot be read (KeyError('files'))"),
    ],
)
def test_a_manifest_is_held_to_the_name_of_its_folder(out, change, said):
    folder = artifact(out, "segment")
    told = json.loads((folder / "manifest.json").read_text())
    change(told)
    (folder / "manifest.json").write_text(json.dumps(told))
    assert [(kind, place) for kind, place, text in differences(out) if said in text] == [("damaged", folder.name)]


def test_a_result_without_its_artifact_is_named_for_every_run_that_rests_on_it(out):
    folder = artifact(out, "fit")
    shutil.rmtree(folder)
    run = folder_of(out, "tiny")
    assert differences(out) == [
        ("gone", run.name, f"its artifact {folder.name} is gone; the same `bench run` again makes it")
    ]


def test_results_that_are_no_results_are_named(out):
    runs = [folder_of(out, "tiny", seed=0), folder_of(out, "tiny", seed=1)]
    (runs[0] / "result.json").write_text("{")
    (runs[1] / "result.json").write_text(json.dumps({**result_of(runs[1]), "run_id": "r-000000000000"}))
    found = {place: text for kind, place, text in differences(out) if kind == "result"}
    assert "result.json is no result (JSONDecodeError" in found[runs[0].name]
    assert found[runs[1].name] == "result.json is that of r-000000000000"


def edited(run, number, **cells):
    """Change cells of one line of scores.csv; the line as it was."""
    with (run / "scores.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    before = dict(lines[number])
    lines[number].update(cells)
    with (run / "scores.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return before


@pytest.mark.parametrize("method", ["tiny", "full_supervision"])
def test_a_dice_that_was_edited_by_a_hundredth_is_named(out, method):
    run = folder_of(out, method)
    before = edited(run, -1, dice="0.01")
    ((kind, place, text),) = differences(out)
    assert (kind, place) == ("scores", run.name)
    where = f"{before['image']} (box, test, unet, {before['rule'] or 'no rule'})"
    assert text == f"dice of {where} is 0.01, its own tp, fp and fn give {float(before['dice']):.10g}"


def test_counts_that_were_edited_with_their_dice_are_found_by_the_counts_of_the_artifact(out):
    run = folder_of(out, "tiny")
    before = edited(run, 0, tp="48", fp="0", fn="0", dice="1.0")
    found = [text for kind, _, text in differences(out) if kind == "scores"]
    assert any(
        f"tp of {before['image']} (box, val, init, fixed) is 48, the counts of scores-" in text for text in found
    )
    assert all("dice of" not in text for text in found)


@pytest.mark.parametrize("column", ["ap", "dead_map", "tn", "present", "foreground_share"])
def test_other_columns_are_held_to_the_counts_too(out, column):
    run = folder_of(out, "class_maps", "three_classes")
    edited(run, 3, **{column: "0.125"})
    found = differences(out)
    assert {(kind, place) for kind, place, _ in found} == {("scores", run.name)}
    (text,) = [text for *_, text in found if text.startswith(f"{column} of ")]
    assert "is 0.125" in text


def test_lines_and_rules_that_result_json_does_not_have_are_named(out):
    run = folder_of(out, "tiny")
    lines = (run / "scores.csv").read_text().splitlines(keepends=True)
    (run / "scores.csv").write_text("".join([line for line in lines if ",otsu," not in line] + lines[1:2]))
    found = [text for kind, _, text in differences(out) if kind == "scores"]
    assert "rules: only one of scores.csv and result.json has otsu" in found
    assert any(text.startswith("lines: 1 stand there twice") for text in found)
    (run / "scores.csv").unlink()
    assert [kind for kind, _, _ in differences(out)] == ["scores"]


def test_predictions_are_the_maps_that_were_scored(out):
    run = folder_of(out, "tiny")
    file = run / "predictions" / "unet-otsu-test.npy"
    maps = np.load(file)
    maps[0] = 0
    np.save(file, maps)
    found = differences(out)
    assert {(kind, place) for kind, place, _ in found} == {("predictions", run.name)}
    texts = [text for _, _, text in found]
    assert texts[0] == "predictions/unet-otsu-test.npy is none of the maps that were scored"
    assert texts[1].startswith("predictions/ lacks the maps of maps-")
    assert len(texts) == 2


def test_unfinished_work_and_orphans_are_named_and_are_no_difference(out):
    (out / "artifacts" / "fit-0123456789ab.part").mkdir()
    orphan = artifact(out, "scores", seed=1)
    run = folder_of(out, "tiny", seed=1)
    (run / "result.json").unlink()
    found = {(finding.kind, finding.place.rpartition("/")[2]) for finding in check(out)}
    assert {("unfinished", "fit-0123456789ab.part"), ("unfinished", run.name), ("orphan", orphan.name)} <= found
    done = bench("runs", "check", out, "--json")
    assert done.exit_code == 0
    assert {row["kind"] for row in json.loads(done.stdout)} == {"unfinished", "orphan"} < set(KINDS)


def test_a_difference_is_exit_6_in_words_and_as_json(out):
    (artifact(out, "fit") / "net.safetensors").write_bytes(b"")
    done, told = bench("runs", "check", out), bench("runs", "check", out, "--json")
    assert (done.exit_code, told.exit_code) == (6, 6)
    assert done.stdout.startswith("damaged: fit-")
    assert "1 difference;" in done.stdout
    assert [row["differs"] for row in json.loads(told.stdout)] == [True]
