"""`python -m benchmarks`: ratios measured side by side in one run, written to docs/performance.md. Not tests: nothing fails here."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

from benchmarks import (
    Race,
    Row,
    batches,
    families,
    gradcam,
    metric_learning,
    page,
    reconstruction,
    scores,
    start,
    tables,
    views,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
HEAD = """# Performance

Ratios, measured side by side in one run by `python -m benchmarks` ({machine}, {cores} cores, load {load:.1f} when it began). Seconds are
of that machine and its load; the ratios are what to trust.

## Pictures

Milliseconds a picture: the 224 x 224 view of a 600 x 450 JPEG, median of interleaved rounds. "Times faster" is the lower quartile of the
rounds' ratios, beside the target that it has to reach. Batches of floats are cropped, flipped and normalised, in this process; batches
of bytes are handed to the device, which does the same there.

| what | ours | beside | times faster | target |
|---|---|---|---|---|
"""
METHODS = """
## Methods

Milliseconds a picture (GradCAM, batches of 8 at 224 pixels) or a step or call (the others), in the same way. Rows whose other side is a
package that is not installed are left out.

| what | ours | beside | times faster | target |
|---|---|---|---|---|
"""
MEMORY = """
Memory that one batch takes beyond network and pictures:

| what | ours | beside | ratio |
|---|---|---|---|
"""
SCORES = """
## Scores

Milliseconds an image, in the same way. All 256 thresholds are equal to the loop over thresholds and pixels, to the last bit.

| what | ours | beside | times faster | target |
|---|---|---|---|---|
"""
STATISTICS = """
## Statistics

CPU seconds of one call, the least of several.

| what | ours | beside | ratio |
|---|---|---|---|
"""
TABLES = """
## Tables

CPU seconds of whole processes, the least of several. The large table is of 50 methods on 20 data sets of 1,000 images; beyond its imports
it takes {taken:.0f} MiB, {ratio:.2g} times the size of that CSV ({size:.0f} MiB; at most 4 times is the target, and 10 times the seconds).

| what | ours | beside | ratio |
|---|---|---|---|
"""
START = """
## Start

CPU seconds of a whole process, the least of several turns.

| what | ours | beside | ratio |
|---|---|---|---|
"""


def main() -> None:
    """Measure everything and write the page."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_CACHE"] = f"{folder}/cache"
        place = Path(folder)
        races = [*views.measure(place), *batches.measure(place)]
        steps = [*gradcam.measure(), *metric_learning.measure(), *reconstruction.measure()]
        peaks = list(gradcam.peaks())
        scoring = list(scores.measure())
        tests = list(families.measure())
        large = [*tables.measure(place), *page.measure(place)]
        taken, size = tables.memory(place)
        rows = list(start.measure(place))
    head = HEAD.format(machine=platform.machine(), cores=os.cpu_count(), load=load)
    text = head + "".join(map(faster, races)) + METHODS + "".join(map(faster, steps))
    text += MEMORY + "".join(map(memory, peaks)) + SCORES + "".join(map(faster, scoring))
    text += STATISTICS + "".join(map(costs, tests))
    text += (
        TABLES.format(ratio=taken / size, taken=taken, size=size)
        + "".join(map(costs, large))
        + START
        + "".join(map(costs, rows))
    )
    PAGE.write_text(text, encoding="utf-8")
    print(text)


def faster(r: Race) -> str:
    """A line of the first two tables."""
    return f"| {r.what} | {r.ours * 1e3:.3g} ms | {r.other}: {r.theirs * 1e3:.3g} ms | {r.ratio:.3g} | {r.target:g} |\n"


def memory(p: gradcam.Peak) -> str:
    """A line of the table of memory."""
    return f"| {p.what} | {p.ours:.0f} MiB | {p.other}: {p.theirs:.0f} MiB | {p.ours / p.theirs:.2g} |\n"


def costs(r: Row) -> str:
    """A line of the last."""
    return f"| {r.what} | {r.ours:.3g} s | {r.other}: {r.theirs:.3g} s | {r.ours / r.theirs:.2g} |\n"


if __name__ == "__main__":
    main()
