"""`bench predict`: masks for a user's own images. Nothing here imports torch."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.commands.flags import flags
from bench.commands.which import RUN, UNDER
from bench.errors import DataError


@click.command()
@RUN
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@UNDER
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the masks go.",
)
@click.option("--rule", metavar="RULE", help="Whose U-Net, where a run has several. [default: otsu, the ranked one]")
@click.option("--probabilities", is_flag=True, help="16-bit maps too, in DIR/probabilities.")
@click.option("--device", default="auto", show_default=True, metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")
def predict(
    run: str, images: tuple[Path, ...], out: Path, output: Path, rule: str | None, probabilities: bool, device: str
) -> int:
    """Write a mask for each of IMAGES (files, or folders of them) with the segmenter of a finished run.

    \b
    bench predict r-0123456789ab photos/ -o masks
    """
    from bench.commands.reading import Reading
    from bench.disk import require_writable
    from bench.runs import predict as work
    from bench.runs.listing import find_finished
    from bench.runs.own_images import find_images

    found = find_finished(run, out)
    name = work.pick_segmenter(found, rule)
    files = find_images(images, output)
    trained = work.open_segmenter(found, rule, device)
    require_writable(output, "the folder", "name another with -o")
    with Reading(flags()) as reading:
        done = work.predict(trained, files, output, probabilities, reading)
    for sentence in done.unread:
        click.echo(f"error: {sentence}", err=True)
    values = {0: "background", **dict(enumerate(trained.foregrounds, 1))}
    if flags().json:
        told = {
            "written": done.written,
            "unread": done.unread,
            "folder": str(output),
            "segmenter": name,
            "values": values,
        }
        click.echo(json.dumps(told, indent=1))
    else:
        shown = ", ".join(f"{value} {what}" for value, what in values.items())
        click.echo(f"{done.written} of {len(files)} masks in {output} ({shown}; by {name})")
    return DataError.exit_code if done.unread else 0
