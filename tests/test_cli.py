"""The command line: what is parsed into a request, what is said on errors, and what `--help` and `list` must not import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench import DataError, UsageError, protocol
from bench.commands.cli import cli
from bench.pipeline.request import RunRequest, refuse_unused, settings_for

Package = Callable[..., None]


def bench(*args: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, args, env=environment)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RunRequest]:
    """The requests that `bench run` passes on; nothing runs."""
    requests: list[RunRequest] = []
    stand_in = ModuleType("bench.pipeline.run")
    stand_in.run = lambda request: requests.append(request) or 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench.pipeline.run", stand_in)
    return requests


MAIN = ("run", "--method", "dcml_attention", "--dataset", "synthetic")


def test_defaults_are_those_of_the_interface(asked: list[RunRequest]) -> None:
    assert bench(*MAIN).exit_code == 0
    assert asked == [RunRequest(("dcml_attention",), ("synthetic",), protocol.PAPER)]
    request = asked[0]
    assert (request.seeds, request.out, request.device, request.jobs, request.timeout) == (
        (0,),
        Path("runs"),
        "auto",
        1,
        None,
    )
    assert (request.fresh, request.dry_run, request.json, request.quiet, request.verbose, request.progress) == (
        *[False] * 5,
        True,
    )


def test_lists_take_commas_and_repeats_without_doubles(asked: list[RunRequest]) -> None:
    bench(
        "run",
        "--method",
        "otsu, centre_disc,otsu",
        "--method",
        "all_foreground",
        "--dataset",
        "synthetic",
        "--seed",
        "0,1",
        "--seed",
        "2",
    )
    assert asked[0].methods == ("otsu", "centre_disc", "all_foreground")
    assert asked[0].seeds == (0, 1, 2)


def test_all_names_everything(asked: list[RunRequest]) -> None:
    bench("run", "--method", "all", "--dataset", "all")
    assert {"gradcam_resnet50", "otsu", "full_supervision"} <= set(asked[0].methods)
    assert {"synthetic", "isic"} <= set(asked[0].datasets)


def test_settings_go_to_their_owners(asked: list[RunRequest]) -> None:
    settings = [
        "weights=a=b.pt",
        "dcml_attention.k=3",
        "protocol.threshold=0.25",
        "synthetic.label=x",
        "classifier.weights=f",
    ]
    bench(*MAIN, "--protocol", "quick", *(part for text in settings for part in ("--set", text)))
    request = asked[0]
    assert request.protocol.title == "quick(threshold=0.25)"
    assert request.settings == (
        (None, "weights", "a=b.pt"),
        ("dcml_attention", "k", "3"),
        ("synthetic", "label", "x"),
        (None, "classifier.weights", "f"),
    )


def test_data_roots_may_name_a_data_set(asked: list[RunRequest], tmp_path: Path) -> None:
    bench(*MAIN, "--data-root", f"synthetic={tmp_path}", "--data-root", "odd=name")
    assert asked[0].data_roots == {"synthetic": tmp_path, None: Path("odd=name")}


def test_flags_may_stand_before_and_after_the_command(asked: list[RunRequest]) -> None:
    bench(
        "--json",
        *MAIN,
        "-v",
        "--no-progress",
        "--fresh",
        "--jobs",
        "2",
        "--timeout",
        "9.5",
        BENCH_RUNS="elsewhere",
    )
    request = asked[0]
    assert (request.json, request.verbose, request.progress, request.fresh) == (True, True, False, True)
    assert (request.jobs, request.timeout, request.out) == (2, 9.5, Path("elsewhere"))


def test_a_plugin_files_method_can_be_asked_for(asked: list[RunRequest], tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from bench import Method, hookimpl\nclass Mine(Method):\n    '''Mine.'''\n    name = 'mine_in_test_cli'\n"
        "@hookimpl\ndef bench_methods():\n    return [Mine]\n"
    )
    done = bench("run", "--method", "mine_in_test_cli", "--dataset", "synthetic", "--plugin", str(file))
    assert done.exit_code == 0, done.stderr
    assert asked[0].plugins == (file,)
    assert "Mine." in bench("info", "mine_in_test_cli", "--plugin", str(file)).stdout


MISTAKES = [
    (("run", "--method", "dcml", "--dataset", "synthetic"), "no method is called dcml; did you mean dcml_attention?"),
    (("run", "--method", "otsu", "--dataset", "isik"), "no data set is called isik; did you mean isic?"),
    ((*MAIN, "--protocol", "quik"), "no protocol is called quik; did you mean quick?"),
    ((*MAIN, "--set", "protocol.threshold=0.3"), "the nearest to 0.3 is 0.30078125"),
    ((*MAIN, "--set", "protocol.step=3"), "the protocol has no field step; did you mean protocol.steps?"),
    ((*MAIN, "--set", "lr"), "--set takes [OBJ.]NAME=VALUE, not 'lr'"),
    ((*MAIN, "--set", "otsu.side=dark"), "otsu is no part of this run, which has dcml_attention, synthetic"),
    ((*MAIN, "--data-root", "isic=x"), "isic is no part of this run"),
    ((*MAIN, "--seed", "0,one"), "--seed takes whole numbers from 0, as in 0,1,2, not 'one'"),
    ((*MAIN, "--seed", "-1"), "not '-1'"),
    ((*MAIN, "--seed", ","), "--seed takes whole numbers"),
    ((*MAIN, "--device", "gpu"), "--device is auto, cpu, cuda or cuda:N, not 'gpu'"),
    ((*MAIN, "--jobs", "0"), "Invalid value for '--jobs': 0 is not in the range x>=1"),
    ((*MAIN, "--timeout", "0"), "Invalid value for '--timeout'"),
    (("run", "--method", ",", "--dataset", "synthetic"), "no method is named; `bench list methods` shows"),
    (("run", "--dataset", "synthetic"), "Missing option '--method'"),
    (("run", "--metod", "x"), "(Did you mean one of: '--method', "),
    (("rum",), "No such command 'rum'. Did you mean 'run'?"),
    (("info", "dcml_atention"), "nothing is called dcml_atention; did you mean dcml_attention?"),
    (("list", "plugins"), "'plugins' is not one of 'methods', 'datasets', 'protocols'"),
    (("completion", "tcsh"), "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
]


@pytest.mark.parametrize(("args", "message"), MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_2(args: tuple[str, ...], message: str, asked: list[RunRequest]) -> None:
    done = bench(*args)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.stdout, asked) == ("", [])


def raises(error: BaseException) -> ModuleType:
    def run(request: RunRequest) -> int:
        raise error

    module = ModuleType("bench.pipeline.run")
    module.run = run  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (DataError("no folder"), 3, "error: no folder\n"),
        (KeyboardInterrupt(), 130, "\nstopped; the same command again continues\n"),
        (
            ZeroDivisionError("by\nzero"),
            1,
            "error: unexpected ZeroDivisionError: by zero; the same command with --debug shows where\n",
        ),
        (SystemExit(143), 143, ""),
    ],
)
def test_every_end_has_its_exit_code(
    error: BaseException, code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bench.pipeline.run", raises(error))
    done = bench(*MAIN)
    assert (done.exit_code, done.stderr, done.stdout) == (code, text, "")


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_debug_shows_the_traceback(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bench.pipeline.run", raises(DataError("no folder")))
    done = bench(*MAIN, "--debug") if how == "flag" else bench(*MAIN, BENCH_DEBUG="1")
    assert done.exit_code == 3
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("error: no folder\n")


def test_the_exit_code_of_a_run_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("bench.pipeline.run")
    module.run = lambda request: 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench.pipeline.run", module)
    assert bench(*MAIN).exit_code == 1


def test_list_shows_names_with_their_text() -> None:
    out = bench("list").stdout
    for text in ("methods:", "gradcam_resnet50", "datasets:", "isic ", "protocols:", "quick "):
        assert text in out
    assert "isic" not in bench("list", "methods").stdout
    rows = json.loads(bench("list", "--json").stdout)
    assert [set(rows), {row["name"] for row in rows["protocols"]}] == [
        {"methods", "datasets", "protocols"},
        {"paper", "quick", "smoke"},
    ]


def test_list_shows_a_plugin_that_does_not_load_beside_those_that_do(package: Package) -> None:
    package("stranger", {"cracked": "def a(:"}, methods={"cracked": "cracked", "gone": "no_module"})
    done = bench("list", "methods", COLUMNS="200")
    assert done.exit_code == 0
    assert "does not load: cracked.py, line 1: invalid syntax" in done.stdout
    assert "does not load: there is no module no_module" in done.stdout
    assert "gradcam_resnet50" in done.stdout


def test_info_of_a_protocol_shows_every_field() -> None:
    told = json.loads(bench("info", "smoke", "--json").stdout)
    shown = {row["field"]: row for row in told["settings"]}
    assert {f"protocol.{name}" for name in protocol.SETTABLE} | {"pretrained", "classifier.pretrained", "width"} == set(
        shown
    )
    assert all(row["text"] for row in shown.values())
    assert "protocol.steps=60 " in bench("info", "smoke").stdout


def test_info_of_a_method_shows_settings_and_supervision() -> None:
    told = json.loads(bench("info", "gradcam_resnet50", "--json").stdout)
    fields = {row["field"] for row in told["settings"]}
    assert {"weights", "pretrained", "backbone"} <= fields
    assert told["facts"]["supervision"] == "image labels"
    assert told["facts"]["paper"]
    assert (
        "masks of the split" in json.loads(bench("info", "full_supervision", "--json").stdout)["facts"]["supervision"]
    )
    assert "10 masks" in json.loads(bench("info", "shape_prior", "--json").stdout)["facts"]["supervision"]


def test_info_shows_settings_of_a_method_inside_a_method(package: Package) -> None:
    source = """
    from bench import Method, hookimpl
    class In(Method):
        '''In.'''
        name = "inside"
        depth: int = 2
    class Out(Method):
        '''Out.'''
        name = "outside"
        first: In = In(depth=7)
        needed: str
    @hookimpl
    def bench_methods():
        return [Out]
    """
    package("stranger", {"nested": source}, methods={"outside": "nested"})
    told = json.loads(bench("info", "outside", "--json").stdout)
    assert {row["field"]: row["default"] for row in told["settings"]} == {"first.depth": 7, "needed": "needed"}
    assert "outside.needed has no value" in told["facts"]["supervision"]


def test_a_strangers_command_is_listed_by_its_source_and_loaded_when_asked_for(package: Package) -> None:
    source = """
    import click, bench
    @click.command("greet")
    def greet():
        '''Say hello.'''
        click.echo("hello")
    @bench.hookimpl
    def bench_commands():
        return [greet]
    """
    package("stranger", {"greeting": source, "bad": "1 / 0"}, commands={"greet": "greeting", "worse": "bad"})
    page = bench("--help")
    assert "Say hello." in page.stdout
    assert not {"greeting", "bad"} & set(sys.modules)
    try:
        assert bench("greet").stdout == "hello\n"
        assert "--debug" in bench("greet", "--help").stdout
    finally:
        del cli.commands["greet"]
    broken = bench("worse")
    assert (broken.exit_code, broken.stdout) == (4, "")
    assert (
        broken.stderr
        == "error: command worse does not load (entry point worse = 'bad'): ZeroDivisionError: division by zero\n"
    )


def test_help_and_version_are_everywhere() -> None:
    for command in (
        [],
        ["run"],
        ["list"],
        ["info"],
        ["completion"],
        ["leaderboard"],
        ["leaderboard", "show"],
        ["leaderboard", "export"],
    ):
        page = bench(*command, "-h").stdout
        for option in ("--json", "--debug", "--no-progress", "--version", "-q,", "-v,"):
            assert option in page, command
        assert bench(*command, "--version").stdout.startswith("wsss-bench ")


# ---- settings of a request


REQUEST = RunRequest(("a", "b"), ("d",), protocol.SMOKE)


def with_settings(*settings: tuple[str | None, str, str]) -> RunRequest:
    return RunRequest(REQUEST.methods, REQUEST.datasets, REQUEST.protocol, settings=settings)


def test_a_named_setting_goes_before_one_for_all_and_both_before_the_protocol() -> None:
    request = with_settings(("a", "lr", "1"), (None, "lr", "2"), (None, "pretrained", "true"), ("d", "label", "x"))
    assert settings_for("a", {"lr", "pretrained"}, request) == {"lr": "1", "pretrained": "true"}
    assert settings_for("b", {"lr"}, request) == {"lr": "2"}
    assert settings_for("b", {"pretrained"}, REQUEST) == {"pretrained": False}


def test_a_data_set_takes_only_what_is_named_for_it() -> None:
    request = with_settings((None, "label", "y"), ("d", "label", "x"), ("d", "wrong", "1"))
    assert settings_for("d", {"label", "pretrained"}, request) == {
        "label": "x",
        "wrong": "1",
    }  # `wrong`: instantiate refuses it


def test_a_setting_that_no_method_has_is_refused_with_a_near_name() -> None:
    refuse_unused(with_settings((None, "lr", "1"), (None, "inner.depth", "1")), {"a": ["lr"], "b": ["inner"]})
    cases = [
        ((None, "l", "1"), r"no chosen method has a setting l \(--set l=1\); did you mean lr\?"),
        ((None, "zz", "1"), "they have inner, lr"),
        ((None, "dd.label", "1"), r"did you mean d\.label\?"),
    ]
    for setting, message in cases:
        with pytest.raises(UsageError, match=message):
            refuse_unused(with_settings(setting), {"a": ["lr"], "b": ["inner"]})


# ---- real processes


HEAVY = (
    "torch",
    "pandas",
    "pydantic",
    "numpy",
    "rich",
    "pluggy",
    "bench.api",
    "bench.methods",
    "bench.datasets",
    "bench.leaderboard",
)
LIGHT = {
    "help": ["--help"],
    "run help": ["run", "--help"],
    "list": ["list"],
    "completion": ["completion", "zsh"],
    "unknown method": ["run", "--method", "dcml", "--dataset", "synthetic"],
}


def command(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", *args], capture_output=True, text=True, **more)


@pytest.mark.parametrize("args", LIGHT.values(), ids=LIGHT)
def test_light_commands_import_nothing_heavy(args: list[str]) -> None:
    program = (
        f"import atexit, sys; atexit.register(lambda: print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr))"
    )
    done = command("-c", f"{program}\nfrom bench.commands.cli import cli\ncli.main({args})")
    assert done.stderr.splitlines()[-1] == "[]"


COMPLETIONS = {
    "run --method otsu,gradcam_resnet5": "otsu,gradcam_resnet50",
    "run --dataset is": "isic",
    "run --protocol q": "quick",
    "info dcml": "dcml_attention",
    "leader": "leaderboard",
}


@pytest.mark.parametrize("typed", COMPLETIONS)
def test_names_complete(typed: str) -> None:
    environment = {
        "_BENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": f"bench {typed}",
        "COMP_CWORD": str(typed.count(" ") + 1),
    }
    done = bench(**environment)
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == [COMPLETIONS[typed]]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_script_asks_bench(shell: str) -> None:
    assert f"_BENCH_COMPLETE={shell}_complete" in bench("completion", shell).stdout


def test_exit_codes_of_real_processes() -> None:
    assert command("-m", "bench", "list", "methods").returncode == 0
    wrong = command("-m", "bench", "info", "nothing")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: nothing is called nothing;")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_a_run_with_their_codes(number: int, code: int, tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text("print('ready', flush=True)\nimport time\ntime.sleep(60)\n")
    args = ["run", "--method", "otsu", "--dataset", "synthetic", "--plugin", str(tmp_path / "waits.py")]
    listen = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    )
    words = [
        sys.executable,
        "-c",
        listen,
        sys.executable,
        "-P",
        "-m",
        "bench",
        *args,
    ]  # a background job ignores Ctrl-C
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in said


def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bench", "list"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.stderr, done.returncode) == ("", 1)
