"""Downloads from good and bad mirrors: every byte that the owner sent, or one sentence and nothing that looks like the file."""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
from pathlib import Path

import pytest
from mirror import mirror as playing

from bench.api import Source
from bench.data import download as downloads
from bench.data import web
from bench.data.download import arrived, download, remote_size
from bench.disk import amount
from bench.errors import DataError, MachineError

BODY = random.Random(0).randbytes(100_000)
MD5, SHA256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()
BY_HAND = "with a browser, put it at"


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    with playing() as server:
        yield server


@pytest.fixture
def to(tmp_path) -> Path:
    return tmp_path / "zwei Wörter" / "file.zip"


def fetch(url: str, to: Path, recorded: str = "", **checksums: str) -> list[tuple[int, int | None]]:
    """Download and return what was reported."""
    told: list[tuple[int, int | None]] = []
    digest = download(Source(url, to.name, **checksums), to, lambda *now: told.append(now), recorded)
    assert (digest.bytes, digest.sha256) == (to.stat().st_size, hashlib.sha256(to.read_bytes()).hexdigest())
    return told


def refused(kind: type[Exception], url: str, to: Path, *parts: str, **more: str) -> str:
    """The one sentence of the error; nothing lies there under the name of the file."""
    with pytest.raises(kind) as error:
        fetch(url, to, **more)
    for part in (url, *parts):
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    assert not to.exists()
    return str(error.value)


def alone(to: Path) -> bool:
    """Nothing but the file is left in its folder."""
    return [path.name for path in to.parent.iterdir()] == [to.name]


