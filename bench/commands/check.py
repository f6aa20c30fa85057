"""`bench check-plugin`: a plugin is held to its contract, and every line that has to change is named. Nothing here imports torch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import plugins
from bench.commands.flags import flags
from bench.errors import PluginError, UsageError
from bench.near import did_you_mean

if TYPE_CHECKING:
    from bench.api import Plugin
    from bench.testing import Finding


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    known = [name for kind in plugins.KINDS for name in plugins.offers(kind) if name.startswith(incomplete)]
    return sorted([*known, *(str(path) for path in Path().glob(f"{incomplete}*.py"))])


@click.command("check-plugin")
@click.argument("which", metavar="NAME|FILE", shell_complete=_complete)
@click.option("--set", "settings", multiple=True, metavar="K=V", help="A setting of the plugin.")
@click.option(
    "--data-root", "root", type=click.Path(path_type=Path), metavar="PATH", help="Folder of the data, for a data set."
)
@click.option(
    "--plugin", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="A loose plugin file."
)
def check_plugin(which: str, settings: tuple[str, ...], root: Path | None, files: tuple[Path, ...]) -> int:
    """Hold a method or data set, or all of a file, to the contract; exit 4 if a promise is broken, with the line to change.

    Methods are fitted for a few epochs on made pictures, from scratch unless `--set weights=FILE` names weights.

    \b
    bench check-plugin mine.py
    bench check-plugin wells --plugin wells.py --data-root plates
    """
    for file in files:
        plugins.load_file(file)
    reports = [_report(kind, cls, settings, root, said) for kind, cls, said in _asked(which)]
    if flags().json:
        click.echo(json.dumps({"plugins": reports}, indent=1))
    return PluginError.exit_code if any(report["broken"] for report in reports) else 0


def _asked(which: str) -> Iterable[tuple[str, type[Any], list[str]]]:
    """The classes that are asked for, each with its kind and what importing it has changed."""
    from bench import testing  # noqa: F401  torch is imported before the plugin is watched
    from bench.api import Dataset
    from bench.contract.surroundings import AT_IMPORT, watched

    with watched(AT_IMPORT) as said:
        if which.endswith(".py"):
            classes = plugins.load_file(Path(which))
        else:
            classes = tuple(plugins.load(kind, which) for kind in plugins.KINDS if which in plugins.names(kind))
    if not classes:
        known = [name for kind in plugins.KINDS for name in plugins.names(kind)]
        hint = did_you_mean(which, known, "`bench list` shows what there is; a file ends in .py")
        raise UsageError(f"no plugin is called {which}; {hint}")
    return [("datasets" if issubclass(cls, Dataset) else "methods", cls, said) for cls in classes]


def _report(
    kind: str, cls: type[Plugin], settings: tuple[str, ...], root: Path | None, imported: list[str]
) -> dict[str, Any]:
    """Check one plugin and say each finding as it comes."""
    from bench import testing
    from bench.contract.plugin_faults import source_of

    file, began = source_of(cls), time.monotonic()
    loud = not flags().json
    if loud:
        click.echo(f"{cls.name} ({plugins.SINGULAR[kind]}, {file})")
    plugin, found = _instance(kind, cls, settings, root), []
    for finding in chain([_import_finding(file, imported)], testing.check_plugin(plugin)):
        found.append(finding)
        if loud and (finding.fault or finding.waits_for or not flags().quiet):
            click.echo(line(finding))
    broken = sum(bool(finding.fault) for finding in found)
    if loud:
        seconds = f"{time.monotonic() - began:.0f} s"
        click.echo(f"{len(found)} checks, {broken or 'none'} to mend ({seconds})\n")
    checks = [{"check": f.check, "text": f.text, "state": state(f), "fault": f.fault, "place": f.place} for f in found]
    return {"name": cls.name, "kind": plugins.SINGULAR[kind], "file": file, "broken": broken, "checks": checks}


def _import_finding(file: str, said: list[str]) -> Finding:
    from bench.testing import Finding

    fault = f"importing {Path(file).name} {' and '.join(said)}; do it in fit(), or not at all" if said else ""
    return Finding("import", "importing it leaves global state alone", fault, f"{file}:1" if said else "")


def _instance(kind: str, cls: Any, settings: tuple[str, ...], root: Path | None) -> Plugin:
    from bench.roots import data_root

    values: dict[str, Any] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set takes NAME=VALUE, not {text!r}")
        values[key.removeprefix(f"{cls.name}.")] = value
    if kind == "datasets" and not cls.embedded and "root" not in values:
        values["root"] = data_root(cls.name, root)
    plugin: Plugin = plugins.instantiate(cls, values)
    return plugin


def state(finding: Finding) -> str:
    """`ok`, `change`, or `waits`."""
    return "change" if finding.fault else "waits" if finding.waits_for else "ok"


def line(finding: Finding) -> str:
    """A finding in a line; the place that has to change is the last word, so that a terminal makes it a link."""
    said = f"  {state(finding):<7} {finding.text}"
    if finding.waits_for:
        return f"{said} (after {finding.waits_for})"
    if not finding.fault:
        return said
    return f"{said}: {finding.fault}" + (f"; change {finding.place}" if finding.place else "")
