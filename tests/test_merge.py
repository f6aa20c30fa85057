"""Many groups' files as one table, and the check of a results repository."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from submitted import changed, contents, groups, ours, resealed, theirs

from bench.commands.cli import cli
from bench.leaderboard.files import sealed
from bench.leaderboard.files.findings import Refused
from bench.leaderboard.files.merge import OF_THE_TABLE, merge
from bench.leaderboard.files.table_files import read_leaderboard
from bench.results.collected import collect
from bench.results.columns import LEADERBOARD_COLUMNS
from bench.results.csv_files import print_rows, write_rows

__all__ = ["groups", "ours", "theirs"]


def invoke(*words: object) -> tuple[int, str]:
    done = CliRunner(env={"COLUMNS": "300"}).invoke(cli, ["leaderboard", *map(str, words)])
    return done.exit_code, done.output


def table_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(contents(file)[sealed.ROWS].decode())))


def as_file(rows: list[dict[str, Any]], to: Path) -> Path:
    write_rows(to, LEADERBOARD_COLUMNS, rows)
    return to


def test_two_groups_become_the_table_that_one_folder_would_give(
    groups: tuple[Path, Path], ours: Path, theirs: Path, tmp_path: Path
) -> None:
    together = tmp_path / "together"
    shutil.copytree(groups[0], together)
    shutil.copytree(groups[1], together, dirs_exist_ok=True)
    expected = io.StringIO()
    print_rows(expected, LEADERBOARD_COLUMNS, collect(together))
    code, said = invoke("merge", ours, theirs, "-o", tmp_path / "all.csv")
    assert code == 0, said
    made = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text())))
    wanted = list(csv.DictReader(io.StringIO(expected.getvalue())))
    costs = ("seconds", "seconds_shared", "peak_bytes", "notes", "energy_j")
    assert [(row["method"], row["rule"]) for row in made] == [(row["method"], row["rule"]) for row in wanted]
    for row, other in zip(made, wanted, strict=True):
        assert {k: v for k, v in row.items() if k not in costs} == {k: v for k, v in other.items() if k not in costs}
    assert "tiny_shapes, centre_disc, fixed is in" in said


def test_the_order_of_files_changes_nothing_but_costs(ours: Path, theirs: Path) -> None:
    one, other = merge([ours, theirs]).rows, merge([theirs, ours]).rows
    drop = {"seconds", "seconds_shared", "peak_bytes", "notes"}
    assert [{k: v for k, v in row.items() if k not in drop} for row in one] == [
        {k: v for k, v in row.items() if k not in drop} for row in other
    ]


def test_the_same_file_twice_is_itself(theirs: Path, tmp_path: Path) -> None:
    copy = shutil.copy(theirs, tmp_path / "copy.zip")
    merged = merge([theirs, Path(copy)])
    assert merged.rows == merge([theirs]).rows
    assert merged.notes == []


def test_a_row_with_two_numbers_is_refused_naming_both_files(theirs: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in table_of(theirs)]
    one = as_file(rows, tmp_path / "one.csv")
    rows[0]["test_init"] = float(rows[0]["test_init"] or 0) + 0.01
    other = as_file(rows, tmp_path / "other.csv")
    code, said = invoke("merge", one, other, "-o", tmp_path / "all.csv")
    assert code == 6
    for text in (str(one), str(other), "centre_disc, fixed", "test_init", "with different numbers"):
        assert text in said
    assert not (tmp_path / "all.csv").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fingerprint": "0123456789ab"}, "was run on the data"),
        ({"protocol_version": 2}, "of protocol version"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, Any], said: str, theirs: Path, tmp_path: Path) -> None:
    rows = [{**row, **change, "method": "other"} for row in table_of(theirs)]
    other = as_file(rows, tmp_path / "other.csv")
    with pytest.raises(Refused, match=said) as refused:
        merge([theirs, other])
    assert str(theirs) in str(refused.value)
    assert str(other) in str(refused.value)


def test_another_label_or_protocol_is_another_table(theirs: Path, tmp_path: Path) -> None:
    rows = [{**row, "fingerprint": "0123456789ab", "label": "reduced"} for row in table_of(theirs)]
    assert len(merge([theirs, as_file(rows, tmp_path / "a.csv")]).rows) == 4


def test_without_scores_per_image_a_joined_table_has_no_letters(ours: Path, theirs: Path, tmp_path: Path) -> None:
    one, other = as_file(table_of(ours), tmp_path / "one.csv"), as_file(table_of(theirs)[1:], tmp_path / "two.csv")
    merged = merge([one, other])
    assert len(merged.rows) == 6
    assert all(row[name] is None for row in merged.rows for name in OF_THE_TABLE)
    assert merged.notes == [
        f"{NAME}: letters, ranks, floors and break-even stay empty: they need the submissions of all rows"
    ]
    alone = merge([one])
    assert alone.rows[0]["floor_best"] == "centre_disc (maps)"
    assert alone.rows == read_leaderboard(one)


NAME = "tiny_shapes smoke(size=32,weak_images=20,fit_share=1.0,base_channels=2,steps=3,batch=4)"


def test_a_stronger_kind_wins_and_numbers_stay(theirs: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{**row, "kind": "recomputed"} for row in table_of(theirs)]
    file = as_file(rows, tmp_path / "recomputed.csv")
    for order in ([theirs, file], [file, theirs]):
        assert [row["kind"] for row in merge(order).rows] == ["recomputed", "recomputed"]


def test_reported_rows_stand_beside_and_are_never_joined(theirs: Path, tmp_path: Path) -> None:
    blank = dict.fromkeys(LEADERBOARD_COLUMNS, "")
    reported = {
        **blank,
        "dataset": "tiny_shapes",
        "method": "centre_disc",
        "role": "floor",
        "kind": "reported",
        "test_unet": 0.9,
    }
    merged = merge([theirs, as_file([reported], tmp_path / "paper.csv")])
    assert sorted(row["kind"] for row in merged.rows) == ["measured", "measured", "reported"]
    assert merged.notes == []


def test_what_is_neither(tmp_path: Path) -> None:
    code, said = invoke("merge", tmp_path / "none.csv", "-o", tmp_path / "all.csv")
    assert code == 3
    assert "none.csv cannot be read (No such file or directory)" in said
    (tmp_path / "text.csv").write_text("hello\n")
    code, said = invoke("merge", tmp_path / "text.csv", "-o", tmp_path / "all.csv")
    assert code == 6
    assert "text.csv, header, dataset: expected this column, found no such column" in said


@pytest.fixture
def repository(ours: Path, theirs: Path, tmp_path: Path) -> Path:
    """A results repository with two groups' files, made by hand."""
    folder = tmp_path / "repository"
    (folder / "submissions").mkdir(parents=True)
    shutil.copy(ours, folder / "submissions" / "ours.zip")
    shutil.copy(theirs, folder / "submissions" / "theirs.zip")
    assert invoke("merge", *sorted((folder / "submissions").iterdir()), "-o", folder / "leaderboard.csv")[0] == 0
    return folder


