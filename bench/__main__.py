"""`python -m bench`, the command `bench`, and its two kinds of child process (`_cell FILE`, `_method FILE`)."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; a child process goes to its module without it."""
    match sys.argv[1:]:
        case ["_cell", file]:
            from bench.pipeline.cell_process import main as cell

            sys.exit(cell(file))
        case ["_method", file]:
            from bench.pipeline.method_process import main as method

            sys.exit(method(file))
    from bench.commands.cli import cli, terminate

    signal.signal(signal.SIGTERM, terminate)
    cli.main()


if __name__ == "__main__":
    main()
