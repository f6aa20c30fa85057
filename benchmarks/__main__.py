"""`python -m benchmarks`: ratios measured side by side in one run, written to docs/performance.md. Not tests: nothing fails here."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

from benchmarks import start, views

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
HEAD = """# Performance

Ratios, measured side by side in one run by `python -m benchmarks` ({machine}, {cores} cores). Seconds are of that machine and its load;
the ratios are what to trust.

| what | ours | beside | ratio |
|---|---|---|---|
"""


def main() -> None:
    """Measure everything and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_CACHE"] = folder
        rows = [*start.measure(Path(folder)), *views.measure()]
    lines = [f"| {r.what} | {r.ours:.3g} s | {r.other}: {r.theirs:.3g} s | {r.ours / r.theirs:.2g} |" for r in rows]
    page = HEAD.format(machine=platform.machine(), cores=os.cpu_count()) + "\n".join(lines) + "\n"
    PAGE.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
