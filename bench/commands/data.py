"""`bench data`: get data, check it, say what it is and where it lies. Nothing here imports torch."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench import plugins
from bench.commands.cache import cache
from bench.commands.flags import flags, tell
from bench.errors import DataError, UsageError
from bench.faults import ACCEPTABLE, Fault

if TYPE_CHECKING:
    from bench.api import Dataset
    from bench.data.check import Report

F = TypeVar("F", bound=Callable[..., Any])

SHOWN = 50
"""Faults that are printed; --json and -o have them all."""


@click.group()
def data() -> None:
    """Get a data set, check it, and see what it is."""


data.add_command(cache)


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in plugins.offers("datasets") if name.startswith(incomplete)]


def _options(*, folder: bool) -> Callable[[F], F]:
    """The argument and the options that say which data set is meant, and with which settings."""
    given = click.argument("name", metavar="NAME|FOLDER" if folder else "NAME", shell_complete=_complete)
    root = click.option(
        "--data-root", "root", type=click.Path(path_type=Path), metavar="PATH", help="Folder of the data."
    )
    settings = click.option("--set", "settings", multiple=True, metavar="K=V", help="A setting of the data set.")
    files = click.option(
        "--plugin", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="A loose plugin file."
    )
    return lambda command: given(root(settings(files(command))))


@data.command()
@_options(folder=False)
@click.option("--yes", is_flag=True, help="Agree to the download beforehand.")
def get(name: str, root: Path | None, settings: tuple[str, ...], files: tuple[Path, ...], yes: bool) -> int:
    """Download a data set, after saying what comes from where, or say which files to put where."""
    from bench.commands.transfer_bars import transfer_bars
    from bench.data.get import get as fetch
    from bench.roots import target

    place = target(name, root)
    dataset = _dataset(name, place, settings, files, there=False)
    ask = click.confirm if sys.stdin.isatty() else None
    with transfer_bars(flags().progress and not flags().quiet) as report:
        return fetch(dataset, place, yes, ask, partial(click.echo, err=True), report)


@data.command()
@_options(folder=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON.")
def check(output: Path | None, **which: Any) -> int:
    """Read everything and list all faults at once; exit 3 if one of them would stop a run."""
    from bench.commands.reading import Reading
    from bench.data.check import check as read
    from bench.store import write_json

    with Reading(flags()) as reading:
        found = read(_dataset(**which), reading)
    if output is not None:
        write_json(output, found.to_json())
    click.echo(json.dumps(found.to_json(), indent=1) if flags().json else _report(found))
    return DataError.exit_code if found.blocking else 0


@data.command()
@_options(folder=True)
def describe(**which: Any) -> None:
    """Say what a data set is: counts, classes, sizes, share of foreground, Dice of all-foreground, independent clusters."""
    from bench.commands.reading import Reading
    from bench.data.describe import describe as measure

    with Reading(flags()) as reading:
        found = measure(_dataset(**which), reading)
    click.echo(json.dumps(found, indent=1) if flags().json else _page(found))


@data.command()
@_options(folder=False)
def path(name: str, root: Path | None, settings: tuple[str, ...], files: tuple[Path, ...]) -> None:
    """Print the folder that a data set is read from."""
    found = _dataset(name, root, settings, files)
    if found.root is None:
        raise DataError(f"data set {name} is made by its own code; it has no folder")
    tell({"path": str(found.root)}, str(found.root))


def _dataset(
    name: str, root: Path | None, settings: tuple[str, ...], files: tuple[Path, ...], *, there: bool = True
) -> Dataset:
    """The data set of a name; for a folder the data set `folder` that reads it. `there`: its folder has to exist."""
    from bench.store import require_cache

    require_cache()
    for file in files:
        plugins.load_file(file)
    if name not in plugins.names("datasets") and Path(name).is_dir():
        name, root = "folder", Path(name)
    plugins.check_name("datasets", name)
    from bench.roots import data_root
    from bench.settings import instantiate

    cls = plugins.load("datasets", name)
    values: dict[str, Any] = dict(_setting(text, name) for text in settings)
    if not cls.embedded and "root" not in values:
        values["root"] = data_root(name, root) if there else root
    dataset: Dataset = instantiate(cls, values)
    return dataset


def _setting(text: str, name: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set takes NAME=VALUE, not {text!r}")
    return key.removeprefix(f"{name}."), value


def _report(found: Report) -> str:
    lines = [f"{found.dataset}: {_counts(found.images)}"]
    for title, faults in (("stops a run", found.blocking), ("to know", [f for f in found.faults if not f.blocks])):
        if faults:
            lines += ["", f"{title} ({len(faults)})", *map(_line, faults[:SHOWN])]
            lines += [f"  … {len(faults) - SHOWN} more; --json or -o FILE has them all"] if len(faults) > SHOWN else []
    if found.lookalikes:
        lines += ["", f"near-duplicate pairs: {_counts(found.lookalikes)}"]
    stopping = {0: "no fault stops a run", 1: "1 fault stops a run"}
    count = len(found.blocking)
    return "\n".join([*lines, "", stopping.get(count, f"{count} faults stop a run")])


def _line(fault: Fault) -> str:
    """A fault, and how a run can go on with it."""
    way_out = (
        f" (or --accept {fault.kind}: {ACCEPTABLE[fault.kind]})" if fault.blocks and fault.kind in ACCEPTABLE else ""
    )
    return f"  {fault.kind}: {fault.text}{way_out}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "no images"


def _page(found: dict[str, Any]) -> str:
    label = f" ({found['label']})" if found["label"] else ""
    lines = [f"{found['dataset']}{label}", *found["understood"]]
    lines += [f"classes: {', '.join(found['classes'])}; masks show: {', '.join(found['foreground'])}"]
    lines += [f"licence: {found['licence']}"] if found["licence"] else []
    formatter = click.HelpFormatter(width=max(shutil.get_terminal_size().columns - 1, 40))
    formatter.write("\n".join(lines) + "\n")
    for split, facts in found["splits"].items():
        with formatter.section(split):
            formatter.write_dl(list(_facts(facts)))
    if found["notes"]:
        with formatter.section("to know"):
            formatter.write("".join(f"  {note}\n" for note in found["notes"]))
    return formatter.getvalue().rstrip("\n")


def _facts(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known of a split, line by line."""
    rows = [("images", f"{facts['images']:,} in {facts['clusters']:,} clusters")]
    if facts["labels"]:
        rows.append(("labels", ", ".join(f"{name} {count:,}" for name, count in facts["labels"].items())))
    spread = (
        f"{side} {facts[side]['least']} to {facts[side]['most']} (median {facts[side]['median']})"
        for side in ("height", "width")
    )
    rows.append(("pixels", ", ".join(spread)))
    if not facts["masks"]:
        return [*rows, ("masks", "none")]
    share = facts["foreground"]
    quartiles = ", ".join(f"{100 * q:.1f}" for q in share["quartiles"])
    masks = f"{facts['masks']:,}; {facts['nearly_all_foreground']} over 90 % foreground, {facts['without_foreground']} without"
    rows += [("masks", masks), ("foreground", f"mean {100 * share['mean']:.1f} %, quartiles {quartiles} %")]
    if facts["all_foreground_dice"] is not None:
        rows.append(("all-foreground", f"Dice {100 * facts['all_foreground_dice']:.2f} %"))
    return rows
