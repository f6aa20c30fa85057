"""What this installation has and lacks, in one list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bench.doctor.machine import Line, confinement, devices, folders, packages
from bench.doctor.plugins import caches, datasets, offered, weights
from bench.errors import MachineError, PluginError


def examine(out: Path) -> list[Line]:
    """Everything, section by section; nothing is downloaded. `out`: where results would go. A look that fails is a line, too."""
    looks: tuple[Callable[[], Iterator[Line]], ...] = (
        packages,
        devices,
        lambda: folders(out),
        caches,
        confinement,
        offered,
    )
    lines = [line for look in looks for line in look()]
    if exit_code(lines) != MachineError.exit_code:  # weights need torch and timm
        lines += weights()
    return [*lines, *datasets()]


def exit_code(lines: list[Line]) -> int:
    """5 where something is missing that every run needs, else 4 where a plugin is broken, else 0."""
    states = {line.state for line in lines}
    if "missing" in states:
        return MachineError.exit_code
    return PluginError.exit_code if "broken" in states else 0
