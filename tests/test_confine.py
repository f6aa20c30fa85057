"""A confined process reads what it was given and nothing else, and neither do its children; it dies with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from bench.pipeline.confine import covers

CHILD = """
import os, subprocess, sys
from pathlib import Path
from bench.pipeline.confine import confine
given, own, secret = map(Path, sys.argv[1:])
print(confine([given], [own]))
def attempt(what):
    try:
        what()
        return "yes"
    except OSError:
        return "no"
print("given", attempt(lambda: (given / "a.txt").read_text()))
print("write own", attempt(lambda: (own / "b.txt").write_text("b")))
print("write given", attempt(lambda: (given / "b.txt").write_text("b")))
print("secret", attempt(lambda: (secret / "mask.png").read_bytes()))
print("list", attempt(lambda: os.listdir(secret)))
print("parent", attempt(lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes()))
child = subprocess.run(["cat", str(secret / "mask.png")], capture_output=True)
print("by a child", "yes" if child.returncode == 0 else "no")
import numpy  # the interpreter and its packages stay usable
"""


def python(*words: str | Path, code: str = CHILD) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", dedent(code), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


def test_a_confined_process_reads_only_what_it_was_given(tmp_path):
    given, own, secret = (tmp_path / name for name in ("given", "own", "secret"))
    for folder in (given, own, secret):
        folder.mkdir()
    (given / "a.txt").write_text("a")
    (secret / "mask.png").write_bytes(b"mask")
    confined, *answers = python(given, own, secret).stdout.splitlines()
    if confined == "False":
        pytest.skip("this kernel has no Landlock: rows made here say `not confined`")
    assert answers == [
        "given yes",
        "write own yes",
        "write given no",
        "secret no",
        "list no",
        "parent no",
        "by a child no",
    ]


def test_what_lies_in_a_granted_folder_is_not_hidden(tmp_path):
    granted = tmp_path / "granted"
    assert covers([granted], [granted / "data"])
    assert covers([granted], [granted])
    assert not covers([granted / "view"], [granted])


def test_a_child_dies_with_its_parent(tmp_path):
    note = tmp_path / "pid"
    code = f"""
        import os, subprocess, sys, time
        inner = "import os, time, pathlib; from bench.pipeline.confine import die_with_parent; die_with_parent({{}}); "
        inner += "pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
        subprocess.Popen([sys.executable, "-P", "-c", inner.format(os.getpid())])
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-P", "-c", dedent(code)])
    pid = int(wait_for(lambda: note.exists() and note.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not alive(pid))


def wait_for(question, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