def test_an_honest_server(mirror, to):
    told = fetch(mirror.serve("a", BODY), to, md5=MD5.upper(), sha256=SHA256)
    assert to.read_bytes() == BODY
    assert alone(to)
    assert told[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("body", [b"", b"x", BODY])
@pytest.mark.parametrize("how", [{}, {"chunked": True}, {"etag": None}])
def test_short_chunked_and_nameless_files(mirror, to, body, how):
    fetch(mirror.serve("a", body, **how), to)
    assert to.read_bytes() == body
    assert alone(to)


def test_a_dropped_connection_goes_on_where_it_stopped(mirror, to):
    fetch(mirror.serve("a", BODY, drops=[30_000, 50_000]), to, md5=MD5)
    assert to.read_bytes() == BODY
    assert mirror.ranges() == [None, "bytes=30000-", "bytes=80000-"]
    assert [asked.code for asked in mirror.asked] == [200, 206, 206]
    assert [asked.condition for asked in mirror.asked] == [None, *[f'"{MD5}"'] * 2]


def test_the_date_of_change_serves_where_there_is_no_strong_etag(mirror, to):
    day = "Wed, 21 Oct 2015 07:28:00 GMT"
    fetch(mirror.serve("a", BODY, drops=[30_000], etag='W/"weak"', modified=day), to)
    assert to.read_bytes() == BODY
    assert [asked.code for asked in mirror.asked] == [200, 206]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_version_without_a_name_is_not_continued(mirror, to, etag):
    fetch(mirror.serve("a", BODY, drops=[30_000], etag=etag), to)
    assert to.read_bytes() == BODY
    assert mirror.ranges() == [None, None]


def test_progress_in_every_request_is_not_counted_as_failure(mirror, to):
    fetch(mirror.serve("a", BODY, drops=[11_000] * 9), to)
    assert to.read_bytes() == BODY
    assert len(mirror.asked) == 10 > downloads.TRIES


def test_a_server_that_never_gets_further_is_given_up_and_the_part_is_continued_later(mirror, to):
    url = mirror.serve("a", BODY, drops=[40_000, 0, 0, 0, 0, 0])
    text = refused(MachineError, url, to, "ended before the file did, 5 times in a row")
    assert "40.0 kB of 100.0 kB are here, and the same command again continues" in text
    assert arrived(Source(url, to.name), to) == 40_000
    mirror.files["/a"].drops.clear()
    mirror.asked.clear()
    assert fetch(url, to)[0] == (40_000, len(BODY))
    assert to.read_bytes() == BODY
    assert mirror.ranges() == ["bytes=40000-"]
    assert alone(to)


def test_a_cut_chunked_body_is_no_whole_file(mirror, to):
    refused(
        MachineError, mirror.serve("a", BODY, chunked=True, drops_always=500), to, "dropped the connection, 5 times"
    )


def test_a_server_that_ignores_range_starts_over(mirror, to):
    fetch(mirror.serve("a", BODY, drops=[30_000], ranges=False), to)
    assert to.read_bytes() == BODY
    assert [(asked.range, asked.code) for asked in mirror.asked] == [(None, 200), ("bytes=30000-", 200)]


def test_a_server_that_ignores_range_and_always_drops_is_given_up(mirror, to):
    refused(MachineError, mirror.serve("a", BODY, drops_always=30_000, ranges=False), to, "5 times in a row")
    assert len(mirror.asked) == downloads.TRIES


@pytest.mark.parametrize("minds", [True, False])
@pytest.mark.parametrize("length", [100_000, 90_000, 20_000])
def test_a_file_that_changed_in_between_is_not_glued_to_its_old_start(mirror, to, minds, length):
    url = mirror.serve("a", BODY, drops=[30_000, *[0] * 5])
    refused(MachineError, url, to, "5 times in a row")
    changed = random.Random(1).randbytes(length)
    mirror.serve("a", changed, minds_if_range=minds)
    fetch(url, to)
    assert to.read_bytes() == changed
    assert alone(to)


def test_another_address_does_not_continue_the_part_of_the_first(mirror, to):
    dropping = mirror.serve("a", BODY, drops=[30_000, *[0] * 5], etag='"1"')
    refused(MachineError, dropping, to, "5 times in a row")
    fetch(mirror.serve("b", BODY[::-1], etag='"1"'), to)
    assert to.read_bytes() == BODY[::-1]


def test_another_piece_than_was_asked_for_is_not_glued(mirror, to):
    fetch(mirror.serve("a", BODY, drops=[30_000], shift=7), to, md5=MD5)
    assert to.read_bytes() == BODY
    assert mirror.ranges() == [None, "bytes=30000-", None]


def test_a_part_that_has_everything_needs_no_server(mirror, to):
    url = mirror.serve("a", BODY)
    wrong = "0" * 64
    text = refused(DataError, url, to, "is not the file of the first download", recorded=wrong)
    assert f"(sha256 {wrong} then, {SHA256} now)" in text
    assert "remove file.zip from downloads.json and run the same command again" in text
    mirror.asked.clear()
    fetch(url, to)
    assert to.read_bytes() == BODY
    assert not mirror.asked


def test_the_owners_checksum_goes_before_the_record(mirror, to):
    fetch(mirror.serve("a", BODY), to, md5=MD5, recorded="0" * 64)
    assert to.read_bytes() == BODY


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_wrong_checksum_is_told_and_the_file_removed(mirror, to, kind):
    url = mirror.serve("a", BODY[:-1] + b"?")
    found = hashlib.new(kind, BODY[:-1] + b"?").hexdigest()
    right = hashlib.new(kind, BODY).hexdigest()
    text = refused(DataError, url, to, f"has the {kind} {found} where its owner publishes {right}", **{kind: right})
    assert "what came was removed" in text
    assert not list(to.parent.iterdir())


@pytest.mark.parametrize(
    "how",
    [{"kind": "text/html; charset=utf-8"}, {"kind": "application/zip"}],
    ids=["by its type", "by its first bytes"],
)
def test_a_login_page_is_no_archive(mirror, to, how):
    url = mirror.serve("a", b"\xef\xbb\xbf\n<!DOCTYPE html><title>Sign in</title>", **how)
    text = refused(DataError, url, to, "answers with a web page instead of file.zip: a login, or terms to be accepted")
    assert f"{BY_HAND} {to}" in text
    assert not list(to.parent.iterdir())


def test_a_redirect_to_a_login_page_names_the_page(mirror, to):
    page = mirror.serve("login", b"<html>Sign in</html>", kind="text/html")
    url = mirror.serve("a", b"", redirect=page)
    refused(DataError, url, to, f"a web page ({page}) instead")
    with pytest.raises(DataError, match="answers with a web page"):
        remote_size(Source(url, to.name), to)


def test_a_login_page_in_the_middle_leaves_the_part(mirror, to):
    url = mirror.serve("a", BODY, drops=[30_000, *[0] * 5])
    refused(MachineError, url, to, "5 times in a row")
    honest = mirror.files["/a"]
    mirror.serve("a", b"<html>session expired</html>", kind="text/html", ranges=False)
    refused(DataError, url, to, "answers with a web page")
    mirror.files["/a"] = honest
    honest.drops.clear()
    fetch(url, to)
    assert to.read_bytes() == BODY
    assert mirror.ranges()[-1] == "bytes=30000-"


def test_a_redirect_to_the_file_is_followed_with_its_range(mirror, to):
    there = mirror.serve("b", BODY, drops=[30_000])
    fetch(mirror.serve("a", b"", redirect=there), to)
    assert to.read_bytes() == BODY
    assert [(a.path, a.range) for a in mirror.asked][2:] == [("/a", "bytes=30000-"), ("/b", "bytes=30000-")]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (404, "answers 404 (Not Found): the owner may have moved it"),
        (403, "answers 403 (Forbidden): a login"),
        (401, "answers 401 (Unauthorized): a login"),
        (410, "answers 410 (Gone): the owner removed it"),
        (451, "answers 451 (Unavailable For Legal Reasons); get"),
    ],
)
def test_a_refusal_is_told_at_once(mirror, to, code, why):
    url = mirror.serve("a", BODY, code=code)
    assert BY_HAND in refused(DataError, url, to, why)
    assert len(mirror.asked) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(mirror, to, code):
    fetch(mirror.serve("a", BODY, codes=[code, code]), to)
    assert to.read_bytes() == BODY
    mirror.asked.clear()
    to.unlink()
    refused(MachineError, mirror.serve("a", BODY, code=code), to, f"answers {code}", "5 times in a row")
    assert len(mirror.asked) == 5


