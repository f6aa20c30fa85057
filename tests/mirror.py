"""A server on the loopback that plays good and bad mirrors, and remembers what it was asked for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


@dataclass
class Served:
    """One file and how it is served. The defaults are an honest server with Range and a strong ETag."""

    body: bytes
    kind: str = "application/octet-stream"
    etag: str | None = ""
    """empty: made from the bytes; None: not sent"""
    modified: str = ""
    ranges: bool = True
    minds_if_range: bool = True
    shift: int = 0
    """added to the place that a Range asks for"""
    drops: list[int] = field(default_factory=list)
    """for each GET in turn, the bytes of the body after which the connection is cut"""
    drops_always: int | None = None
    stalls: int = 0
    """sends so many bytes and then nothing"""
    codes: list[int] = field(default_factory=list)
    """refusals given to the first GETs"""
    code: int = 200
    head_code: int = 200
    redirect: str = ""
    length: int | None = None
    """announced instead of the true one; -1: none is announced"""
    encoding: str = ""
    chunked: bool = False


class Asked(NamedTuple):
    """A request as the server saw it, and its answer."""

    method: str
    path: str
    range: str | None
    condition: str | None
    code: int


class Mirror:
    """Files by path (`/name`) and the requests that came for them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.closing = threading.Event()

    def serve(self, name: str, body: bytes, **how: object) -> str:
        """Put a file on the server; its address."""
        self.files[f"/{name}"] = Served(body, **how)  # type: ignore[arg-type]
        return f"{self.address}/{name}"

    def ranges(self) -> list[str | None]:
        """The Range headers of the GETs, in order."""
        return [asked.range for asked in self.asked if asked.method == "GET"]


@contextmanager
def mirror() -> Iterator[Mirror]:
    """A running server; ResourceWarnings and threads end with it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is part of the play
    playing = Mirror(f"http://127.0.0.1:{server.server_port}")
    server.playing = playing  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield playing
    finally:
        playing.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers one request as its file's `Served` says."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Not on the terminal of the tests."""

    def _answer(self, body: bool) -> None:
        mirror: Mirror = self.server.playing  # type: ignore[attr-defined]
        served = mirror.files.get(self.path, Served(b"", code=404))
        code = served.head_code if not body and served.head_code != 200 else served.code
        if body and served.codes:
            code = served.codes.pop(0)
        start = 0
        if code == 200 and served.redirect:
            code = 302
        elif code == 200:
            code, start = _place(served, self.headers)
        mirror.asked.append(
            Asked(self.command, self.path, self.headers.get("Range"), self.headers.get("If-Range"), code)
        )
        self.send_response(code)
        content = served.body[start:] if code in (200, 206) else b""
        self._headers(served, code, start, content)
        if body and (content or served.chunked):
            self._send(served, content, mirror)
        self.close_connection = True

    def _headers(self, served: Served, code: int, start: int, content: bytes) -> None:
        etag = f'"{hashlib.md5(served.body).hexdigest()}"' if served.etag == "" else served.etag
        sent = {"Location": served.redirect, "ETag": etag, "Last-Modified": served.modified}
        sent |= {"Content-Type": served.kind, "Content-Encoding": served.encoding, "Connection": "close"}
        if code == 206:
            sent["Content-Range"] = f"bytes {start}-{len(served.body) - 1}/{len(served.body)}"
        if served.chunked and code in (200, 206):
            sent["Transfer-Encoding"] = "chunked"
        elif served.length != -1:
            sent["Content-Length"] = str(len(content) if served.length is None or code != 200 else served.length)
        for name, value in sent.items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def _send(self, served: Served, content: bytes, mirror: Mirror) -> None:
        cut = served.drops.pop(0) if served.drops else served.drops_always
        if served.chunked:
            ended = b"0\r\n\r\n" if cut is None else b""
            self.wfile.write(b"%x\r\n%s\r\n%s" % (len(content[:cut]), content[:cut], ended))
            return
        self.wfile.write(content[: served.stalls] if served.stalls else content[:cut])
        self.wfile.flush()
        if served.stalls:
            mirror.closing.wait(10)


def _place(served: Served, headers: Message) -> tuple[int, int]:
    """The code and the first byte of the answer to a request with or without Range."""
    wanted, condition = headers.get("Range"), headers.get("If-Range")
    etag = f'"{hashlib.md5(served.body).hexdigest()}"' if served.etag == "" else served.etag
    if not wanted or not served.ranges:
        return 200, 0
    if served.minds_if_range and condition not in (None, etag, served.modified):
        return 200, 0
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    return (206, start + served.shift) if start < len(served.body) else (416, 0)