def test_a_good_repository_passes(repository: Path) -> None:
    code, said = invoke("check", repository)
    assert (code, said) == (0, "2 submissions, 6 rows, as they should be\n")
    rows: list[dict[str, Any]] = read_leaderboard(repository / "leaderboard.csv")
    as_file([{**row, "kind": "reproduced"} for row in rows], repository / "leaderboard.csv")
    assert invoke("check", repository)[0] == 0, "kind is what the owners of a repository know"


def test_a_number_of_the_table_is_named(repository: Path) -> None:
    rows = read_leaderboard(repository / "leaderboard.csv")
    row = next(row for row in rows if row["method"] == "full_supervision")
    was = row["test_unet"]
    row["test_unet"] = was + 0.01
    as_file(rows, repository / "leaderboard.csv")
    code, said = invoke("check", repository)
    assert code == 6
    cells = said.splitlines()[1].split("  ")
    for text in (
        "leaderboard.csv",
        "tiny_shapes, full_supervision, no rule",
        "test_unet",
        f"{was:.12g}",
        f"{was + 0.01:.12g}",
    ):
        assert text in [cell.strip() for cell in cells], said


@pytest.mark.parametrize("how", ["dropped", "twice", "of its own"])
def test_rows_of_the_table(how: str, repository: Path) -> None:
    rows: list[dict[str, Any]] = read_leaderboard(repository / "leaderboard.csv")
    changes = {"dropped": rows[1:], "twice": [*rows, rows[0]], "of its own": [*rows, {**rows[0], "settings": "k=3"}]}
    as_file(changes[how], repository / "leaderboard.csv")
    code, said = invoke("check", repository)
    assert code == 6
    assert {"dropped": "no such row", "twice": "the row of line", "of its own": "a row that no run gives"}[how] in said


def test_a_dice_edited_by_a_hundredth_is_named(repository: Path) -> None:
    """Of one image, by someone who wrote the hashes anew."""
    file = repository / "submissions" / "theirs.zip"

    def edit(content: bytes) -> bytes:
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        row = next(row for row in rows if row["image"] == "test-2")
        row["dice"] = repr(float(row["dice"]) + 0.01)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    name = next(name for name in contents(file) if "centre_disc" in name and name.endswith("scores.csv"))
    changed(file, file, name, edit)
    code, said = invoke("check", repository)
    assert code == 6
    assert "theirs.zip" in said
    assert "test-2 (box, test, init, fixed)" in said
    assert "2 submissions, 1 differences" in said


def test_one_bad_file_hides_no_other(repository: Path) -> None:
    (repository / "submissions" / "bad.zip").write_bytes(b"PK\x03\x04 no more")
    (repository / "submissions" / "worse.zip").write_bytes(b"hello")
    code, said = invoke("check", repository)
    assert code == 6
    assert "bad.zip is cut off or damaged" in said
    assert "worse.zip is no submission" in said
    assert "4 submissions, 2 differences" in said


def test_a_folder_with_nothing_to_check(tmp_path: Path) -> None:
    code, said = invoke("check", tmp_path)
    assert code == 3
    assert "holds neither a submission (*.zip) nor a leaderboard.csv" in said


def test_two_submissions_of_other_data_fail_the_check(repository: Path) -> None:
    """Another fingerprint everywhere in one of them: its own runs contradict it."""
    file = repository / "submissions" / "theirs.zip"
    known = table_of(file)[0]["fingerprint"].encode()
    resealed({name: content.replace(known, b"0123456789ab") for name, content in contents(file).items()}, file)
    code, said = invoke("check", repository)
    assert code == 6
    assert "fingerprint" in said
    assert known.decode() in said
