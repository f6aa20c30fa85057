"""Mutants of a good submission, made from the schema: every column of every file, so that a new column is covered by itself.

Somebody who edits a number also writes the hashes anew. What nothing in the file contradicts is named: it is in `UNDERIVED`, or it takes
the data to see it (`verify`).
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from submitted import changed, contents, groups, ours, resealed, theirs, with_json

from bench.leaderboard.files import check, inspect_runs, lines, schema, sealed, table_files
from bench.leaderboard.files.findings import Finding, Refused
from bench.leaderboard.files.submission import UNDERIVED
from bench.leaderboard.files.verify import verify
from bench.pipeline.cell import RESULT

__all__ = ["groups", "ours", "theirs"]

SCORES, ROWS = "scores.csv", "leaderboard.csv"
NEEDS_DATA = {"threshold", "dice_224", "ap", "dead_map", "hd95", "cluster", "tp", "fp", "fn", "tn"}
"""Columns of scores.csv in which a change may agree with everything else in the file; `verify` sees it."""


def columns_of(model: Any) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.fixture(autouse=True)
def recomputed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same runs give the same rows: they are made once for all mutants that leave results and scores alone."""
    real, known = inspect_runs.recompute, KNOWN

    def remembered(folder: Path) -> list[dict[str, Any]]:
        files = sorted(p for p in folder.rglob("*") if p.name in (RESULT, SCORES))
        key = tuple((str(p.relative_to(folder)), p.read_bytes()) for p in files)
        if key not in known:
            known[key] = real(folder)
        return [dict(row) for row in known[key]]

    monkeypatch.setattr(inspect_runs, "recompute", remembered)


KNOWN: dict[Any, list[dict[str, Any]]] = {}


def findings(file: Path, tmp_path: Path) -> list[Finding] | str:
    """What a check without data says of a submission: differences, or the sentence with which it is refused."""
    try:
        with sealed.opened(file) as submission:
            return inspect_runs.inspect(submission, tmp_path / f"{file.stem}-unpacked")[1]
    except Refused as error:
        return str(error)


def seen_with_data(file: Path) -> list[Finding] | str:
    try:
        return verify(file, {}).findings
    except Refused as error:
        return str(error)


def edited(
    column: str, wanted: Callable[[dict[str, str]], bool], new: Callable[[str], str]
) -> Callable[[bytes], bytes]:
    """Change one cell of the first row that is wanted."""

    def apply(content: bytes) -> bytes:
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        row = next(row for row in rows if wanted(row))
        row[column] = new(row[column])
        return as_csv(rows)

    return apply


def as_csv(rows: list[dict[str, str]]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def another(cell: str, column: str) -> str:
    """A value of the same kind that is allowed there and differs: by 0.01, by one, or by a word."""
    words = {
        "true": "false",
        "false": "true",
        "val": "test",
        "test": "val",
        "init": "unet",
        "unet": "init",
        "fixed": "val",
    }
    words |= {"otsu": "fixed", "oracle": "otsu", "measured": "reproduced", "method": "floor", "floor": "method"}
    if column == "threshold":
        return "0.25"
    if cell in words:
        return words[cell]
    if cell == "":
        return {"dead_map": "1", "tie_group": "a"}.get(column, "0.01" if column not in INTEGERS else "1")
    if column in ("dead_map", "present"):
        return str(1 - int(cell))
    if column in INTEGERS:
        return str(int(cell) + 1)
    try:
        return repr(float(cell) + (0.01 if float(cell) < 0.5 else -0.01))
    except ValueError:
        return {"fingerprint": "0" * 12, "run_ids": "r-" + "0" * 12}.get(column, f"{cell}x")


INTEGERS = {
    *"protocol_version rank_lo rank_hi seeds images clusters labels_used masks_train masks_tune masks_eval".split(),
    *"test_openings peak_bytes tp fp fn tn".split(),
}


def text_columns(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items() if field.annotation is str}


def test_a_good_submission_is_as_it_says(ours: Path, theirs: Path, tmp_path: Path) -> None:
    assert findings(ours, tmp_path) == []
    assert findings(theirs, tmp_path) == []


@pytest.mark.parametrize("column", columns_of(schema.LeaderboardRow))
def test_every_column_of_leaderboard_csv(column: str, ours: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(contents(ours)[ROWS].decode())))
    filled = any(row[column] for row in rows)
    change = edited(column, lambda row: bool(row[column]) or not filled, lambda cell: another(cell, column))
    found = findings(changed(ours, tmp_path / "mutant.zip", ROWS, change), tmp_path)
    assert found, f"{column} of leaderboard.csv was changed and nobody saw it"
    said = found if isinstance(found, str) else "\n".join(one.sentence() for one in found)
    assert column in said or "row" in said


