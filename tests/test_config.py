"""`bench.toml`: which value counts where several are given, what is refused, and what `--dry-run` says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from bench import UsageError
from bench.commands import config
from bench.commands.cli import cli
from bench.commands.config_options import Origin, config_option, origins
from bench.commands.run import parse, run
from bench.commands.settings import table_origins
from bench.pipeline.request import RunRequest
from bench.protocol import PROTOCOLS

Asked = Callable[..., tuple[RunRequest, dict[str, str]]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asked(here: Path) -> Asked:
    """The request of a `bench run` line, and of each value where it comes from; nothing is planned."""

    def ask(*args: str, **environment: str) -> tuple[RunRequest, dict[str, str]]:
        kept: list[Any] = []

        @click.pass_context
        def keep(context: click.Context, **options: Any) -> None:
            request = parse(**options)
            rows = [*origins(context), *table_origins(request, options["settings"], options["roots"])]
            kept.extend((request, {f"{row.option} {row.value}": row.origin for row in rows}))

        command = click.Command("run", params=run.params, callback=keep)
        done = CliRunner().invoke(command, args, env=environment, standalone_mode=False)
        if done.exception:
            raise done.exception
        return kept[0], kept[1]

    return ask


def bench(*args: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, args, env=environment)


WHOLE = """
method = ["otsu", "centre_disc"]
dataset = "synthetic"
protocol = "smoke"
seed = [0, 3]
out = "there"
device = "cpu"
jobs = 2
timeout = 60
controls = true

[set]
protocol.steps = 7
otsu.side = "dark"

