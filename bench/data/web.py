"""One answer of a web server: opened, read, and every way in which it fails said in the same words."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError

from bench.errors import DataError

PATIENCE = 30.0
"""Seconds without a byte after which a connection counts as dropped."""
CHUNK = 1 << 20
_PAGE_STARTS = (b"<!doctype html", b"<html")
_PAGE_TYPES = ("text/html", "application/xhtml+xml")


class Dropped(Exception):
    """A request that did not bring what was asked for: why, and the server's code where it gave one."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code

    @property
    def final(self) -> bool:
        """Another request would be answered in the same way."""
        return 400 <= self.code < 500 and self.code not in (408, 416, 425, 429)


@contextmanager
def opened(url: str, headers: dict[str, str], method: str = "GET") -> Iterator[HTTPResponse]:
    """The answer to one request, redirects followed; Dropped where there is none."""
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url} is no address of the web (https://); correct the sources() of the data set")
    asked = {"User-Agent": "wsss-bench", "Accept-Encoding": "identity", **headers}
    with _network():
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=asked, method=method), timeout=PATIENCE)
    with answer:
        yield answer


def read_start(answer: HTTPResponse) -> bytes:
    """The first 512 bytes, or all where there are fewer."""
    with _network():
        return answer.read(512)


def read_on(answer: HTTPResponse) -> bytes:
    """What has come and was not read yet; empty at the end. `read` would lose it where the rest never comes."""
    with _network():
        return answer.read1(CHUNK)


@contextmanager
def _network() -> Iterator[None]:
    try:
        yield
    except HTTPError as refusal:
        refusal.close()
        raise Dropped(f"answers {refusal.code} ({refusal.reason})", refusal.code) from None
    except (HTTPException, OSError) as problem:
        cause = problem.reason if isinstance(problem, URLError) else problem
        if isinstance(cause, TimeoutError):
            raise Dropped(f"sent nothing for {PATIENCE:g} seconds") from problem
        if isinstance(problem, URLError):
            raise Dropped(f"cannot be reached ({cause})") from problem
        raise Dropped("dropped the connection") from problem


def is_page(answer: HTTPResponse, start: bytes = b"") -> bool:
    """Whether a web page came, by what the server calls it or by its first bytes."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return answer.headers.get_content_type() in _PAGE_TYPES or text.startswith(_PAGE_STARTS)


def version(answer: HTTPResponse) -> str:
    """What the server calls this version of the file, fit for If-Range: a strong ETag, else the date of its last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def length(answer: HTTPResponse) -> int | None:
    """Bytes of the whole file, None where the server does not say."""
    ranged = answer.headers.get("Content-Range", "").rpartition("/")[2]
    text = ranged if answer.status == 206 else answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def goes_on_at(answer: HTTPResponse, byte: int) -> bool:
    """Whether this is the rest of the file from `byte`, and not the whole or another piece of it."""
    return answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {byte}-")


def packed_as(answer: HTTPResponse) -> str:
    """The coding that was put on the file on its way; empty where it comes plain."""
    coding = answer.headers.get("Content-Encoding", "").strip().lower()
    return "" if coding == "identity" else coding