@pytest.mark.parametrize("column", columns_of(schema.ScoreLine))
def test_every_column_of_scores_csv(column: str, ours: Path, tmp_path: Path) -> None:
    def wanted(row: dict[str, str]) -> bool:
        return (row["split"], row["stage"], row["rule"]) == ("val", "unet", "fixed")  # no ranked number stands on it

    change = edited(column, wanted, lambda cell: another(cell, column))
    mutant = changed(ours, tmp_path / "mutant.zip", tiny_run(ours) + SCORES, change)
    found = findings(mutant, tmp_path)
    if not found:
        assert column in NEEDS_DATA
        found = seen_with_data(mutant)
    assert found, f"{column} of scores.csv was changed and nobody saw it"


def tiny_run(file: Path) -> str:
    """The folder of our first run that learned."""
    name = next(name for name in sorted(contents(file)) if "/tiny/" in name and name.endswith(SCORES))
    return name.removesuffix(SCORES)


CELLS = {
    "nan": ("nan", {"number"}),
    "infinity": ("inf", {"number"}),
    "beyond a float": ("1e999", {"number"}),
    "a huge field": ("x" * 200_000, {"number", "text"}),
    "a long field": ("x" * 25_000, {"number", "text"}),
    "a formula": ("=HYPERLINK(1)", {"number", "text"}),
    "a script": ("<script>alert(1)</script>", {"number", "text"}),
    "a terminal escape": ("\x1b[2J", {"number", "text"}),
    "a line feed": ("one\ntwo", {"number", "text"}),
    "text that turns round": ("\u202egnp.exe", {"number", "text"}),
    "a zero byte": ("\0", {"number", "text"}),
}


@pytest.mark.parametrize("file", [ROWS, SCORES])
@pytest.mark.parametrize("kind", CELLS)
def test_no_cell_takes(kind: str, file: str, ours: Path, tmp_path: Path) -> None:
    cell, where = CELLS[kind]
    model = schema.FILES[file]
    texts = text_columns(model)
    content = contents(ours)[ROWS if file == ROWS else tiny_run(ours) + SCORES]
    read = table_files.leaderboard_rows if file == ROWS else table_files.score_lines
    for column in columns_of(model):
        if ("text" if column in texts else "number") not in where:
            continue
        rows, found = read(edited(column, lambda row: True, lambda _: cell)(content), file)
        assert found, f"{kind} in {column}"
        assert not rows
        sentence = found[0].sentence()
        assert len(sentence) < 1500
        assert not schema.CONTROL.search(sentence)


@pytest.mark.parametrize("column", ["dice", "dice_224", "ap", "foreground_share"])
def test_a_share_over_one(column: str, ours: Path, tmp_path: Path) -> None:
    change = edited(column, lambda row: bool(row[column]), lambda cell: "1.01")
    found = findings(changed(ours, tmp_path / "mutant.zip", tiny_run(ours) + SCORES, change), tmp_path)
    assert isinstance(found, list)
    assert (found[0].column, found[0].expected, found[0].found) == (column, "less than or equal to 1", "1.01")


LINES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "dropped": lambda lines: lines[:1] + lines[2:],
    "doubled": lambda lines: [*lines[:2], *lines[1:]],
    "all dropped": lambda lines: lines[:1],
    "without a header": lambda lines: lines[1:],
    "cut off": lambda lines: [*lines[:-1], lines[-1][:-7]],
    "one cell more": lambda lines: [lines[0], lines[1][:-1] + b",1\n", *lines[2:]],
    "one column more": lambda lines: [lines[0][:-1] + b",mine\n", *(line[:-1] + b",1\n" for line in lines[1:])],
}


@pytest.mark.parametrize("file", [ROWS, SCORES])
@pytest.mark.parametrize("how", LINES)
def test_lines(how: str, file: str, ours: Path, tmp_path: Path) -> None:
    name = ROWS if file == ROWS else tiny_run(ours) + SCORES
    mutant = changed(ours, tmp_path / "mutant.zip", name, lambda text: b"".join(LINES[how](text.splitlines(True))))
    assert findings(mutant, tmp_path)


DISAGREE: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "a stage lacks an image": (lambda lines: lines.pop(0), "image"),
    "an image is of two patients": (lambda lines: lines[0].update(cluster="another"), "cluster"),
    "a truth has two sizes": (
        lambda lines: lines[0].update(
            tn=lines[0]["tn"] + 1, foreground_share=0.0 if not lines[0]["tp"] + lines[0]["fp"] else None
        ),
        "tp + fn, fp + tn",
    ),
}


