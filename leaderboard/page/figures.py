"""The figures of a table by name, as SVG or PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import DataError, UsageError
from bench.leaderboard.page import figures_attribution, figures_curves, figures_rows
from bench.leaderboard.page.gathered import Table
from bench.leaderboard.page.shapes import Figure

FIGURES: dict[str, tuple[Callable[[Table, Sequence[Table]], Figure | None], str]] = {
    "letters": (lambda table, _: figures_rows.letters(table), "rows with a test U-Net"),
    "floors": (lambda table, _: figures_rows.floors(table), "a method and a floor that needs no mask"),
    "thresholds": (lambda table, _: figures_curves.thresholds(table), "the counts of a method's maps (runs/artifacts/scores-...)"),
    "cost": (lambda table, _: figures_rows.cost(table), "rows with a test U-Net that say their seconds"),
    "break-even": (lambda table, _: figures_curves.break_even(table), "full supervision with three numbers of masks (`bench break-even`)"),
    "labels": (figures_curves.labels, "a method with two numbers of labels (--set protocol.weak_images=N)"),
    "attribution": (lambda table, _: figures_attribution.attribution(table), "what `bench attribution` has worked out"),
}  # fmt: skip
"""By name: what draws it (None where a table has not what it shows), and what it takes."""


def every(table: Table, tables: Sequence[Table]) -> Iterator[tuple[str, Figure]]:
    """All figures that a table can have."""
    for name, (draw, _) in FIGURES.items():
        figure = draw(table, tables)
        if figure is not None:
            yield name, figure


def one(name: str, tables: Sequence[Table], dataset: str | None = None, protocol: str | None = None) -> Figure:
    """The figure of a name, of the only table that has it; UsageError where several have it and none is chosen."""
    draw, takes = FIGURES[name]
    chosen = [
        t
        for t in tables
        if _is(t.scored[0].row["dataset"], t.dataset, dataset)
        and _is(t.scored[0].row["protocol"], t.protocol, protocol)
    ]
    if not chosen:
        raise UsageError(f"no table is called that; there are {_titles(tables)}; choose with --dataset and --protocol")
    drawn = [(table, figure) for table in chosen if (figure := draw(table, tables)) is not None]
    if not drawn:
        raise DataError(f"the figure {name} takes {takes}; {_titles(chosen)} has none")
    if len({figure.title for _, figure in drawn}) > 1:
        raise UsageError(
            f"{len(drawn)} tables have the figure {name}: {_titles([table for table, _ in drawn])}; choose with --dataset and --protocol"
        )
    return drawn[0][1]


def save(figure: Figure, to: Path) -> None:
    """Write a figure as its file is called: .svg or .png; UsageError for another ending."""
    from bench.leaderboard.page.png import png
    from bench.leaderboard.page.svg import svg
    from bench.store import write_file

    ending = to.suffix.lower()
    if ending not in (".svg", ".png"):
        raise UsageError(f"{to} is called neither .svg nor .png; a figure is one of the two")
    data = png(figure) if ending == ".png" else svg(figure, standalone=True).encode()
    write_file(to, lambda file: file.write_bytes(data))


def _is(name: str, title: str, asked: str | None) -> bool:
    return asked is None or asked in (name, title)


def _titles(tables: Sequence[Table]) -> str:
    return ", ".join(table.title for table in tables)
