"""`bench data get`: say what would come from where, ask, download, unpack, and write down what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from bench.api import Dataset, Source
from bench.data.download import arrived, download, remote_size
from bench.data.receipts import FOUND, LEDGER, RECORDED, Ledger, Receipt, checksum_of, digest_of, mismatch, receipt_for
from bench.data.unpack import lies_whole, unpack
from bench.disk import amount, check_room, free_bytes, writing
from bench.errors import DataError, MachineError, UsageError

Say = Callable[[str], object]
Ask = Callable[[str], bool]
Report = Callable[[str, int, int | None], object]
"""Called with a file's name, how many of its bytes are done, and of how many (None: not known)."""


class Step(NamedTuple):
    """A file of the data set: whether it has to come over the network, how long it is, and how much of it is here."""

    source: Source
    fetch: bool
    size: int | None
    here: int = 0


def get(dataset: Dataset, root: Path, yes: bool, ask: Ask | None, say: Say, report: Report) -> int:
    """Bring a data set to the folder `root`; the exit code. `ask` is None where nobody is there to answer.

    0: it is there, or the answer was no; 3: files have to be put there by hand, and `say` told which. UsageError where nobody can be
    asked and `yes` was not given; DataError and MachineError of `download` and `unpack`.
    """
    if dataset.embedded:
        say(f"{dataset.name} is made by its own code: there is nothing to download")
        return 0
    ledger = Ledger(root)
    steps = [_step(source, root) for source in _checked(dataset) if not _is_there(source, root, ledger)]
    if steps and not _agreed(dataset, root, steps, yes, ask, say):
        say("nothing was downloaded")
        return 0
    if steps:
        with _alone(root):
            _take(steps, root, Ledger(root), say, report)
    return _rest(dataset, root, say)


def _checked(dataset: Dataset) -> Sequence[Source]:
    """The sources, once none of them leads out of the data folder."""
    for source in dataset.sources():
        for name in (Path(source.file), Path(source.unpack)):
            if name.is_absolute() or ".." in name.parts:
                raise DataError(f"{dataset.name}: {name} leaves the data folder; correct the sources() of the data set")
    return dataset.sources()


def _is_there(source: Source, root: Path, ledger: Ledger) -> bool:
    """Whether nothing is left to do: unpacked, or lying there. A folder called like an archive was put there by hand."""
    receipt = ledger.files.get(source.file)
    if not source.unpack:
        size = (root / source.file).stat().st_size if (root / source.file).is_file() else None
        return size is not None and (size == receipt.bytes if receipt else not checksum_of(source))
    target = root / source.unpack
    if receipt is None:
        folder = target / Path(source.file).name.partition(".")[0]
        return folder.is_dir() and any(folder.iterdir())
    return receipt.unpacked is not None and lies_whole(target, receipt.unpacked)


def _step(source: Source, root: Path) -> Step:
    to = root / source.file
    if to.is_file():
        return Step(source, False, to.stat().st_size)
    return Step(source, True, remote_size(source, to), arrived(source, to))


def _agreed(dataset: Dataset, root: Path, steps: Sequence[Step], yes: bool, ask: Ask | None, say: Say) -> bool:
    """Show what will be fetched, and ask unless that was answered beforehand."""
    coming = sum(max(0, (step.size or 0) - step.here) for step in steps if step.fetch)
    unpacked = sum(step.size or 0 for step in steps if step.source.unpack)
    say(f"{dataset.name} to {root}")
    for step in steps:
        say(f"  {step.source.file}  {_described(step)}")
    say(f"to download: {amount(coming)}; to unpack: archives of {amount(unpacked)}; free: {amount(free_bytes(root))}")
    if dataset.licence:
        say(f"licence: {dataset.licence}")
    check_room(root, coming + unpacked, f"{dataset.name} with its archives unpacked")
    if yes:
        return True
    if ask is None:
        raise UsageError(f"nobody is there to be asked whether {dataset.name} may be downloaded; agree with --yes")
    return ask(f"download {amount(coming)} to {root}?")


def _described(step: Step) -> str:
    kind = checksum_of(step.source)
    known_by = f"checksum: owner's {kind}" if kind else "no owner's checksum: its sha256 is recorded"
    if not step.fetch:
        return f"lies there, to be looked at; {known_by}"
    size = "size unknown" if step.size is None else amount(step.size)
    return f"{size}{f', {amount(step.here)} of it here' if step.here else ''}; {known_by}"


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Two downloads into one folder would write into each other's files."""
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / ".downloads.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise MachineError(
                f"another `bench data get` works in {root}; wait for it and run the same command again"
            ) from None
    try:
        yield
    finally:
        lock.release()


def _take(steps: Sequence[Step], root: Path, ledger: Ledger, say: Say, report: Report) -> None:
    """Download, write down, unpack: each file is finished before the next begins."""
    for source, *_ in steps:
        receipt = _received(source, root / source.file, ledger.files.get(source.file), report)
        ledger.keep(source.file, receipt)
        say(f"{source.file}: {amount(receipt.bytes)}, sha256 {receipt.sha256} ({receipt.checksum})")
        if source.unpack:
            bar = partial(report, f"unpacking {source.file}")
            unpacked = unpack(root / source.file, root / source.unpack, bar)
            ledger.keep(source.file, replace(receipt, unpacked=unpacked))
            say(f"{source.file}: {unpacked.files:,} files unpacked; the archive may be deleted, {LEDGER} remembers it")


def _received(source: Source, to: Path, known: Receipt | None, report: Report) -> Receipt:
    """The receipt of a file, downloaded or found; the first one stays where the bytes are the same."""
    found = to.is_file()
    digest = (
        digest_of(to) if found else download(source, to, partial(report, source.file), known.sha256 if known else "")
    )
    wrong = mismatch(source, digest)
    if known and known.sha256 != digest.sha256 and not checksum_of(source):
        wrong = f"the sha256 {digest.sha256} where {LEDGER} has {known.sha256}"
    if wrong:
        raise DataError(f"{to} has {wrong}; move it away and run the same command again")
    same = known is not None and known.sha256 == digest.sha256
    return known if known and same else receipt_for(source, digest, FOUND if found else RECORDED)


def _rest(dataset: Dataset, root: Path, say: Say) -> int:
    """What is left to do by hand: the code 3 and words that say what, where something is."""
    missing = _missing(dataset, root) if dataset.by_hand or not dataset.sources() else ""
    if not missing:
        say(f"{dataset.name} lies in {root}; `bench data check {dataset.name}` reads all of it")
        return 0
    say(missing)
    say(dataset.by_hand or f"{dataset.name} names nothing to download: put its files into {root}")
    return DataError.exit_code


def _missing(dataset: Dataset, root: Path) -> str:
    """What a data set that is filled by hand still lacks, in its own words."""
    if not root.is_dir() or not any(root.iterdir()):
        return f"{dataset.name} is not there: {root} is empty or does not exist"
    try:
        faults = dataset.model_copy(update={"root": root}).faults()
    except DataError as error:
        return str(error)
    return next((fault.text for fault in faults if fault.kind == "layout" and fault.blocks), "")