@pytest.mark.parametrize("how", DISAGREE)
def test_lines_that_disagree_with_each_other(how: str, ours: Path) -> None:
    """Where every line by itself may be right."""
    change, column = DISAGREE[how]
    scores, _ = table_files.score_lines(contents(ours)[tiny_run(ours) + SCORES], SCORES)
    assert list(lines.faults(scores, SCORES)) == []
    change(scores)
    assert column in {one.column for one in lines.faults(scores, SCORES)}


def test_an_image_dropped_everywhere_and_the_images_counted_anew(ours: Path, tmp_path: Path) -> None:
    """Nothing in the file contradicts it: it takes the data."""
    members = contents(ours)
    for name in [name for name in members if name.endswith(SCORES)]:
        rows = [row for row in csv.DictReader(io.StringIO(members[name].decode())) if row["image"] != "test-3"]
        members[name] = as_csv(rows)
    found = findings(resealed(members, tmp_path / "mutant.zip"), tmp_path)
    assert isinstance(found, list)
    assert {one.column for one in found} >= {"image, cluster, class", "images"}
    assert any("(6, 1, 32, 32)" in one.found for one in found), "the predictions still have the image"


STATED = {
    *UNDERIVED,
    *"rows stages versions device git finished signals recipe deterministic pxap pxap_wsol failed".split(),
}
"""Keys of result.json that a check without data does not derive: ledger, cost, where it was made. The hashes hold them."""


def test_every_key_of_result_json(ours: Path, tmp_path: Path) -> None:
    name = tiny_run(ours) + RESULT
    result = json.loads(contents(ours)[name])
    unseen = set()
    for number, key in enumerate(result):
        if key in STATED:
            continue
        mutant = changed(ours, tmp_path / f"{number}.zip", name, with_json(lambda value, key=key: spoil(value, key)))
        if not findings(mutant, tmp_path):
            unseen.add(key)
    assert unseen == set()


def spoil(value: dict[str, Any], key: str) -> None:
    """Another value of the same kind."""
    old = value[key]
    if isinstance(old, dict):
        value[key] = {**old, "mine": 1} if not old else {**old, next(iter(old)): 17}
    elif isinstance(old, str):
        value[key] = another(old, key)
    elif isinstance(old, list):
        value[key] = [*old, "mine"]
    else:
        value[key] = old + 1


@pytest.mark.parametrize("key", ["pxap", "pxap_wsol"])
def test_pooled_precision_takes_the_data(key: str, ours: Path, tmp_path: Path) -> None:
    """Results and rows changed alike, by someone who makes the rows anew."""
    mutant = changed(
        ours, tmp_path / "a.zip", tiny_run(ours) + RESULT, with_json(lambda value: value[key].update(otsu=0.9))
    )
    found = findings(mutant, tmp_path)
    assert isinstance(found, list)
    assert found[0].column == f"test_{key}"
    members = contents(mutant)
    column = f"test_{key}"
    expected = found[0].expected
    members[ROWS] = edited(column, lambda row: row["rule"] == "otsu", lambda _: expected)(members[ROWS])
    mutant = resealed(members, tmp_path / "b.zip")
    assert findings(mutant, tmp_path) == []
    seen = seen_with_data(mutant)
    assert isinstance(seen, list)
    assert ("otsu", "0.9") in {(one.column, one.found) for one in seen}


def test_one_value_of_the_predictions(ours: Path, tmp_path: Path) -> None:
    name = tiny_run(ours) + "predictions/init-test.npy"
    mutant = changed(ours, tmp_path / "mutant.zip", name, lambda content: content[:-2] + b"\xff\xfe")
    assert findings(mutant, tmp_path) == []
    found = seen_with_data(mutant)
    assert isinstance(found, list)
    assert any(one.column == "ap" for one in found)