def test_the_pauses_grow(mirror, to, monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(downloads, "PAUSE", 1.0)
    monkeypatch.setattr(downloads.time, "sleep", slept.append)
    refused(MachineError, mirror.serve("a", BODY, code=503), to, "5 times in a row")
    assert slept == [1, 2, 4, 8]


def test_a_server_that_stalls_is_named_with_the_patience_it_had(mirror, to, monkeypatch):
    monkeypatch.setattr(web, "PATIENCE", 0.1)
    url = mirror.serve("a", BODY, stalls=1, ranges=False)
    refused(MachineError, url, to, "sent nothing for 0.1 seconds, 5 times in a row")


def test_the_byte_before_each_stall_is_kept(mirror, to, monkeypatch):
    url = mirror.serve("a", BODY[:520], drops=[515, *[0] * 5])
    refused(MachineError, url, to, "5 times in a row")
    monkeypatch.setattr(web, "PATIENCE", 0.05)
    mirror.serve("a", BODY[:520], stalls=1)
    mirror.asked.clear()
    fetch(url, to)
    assert to.read_bytes() == BODY[:520]
    assert mirror.ranges() == [f"bytes={byte}-" for byte in range(515, 520)]


def test_no_server_at_all(to, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
        refused(MachineError, url, to, "cannot be reached", "Connection refused")
        with pytest.raises(MachineError, match=r"cannot be reached .* look at the network"):
            remote_size(Source(url, to.name), to)


def test_a_longer_announcement_than_the_body_is_never_called_whole(mirror, to):
    refused(MachineError, mirror.serve("a", BODY, length=len(BODY) + 5), to, "5 times in a row")


def test_a_shorter_announcement_than_the_body_is_caught_by_the_checksum(mirror, to):
    refused(DataError, mirror.serve("a", BODY, length=500), to, "where its owner publishes", md5=MD5)


def test_no_announcement_at_all_needs_a_checksum(mirror, to):
    url = mirror.serve("a", BODY, length=-1)
    refused(DataError, url, to, "does not say how long it is", "a cut-off copy could not be told", BY_HAND)
    fetch(url, to, md5=MD5)
    assert to.read_bytes() == BODY


def test_what_is_packed_on_its_way_is_not_taken_for_the_file(mirror, to):
    url = mirror.serve("a", BODY, encoding="gzip")
    refused(DataError, url, to, "comes packed as gzip though it was asked for plain")
    tar = to.with_name("file.tar.gz")  # some servers call every .gz so
    fetch(url, tar)
    assert tar.read_bytes() == BODY


def test_an_address_of_no_server(to):
    refused(DataError, "file:///etc/hostname", to, "is no address of the web")


def test_room_is_looked_at_before_the_first_byte(mirror, to, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=60_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    url = mirror.serve("a", BODY)
    with pytest.raises(MachineError) as error:
        fetch(url, to)
    assert f"file.zip: need 100.0 kB, have 60.0 kB at {to.parent}; make room" in str(error.value)
    assert not to.with_name("file.zip.part").exists()


def test_room_for_the_rest_is_enough(mirror, to, monkeypatch):
    url = mirror.serve("a", BODY, drops=[50_000, *[0] * 5])
    refused(MachineError, url, to, "5 times in a row")
    mirror.files["/a"].drops.clear()
    usage = shutil.disk_usage("/")._replace(free=60_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    fetch(url, to)
    assert to.read_bytes() == BODY


def test_a_folder_that_cannot_be_made(mirror, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match=r"file/below cannot be written .*--data-root"):
        fetch(mirror.serve("a", BODY), tmp_path / "file" / "below" / "a.zip")
    assert not mirror.asked


def test_the_size_of_the_head(mirror, to):
    def size(**how: object) -> int | None:
        return remote_size(Source(mirror.serve("a", BODY, **how), to.name), to)

    assert size() == len(BODY)
    assert size(length=-1) is None
    assert size(head_code=405) is None
    assert size(head_code=403) is None
    with pytest.raises(DataError, match="answers 404"):
        size(head_code=404)
    assert {asked.method for asked in mirror.asked} == {"HEAD"}


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (10_400_000_000, "10.4 GB"),
        (2_000_000_000_000, "2.0 TB"),
    ],
)
def test_sizes_in_words(count, words):
    assert amount(count) == words
