"""The table at a terminal: what stands in it at every width and encoding, what is marked, and what it says that it cannot decide."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from made_results import both_stages, finished, run
from rich.console import Console

from bench import UsageError
from bench.commands.cli import cli
from bench.leaderboard.table.reported import reported
from bench.results import collected as results
from bench.results import table_columns, tables
from bench.results.columns import LEADERBOARD_COLUMNS, Row
from bench.runs import sheets

ESCAPES = re.compile(r"\x1b\[([0-9;]*)m")


def printed(rows: list[Row], width: int = 80, encoding: str = "utf-8", **more: Any) -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)  # strict: a character that it cannot say raises
    tables.show(rows, Console(file=file, width=width), **more)
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def text(rows: list[Row], width: int = 200, **more: Any) -> str:
    return " ".join(" ".join(printed(rows, width, **more)).split())


def bench(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["leaderboard", *map(str, words)])


def run_of_many(out: Path) -> list[Row]:
    for seed in range(2):
        finished(out, seed, both_stages(0.3, 0.4, 0.5, 0.5 + seed / 10), settings={"pretrained": False}, notes=["from scratch"],
                 method="reconstruction_decomposition", rows=[{"rule": "otsu", "degenerate": "degenerate at T: covers 99 %"}])  # fmt: skip
    init = [line for line in both_stages(0.3, 0.4, 0.5, 0.6) if line["stage"] == "init"]
    finished(out, 0, init, method="all_foreground", role="floor")
    finished(out, 0, [], method="broken", failed="loss is NaN at epoch 3")
    finished(out, 0, both_stages(0.3, 0.4, 0.5, 0.6), method="full_supervision", role="full", masks_train=1036)
    finished(out, 0, both_stages(0.3, 0.4, 0.5, 0.6), method="elsewhere", protocol="paper")
    return results.collect(out)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods and their oracle, floors, a control, full supervision: everything that a table may say."""
    out = tmp_path_factory.mktemp("ranked")
    for seed in range(3):
        run(out, "good", seed, test_unet=0.8, images=40, clusters=38)
        run(out, "fair", seed, test_unet=0.6)
        run(out, "fair", seed, test_unet=0.61, rule="oracle", masks_tune=40)
        run(out, "best_floor", seed, test_unet=0.70, role="floor")
        run(out, "good(shuffled_labels)", seed, test_unet=0.5, role="control")
    for seed in range(5):
        for count, mean in ((1, 0.3), (10, 0.7), (100, 0.9)):
            given = {"settings": {"count": count}, "masks_train": count}
            run(out, "full_supervision", seed, test_unet=mean, role="full", rule="", **given)
    return out


@pytest.fixture(scope="module")
def rows(ranked: Path) -> list[Row]:
    return results.collect(ranked)


@pytest.mark.parametrize(("width", "encoding"), [(80, "utf-8"), (200, "utf-8"), (80, "ascii"), (80, "latin-1")])
def test_the_table_fits_and_says_everything(width: int, encoding: str, tmp_path: Path) -> None:
    lines = printed(run_of_many(tmp_path), width, encoding)
    whole = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "isic (reduced)" in whole
    assert "protocol quick v1" in whole
    assert "protocol paper v1" in whole
    assert "55.00" in whole  # mean of 50 and 60
    assert "7.07" in whole  # their sd
    assert "pretrained=false" in whole
    assert "[1] broken, seed 0 failed: loss is NaN at epoch 3" in whole
    assert "[2] degenerate at T: covers 99 %" in whole
    assert "[3] from scratch" in whole
    assert whole.count("loss is NaN") == 1
    order = [whole.index(word) for word in ("broken", "floors", "all_foreground", "trained on masks", "full_sup")]
    assert order == sorted(order)
    (floor,) = (line.split() for line in lines if line.startswith(" all_foreground"))
    assert floor[:2] == ["all_foreground", "otsu"]
    assert "50.00" in floor


@pytest.mark.parametrize("width", [40, 60, 79, 80, 97, 120, 160, 200, 300])
def test_no_line_is_wider_than_the_terminal(width: int, rows: list[Row]) -> None:
    lines = printed(rows, width)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)  # rich's sign for a cell that was cut
    named = " ".join(" ".join(lines).split()).partition("--columns all: ")[2].partition("Methods that")[0]
    shown = lines[2:5]
    for name, heading in (("masks used", "used"), ("below 0.5 %", "0.5 %"), ("verdict", "verdict"), ("macro", "macro")):
        assert (name in named) != any(heading in line for line in shown), heading


