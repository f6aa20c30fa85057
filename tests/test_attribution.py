"""`bench attribution`: a method's proxies against true masks that are as wrong, on real cells of a small data set."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from worth_runs import SHORT, Command, command_into, worked_here

from bench import plugins
from bench.api import Pixels
from bench.pipeline.plan import plan
from bench.pipeline.request import RunRequest
from bench.pipeline.run import run
from bench.protocol import SMOKE, change
from bench.results import collected as results
from bench.statistics.pairs import Comparison, Interval
from bench.store import MANIFEST
from bench.view import TARGETS
from bench.worth.attribution_table import Line, Report, show, unlike, verdict
from bench.worth.proxy_dice import targets_dice, targets_of

KINDS = ["masks degraded by boundary", "masks degraded by size", "masks degraded by misses"]


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch, inline: None, tiny_file: Path) -> list[str]:
    return worked_here(monkeypatch, masks=10)


@pytest.fixture
def command(tiny_file: Path, tmp_path: Path) -> Command:
    plugins.load_file(Path(__file__).parent / "plugins" / "brightest.py")
    return partial(command_into(tmp_path), "attribution")


def test_attribution_of_real_cells(worked: list[str], command: Command, tmp_path: Path) -> None:
    done = command("--method", "brightest", "--json")
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.stdout)
    lines = {line["trained_on"]: line for line in report["lines"]}
    assert list(lines) == ["nothing: the maps (init)", "its proxies", *KINDS, "true masks"]
    assert (report["method"], report["rule"], report["images"], report["clusters"]) == ("brightest", "otsu", 24, 24)
    assert "segment_on=masks" in report["protocol"]
    assert len(worked) == len(set(worked)) == 3 + 3 + 3 * 3

    table = {(row["method"], row["settings"]): row for row in results.collect(tmp_path)}
    tables = {(row["fingerprint"], row["protocol"]) for row in table.values()}
    assert len(tables) == 1  # the same images, the same steps
    assert {row["masks_train"] for key, row in table.items() if key[0] != "brightest"} == {10}
    weak = table["brightest", ""]
    assert (weak["masks_train"], weak["masks_tune"]) == (0, 0)
    assert lines["its proxies"]["dice"]["value"] == pytest.approx(weak["test_unet"])
    assert lines["nothing: the maps (init)"]["dice"]["value"] == pytest.approx(weak["test_init"])
    assert lines["true masks"]["dice"]["value"] == pytest.approx(table["full_supervision", ""]["test_unet"])
    assert report["over_init"]["difference"] == pytest.approx(weak["test_unet"] - weak["test_init"])

    (true,) = {path: np.load(path / TARGETS) for path in targets(tmp_path, "full_supervision")}.values()
    made = {path.name: dice_by_hand(np.load(path / TARGETS), true) for path in targets(tmp_path, "brightest")}
    dice = np.mean(list(made.values()))
    assert len(made) == 3
    assert 0.6 < dice < 0.95
    assert lines["its proxies"]["targets_dice"] == pytest.approx(dice, abs=1e-12)
    assert lines["true masks"]["targets_dice"] == 1
    degraded = {key[1] for key in table if key[0] == "degraded_masks"}
    assert degraded == {f"dice={round(float(dice), 3)}{end}" for end in ("", ",kind=size", ",kind=misses")}
    assert lines[KINDS[0]]["targets_dice"] == pytest.approx(dice, abs=0.006)
    assert report["masks_eval"] == 10
    assert {use["purpose"] for name in made for use in measured(tmp_path, name)} == {"evaluation"}

    worked.clear()
    again = command("--method", "brightest")
    assert not worked
    assert again.exit_code == 0
    assert report["verdict"] in " ".join(again.stdout.split())
    assert "masks that measured the proxies: 10 (evaluation; the method saw none of them)" in again.stdout


def test_proxies_that_were_made_anew_are_measured_anew(worked: list[str], command: Command, tmp_path: Path) -> None:
    """`--fresh` may make other bytes under the same name."""
    rules = change(SMOKE, dict(rule.split("=") for rule in f"{SHORT},segment_on=masks".split(",")))
    request = RunRequest(("brightest",), ("tiny_shapes",), rules, out=tmp_path, device="cpu", progress=False)
    assert run(request) == 0
    (planned,) = plan(request)
    first = targets_dice(planned, "otsu")
    assert targets_dice(planned, "otsu").name == first.name
    proxies = targets_of(planned, "otsu") / TARGETS
    np.save(proxies, np.zeros_like(np.load(proxies)))
    assert (targets_dice(planned, "otsu").record.facts["dice"], first.record.facts["dice"] > 0.5) == (0, True)


def dice_by_hand(made: Pixels, true: Pixels) -> float:
    """Of boxes that stand in every mask."""
    return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in zip(made == 1, true == 1, strict=True)]))


def targets(out: Path, method: str) -> set[Path]:
    """What the U-Nets of a method's seeds learned from."""
    read = [json.loads(file.read_text()) for file in out.glob(f"tiny_shapes/{method}/r-*/result.json")]
    names = {stage["artifact"] for result in read for stage in result["stages"]}
    return {out / "artifacts" / name for name in names if name.startswith("targets-")}