def test_a_wrong_hash_is_named_with_its_member(ours: Path, tmp_path: Path) -> None:
    members = contents(ours)
    members[tiny_run(ours) + SCORES] += b"\n"
    mutant = tmp_path / "mutant.zip"
    sealed.write(mutant, members)
    found = findings(mutant, tmp_path)
    assert isinstance(found, str)
    assert "scores.csv: expected sha256" in found


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another format": (lambda m: m.update(format=2), "format: expected 1"),
    "another protocol version": (lambda m: m.update(protocol_version=99), "protocol_version"),
    "a run that is not there": (lambda m: m["runs"].append("a/b/r-000000000000"), "one result"),
    "a run twice": (lambda m: m["runs"].append(m["runs"][0]), "one result"),
    "a run left out": (lambda m: m["runs"].pop(), "a run of the manifest"),
    "a folder above": (lambda m: m["runs"].append("../../etc/r-000000000000"), "no folder of a run"),
    "other images": (
        lambda m: m["images"].update({k: {**v, "test": 7} for k, v in m["images"].items()}),
        "lines of val and test",
    ),
    "a key of its own": (lambda m: m.update(mine=1), "mine: expected"),
    "a hash that is none": (lambda m: m["files"][ROWS].update(sha256="x"), "sha256"),
}


@pytest.mark.parametrize("how", MANIFESTS)
def test_the_manifest(how: str, ours: Path, tmp_path: Path) -> None:
    change, said = MANIFESTS[how]
    members = contents(ours)
    members[sealed.MANIFEST] = with_json(change)(members[sealed.MANIFEST])
    mutant = tmp_path / "mutant.zip"
    sealed.write(mutant, members)
    found = findings(mutant, tmp_path)
    assert said in (found if isinstance(found, str) else "\n".join(one.sentence() for one in found))


def test_json_that_is_none(ours: Path, tmp_path: Path) -> None:
    name = tiny_run(ours) + RESULT
    texts = [
        b"",
        b"[",
        b"NaN",
        b"1",
        b'{"a": 1, "a": 2}',
        b'{"seed": NaN}',
        b"\xff",
        b"[" * 100_000,
        b'{"seed": 1e999}',
    ]
    for number, text in enumerate(texts):
        found = findings(changed(ours, tmp_path / f"{number}.zip", name, lambda _, text=text: text), tmp_path)
        assert isinstance(found, str), text[:20]
        assert "result.json" in found
        assert len(found) < 1000


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"1e999", b"-1", b'"much"'])
def test_no_number_in_a_result(text: bytes, ours: Path, tmp_path: Path) -> None:
    """Where no model looks at the key, too: `seconds` goes into a mean, `signals` nowhere."""
    name = tiny_run(ours) + RESULT
    for key in (b'"seconds": ', b'"map_entropy": ') if text in (b"NaN", b"Infinity") else (b'"seconds": ',):
        mutant = changed(
            ours, tmp_path / "a.zip", name, lambda old, key=key: old.replace(key, key + text + b', "was": ', 1)
        )
        assert findings(mutant, tmp_path), (key, text)
        shutil.rmtree(tmp_path / "a-unpacked")


def test_truncated_at_every_length(theirs: Path, tmp_path: Path) -> None:
    """Of a small submission: rows alone, without runs."""
    members = contents(theirs)
    small = {
        ROWS: members[ROWS].splitlines(True)[0],
        sealed.MANIFEST: with_json(lambda m: m.update(runs=[]))(members[sealed.MANIFEST]),
    }
    whole = resealed(small, tmp_path / "whole.zip").read_bytes()
    cut = tmp_path / "cut.zip"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(Refused, match=r"cut off or damaged|no zip"), sealed.opened(cut):
            pass


def members_or_sentence(file: Path) -> dict[str, bytes] | str:
    """What can be read of a submission, or why not."""
    try:
        with sealed.opened(file) as submission:
            return {name: submission.read(name) for name in submission.names}
    except Refused as error:
        return str(error)


def test_bytes_flipped_anywhere(theirs: Path, tmp_path: Path) -> None:
    """Two hundred and fifty bytes of a whole submission, one at a time: refused with a sentence, or
    without effect (the time of a member, say)."""
    whole = theirs.read_bytes()
    mutant, clean = tmp_path / "mutant.zip", contents(theirs)
    for place in range(0, len(whole), max(1, len(whole) // 250)):
        mutant.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        read = members_or_sentence(mutant)
        if isinstance(read, str):
            assert str(mutant) in read
        else:
            assert read == {name: content for name, content in clean.items() if name != sealed.MANIFEST}


def test_a_repository_names_the_dice_that_was_edited(groups: tuple[Path, Path], tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    ours = groups[0].with_suffix(".zip")
    change = edited("dice", lambda row: row["split"] == "test", lambda cell: repr(float(cell or 0) + 0.01))
    changed(ours, repository / "a.zip", tiny_run(ours) + SCORES, change)
    (found,) = check.check(repository).findings
    assert found.column == "dice"
    assert found.file.startswith("a.zip: runs/tiny_shapes/tiny/")
    assert float(found.found) == pytest.approx(float(found.expected) + 0.01)