def test_all_of_the_main_table_stands_at_200_columns_and_the_important_ones_at_80(rows: list[Row]) -> None:
    wide = "\n".join(printed(rows, 200))
    assert "more with a wider terminal" not in wide
    (good,) = (line for line in wide.splitlines() if line.startswith(" good  "))
    row = next(row for row in rows if row["method"] == "good")
    mean = f"{100 * row['test_unet']:.2f} ±{100 * row['test_unet_sd']:.2f}"
    for value in (mean, f"{100 * row['test_unet_lo']:.2f} to {100 * row['test_unet_hi']:.2f}", "beats floors"):
        assert value in good
    assert re.search(r" a +1 ", good)  # letter, and rank 1 alone
    assert good.split()[-2:] == ["40", "0"]  # images, masks used
    narrow = printed(rows, 80)
    heading = " ".join(narrow[2:4])
    assert all(word in heading for word in ("U-Net", "group", "floor", "verdict"))


def test_sections_stand_apart_in_their_order(rows: list[Row]) -> None:
    found = sheets.sheets([*rows, *(row for row in reported() if row["dataset"] == "isic")])[0]
    assert [section.title for section in found.sections] == [
        "",
        "floors",
        "controls",
        "trained on masks",
        "reported by papers",
    ]
    assert [line.name[0] for line in found.sections[1].lines] == ["best_floor"]


def test_bold_is_only_who_is_better_than_every_other(rows: list[Row], tmp_path: Path) -> None:
    looks = {(line.name[0], line.rule): line.look for line in sheets.sheets(rows)[0].lines}
    assert (looks["good", "otsu"], looks["fair", "otsu"], looks["fair", "oracle"]) == ("best", "", "dim")
    for seed in range(3):
        run(tmp_path, "alone", seed, test_unet=0.8)
    (alone,) = results.collect(tmp_path)
    assert (alone["rank_lo"], alone["rank_hi"]) == (None, None)
    assert sheets.sheets([alone])[0].lines[0].look == ""  # first of one is no distinction


def test_bold_and_dim_reach_the_terminal_and_no_color_takes_colours_away(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = coloured(rows)
    (good,) = (line for line in shown if "good  " in line and "beats floors" in line)
    assert "1" in ESCAPES.findall(good)
    assert [line for line in shown if "oracle" in line and "\x1b[2m" in line]
    failed = run_of_many(tmp_path)
    assert "\x1b[31m" in "".join(coloured(failed))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not {"31", "33"} & {code for line in coloured(failed) for code in ESCAPES.findall(line)}


def coloured(rows: list[Row]) -> list[str]:
    file = io.StringIO()
    tables.show(rows, Console(file=file, width=200, force_terminal=True, color_system="standard"))
    return file.getvalue().splitlines()


def test_what_a_table_cannot_decide_stands_below_it(rows: list[Row], tmp_path: Path) -> None:
    said = text(rows)
    mdd = next(row["mdd"] for row in rows if row["mdd"])
    assert f"Minimum detectable difference: {100 * mdd:.2f} points" in said
    assert "conditional on this split: 40 test images, 38 independent" in said
    assert "the strongest floor without masks, best_floor (U-Net)" in said
    assert "not enough data" not in said
    run(tmp_path, "once", 0, test_unet=0.7)
    run(tmp_path, "weak_floor", 0, test_unet=0.5, role="floor")
    said = text(results.collect(tmp_path))
    assert "Letters and ranks: not enough data" in said
    assert "No intervals: not enough data; one takes 3 seeds and 20 independent images." in said
    assert "Floors with too few seeds to be tested: weak_floor; until they have 3, no method beats them all." in said
    assert "conditional" not in said
    assert "nan" not in said.lower()


def test_masks_worth_are_a_column_where_they_are_known(rows: list[Row], tmp_path: Path) -> None:
    good = next(row for row in rows if row["method"] == "good")
    worth = f"{good['break_even']:.0f} ({good['break_even_lo']:.0f} to {good['break_even_hi']:.0f})"
    assert worth in text(rows)
    cell = table_columns.column("break_even").text
    assert cell({"break_even": None, "break_even_lo": None, "break_even_hi": 1.0}) == ("fewer than 1",)
    assert cell({"break_even": None, "break_even_lo": 1036.0, "break_even_hi": None}) == ("more than 1036",)
    assert cell({"break_even": 14.2, "break_even_lo": None, "break_even_hi": 30.0}) == ("14", "(fewer to", "30)")
    assert cell({"break_even": None, "break_even_lo": None, "break_even_hi": None}) == ()


def test_the_otsu_twin_of_a_minmaxed_map_is_printed_once(tmp_path: Path) -> None:
    both = [{"rule": "fixed"}, {"rule": "otsu"}]
    lines = both_stages(0.3, 0.4, 0.5, 0.6)
    lines += [{**line, "rule": "fixed"} for line in lines]
    finished(tmp_path, 0, lines, rows=both, settings={"k": 3})
    finished(tmp_path, 0, lines, rows=both, settings={"k": 3, "map_norm": "minmax"}, run_id="r-2")
    finished(tmp_path, 0, lines, rows=both, settings={"k": 4}, run_id="r-3")
    kept = [(row["settings"], row["rule"]) for row in tables.printed_once(results.collect(tmp_path))]
    three = [("k=3", "fixed"), ("k=3", "otsu"), ("k=3,map_norm=minmax", "fixed")]
    assert kept == [*three, ("k=4", "fixed"), ("k=4", "otsu")]


def test_tables_of_other_data_under_one_name_say_so(tmp_path: Path) -> None:
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6))
    assert "data f0" not in printed(results.collect(tmp_path), 120)[0]
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6), run_id="r-000000000001", fingerprint="f1")
    whole = "\n".join(printed(results.collect(tmp_path), 120))
    assert whole.index("isic (reduced), data f0 ·") < whole.index("isic (reduced), data f1 ·")