[data_root]
isic = "ISIC"
"""


def test_a_file_in_the_folder_is_enough(asked: Asked, here: Path) -> None:
    (here / "bench.toml").write_text(WHOLE)
    request, _ = asked()
    assert (request.methods, request.datasets, request.seeds) == (("otsu", "centre_disc"), ("synthetic",), (0, 3))
    assert request.protocol.title == "smoke(steps=7)"
    assert request.settings == (("otsu", "side", "dark"),)
    assert (request.out, request.device, request.jobs, request.timeout) == (Path("there"), "cpu", 2, 60)
    assert request.controls
    assert request.data_roots == {}  # isic is no part of this run


def test_flag_before_environment_before_config_before_the_folders_file_before_default(asked: Asked, here: Path) -> None:
    base = 'method = "otsu"\ndataset = "synthetic"\n'
    said = {"default": "runs"}
    assert asked("--method", "otsu", "--dataset", "synthetic")[0].out == Path(said["default"])
    (here / "bench.toml").write_text(f'{base}out = "low"\njobs = 4\n')
    request, origin = asked()
    assert (request.out, request.jobs, origin["--out low"]) == (Path("low"), 4, "bench.toml")
    (here / "mine.toml").write_text('out = "high"\n')
    request, origin = asked("--config", "mine.toml")
    assert (request.out, request.jobs) == (Path("high"), 4)
    assert (origin["--out high"], origin["--jobs 4"]) == ("mine.toml", "bench.toml")
    assert asked(BENCH_CONFIG="mine.toml")[0].out == Path("high")
    request, origin = asked("--config", "mine.toml", BENCH_RUNS="environment")
    assert (request.out, origin["--out environment"]) == (Path("environment"), "environment variable BENCH_RUNS")
    request, origin = asked("--config", "mine.toml", "--out", "flag", BENCH_RUNS="environment")
    assert (request.out, origin["--out flag"]) == (Path("flag"), "flag")
    assert origin["--protocol paper"] == "default"


def test_the_config_flag_goes_before_its_variable(asked: Asked, here: Path) -> None:
    (here / "one.toml").write_text('method = "otsu"\ndataset = "synthetic"\n')
    (here / "two.toml").write_text('method = "centre_disc"\ndataset = "synthetic"\n')
    assert asked("--config", "one.toml", BENCH_CONFIG="two.toml")[0].methods == ("otsu",)


def test_settings_of_flags_replace_those_of_files_one_by_one(asked: Asked, here: Path) -> None:
    (here / "bench.toml").write_text(
        'method = "dcml_attention"\ndataset = "synthetic"\n'
        '[set]\nlr = 1e-3\nweights = "w.pt"\ndcml_attention.k = 4\nsynthetic.label = "x"\nprotocol.steps = 9\n'
    )
    (here / "mine.toml").write_text("set = ['protocol.steps=8']\n")
    flags = ("--set", "lr=2e-3", "--set", "k=2", "--set", "label=y")
    request, origin = asked("--config", "mine.toml", *flags)
    assert request.settings == (
        (None, "weights", "w.pt"),
        ("synthetic", "label", "x"),  # a setting without a name is for methods
        (None, "lr", "2e-3"),
        (None, "k", "2"),
        (None, "label", "y"),
    )
    assert request.protocol.steps == 8
    assert (origin["--set lr=2e-3"], origin["--set weights=w.pt"]) == ("flag", "bench.toml")
    assert origin["--set protocol.steps=8"] == "mine.toml"


def test_a_folder_of_data_comes_from_flag_then_bench_data_then_file(asked: Asked, here: Path) -> None:
    (here / "bench.toml").write_text(
        'method = "otsu"\ndataset = ["isic", "oxford_pets"]\n[data_root]\nisic = "a"\noxford_pets = "b"\n'
    )
    assert asked()[0].data_roots == {"isic": Path("a"), "oxford_pets": Path("b")}
    assert asked("--data-root", "isic=c")[0].data_roots == {"isic": Path("c"), "oxford_pets": Path("b")}
    assert asked("--data-root", "all")[0].data_roots == {None: Path("all")}
    (here / "data" / "isic").mkdir(parents=True)
    request, origin = asked(BENCH_DATA="data")
    assert request.data_roots == {"oxford_pets": Path("b")}  # isic is found by BENCH_DATA
    assert origin["--data-root isic=data/isic"] == "environment variable BENCH_DATA"
    assert origin["--data-root oxford_pets=b"] == "bench.toml"


def test_what_a_file_sets_for_another_run_is_left_out_and_a_flag_is_refused(asked: Asked, here: Path) -> None:
    (here / "bench.toml").write_text('dataset = "synthetic"\n[set]\notsu.side = "dark"\nisic.label = "x"\n')
    assert asked("--method", "centre_disc")[0].settings == ()
    with pytest.raises(UsageError, match="otsu is no part of this run"):
        asked("--method", "centre_disc", "--set", "otsu.side=dark")


MISTAKES = {
    "metod = 'otsu'": "config file bench.toml has an unknown key metod; did you mean method?",
    "zzz = 1": "unknown key zzz; it may have method, dataset, protocol,",
    "jobs = 'two'": "config file bench.toml: jobs takes a valid integer, not 'two'",
    "jobs = true": "jobs takes a valid integer, not True",
    "seed = 0.5": "seed takes a valid string, not 0.5",
    "timeout = nan": "timeout takes a finite number, not nan",
    "method = ": "config file bench.toml is not TOML: Invalid value (at end of document)",
    "protocol = 'quik'": "no protocol is called quik; did you mean quick?",
    "jobs = 0": "Invalid value for '--jobs': 0 is not in the range x>=1.",
    "set = ['lr']": "--set takes [OBJ.]NAME=VALUE, not 'lr'",
    "": "Missing option '--method'",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_file_is_one_sentence_and_exit_2(text: str, here: Path) -> None:
    named = "" if not text or "method" in text else 'method = "otsu"\ndataset = "synthetic"\n'
    (here / "bench.toml").write_text(named + text)
    done = bench("run", "--dry-run")
    assert (done.exit_code, done.stdout) == (2, "")
    assert MISTAKES[text] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_named(here: Path) -> None:
    for done in (bench("run", "--config", "no.toml"), bench("run", BENCH_CONFIG="no.toml")):
        assert (done.exit_code, done.stderr) == (
            2,
            "error: config file no.toml cannot be read: No such file or directory\n",
        )


def test_the_keys_are_options_of_run() -> None:
    long = {max(p.opts, key=len).removeprefix("--").replace("-", "_") for p in run.params}
    assert set(config.Config.model_fields) <= long


def test_values_become_texts_as_set_takes_them() -> None:
    table = {"a": {"b": 1e-5, "c": {"d": None}}, "e": [1, 2], "f": False, "g": "x=y"}
    assert list(config.assignments(table)) == ["a.b=1e-05", "a.c.d=none", "e=1,2", "f=false", "g=x=y"]


def test_another_command_takes_the_keys_that_it_has(here: Path) -> None:
    (here / "bench.toml").write_text('method = ["otsu"]\nout = "there"\njobs = 3\n')
    seen = {}

    @click.command()
    @click.option("--method", "which", multiple=True)
    @click.option("--out", default="runs")
    @config_option
    def other(**options: Any) -> None:
        seen.update(options)

    assert CliRunner().invoke(other, []).exit_code == 0
    assert seen == {"which": ("otsu",), "out": "there"}


def test_completion_reads_no_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "bench.toml").write_text("jobs = 2\n")
    monkeypatch.setattr(config, "read", lambda file: pytest.fail("it imports pydantic at every press of a key"))
    done = bench(_BENCH_COMPLETE="bash_complete", COMP_WORDS="bench run --method centre", COMP_CWORD="3")
    assert done.stdout == "plain,centre_disc\n"


# ---- --dry-run


def test_a_dry_run_says_where_values_come_from_what_is_there_and_what_it_takes(here: Path) -> None:
    (here / "bench.toml").write_text('dataset = "synthetic"\nprotocol = "smoke"\n')
    done = bench("run", "--method", "otsu,all_foreground", "--dry-run", "--set", "protocol.steps=5", BENCH_RUNS="R")
    assert done.exit_code == 0, done.output
    words = [line.split() for line in done.stdout.splitlines()]
    for expected in (
        ["--method", "otsu,all_foreground", "(flag)"],
        ["--dataset", "synthetic", "(bench.toml)"],
        ["--out", "R", "(environment", "variable", "BENCH_RUNS)"],
        ["--seed", "0", "(default)"],
        ["--set", "protocol.steps=5", "(flag)"],
    ):
        assert expected in words
    assert "to do     otsu on synthetic, smoke(steps=5)  " in done.stdout
    assert "2 of 2 cells to do" in done.stdout
    assert "on two CPU cores" in done.stdout
    assert f"of results in {here / 'R'} (" in done.stdout
    assert not (here / "R").exists()


def test_a_dry_run_as_json_is_one_document(here: Path) -> None:
    done = bench("run", "--method", "otsu", "--dataset", "synthetic", "--protocol", "smoke", "--dry-run", "--json")
    told = json.loads(done.stdout)
    assert Origin("--method", "otsu", "flag")._asdict() in told["options"]
    assert [cell["finished"] for cell in told["cells"]] == [False]
    # 1 segmenter: 60 steps of 8 pictures of 64 x 64 and 8 channels, by the seconds that were measured for 224 x 224 and 32
    assert told["seconds_on_two_cores"] >= round(0.214 / 4 * 60 * 8 * (64 / 224) ** 2)
    assert told["bytes_of_pictures"] % (3 * 64 * 64) == 0


def test_cells_that_share_a_fit_count_it_once(here: Path) -> None:
    from bench.commands.estimate import estimate, fit_of, image_counts, rows_of
    from bench.pipeline.plan import plan

    request = RunRequest(("gradcam_resnet50",), ("synthetic",), PROTOCOLS["smoke"], controls=True)
    true, shuffled, untrained = plan(request)
    counts = image_counts(true.cell)
    fit, rows = fit_of(true.cell, counts["weak"]).seconds, rows_of(true.cell, counts).seconds
    assert fit > 0
    assert estimate([true, true]).seconds == pytest.approx(fit + 2 * rows)
    assert estimate([true, shuffled, untrained]).seconds == pytest.approx(2 * fit + 3 * rows)
    # an epoch of 0.088 s for each picture of 224 x 224 pixels: 300 epochs / 150 of the paper's, or as many as its own
    assert fit == pytest.approx(0.088 * (64 / 224) ** 2 * counts["weak"] * max(1, round(true.cell.method.epochs / 150)))


def test_times_are_said_as_people_say_them() -> None:
    from bench.commands.estimate import duration

    said = [duration(seconds) for seconds in (0.4, 89, 90, 3_600, 7_200, 400_000)]
    assert said == ["1 s", "89 s", "2 min", "60 min", "2.0 h", "4.6 days"]


def test_every_protocol_can_be_estimated(here: Path) -> None:
    seconds = [
        json.loads(
            bench("run", "--method", "otsu", "--dataset", "synthetic", "--protocol", p, "--dry-run", "--json").stdout
        )["seconds_on_two_cores"]
        for p in PROTOCOLS
    ]
    assert seconds == sorted(seconds, reverse=True)  # paper, quick, smoke
