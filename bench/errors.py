"""What can go wrong, each with the exit code that `bench` answers it with (docs/commands.md)."""

from __future__ import annotations


class BenchError(Exception):
    """A problem said in one sentence: what, where (file, field or plugin), and what to do. Never shown as a traceback."""

    exit_code = 1


class UsageError(BenchError):
    """Wrong usage: an unknown name, a bad setting, a protocol that does not exist."""

    exit_code = 2


class DataError(BenchError):
    """Data that is missing or faulty; `kind` is one of bench.faults.KINDS."""

    exit_code = 3

    def __init__(self, sentence: str, kind: str = "unreadable") -> None:
        super().__init__(sentence)
        self.kind = kind


class PluginError(BenchError):
    """A plugin that does not load or breaks its contract."""

    exit_code = 4


class MachineError(BenchError):
    """The environment: device, disk, lock, memory, weights that are not to be had."""

    exit_code = 5