def test_columns_that_are_empty_in_every_row_make_room(tmp_path: Path) -> None:
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6))
    (row,) = results.collect(tmp_path)
    bare = {**row, **dict.fromkeys(results.STAGES), "false_positive_rate": 0.5, "foreground_share": 0.25}
    assert "U-Net" not in "\n".join(printed([bare], 120)[:5])
    assert "25.0" in text([bare])
    beside = "\n".join(printed([{**row, "false_positive_rate": 0.5, "foreground_share": 0.25}], 200))
    assert "U-Net" in beside
    assert "object" not in beside  # its area says nothing beside a Dice


def test_columns_and_order_as_asked(ranked: Path, rows: list[Row]) -> None:
    shown = bench("show", ranked, "--columns", "seconds,test_unet, peak_bytes", "--sort", "test_unet").stdout
    assert [word in shown for word in ("seconds", "peak", "verdict", "more with")] == [True, True, False, False]
    assert shown.index("good") < shown.index("fair")
    names = [row["method"] for row in sheets.in_order(rows, "rank_lo")][:2]
    assert names == ["good", "fair"]  # low ranks first, empty ones last
    everything = bench("show", ranked, "--columns", "all").stdout
    headings = {word for column in table_columns.chosen(["all"]) for word in column.heading.split("\n")}
    assert {"pooled", "IoU", "seeds", "seconds", "verdict"} <= headings
    assert all(word in everything for word in ("pooled", "IoU", "seeds", "seconds", "verdict", "pretraining"))
    assert max(map(len, everything.splitlines())) <= 80


def test_every_column_of_the_file_can_be_asked_for_and_sorted_by(rows: list[Row]) -> None:
    for name in LEADERBOARD_COLUMNS:
        assert len(sheets.in_order(rows, name)) == len(rows)
        assert len(sheets.sheets(rows, table_columns.chosen([name]))) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--columns", "test_unett"), "no column is called test_unett; did you mean test_unet?"),
        (("--sort", "tesst_iou"), "no column is called tesst_iou, nothing can be sorted by it; did you mean test_iou?"),
    ],
)
def test_unknown_columns_are_usage_errors_with_a_near_name(words: tuple[str, str], sentence: str, ranked: Path) -> None:
    done = bench("show", ranked, *words)
    assert (done.exit_code, done.stderr) == (2, f"error: {sentence}\n")


def test_json_is_the_rows_and_no_runs_are_exit_3(ranked: Path, rows: list[Row], tmp_path: Path) -> None:
    assert json.loads(bench("show", ranked, "--json").stdout) == json.loads(json.dumps(rows))
    nothing = bench("show", tmp_path)
    assert (nothing.exit_code, "there is no finished run under" in nothing.stderr) == (3, True)


# ---- reported rows

TABLE_1 = """
GradCAM *	34.80	41.12	34.00	40.65
GradCAM +	34.16	39.03	33.68	39.53
ML + Attention	56.60	58.10	56.96	59.16
DCML + Attention (ours)	60.79	63.83	62.06	66.12
Full-supervision (upperbound)	-	85.90	-	86.15
"""


def test_reported_rows_are_those_of_the_papers() -> None:
    printed_there = [line.split("\t")[1:] for line in TABLE_1.strip().splitlines()]
    ours = [row for row in reported() if row["dataset"] == "isic"]
    assert [[f"{100 * row[s]:.2f}" if row[s] else "-" for s in results.STAGES] for row in ours] == printed_there
    assert [row["method"] for row in ours] == [
        "gradcam_resnet50", "gradcam_resnet101", "ml_attention", "dcml_attention", "full_supervision",
    ]  # fmt: skip
    assert all("Table 1" in row["notes"] for row in ours)
    (second,) = (row for row in reported() if row["dataset"] == "imagenet_dogs")
    assert [second[stage] for stage in results.STAGES] == [None] * 4
    assert "reports no numbers" in second["notes"]


