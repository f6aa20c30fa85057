"""The cell's side of the method process: starts it with what it may read, asks, listens, and takes what it made."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import errors
from bench.pipeline.confine import DEVICES, SYSTEM, covers, interpreter_folders

KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
)
PATIENCE = 10.0
"""Seconds that a method process has to end by itself."""
PREFIXES = ("NVIDIA_", "CUDA_", "MALLOC_")
KINDS = (errors.BenchError, errors.UsageError, errors.DataError, errors.PluginError, errors.MachineError)
FAILURES = {kind.exit_code: kind for kind in KINDS}

Report = Callable[[int, int], None]


class MethodProcess:
    """One method process: `start`, `ask`, and `close`, which ends it and removes its folder."""

    def __init__(
        self,
        job: Mapping[str, Any],
        readable: Sequence[Path],
        hidden: Sequence[Path],
        scratch: Path,
        log: Path,
        report: Report,
    ) -> None:
        self.job = job
        self.readable = list(readable)
        self.hidden = hidden
        self.log = log
        self.report = report
        scratch.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(dir=scratch))
        self.confined = False
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, writable: Sequence[Path] = ()) -> None:
        """Start it, confined to its own folder, `readable` and `writable`."""
        reading, writing = os.pipe()
        job_file = self.scratch / "job.json"
        job = {
            **self.job,
            "parent": os.getpid(),
            "events": writing,
            "readable": [str(p) for p in self.readable],
            "writable": [str(self.scratch), *map(str, writable)],
        }
        job_file.write_text(json.dumps(job), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "bench", "_method", str(job_file)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                cwd=self.scratch,
                env=self._environment(),
            )
        os.close(writing)
        self._events = os.fdopen(reading, encoding="utf-8")
        granted = [*map(Path, (*SYSTEM, *DEVICES)), *interpreter_folders(), *self.readable, *writable]
        self.confined = bool(self._next().get("confined")) and not covers(granted, self.hidden)

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer, the cost; what the method raised is raised here."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died: _next says how
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        while True:
            event = self._next()
            if "done" in event:
                return dict(event["done"])
            if "error" in event:
                raise FAILURES[event["exit"]](event["error"])
            self.report(event["epoch"], event["total"])

    def close(self) -> None:
        """End the process, which may first say the rest of its words to the log, and remove its folder."""
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._events.close()
            self._process = None
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _next(self) -> dict[str, Any]:
        line = self._events.readline()
        if line:
            return dict(json.loads(line))
        assert self._process is not None
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise errors.BenchError(
            f"the process of method {self.job['plugin']['name']} ended ({how}); its output is in {self.log}"
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(PREFIXES)}
        own = {"HOME": str(self.scratch), "TMPDIR": str(self.scratch)}
        return {**kept, **own, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
