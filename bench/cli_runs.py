"""`bench runs`: what lies under runs/. Nothing here imports torch."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli_flags import flags


@click.group()
def runs() -> None:
    """Look at finished runs and take files out of them."""


@runs.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where the files go."
)
@click.option(
    "--what",
    default="maps",
    show_default=True,
    type=click.Choice(["maps", "proxies", "predictions"]),
    help="The method's maps, the pseudo-masks, or the segmenter's predictions.",
)
@click.option(
    "--format",
    "form",
    default="npy",
    show_default=True,
    type=click.Choice(["npy", "png"]),
    help="npy: floats; png: 16 bits.",
)
def export(run: Path, output: Path, what: str, form: str) -> None:
    """Write one file an image, named by its id: --what maps is a folder that `precomputed` reads.

    \b
    bench runs export runs/isic/gradcam_resnet50/r-0123456789ab -o gradcam
    bench run --method precomputed --set precomputed.folder=gradcam --dataset isic
    """
    from bench.export import export as write
    from bench.reading import Reading

    with Reading(flags()) as reading:
        count = write(run, output, what, form, reading)
    click.echo(f"{count} files in {output}")
