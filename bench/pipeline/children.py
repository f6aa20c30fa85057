"""Child processes of a run: their events, their time limit, and an end to all of them when the run is stopped."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterable
from typing import IO


class Stopped(Exception):
    """This run is being stopped: its cells are neither done nor failed."""


class Children:
    """The child processes that run now, so that none outlives this one."""

    def __init__(self) -> None:
        self._alive: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(
        self,
        command: list[str],
        environment: dict[str, str],
        log: IO[str],
        timeout: float | None,
        line: Callable[[str, int, int], None],
    ) -> str:
        """Run one to its end, its events going to `line`, its complaints to `log`; how it ended, in words."""
        child = self._start(command, environment, log)
        late = threading.Event()

        def kill() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(timeout or threading.TIMEOUT_MAX, kill)
        timer.daemon = True
        if timeout:
            timer.start()
        assert child.stdout is not None
        with child.stdout:
            _follow(child.stdout, line)
        code = child.wait()
        timer.cancel()
        with self._lock:
            self._alive.discard(child)
            if self._stopped:
                raise Stopped
        if late.is_set():
            return f"stopped after {timeout:g} seconds (--timeout)"
        return f"the cell was ended by signal {-code}" if code < 0 else f"the cell ended with exit code {code}"

    def stop(self) -> None:
        """End all, and start no more."""
        with self._lock:
            self._stopped = True
            for child in self._alive:
                child.kill()

    def _start(self, command: list[str], environment: dict[str, str], log: IO[str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise Stopped
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment, text=True
            )
            self._alive.add(child)
        return child


def _follow(events: Iterable[str], line: Callable[[str, int, int], None]) -> None:
    for event in events:
        if event.endswith("\n"):  # the last one of a killed child may be cut
            line(*json.loads(event))
