"""`bench new`: a working package for a method or a data set of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.commands.flags import flags

NEXT = {
    "method": "bench run --plugin {module} --method {name} --dataset synthetic --protocol smoke",
    "dataset": "bench data check {name} --plugin {module} --data-root DATA",
}


@click.command()
@click.argument("kind", type=click.Choice(list(NEXT)))
@click.argument("name")
@click.option(
    "-o",
    "--output",
    "place",
    default=".",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The folder that the package's folder is made in. [default: the current one]",
)
def new(kind: str, name: str, place: Path) -> None:
    """Write a package that works: one module, its test, pyproject.toml, README. Change the module, keep the rest.

    \b
    bench new method brightest
    pip install -e brightest
    bench run --method brightest --dataset synthetic --protocol smoke
    """
    from bench.commands.new_plugin import write_package

    written = write_package(kind, name, place)
    if flags().json:
        click.echo(json.dumps([str(path) for path in written], indent=1))
        return
    folder = written[0].parent
    for path in written:
        click.echo(path)
    click.echo(
        "\n".join(
            [
                "",
                "try it:     " + NEXT[kind].format(name=name, module=folder / f"{name}.py"),
                f"test it:    pytest {folder}",
                f"install it: pip install -e {folder}   (then `bench list` shows it)",
            ]
        )
    )
