"""What `bench leaderboard show` prints below its tables when it is asked: robustness of the ranking, signals without masks, A/A tests."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench.leaderboard.table.aa import SEEDS, AATests
from bench.leaderboard.table.robustness import EMPTY, Robustness, rank_text
from bench.leaderboard.table.signals import Correlation, Signals
from bench.results.tables import ASCII_BOX, paper
from bench.statistics.letters import LEVEL
from bench.statistics.pairs import NOT_ENOUGH


def show_robustness(found: Robustness, console: Console) -> None:
    """Rank intervals, a line for each method, a column for each change."""
    if not found.tables:
        console.print(paper(EMPTY, console))
    for table in found.tables:
        console.print(paper(f"Robustness of the ranking · {table.title}", console))
        made = small_table(console, "method", right=[variant.name for variant in table.variants])
        for number, method in enumerate(table.methods):
            ranks = [rank_text(variant.ranks[number]) for variant in table.variants]
            made.add_row(*(paper(text, console) for text in (method, *ranks)))
        console.print(made)
        sentence = (
            "Ranks that the data allow: Otsu's rule, native size, mean over images, U-Net; then one of these changed."
        )
        console.print(paper(sentence, console))


def show_signals(found: Signals, console: Console) -> None:
    """A line for each signal."""
    if not found.tables:
        console.print(paper("signals: no run has recorded any", console))
    for table in found.tables:
        console.print(paper(f"Signals without masks against test Dice · {table.title} · rule {table.rule}", console))
        made = small_table(console, "signal", right=["within\nmethods", "runs", "between\nmethods", "methods"])
        for each in table.signals:
            cells = [each.name, _text(each.within), str(each.within.n), _text(each.between), str(each.between.n)]
            made.add_row(*(paper(text, console) for text in cells))
        console.print(made)
        for sentence in dict.fromkeys(each.advice for each in table.signals if each.advice):
            console.print(paper(sentence, console))


def show_aa(found: AATests, console: Console) -> None:
    """Two lines for each row with enough seeds."""
    if not found.tests:
        console.print(
            paper(f"A/A: {NOT_ENOUGH}; {SEEDS} seeds of a row are needed, {found.most_seeds} are there", console)
        )
    for test in found.tests:
        dealt = f"its {test.seeds} seeds dealt {test.tables} times to {test.rows} rows of {test.seeds_each}"
        drawn = f"clusters of {test.images} images drawn"
        verdict = f"{test.false_share:.1%} of these tables declare a difference; {LEVEL:.0%} are allowed"
        console.print(paper(f"A/A · {test.title}", console))
        console.print(paper(f"{dealt}, {drawn}: {verdict}", console))


def small_table(console: Console, left: str, right: Sequence[str]) -> Table:
    """A table in the looks of the others."""
    lines = ASCII_BOX if console.options.ascii_only else box.SIMPLE_HEAD
    made = Table(box=lines, padding=(0, 1, 0, 0), pad_edge=False)
    made.add_column(left, overflow="fold")
    for heading in right:
        made.add_column(heading, justify="right", overflow="fold")
    return made


def _text(found: Correlation) -> str:
    return "-" if found.value is None else f"{found.value:+.2f}"
