"""What `bench leaderboard compare` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bench.leaderboard.table.compare import Compared, Image, Part
from bench.leaderboard.table.show_extras import small_table
from bench.results.tables import paper
from bench.statistics.pairs import NOT_ENOUGH


def show(found: Compared, console: Console) -> None:
    """The difference of all images and of each stratum, then the images with the largest."""
    for text in (
        f"{found.dataset} · protocol {found.protocol} · {found.stage} on test images",
        f"A  {found.a}",
        f"B  {found.b}",
    ):
        console.print(paper(text, console))
    table = small_table(console, "images", right=["n", "clusters", "A", "B", "A - B", "95 % interval"])
    for number, part in enumerate(found.parts):
        if number and found.parts[number - 1].stratum != part.stratum:
            table.add_section()
        table.add_row(*(paper(text, console) for text in _cells(part)))
    console.print(table)
    console.print(
        Text("Dice in %, mean over images and seeds; intervals are not adjusted, and conditional on this split.")
    )
    _images(found.for_a, "A above B", console)
    _images(found.for_b, "B above A", console)
    console.print()


def _cells(part: Part) -> Sequence[str]:
    low, high = part.found.low, part.found.high
    interval = NOT_ENOUGH if low is None or high is None else f"{100 * low:+.2f} to {100 * high:+.2f}"
    dice = (f"{100 * part.a:.2f}", f"{100 * part.b:.2f}", f"{100 * part.found.difference:+.2f}")
    name = f"{part.stratum}: {part.name}" if part.stratum else part.name
    return (name, str(part.images), str(part.clusters), *dice, interval)


def _images(images: Sequence[Image], title: str, console: Console) -> None:
    if not images:
        return
    table = small_table(console, f"furthest {title}", right=["A", "B", "A - B"])
    for image in images:
        cells = (image.id, f"{100 * image.a:.2f}", f"{100 * image.b:.2f}", f"{100 * image.difference:+.2f}")
        table.add_row(*(paper(text, console) for text in cells))
    console.print(table)
