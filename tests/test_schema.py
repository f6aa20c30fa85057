"""The models of the files: they are the columns, the JSON schema is theirs, and a round trip through any reader changes nothing."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import generate_schema
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.leaderboard.files import schema, table_files
from bench.leaderboard.files.findings import Refused, same
from bench.results.columns import LEADERBOARD_COLUMNS, SCORES_COLUMNS
from bench.results.csv_files import FORMULA, print_rows

ROW: dict[str, Any] = {
    **dict.fromkeys(LEADERBOARD_COLUMNS, ""),
    "dataset": "isic",
    "protocol": "quick",
    "protocol_version": 1,
    "method": "gradcam_resnet50",
    "role": "method",
    "kind": "measured",
    "ranked": False,
    "rule": "otsu",
    "run_ids": "r-00000000000e r-0000000000e5",
    "seeds": 2,
    "images": 10,
    "test_unet": 1 / 3,
    "over_floor": -0.25,
    "fingerprint": "000000000e5f",
}


def text_of(*rows: dict[str, Any]) -> str:
    file = io.StringIO()
    print_rows(file, LEADERBOARD_COLUMNS, rows)
    return file.getvalue()


def read(text: str) -> tuple[list[dict[str, Any]], list[Any]]:
    return table_files.leaderboard_rows(text.encode(), "a.csv")


@pytest.mark.parametrize(
    ("model", "columns"), [(schema.LeaderboardRow, LEADERBOARD_COLUMNS), (schema.ScoreLine, SCORES_COLUMNS)]
)
def test_a_model_has_the_columns_of_its_file(model: Any, columns: tuple[str, ...]) -> None:
    assert tuple(field.alias or name for name, field in model.model_fields.items()) == columns


def test_the_json_schema_in_docs_is_that_of_the_models() -> None:
    assert generate_schema.FILE.read_text(encoding="utf-8") == generate_schema.text(), "run tests/generate_schema.py"


def test_the_json_schema_says_what_a_column_takes() -> None:
    told = json.loads(generate_schema.text())
    assert told["version"] == schema.FORMAT
    row = told["$defs"]["LeaderboardRow"]
    assert row["additionalProperties"] is False
    fraction = row["properties"]["test_unet"]["anyOf"]
    assert fraction == [{"maximum": 1, "minimum": 0, "type": "number"}, {"type": "null"}]
    assert row["properties"]["kind"]["enum"] == ["measured", "reported", "recomputed", "reproduced"]
    assert told["$defs"]["ScoreLine"]["properties"]["class"]["type"] == "string"


def test_ids_stay_text_and_numbers_stay_themselves() -> None:
    (row,), found = read(text_of(ROW))
    assert found == []
    assert row["fingerprint"] == "000000000e5f"
    assert row["run_ids"] == "r-00000000000e r-0000000000e5"
    assert (row["test_unet"], row["over_floor"], row["test_init"]) == (1 / 3, -0.25, None)
    again = pd.read_csv(io.StringIO(text_of(ROW)), dtype=str, keep_default_na=False).to_dict("records")
    for rows in (again, list(csv.DictReader(io.StringIO(text_of(ROW))))):
        assert read(text_of(*rows)) == ([row], []), "also where -0.25 was taken for text, and got an apostrophe"


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_any_text_is_read_back_as_it_was_or_refused(text: str) -> None:
    rows, found = read(text_of({**ROW, "notes": text}))
    if found:
        assert schema.CONTROL.search(text) or schema.MARKUP.search(text)
    else:
        assert rows[0]["notes"] == text


@given(st.sampled_from([sign for sign in FORMULA if sign != "\r"]), st.text("abc=+-@1(),", max_size=20))
def test_a_spreadsheet_takes_no_cell_for_a_formula(sign: str, rest: str) -> None:
    cells = next(csv.DictReader(io.StringIO(text_of({**ROW, "notes": sign + rest}))))
    assert not cells["notes"].startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"test_unet": 1.5}, "test_unet: expected less than or equal to 1, found 1.5"),
        ({"test_unet": "nan"}, "test_unet: expected a finite number, found nan"),
        ({"kind": "guessed"}, "kind: expected 'measured', 'reported', 'recomputed' or 'reproduced', found guessed"),
        ({"method": "../etc"}, "method: expected String should match pattern"),
        ({"run_ids": "00000012"}, "run_ids: expected String should match pattern"),
        ({"fingerprint": ""}, "fingerprint, protocol_version and run_ids may be empty only where kind is reported"),
        ({"kind": "reported", "ranked": True}, "a reported row is never ranked"),
        ({"notes": "<img onerror=x>"}, "notes: expected holds markup of a page"),
        ({"label": "\x1b]0;x\x07"}, "label: expected holds control characters, found ?]0;x?"),
        ({"seconds": -1}, "seconds: expected greater than or equal to 0, found -1"),
    ],
)
def test_what_may_not_stand_there(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text_of({**ROW, **change}), newline="")
    with pytest.raises(Refused) as refused:
        table_files.read_leaderboard(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)
    assert "line 2" in str(refused.value)


def test_a_reported_row_needs_no_run() -> None:
    row = {**ROW, "kind": "reported", "fingerprint": "", "protocol_version": "", "run_ids": "", "ranked": ""}
    (read_back,), found = read(text_of(row))
    assert found == []
    assert read_back["kind"] == "reported"


def test_a_row_of_ours_is_no_reported_one() -> None:
    ours, reported = dict(ROW), {**ROW, "kind": "reported"}
    assert table_files.identity(ours) != table_files.identity(reported)
    assert table_files.identity(ours) == table_files.identity({**ROW, "kind": "recomputed"})


def test_an_older_file_lacks_later_columns() -> None:
    old = [name for name in LEADERBOARD_COLUMNS if name not in ("test_hd95", "foreground_share")]
    file = io.StringIO()
    print_rows(file, old, [ROW])
    (row,), found = read(file.getvalue())
    assert found == []
    assert "test_hd95" not in row
    file = io.StringIO()
    print_rows(file, [name for name in old if name != "test_unet"], [ROW])
    assert [one.column for one in read(file.getvalue())[1]] == ["test_unet"]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (None, "", True),
        (0.5, 0.5 + 1e-12, True),
        (0.5, 0.51, False),
        (0, None, False),
        ("a", "b", False),
        (1e9, 1e9 + 0.1, True),
    ],
)
def test_two_cells_say_the_same(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal


def test_a_result_is_finished_or_failed() -> None:
    known = {
        "run_id": "r-000000000000",
        "dataset": "isic",
        "label": "",
        "dataset_settings": {},
        "fingerprint": "0" * 12,
        "protocol": "quick",
        "protocol_version": 1,
        "method": "otsu",
        "role": "floor",
        "settings": {},
        "all_settings": {},
        "seed": 0,
    }
    with pytest.raises(ValidationError, match="neither rows with split_hashes nor the sentence"):
        schema.Result.model_validate(known)
    assert schema.Result.model_validate({**known, "failed": "it broke"}).failed
