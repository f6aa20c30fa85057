"""One file from a web server to the disk: continued where it stopped, never glued to another version, its checksum looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path

from bench.api import Source
from bench.data.receipts import Digest, checksum_of, digest_of, mismatch
from bench.data.web import Dropped, goes_on_at, is_page, length, opened, packed_as, read_on, read_start, version
from bench.disk import amount, check_room, writing
from bench.errors import DataError, MachineError
from bench.store import write_json

Report = Callable[[int, int | None], object]
"""Called with the bytes that are here and the bytes in all (None: the server does not say)."""

TRIES = 5
"""Connections that may drop in a row; the count begins again with each that brings something new."""
PAUSE = 1.0
"""Seconds before the second try; doubled before each of the next."""
_REASONS = {
    401: ": a login, or terms to be accepted",
    403: ": a login, or terms to be accepted",
    404: ": the owner may have moved it",
    410: ": the owner removed it",
}


class _Part:
    """What has come of a file so far (`.part`), and which version on the server it is the start of (`.part.json`)."""

    def __init__(self, url: str, to: Path) -> None:
        self.url = url
        self.path = to.with_name(f"{to.name}.part")
        self.memo = to.with_name(f"{to.name}.part.json")

    @property
    def known(self) -> tuple[str, int | None]:
        """The server's name for the version and its length; without a name nothing can be continued."""
        try:
            memo = json.loads(self.memo.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "", None
        return (memo["version"], memo["bytes"]) if memo["url"] == self.url else ("", None)

    @property
    def here(self) -> int:
        """Bytes that can be built upon."""
        return self.path.stat().st_size if self.known[0] and self.path.exists() else 0

    @property
    def whole(self) -> bool:
        """Everything has come; only the name is still missing."""
        return self.here > 0 and self.here == self.known[1]

    def begin(self, name: str, total: int | None) -> None:
        """Forget what has come: another version starts at its first byte."""
        self.forget()
        write_json(self.memo, {"url": self.url, "version": name, "bytes": total})

    def forget(self) -> None:
        """Remove what has come."""
        with writing(self.path):
            self.path.unlink(missing_ok=True)
            self.memo.unlink(missing_ok=True)


def download(source: Source, to: Path, report: Report, recorded: str = "") -> Digest:
    """Bring `source` to the file `to` and say what it is.

    A `.part` beside it outlives a kill and is continued if the server still has the same version. `recorded` is the sha256 of an
    earlier download, which counts where the owner publishes no checksum. DataError for a page instead of the file, a refusal of the
    server or a wrong checksum; MachineError for a network that does not answer and for the disk.
    """
    part = _Part(source.url, to)
    with writing(to.parent):
        to.parent.mkdir(parents=True, exist_ok=True)
    _fetch(source, to, part, report)
    digest = digest_of(part.path)
    _compare(source, to, part, digest, recorded)
    with writing(to):
        part.path.replace(to)
    part.forget()
    return digest


def arrived(source: Source, to: Path) -> int:
    """How many bytes an interrupted download left to build upon."""
    return _Part(source.url, to).here


def remote_size(source: Source, to: Path) -> int | None:
    """The length that the server announces, None where it does not; the errors of `download` where it does not have the file."""
    try:
        with opened(source.url, {}, "HEAD") as answer:
            if is_page(answer):
                raise _page(source.url, to, answer)
            return length(answer)
    except Dropped as problem:
        if problem.code in (403, 405, 501):  # some servers answer GET only
            return None
        _refuse(source.url, to, problem)
        raise MachineError(f"{source.url} {problem}; look at the network and run the same command again") from problem


def _compare(source: Source, to: Path, part: _Part, digest: Digest, recorded: str) -> None:
    wrong = mismatch(source, digest)
    if wrong:
        part.forget()
        raise DataError(
            f"{source.url} has {wrong}; what came was removed: run the same command again, and if it says the same, {_by_hand(to)}"
        )
    if recorded and not checksum_of(source) and digest.sha256 != recorded:
        # The part stays: whoever takes the new file does not download it twice.
        raise DataError(
            f"{source.url} is not the file of the first download (sha256 {recorded} then, {digest.sha256} now): scores on it are "
            f"scores on other data; to take it all the same, remove {source.file} from downloads.json and run the same command again"
        )


def _fetch(source: Source, to: Path, part: _Part, report: Report) -> None:
    """Requests until the file is here, or until TRIES of them were dropped in a row."""
    failures, most = 0, part.here
    while not part.whole:
        try:
            _request(source, to, part, report)
            break
        except Dropped as problem:
            _refuse(source.url, to, problem)
            if problem.code == 416:  # it has become shorter than what is here
                part.forget()
            failures = 1 if part.here > most else failures + 1
            most = max(most, part.here)
            if failures == TRIES:
                raise _given_up(part, problem) from problem
        time.sleep(PAUSE * 2 ** (failures - 1))


def _request(source: Source, to: Path, part: _Part, report: Report) -> None:
    """One request for what is missing; Dropped where it ends before the file does."""
    here, (name, total) = part.here, part.known
    headers = {"Range": f"bytes={here}-", "If-Range": name} if here else {}
    with opened(source.url, headers) as answer:
        if answer.status == 206 and _continues(answer, here, name, total):
            start = b""
        elif answer.status == 206:
            part.forget()
            raise Dropped("sent another piece of the file than was asked for")
        else:
            here, start, total = 0, read_start(answer), length(answer)
            _refuse_strange(source, to, answer, start)
            part.begin(version(answer), total)
        check_room(to.parent, (total or 0) - here, to.name)
        _copy(answer, start, part.path, here, total, report)


def _continues(answer: HTTPResponse, here: int, name: str, total: int | None) -> bool:
    """Whether the answer is the rest of the version whose start is here; a server may take no notice of If-Range."""
    return goes_on_at(answer, here) and version(answer) in ("", name) and length(answer) in (None, total)


def _copy(answer: HTTPResponse, chunk: bytes, path: Path, here: int, total: int | None, report: Report) -> None:
    with writing(path), path.open("ab" if here else "wb") as file:
        while True:
            file.write(chunk)
            file.flush()  # a kill loses nothing that was reported
            here += len(chunk)
            report(here, total)
            chunk = read_on(answer)
            if not chunk:
                break
    if total is not None and here != total:  # a short body raises nothing when it is read in pieces
        raise Dropped("ended before the file did")


def _refuse_strange(source: Source, to: Path, answer: HTTPResponse, start: bytes) -> None:
    """DataError for an answer whose bytes are not those of the file, or could not be told whole from cut off."""
    if is_page(answer, start):
        raise _page(source.url, to, answer)
    packed = packed_as(answer)
    if packed and not (packed.endswith("gzip") and to.suffix in (".gz", ".tgz")):
        raise DataError(
            f"{source.url} comes packed as {packed} though it was asked for plain, so its bytes are not those of {to.name}; {_by_hand(to)}"
        )
    if length(answer) is None and not answer.chunked and not checksum_of(source):
        raise DataError(
            f"{source.url} does not say how long it is and has no checksum, so a cut-off copy could not be told; {_by_hand(to)}"
        )


def _page(url: str, to: Path, answer: HTTPResponse) -> DataError:
    where = f" ({answer.geturl()})" if answer.geturl() != url else ""
    return DataError(
        f"{url} answers with a web page{where} instead of {to.name}: a login, or terms to be accepted; {_by_hand(to)}"
    )


def _refuse(url: str, to: Path, problem: Dropped) -> None:
    """DataError for a refusal that another request does not change."""
    if problem.final:
        raise DataError(f"{url} {problem}{_REASONS.get(problem.code, '')}; {_by_hand(to)}") from problem


def _given_up(part: _Part, problem: Dropped) -> MachineError:
    total = part.known[1]
    of = f" of {amount(total)}" if total else ""
    return MachineError(
        f"{part.url} {problem}, {TRIES} times in a row; {amount(part.here)}{of} are here, and the same command again continues"
    )


def _by_hand(to: Path) -> str:
    return f"get {to.name} with a browser, put it at {to}, and run the same command again"
