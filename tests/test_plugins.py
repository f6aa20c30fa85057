"""Plugins are found without being imported, loaded when asked for, and refused in one sentence that names them."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from bench import Method, PluginError, Pretrained, UsageError, plugins
from bench.data.source import source_file, summary
from bench.entry_points import entry_points

Package = Callable[..., None]

GOOD = '''
"""A module of somebody else."""
from typing import ClassVar
from bench import Dataset, MaskMethod, Method, hookimpl

class Theirs(Method):
    """Maps that a stranger makes.

    More about it.
    """
    name: ClassVar[str] = "theirs"
    width: int = 3

class Second(MaskMethod):
    """The same module's second method."""
    name = "second"

@hookimpl
def bench_methods():
    return (Theirs, Second)
'''


def good(package: Package) -> None:
    package("stranger", {"stranger_module": GOOD}, methods={"theirs": "stranger_module", "second": "stranger_module"})


def test_entry_points_are_those_of_importlib_metadata(package: Package) -> None:
    package("My.Odd_Name", {}, methods={"a": "b.c", "d": "e"}, commands={"f": "g"})
    ours = {(p.group, p.name, p.value) for p in entry_points()}
    groups = {p.group for p in entry_points()}
    theirs = {(p.group, p.name, p.value) for group in groups for p in importlib.metadata.entry_points(group=group)}
    assert ours == theirs
    assert {p.group for p in entry_points()} > {"console_scripts", "wsss_bench.methods"}


def test_of_two_copies_of_a_package_the_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, module in (("new", "a"), ("old", "b")):
        info = tmp_path / folder / f"Two_Copies-{folder}.dist-info"
        info.mkdir(parents=True)
        (info / "entry_points.txt").write_text(f"[wsss_bench.methods]\ntwo = {module}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "new"), str(tmp_path / "old")])
    entry_points.cache_clear()
    try:
        assert plugins.offers("methods")["two"].claims == ["a (two-copies)"]
    finally:
        entry_points.cache_clear()


def test_names_and_summaries_come_without_an_import(package: Package) -> None:
    package(
        "stranger",
        {
            "bomb": '"""Says a lot."""\nraise SystemExit("imported")\nclass A:\n    """First line."""\n    name = "boom"\n'
        },
        methods={"boom": "bomb", "computed": "bomb"},
    )
    offers = plugins.offers("methods")
    assert offers["boom"].text == "First line."
    assert offers["computed"].text == "Says a lot."  # no such class in the source: the module speaks
    assert "bomb" not in sys.modules


def test_every_name_of_the_house_has_a_line_of_text() -> None:
    for kind in ("methods", "datasets", "commands"):
        for name, offer in plugins.offers(kind).items():
            assert offer.text, name
            assert "does not load" not in offer.text, name


def test_source_is_found_below_a_package_that_is_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "outer_package" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (inner / "leaf.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert source_file("outer_package.inner.leaf") == inner / "leaf.py"
    assert source_file("outer_package.nothing.leaf") is None
    assert source_file("sys") is None
    assert source_file("keyword.textwrap") is None  # keyword is no package, textwrap lies beside it


def test_summary_of_a_command_is_its_functions_docstring(tmp_path: Path) -> None:
    file = tmp_path / "commands.py"
    file.write_text(
        '"""Module."""\nimport click\n@click.group("pets")\ndef group():\n    """Show pets.\n\n    All."""\n'
    )
    assert summary(file, "pets") == "Show pets."
    assert summary(file, "other") == "Module."


def test_one_module_under_two_names_is_registered_once(package: Package) -> None:
    good(package)
    assert plugins.load("methods", "theirs").__name__ == "Theirs"
    assert plugins.load("methods", "second").__name__ == "Second"
    assert plugins.load("methods", "theirs") is plugins.load("methods", "theirs")


def test_a_loaded_class_is_found_again_in_another_process(package: Package, tmp_path: Path) -> None:
    good(package)
    told = plugins.describe(plugins.load("methods", "theirs"))
    assert told == {"kind": "methods", "name": "theirs", "module": "stranger_module", "file": None}
    file = tmp_path / "loose.py"
    file.write_text(GOOD.replace('"theirs"', '"from_a_file"').replace('"second"', '"second_in_file"'))
    loose, _ = plugins.load_file(file)
    program = "import json,sys; from bench.plugins import restore\nfor d in json.loads(sys.argv[1]): print(restore(d)().width)"
    told_both = json.dumps([told, json.loads(json.dumps(plugins.describe(loose)))])
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {program}", told_both],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["3", "3"]
    assert plugins.restore(plugins.describe(loose)) is loose


def test_an_unknown_name_offers_a_near_one() -> None:
    with pytest.raises(UsageError, match="no method is called dcml_atention; did you mean dcml_attention"):
        plugins.load("methods", "dcml_atention")
    with pytest.raises(UsageError, match="no data set is called xyzzy; `bench list datasets` shows"):
        plugins.check_name("datasets", "xyzzy")


def test_command_plugins_are_told_when_a_run_has_finished(package: Package, tmp_path: Path) -> None:
    hook = "import bench\n@bench.hookimpl\ndef bench_run_finished(out):\n    (out / 'told').touch()\n"
    package("stranger", {"listener": hook, "falls": "1 / 0"}, commands={"listens": "listener", "breaks": "falls"})
    (said,) = plugins.finished(tmp_path)
    assert said == "command breaks does not load (entry point breaks = 'falls'): ZeroDivisionError: division by zero"
    assert (tmp_path / "told").exists()


BROKEN = {
    "syntax": ("def broken(:\n", r"method syntax does not load \(entry point syntax = 'broken'\): .*broken\.py, line 1: invalid syntax"),
    "missing_import": ("import a_module_that_is_not_there\n", "missing_import .*ModuleNotFoundError: No module named 'a_module_that"),
    "leaves": ("raise SystemExit(3)\n", r"leaves .*SystemExit: 3"),
    "hookless": ('class A:\n    name = "hookless"\n', r"hookless is not there: .*names broken, which offers nothing \(bench_methods"),
    "elsewhere": (GOOD, r"elsewhere is not there: its entry point elsewhere = 'broken' names broken, which offers theirs, second"),
    "stray": (
        "from bench import hookimpl\n@hookimpl\ndef bench_methods():\n    return [int]\n",
        r"method stray: bench_methods offers <class 'int'>, which is no subclass of bench\.Method or MaskMethod",
    ),
    "nameless": (
        "from bench import Method, hookimpl\nclass A(Method):\n    pass\n@hookimpl\ndef bench_methods():\n    return [A]\n",
        "method nameless: class A has no name",
    ),
    "raising": ("from bench import hookimpl\n@hookimpl\ndef bench_methods():\n    1 / 0\n", "bench_methods fails: ZeroDivisionError"),
    "theirs": (GOOD.replace("(Theirs, Second)", "(Theirs, Theirs2)").replace("class Second(MaskMethod)", "class Theirs2(MaskMethod)")
               .replace('"second"', '"theirs"'), "theirs is offered twice in broken: by Theirs and Theirs2"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_names_itself_and_its_error(name: str, package: Package) -> None:
    source, message = BROKEN[name]
    package("stranger", {"broken": source}, methods={name: "broken"})
    with pytest.raises(PluginError, match=message):
        plugins.load("methods", name)
    assert plugins.load("datasets", "synthetic").name == "synthetic"  # the rest goes on


def test_a_name_that_two_packages_offer_names_both(package: Package) -> None:
    package("first", {"module_a": GOOD}, methods={"theirs": "module_a"})
    package("second", {"module_b": GOOD}, methods={"theirs": "module_b"})
    with pytest.raises(
        PluginError, match=r"offered twice: by module_[ab] \((first|second)\) and by module_[ab] \((first|second)\)"
    ):
        plugins.load("methods", "theirs")
    assert "offered twice" in plugins.offers("methods")["theirs"].text
    assert not {"module_a", "module_b"} & set(sys.modules)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = (\n", r"plugin file .*loose\.py does not load: line 1: '\(' was never closed"),
        ("def a():\n  pass\n return\n", r"line 3: unindent"),
        ("raise ValueError('no\\nway')\n", "does not load: ValueError: no way"),
        ("x = 1\n", "offers nothing: mark bench_methods or bench_datasets"),
        ("a = '\0'\n", "not Python source"),
    ],
)
def test_a_broken_file_is_named_with_its_line(source: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "loose.py"
    file.write_text(source)
    with pytest.raises(PluginError, match=message):
        plugins.load_file(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"none\.py cannot be read: No such file"):
        plugins.load_file(tmp_path / "none.py")


def test_a_file_with_an_installed_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_files", {})
    file = tmp_path / "loose.py"
    file.write_text(GOOD.replace('"theirs"', '"otsu"').replace('"second"', '"second_in_clash"'))
    plugins.load_file(file)
    with pytest.raises(
        PluginError, match=r"otsu is offered twice: by bench\.methods\.floors \(wsss-bench\) and by .*loose\.py"
    ):
        plugins.load("methods", "otsu")
    assert plugins.load("methods", "second_in_clash").__name__ == "Second"


class Inner(Method):
    """A method that another one needs."""

    name: ClassVar[str] = "inner"
    depth: int = 2
    weights: Path | None = None


class Outer(Pretrained):
    """Every kind of setting."""

    name: ClassVar[str] = "outer"
    lr: float = Field(1e-3, gt=0)
    layers: tuple[int, ...] = (4,)
    norm: Literal["none", "minmax"] = "none"
    comment: str | None = "x"
    k: int | None = Field(10, ge=1)
    classifier: Inner = Inner(depth=5)


def test_text_becomes_values() -> None:
    text = {
        "lr": "1e-4",
        "layers": "3,4",
        "norm": "none",
        "comment": "none",
        "k": "None",
        "pretrained": "false",
        "weights": "a/b",
    }
    made = plugins.instantiate(Outer, text)
    assert (made.lr, made.layers, made.norm, made.comment, made.k, made.pretrained) == (
        1e-4,
        (3, 4),
        "none",
        None,
        None,
        False,
    )
    assert made.weights == Path("a/b")
    assert plugins.instantiate(Outer, {"k": 3, "pretrained": True}).k == 3


def test_a_dotted_setting_keeps_the_rest_of_the_inner_default() -> None:
    made = plugins.instantiate(Outer, {"classifier.weights": "file"})
    assert made.classifier == Inner(depth=5, weights=Path("file"))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"lr": "nan"}, r"outer\.lr takes a finite number, not 'nan'"),
    ({"lr": "inf"}, r"outer\.lr takes a finite number, not 'inf'"),
    ({"lr": "fast"}, r"outer\.lr takes a valid number, not 'fast'"),
    ({"lr": "-1"}, r"outer\.lr takes a value greater than 0, not '-1'"),
    ({"k": "0"}, r"outer\.k takes a value greater than or equal to 1, not '0'"),
    ({"k": "2.5"}, r"outer\.k takes a valid integer, not '2\.5'"),
    ({"norm": "max"}, r"outer\.norm takes 'none' or 'minmax', not 'max'"),
    ({"pretrained": "maybe"}, r"outer\.pretrained takes a valid boolean, not 'maybe'"),
    ({"lrr": "1"}, r"outer has no setting lrr; did you mean lr\?"),
    ({"qqqqqq": "1"}, r"outer has no setting qqqqqq; it has backbone, pretrained, weights, lr, "),
    ({"classifier.weigths": "x"}, r"outer\.classifier has no setting weigths; did you mean weights\?"),
    ({"classifier.depth": "x"}, r"outer\.classifier\.depth takes a valid integer, not 'x'"),
    ({"lr.x": "1"}, r"outer\.lr takes a valid number, not \{'x': '1'\}"),
    ({"classifier": "g", "classifier.depth": "1"}, r"outer\.classifier takes a valid dictionary"),
    ({"lr": "nan", "k": "x"}, r"outer\.lr takes .*; outer\.k takes"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_a_bad_setting_is_named_with_what_it_takes(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plugins.instantiate(Outer, settings)


def test_a_method_field_of_an_installed_module_is_found_again(package: Package) -> None:
    """In a child process only the outer method is asked for; what its field is comes from the class itself."""
    source = """
        from typing import ClassVar
        from bench import Method, hookimpl

        class Inner(Method):
            name: ClassVar[str] = "inner_of_theirs"

        class Outer(Method):
            name: ClassVar[str] = "outer_of_theirs"
            classifier: Inner = Inner()

        @hookimpl
        def bench_methods():
            return Inner, Outer
    """
    package("theirs", {"nested_theirs": source}, methods={"outer_of_theirs": "nested_theirs"})
    outer = plugins.load("methods", "outer_of_theirs")
    inner = type(outer().classifier)
    described = plugins.describe(inner)
    assert (described["module"], described["file"]) == ("nested_theirs", None)
    assert plugins.restore(described) is inner


def test_the_line_beside_a_name_is_the_same_from_the_head_of_its_class_as_from_the_whole_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bench.data import source

    monkeypatch.setattr(source, "_compiled", lambda file: True)
    for kind in plugins.KINDS:
        for name, offer in plugins.offers(kind).items():
            file = source.source_file(plugins.load(kind, name).__module__)
            assert file is not None
            whole = next(n for n in source.parse(file).body if source._plugin_name(n) == name)
            head = source._head(file, name)
            assert head is not None, name
            assert source.first_line(source.ast.get_docstring(head.body[0])) == source.first_line(
                source.ast.get_docstring(whole)
            )
            assert offer.text == source.first_line(source.ast.get_docstring(whole))
            assert len(source.ast.dump(head)) < len(source.ast.dump(source.parse(file)))


def test_a_file_that_was_never_compiled_is_read_whole(tmp_path: Path) -> None:
    from bench.data import source

    file = tmp_path / "torn.py"
    file.write_text('class Torn:\n    """Looks fine."""\n\n    name = "torn"\n\n\ndef f(:\n')
    assert source.summary(file, "torn") == "does not load: torn.py, line 7: invalid syntax"
