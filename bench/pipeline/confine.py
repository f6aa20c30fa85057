"""Keeps a process to the folders it was given (Landlock, Linux 5.13 and newer). It dies with its parent. No sandbox against malice."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

# <linux/landlock.h>: system calls, and the file rights that a ruleset handles; the number of rights grew with the version of the interface.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH = 1
VERSION_FLAG = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
READ = EXECUTE | READ_FILE | READ_DIR
FILE_RIGHTS = (
    EXECUTE | WRITE_FILE | READ_FILE | 1 << 14
)  # what may be granted on a file that is no folder; 1 << 14 is truncation
RIGHTS_OF_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
CAPABILITY_VERSION = 0x20080522

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/opt", "/proc", "/sys")
DEVICES = ("/dev",)


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def die_with_parent(parent: int) -> None:
    """This process is killed when its parent goes, however that goes. Linux only; elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        os._exit(1)


def interpreter_folders() -> list[Path]:
    """What a Python process must read to run at all: the interpreter, the packages, and this project's folders where they are editable."""
    packages = [
        importlib.util.find_spec(name) for name in ("bench", "bench.methods", "bench.datasets", "bench.leaderboard")
    ]
    ours = [Path(place) for spec in packages if spec is not None for place in spec.submodule_search_locations or ()]
    paths = [Path(p) for p in (sys.prefix, sys.base_prefix, *sys.path) if p]
    return [p.resolve() for p in (*paths, *ours) if p.is_dir()]


def covers(granted: Iterable[Path], hidden: Iterable[Path]) -> bool:
    """Whether something that must stay hidden lies inside what is granted."""
    folders = [g.resolve() for g in granted]
    return any(h.resolve().is_relative_to(g) for h in hidden for g in folders)


def confine(readable: Sequence[Path], writable: Sequence[Path]) -> bool:
    """From now on this process and its children read only `readable`, the system, the interpreter; they write only `writable`, devices.

    Returns False, with nothing changed, where the kernel has no Landlock.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, 0, VERSION_FLAG) if sys.platform == "linux" else -1
    if version < 1:
        return False
    handled = RIGHTS_OF_VERSION[min(version, 3)]
    ruleset = libc.syscall(CREATE_RULESET, ctypes.byref(_Ruleset(handled)), ctypes.sizeof(_Ruleset), 0)
    if ruleset < 0:
        return False
    for path in (*map(Path, SYSTEM), *interpreter_folders(), *readable):
        _grant(libc, ruleset, path, handled & READ)
    for path in (*map(Path, DEVICES), *writable):
        _grant(libc, ruleset, path, handled)
    _drop_privileges(libc)
    done = libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return bool(done == 0)


def _drop_privileges(libc: ctypes.CDLL) -> None:
    """Give up what root may do beyond its files: with the right to trace (CAP_PERFMON) it would read the parent's environment."""
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    libc.capset(header, nothing)


def _grant(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH)
    except OSError:
        return
    allowed = rights if path.is_dir() else rights & FILE_RIGHTS
    rule = _PathBeneath(allowed, handle)
    done = libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(handle)
    if done != 0:
        raise OSError(ctypes.get_errno(), f"Landlock refused a rule for {path}")
