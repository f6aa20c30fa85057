"""`python -m bench`, the command `bench`, and its two kinds of child process (`_cell FILE`, `_method FILE`)."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

TERMINATED = 143


def main() -> None:
    """Run the command line; a child process goes to its module without it."""
    match sys.argv[1:]:
        case ["_cell", file]:
            from bench.cell import main as cell

            sys.exit(cell(file))
        case ["_method", file]:
            from bench.method_process import main as method

            sys.exit(method(file))
    signal.signal(signal.SIGTERM, _terminated)
    from bench.cli import cli

    cli.main()


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)  # unlike the default, this runs every `finally` on the way out


if __name__ == "__main__":
    main()