def measured(out: Path, targets: str) -> Any:
    """The masks that stand in the record of the measurement of these proxies."""
    manifests = [json.loads(file.read_text()) for file in (out / "artifacts").glob(f"scores-*/{MANIFEST}")]
    return next(m for m in manifests if m["inputs"].get("targets") == targets)["record"]["masks"]


def test_a_dry_run_says_what_follows_and_makes_nothing(worked: list[str], command: Command, tmp_path: Path) -> None:
    done = command("--method", "tiny", "--dry-run")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("to do") == 3 + 3 + 1
    assert (
        "then degraded_masks of 3 kinds for each method, to the Dice that its proxies turn out to have" in done.stderr
    )
    assert not list(tmp_path.iterdir())


def test_a_method_without_proxies_of_the_rule_is_left_out_aloud(worked: list[str], command: Command) -> None:
    done = command("--method", "centre_disc", "--seed", "0", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])
    assert "centre_disc: no U-Net was trained on proxies of rule fixed; nothing to attribute" in done.stderr


@pytest.mark.parametrize("name", ["full_supervision", "degraded_masks"])
def test_what_a_method_is_set_against_is_no_method(command: Command, name: str) -> None:
    done = command("--method", f"tiny,{name}", "--dry-run")
    assert done.exit_code == 2
    assert "are what a method is set against; leave them out of --method" in done.stderr


def compared(low: float | None, high: float | None, difference: float = 0.01) -> Comparison:
    return Comparison("U-Net", "init", difference, low=low, high=high, se=None if low is None else 0.01)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (compared(0.005, 0.015), "the U-Net is above its own init: +1.00 points (0.50 to 1.50)"),
        (compared(-0.045, -0.005, -0.025), "the U-Net is below its own init: -2.50 points (-4.50 to -0.50)"),
        (compared(-0.005, 0.025), "whether the U-Net is above its own init is undecided: +1.00 points (-0.50 to 2.50)"),
        (compared(None, None), "whether the U-Net is above its own init cannot be said: +1.00 points, not enough data"),
    ],
)
def test_above_init_is_claimed_only_where_the_interval_allows(found: Comparison, sentence: str) -> None:
    assert verdict(found).startswith(sentence)


def test_the_table_shows_its_numbers_in_percent() -> None:
    over = Comparison("a", "b", -0.0312, low=-0.05, high=-0.0124, se=0.01)
    lines = [
        Line("its proxies", 0.5512, 3, Interval(0.6, 0.58, 0.62, 0.01, 4), None),
        Line("true masks", 1.0, 3, Interval(0.5688), over),
    ]
    report = Report("d (reduced)", "quick v1", "m", "k=3", "otsu", 30, 28, 10, lines, compared(0.005, 0.015))
    console = Console(width=110, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as shown:
        show(report, console)
    text = " ".join(shown.get().split())
    assert "m (k=3), rule otsu · d (reduced) · protocol quick v1 · 30 test images, 28 independent" in text
    assert "its proxies 55.12 60.00 58.00 to 62.00" in text
    assert "true masks 100.00 56.88 not enough data -3.12 (-5.00 to -1.24)" in text


def test_masks_that_cannot_be_made_as_wrong_are_named() -> None:
    lines = [
        Line("its proxies", 0.02, 3, Interval(0.6), None),
        Line("masks degraded by boundary", 0.1641, 3, Interval(0.5), compared(None, None)),
        Line("masks degraded by size", 0.0249, 3, Interval(0.5), compared(None, None)),
        Line("true masks", 1.0, 3, Interval(0.5), compared(None, None)),
    ]
    report = Report("d", "quick v1", "m", "", "otsu", 30, 28, 10, lines, compared(None, None))
    assert unlike(report) == [
        "masks degraded by boundary have a Dice of 16.41, not of 2.00 as the proxies; this line is no like with like"
    ]
