"""The page: what stands in it, that it asks nobody for anything, and that strangers' texts stay text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from io import BytesIO
from pathlib import Path

import made_page
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from made_page import row, runs, table
from made_results import both_stages, finished
from PIL import Image
from tiny_runs import folder_of, out
from torch.nn import functional

from bench import plugins
from bench.commands.cli import cli
from bench.commands.settings import named_roots
from bench.errors import DataError, UsageError
from bench.leaderboard.page import rows as page_rows
from bench.leaderboard.page.build import Options, page, render, write_page
from bench.leaderboard.page.details import COARSE, details, packed
from bench.leaderboard.page.gallery import SIDE, levels
from bench.leaderboard.page.gathered import gather
from bench.leaderboard.page.strata import strata
from bench.results.csv_files import read_scores
from bench.runs.data import same_images
from bench.runs.listing import read_run

__all__ = ["out"]


def bench(*args):
    return CliRunner().invoke(cli, [str(a) for a in args])


def unpacked(text):
    (packed,) = re.findall(r'id="data">([^<]*)<', text)
    known = json.loads(gzip.decompress(base64.b64decode(packed)))
    for one in (one for part in known["tables"] for one in part["rows"]):
        one["groups"] = {
            known["kinds"][k][0]: dict(zip(known["kinds"][k][1], texts, strict=True)) for k, texts in one["groups"]
        }
    return known["tables"]


def strips(text):
    (packed,) = re.findall(r'id="strips">([^<]*)<', text)
    return [
        Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) for url in json.loads(base64.b64decode(packed))
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = runs(tmp_path_factory.mktemp("made"))
    return place, page(place, Options())[0]


def test_the_same_runs_give_the_same_bytes(made, tmp_path):
    place, text = made
    write_page(place, tmp_path / "site", Options())
    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8") == text


def test_nothing_on_it_leads_elsewhere(made):
    text = made[1]
    assert "http:" not in text.replace("http://www.w3.org/", "")
    assert "https:" not in text
    assert not re.findall(r'(?:src|href)="(?!#|data:,")', text)
    assert " style=" not in text
    assert not re.findall(r"<[^>]* on\w+=", text)


def test_the_policy_names_the_only_script_and_style(made):
    text = made[1]
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.replace("&#39;", "'").split(";"))
    for kind, directive in (("script", "script-src"), ("style", "style-src")):
        (body,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        wanted = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert rules[directive] == f"'sha256-{wanted}'"
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"


def test_texts_by_strangers_stay_text(made):
    text = made[1]
    assert "<img" not in text
    assert text.count("<script>") == 1
    assert "&lt;img src=x" in text
    assert any(note.startswith("<img src=x onerror=") for row in unpacked(text)[0]["rows"] for note in row["notes"])


def test_no_place_of_the_disk_is_on_it(made):
    place, text = made
    everything = text + json.dumps(unpacked(text))
    assert "/home/somebody" not in everything
    assert "resnet50.safetensors" in everything
    assert str(place) not in everything


def test_rows_say_what_the_tables_say(made):
    place, text = made
    first = gather(place)[0]
    known = {one.row["method"]: one.row for one in first.scored}
    for method in ("clear", "near", "ground"):
        (line,) = re.findall(rf"<tr[^>]*><th[^>]*><b>{method}</b>.*", text)
        assert f"{100 * known[method]['test_unet']:.2f} ±{100 * known[method]['test_unet_sd']:.2f}" in line
        assert f"{100 * known[method]['test_unet_lo']:.2f} to {100 * known[method]['test_unet_hi']:.2f}" in line
    assert f"Minimum detectable difference: {100 * known['near']['mdd']:.2f} points" in text
    assert "near, seed 3 failed: no memory in x; smaller batch" in text
    assert len(re.findall(r"<em>floor</em>", text)) == 1
    assert len(re.findall(r"<tr[^>]* data-r", text)) == 4


def test_letters_join_the_near_and_not_the_clear(made):
    (first, _) = gather(made[0])
    letters = {one.row["method"]: set(one.row["tie_group"] or "") for one in first.scored if one.row["ranked"]}
    assert letters["near"] & letters["nearer"]
    assert not letters["near"] & letters["clear"]


def test_an_interval_is_drawn_where_it_lies():
    shown = page_rows.shown(0, table(row(test_unet=0.5, test_unet_lo=0.45, test_unet_hi=0.6)))
    assert (shown.low, shown.high) == (40, 60)
    (line,) = shown.parts[0].lines
    assert line.bar == "M30 6h90M60 2v8"


def test_a_scale_holds_every_interval():
    shown = page_rows.shown(0, table(row(test_unet=0.999, test_unet_lo=0.97, test_unet_hi=1.04), row(test_unet=0.0)))
    assert (shown.low, shown.high) == (0, 100)
    assert all(
        0 <= float(at) <= page_rows.SCALE
        for part in shown.parts
        for line in part.lines
        for at in re.findall(r"M([\d.]+)", line.bar)
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row()], {"m"}),
        ([row(method=made_page.LONG), row(method=made_page.CHINESE, test_unet=0.5)], {made_page.LONG, made_page.CHINESE}),
        ([row(kind="reported", role="method", rule="", seeds=None, run_ids=None, notes=None, degenerate=None, images=None)], {"m"}),
        ([row(failures=["seed 0 failed: x"], seeds=None, rule="", notes=None)], {"m"}),
        ([{**row(), **dict.fromkeys(("pretraining", "masks_train", "masks_tune", "images", "notes", "run_ids", "degenerate"))}], {"m"}),
    ],
    ids=["one row", "long and non-Latin names", "reported", "all seeds failed", "missing columns"],
)  # fmt: skip
def test_odd_tables_are_shown(rows, expected):
    one = table(*rows)
    text = render(
        [page_rows.shown(0, one)],
        packed([{"rows": details(one, {}, 9), "figures": [], "gallery": None, "why": ""}], 9),
        [],
    )
    assert set(re.findall(r"<b>([^<]*)</b>", text)) == expected


def test_a_page_without_a_row_says_so():
    assert "No row to show." in render([], {}, [])


def test_reported_rows_stand_apart(tmp_path):
    finished(tmp_path, 0, both_stages(0.5, 0.5, 0.5, 0.5), stages=[])
    text = page(tmp_path, Options(images=0))[0]
    (part,) = re.findall(r'<tbody class="reported">.*?</tbody>', text, re.DOTALL)
    assert "reported by papers" in part
    assert part.count("<em>reported</em>") == part.count("data-i=") > 0
    assert "data-r" not in part


def test_a_hundred_methods_on_twenty_data_sets_are_a_light_page():
    text = made_page.large()
    assert text.count("<tr data-i=") == 2000
    assert len(text.encode()) < 1_000_000
    assert len(unpacked(text)[19]["rows"][99]["curve"]["x"]) == COARSE


def test_a_template_that_forgets_a_value_is_no_page(monkeypatch):
    monkeypatch.setattr("bench.leaderboard.page.build._hash", lambda _: None)
    shown = page_rows.shown(0, table(row()))
    object.__delattr__(shown, "fingerprint")
    with pytest.raises(UndefinedError):
        render([shown], {}, [])


def test_strata_are_means_over_quarters_of_size(made):
    first = gather(made[0])[0]
    one = next(one for one in first.scored if one.row["method"] == "clear")
    found = {
        (s.by, s.name): s
        for s in strata(
            first, one, {"border": {f"i{n:02}": "inside" if n < 6 else "touches the border" for n in range(24)}}
        )
    }
    by_image = np.mean([frame["dice"] for frame in one.frames["test_unet"]], 0)
    assert found["object size", "smallest quarter"].dice == pytest.approx(
        by_image[:6].mean()
    )  # tp grows with the number
    assert found["object size", "largest quarter"].dice == pytest.approx(by_image[18:].mean())
    assert found["border", "inside"].dice == pytest.approx(by_image[:6].mean())
    assert found["border", "touches the border"].images == 18
    assert not any(by == "foreground" for by, _ in found)


def test_a_row_unfolds_into_what_stands_behind_it(made):
    known = unpacked(made[1])[0]["rows"]
    groups = next(one["groups"] for one in known if one["groups"]["from"]["runs"].startswith("r-000000000004 "))
    assert groups["settings"] == {"lr": "0.001", "inner.k": "3"}
    assert groups["may read and did read"]["masks in training"] == "0"
    assert groups["may read and did read"]["times test masks were opened"] == "6"
    assert groups["cost"]["seconds a seed"] == "50"
    assert "seeds that failed: 1" in groups["failures, counted"]


def test_a_tiny_run_has_curves_strata_and_where_the_object_lies(out):
    text = page(out, Options(private=True))[0]
    first = next(one for one in gather(out) if one.scored[0].row["dataset"] == "tiny_shapes")
    packed = unpacked(text)[[one.title for one in gather(out)].index(first.title)]
    place = next(n for n, one in enumerate(first.scored) if one.row["method"] == "tiny" and one.row["rule"] == "otsu")
    known = packed["rows"][place]
    assert {h["title"] for h in known["history"]} >= {"fit: loss", "U-Net: loss"}
    assert all(len(h["lines"]) == 2 for h in known["history"])  # two seeds
    assert known["curve"]["otsu"] == pytest.approx(100 * first.scored[place].row["test_init"], abs=0.01)
    dataset = plugins.instantiate(plugins.load("datasets", "tiny_shapes"), {})
    masks = [dataset.mask(item) for item in dataset.items("test")]
    touching = sum(bool(m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any()) for m in masks)
    counts = {name: images for by, name, images, _ in known["strata"] if by == "border"}
    assert counts.get("touches the border", 0) == (touching if 0 < touching < len(masks) else 0)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_a_level_decides_every_threshold(values):
    found = levels(np.float32(values))
    for j in (1, 7, 128, 200, 255):
        assert ((found >= j) == (np.float32(values) > np.float32(j / 256))).all()


def test_pictures_are_those_of_the_run(out):
    text = page(out, Options(private=True, images=4))[0]
    index = next(n for n, one in enumerate(gather(out)) if one.scored[0].row["dataset"] == "tiny_shapes")
    gallery, pictures = unpacked(text)[index]["gallery"], strips(text)
    assert len(gallery["tiles"]) == 4
    assert all(image.width == SIDE for image in pictures)
    assert all(max(w, h) <= SIDE for _, w, h in gallery["tiles"])
    dataset = plugins.instantiate(plugins.load("datasets", "tiny_shapes"), {})
    items = list(dataset.items("test"))
    folder = folder_of(out, "tiny")
    stored = np.load(folder / "predictions" / "unet-otsu-test.npy")
    lines = read_scores(folder / "scores.csv")
    mine = next(one for one in gallery["rows"] if one["name"] == "tiny")
    for n, (id, w, h) in enumerate(gallery["tiles"]):
        number = next(k for k, item in enumerate(items) if item.id == id)
        truth = np.asarray(pictures[gallery["truth"]])[SIDE * n : SIDE * n + h, :w]
        assert ((truth > 0) == (dataset.mask(items[number]) > 0)).all()
        shown = np.asarray(pictures[mine["unet"]])[SIDE * n : SIDE * n + h, :w] >= mine["unet_cut"][n]
        floats = torch.from_numpy(stored[number, :1].astype(np.float32))[None] / 65280
        near = functional.interpolate(floats, (h, w), mode="bilinear", align_corners=False)[0, 0] > 0.5
        assert (shown == near.numpy()).all()
        line = lines[(lines["image"] == id) & (lines["rule"] == "otsu") & (lines["stage"] == "unet")]
        assert mine["unet_dice"][n] == round(100 * float(line["dice"].iloc[0]), 1)


def test_a_truth_that_nobody_has_drawn_is_not_shown_as_empty(out):
    text = page(out, Options(private=True, images=10))[0]
    index = next(n for n, one in enumerate(gather(out)) if one.scored[0].row["dataset"] == "unmasked")
    gallery = unpacked(text)[index]["gallery"]
    dataset = plugins.instantiate(plugins.load("datasets", "unmasked"), {})
    shows = {item.id for item in dataset.items("test") if any(dataset.task.shows[c] is not None for c in item.labels)}
    assert 0 < len(shows) < len(gallery["tiles"])
    assert {gallery["tiles"][n][0] for n in gallery["undrawn"]} == shows


def test_pictures_that_may_not_be_shown_are_not(out):
    text, remarks = page(out, Options())
    publishable = [plugins.load("datasets", one.scored[0].row["dataset"]).publishable for one in gather(out)]
    assert [one["gallery"] is not None for one in unpacked(text)] == publishable
    assert not all(publishable)
    assert len(strips(text)) < len(strips(page(out, Options(private=True))[0]))
    assert any("tiny_shapes" in one and "--private" in one for one in remarks)
    assert "Private." not in text
    assert "Private." in page(out, Options(private=True))[0]


def test_other_images_than_those_of_the_run_are_not_shown(out, monkeypatch):
    run = read_run(folder_of(out, "tiny"))
    dataset = plugins.instantiate(plugins.load("datasets", "tiny_shapes"), {})
    assert same_images(dataset, run)
    monkeypatch.setitem(plugins.load("datasets", "tiny_shapes").sizes, "test", 5)
    text, remarks = page(out, Options(private=True))
    assert any("are not those of" in one for one in remarks)
    assert "are not those of" not in text


def test_the_command_makes_a_folder_and_says_where(out, tmp_path):
    done = bench("leaderboard", "build", out, "-o", tmp_path / "a" / "b", "--images", 2)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 'a' / 'b' / 'index.html'}\n"
    assert "may not be published" in done.stderr
    assert bench("-q", "leaderboard", "build", out, "-o", tmp_path / "c").stderr == ""


def test_without_runs_there_is_no_page(tmp_path):
    with pytest.raises(DataError, match="no finished run under"):
        write_page(tmp_path, tmp_path / "site", Options())
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("text", ["", "isic="])
def test_a_data_root_is_a_folder(text):
    with pytest.raises(UsageError, match="--data-root takes a folder, or DATASET=FOLDER"):
        named_roots([text])


def test_data_roots_by_name():
    assert named_roots(["isic=a", "run=3/b"]) == {"isic": Path("a"), None: Path("run=3/b")}