def test_reported_rows_stand_dimmed_beside_ours_and_are_never_ranked(ranked: Path) -> None:
    assert "reported" not in bench("show", ranked).stdout
    shown = bench("show", ranked, "--reported").stdout
    assert "66.12" in shown
    assert "never ranked with them" in " ".join(shown.split())
    rows = json.loads(bench("show", ranked, "--reported", "--json").stdout)
    theirs = [row for row in rows if row["kind"] == "reported"]
    assert len(theirs) == 5
    for name in ("ranked", "tie_group", "rank_lo", "test_unet_lo", "over_floor", "floor_verdict", "break_even"):
        assert not any(row[name] for row in theirs)
    lines = [line for line in sheets.sheets(rows)[0].lines if line.name[0] == "dcml_attention"]
    assert [line.look for line in lines] == ["dim"]


def test_a_paper_without_numbers_is_said_to_have_none(tmp_path: Path) -> None:
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6), dataset="imagenet_dogs", label="")
    assert "Zeng (2024) reports no numbers, only pictures" in bench("show", tmp_path, "--reported").stdout


# ---- several data sets


def on_data_sets(rows: list[Row], count: int, **more: Any) -> list[Row]:
    """A method that wins everywhere, one that is always second, one third."""
    base = next(row for row in rows if row["ranked"])
    return [
        {**base, "dataset": f"data{number}", "method": method, "test_unet": mean, **more}
        for number in range(count)
        for method, mean in (("first", 0.8), ("second", 0.7), ("third", 0.6))
    ]


def test_few_data_sets_are_not_enough(rows: list[Row]) -> None:
    said = text(on_data_sets(rows, 2))
    assert "Over 2 data sets (protocol quick v1), mean ranks: first 1.00, second 2.00, third 3.00." in said
    assert "Whether they differ: not enough data, 6 data sets are needed." in said
    with pytest.raises(UsageError, match="no column is called nothing"):
        text(rows, sort="nothing")


def test_a_method_that_is_missing_somewhere_and_two_versions_of_a_data_set_count_for_nothing(rows: list[Row]) -> None:
    three = on_data_sets(rows, 2)
    assert "mean ranks: first 1.00, third 2.00." in text([row for row in three if row is not three[1]])
    versions = [{**row, "dataset": "isic", "label": label} for label in ("", "reduced") for row in three[:3]]
    assert "data sets" not in text(versions)
    elsewhere = [{**row, "label": "other"} if row is three[2] else row for row in three]
    assert "mean ranks: first 1.00, second 2.00." in text(elsewhere)  # data0 has the third in another version alone
    assert "data sets" not in text([*three[:3], *({**row, "protocol_version": 2} for row in three[3:])])


def test_six_data_sets_that_agree_tell_the_outer_methods_apart(rows: list[Row]) -> None:
    critical = 2.344 * (3 * 4 / (6 * 6)) ** 0.5  # q(.05; 3) of Demsar's table 5a
    assert f"two of them where mean ranks are {critical:.2f} apart" in text(on_data_sets(rows, 6))
    mixed = on_data_sets(rows, 6)
    for number in (1, 3, 5):
        mixed[3 * number]["test_unet"], mixed[3 * number + 2]["test_unet"] = 0.6, 0.8
    assert "tells no two methods apart" in text(mixed)


def test_titles_of_sections_are_not_broken_within_a_word(tmp_path: Path) -> None:
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6), method="ours")
    finished(tmp_path, 0, both_stages(0.3, 0.4, 0.5, 0.6), method="otsu", role="floor")
    assert "floors" in [line.strip() for line in printed(results.collect(tmp_path))]


def test_where_no_mask_shows_an_object_nothing_is_above_or_below_a_floor(tmp_path: Path) -> None:
    """The images without the object are scored, on what is taken for it; a Dice they have not."""
    absent = {"tp": 0, "fn": 0, "fp": 4, "tn": 12, "dice": None, "ap": None, "present": 0, "foreground_share": 0.25}
    lines = [{**line, **absent} for line in both_stages(0.3, 0.4, 0.5, 0.6)]
    finished(tmp_path, 0, lines, method="ours")
    finished(tmp_path, 0, lines, method="otsu", role="floor", deterministic=True)
    rows = results.collect(tmp_path)
    assert [(row["test_unet"], row["over_floor"], row["floor_best"]) for row in rows] == [(None, None, None)] * 2
    assert [row["false_positive_share"] for row in rows] == [0.25, 0.25]
    assert "Over floor" not in text(rows)
