"""`bench data get`: what is shown before anything comes, what is asked, what lies there afterwards, and what a second call does."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import ClassVar

import pytest
from filelock import FileLock
from mirror import mirror as playing

from bench.api import Dataset, Source
from bench.commands.transfer_bars import transfer_bars
from bench.data import download as downloads
from bench.data.get import get
from bench.datasets._addresses import ISIC_TERMS, isic_2018
from bench.errors import DataError, MachineError, UsageError
from bench.faults import Fault

TABLE = b"image,label\na,1\n"
PICTURES = {"pictures/a.jpg": random.Random(1).randbytes(3000), "pictures/b.jpg": random.Random(2).randbytes(2000)}
MASKS = {"masks/a.png": random.Random(3).randbytes(1000)}


def zipped(tree: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in tree.items():
            archive.writestr(name, content)
    return whole.getvalue()


def tarred(tree: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, content in tree.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return whole.getvalue()


ZIP, TAR = zipped(PICTURES), tarred(MASKS)
MD5 = hashlib.md5(TAR).hexdigest()


class Owned(Dataset):
    """A data set whose files come from the mirror."""

    name: ClassVar[str] = "owned"
    licence: ClassVar[str] = "CC BY-NC: not for commercial use"
    address: str = ""

    def sources(self):
        return (
            Source(f"{self.address}/pictures.zip", "pictures.zip", unpack="."),
            Source(f"{self.address}/masks.tar.gz", "deep/masks.tar.gz", unpack="deep", md5=MD5),
            Source(f"{self.address}/table.csv", "table.csv"),
        )


class Guarded(Dataset):
    """A data set that one has to get oneself."""

    name: ClassVar[str] = "guarded"
    by_hand: ClassVar[str] = "log in at owner.example and put train.tar into the folder"

    def faults(self):
        missing = Fault("layout", "train.tar", f"{self.root} has no train.tar; put it there")
        return () if (self.root / "train.tar").exists() else (missing,)


class Embedded(Dataset):
    """Made by code."""

    name: ClassVar[str] = "embedded"
    embedded: ClassVar[bool] = True


class Bare(Dataset):
    """Names nothing at all."""

    name: ClassVar[str] = "bare"


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    with playing() as server:
        for name, body in {"pictures.zip": ZIP, "masks.tar.gz": TAR, "table.csv": TABLE}.items():
            server.serve(name, body)
        yield server


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "zwei Wörter" / "Daten"


@pytest.fixture
def owned(mirror) -> Owned:
    return Owned(address=mirror.address)


class Call:
    """One `get`: its code, what it said and asked, and what its bars showed."""

    def __init__(self, dataset: Dataset, root: Path, *, yes: bool = True, answer: bool | None = None) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.bars: dict[str, tuple[int, int | None]] = {}
        ask = None if answer is None else lambda question: self.asked.append(question) or answer
        self.code = get(dataset, root, yes, ask, self.said.append, lambda n, d, t: self.bars.update({n: (d, t)}))

    @property
    def text(self) -> str:
        return "\n".join(self.said)


def ledger(root: Path) -> dict[str, dict]:
    return json.loads((root / "downloads.json").read_text(encoding="utf-8"))


def held(root: Path) -> dict[str, bytes]:
    kept = ("downloads.json", ".downloads.lock")
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name not in kept}


WHOLE = {
    **PICTURES,
    **{f"deep/{name}": content for name, content in MASKS.items()},
    "table.csv": TABLE,
    "pictures.zip": ZIP,
    "deep/masks.tar.gz": TAR,
}


def gets(mirror) -> list[str]:
    return [asked.path for asked in mirror.asked if asked.method == "GET"]


def test_everything_is_shown_asked_brought_and_written_down(owned, root, mirror):
    call = Call(owned, root, yes=False, answer=True)
    assert call.code == 0
    assert held(root) == WHOLE
    shown = call.said[: call.said.index("licence: CC BY-NC: not for commercial use")]
    assert shown[0] == f"owned to {root}"
    assert shown[1] == f"  pictures.zip  {len(ZIP) / 1000:.1f} kB; no owner's checksum: its sha256 is recorded"
    assert shown[2] == f"  deep/masks.tar.gz  {len(TAR) / 1000:.1f} kB; checksum: owner's md5"
    assert shown[3] == f"  table.csv  {len(TABLE)} bytes; no owner's checksum: its sha256 is recorded"
    total = len(ZIP) + len(TAR) + len(TABLE)
    assert shown[4].startswith(
        f"to download: {total / 1000:.1f} kB; to unpack: archives of {(len(ZIP) + len(TAR)) / 1000:.1f} kB; free: "
    )
    assert call.asked == [f"download {total / 1000:.1f} kB to {root}?"]
    assert call.bars["pictures.zip"] == (len(ZIP), len(ZIP))
    assert call.bars["unpacking pictures.zip"] == (5000, 5000)
    assert call.said[-1] == f"owned lies in {root}; `bench data check owned` reads all of it"


def test_the_ledger(owned, root, mirror):
    Call(owned, root)
    files = ledger(root)
    assert list(files) == ["deep/masks.tar.gz", "pictures.zip", "table.csv"]
    for name, body in {"pictures.zip": ZIP, "deep/masks.tar.gz": TAR, "table.csv": TABLE}.items():
        assert files[name]["url"] == f"{mirror.address}/{Path(name).name}"
        assert files[name]["bytes"] == len(body)
        assert files[name]["sha256"] == hashlib.sha256(body).hexdigest()
        assert files[name]["date"].endswith("+00:00")
    assert [files[name]["checksum"] for name in files] == ["owner's md5", *["recorded at first download"] * 2]
    assert files["pictures.zip"]["unpacked"] == {"names": ["pictures"], "files": 2, "bytes": 5000}
    assert files["table.csv"]["unpacked"] is None


def test_a_second_call_asks_nobody(owned, root, mirror):
    Call(owned, root)
    before = ledger(root)
    mirror.asked.clear()
    call = Call(owned, root, yes=False, answer=None)
    assert call.said == [f"owned lies in {root}; `bench data check owned` reads all of it"]
    assert not mirror.asked
    assert ledger(root) == before


def test_archives_may_be_deleted_afterwards(owned, root, mirror):
    call = Call(owned, root)
    assert "pictures.zip: 2 files unpacked; the archive may be deleted, downloads.json remembers it" in call.said
    (root / "pictures.zip").unlink()
    mirror.asked.clear()
    assert Call(owned, root).code == 0
    assert not mirror.asked


def test_what_was_unpacked_and_lost_is_put_back_from_the_archive_or_the_net(owned, root, mirror):
    Call(owned, root)
    (root / "pictures" / "a.jpg").unlink()
    mirror.asked.clear()
    Call(owned, root)
    assert held(root) == WHOLE
    assert not mirror.asked
    (root / "pictures" / "a.jpg").unlink()
    (root / "pictures.zip").unlink()
    first = ledger(root)["pictures.zip"]["date"]
    Call(owned, root)
    assert held(root) == WHOLE
    assert gets(mirror) == ["/pictures.zip"]
    assert ledger(root)["pictures.zip"]["date"] == first


def test_an_archive_that_changed_since_the_first_download_is_told(owned, root, mirror):
    Call(owned, root)
    (root / "pictures.zip").unlink()
    shutil.rmtree(root / "pictures")
    changed = zipped({"pictures/a.jpg": b"other"})
    mirror.serve("pictures.zip", changed)
    with pytest.raises(DataError) as error:
        Call(owned, root)
    then, now = (hashlib.sha256(body).hexdigest() for body in (ZIP, changed))
    assert f"is not the file of the first download (sha256 {then} then, {now} now)" in str(error.value)
    assert not (root / "pictures").exists()
    files = ledger(root)
    del files["pictures.zip"]
    (root / "downloads.json").write_text(json.dumps(files))
    mirror.asked.clear()
    Call(owned, root)
    assert (root / "pictures" / "a.jpg").read_bytes() == b"other"
    assert gets(mirror) == []  # it lay there already


def test_no_and_nobody(owned, root, mirror):
    call = Call(owned, root, yes=False, answer=False)
    assert call.code == 0
    assert call.said[-1] == "nothing was downloaded"
    with pytest.raises(
        UsageError, match="nobody is there to be asked whether owned may be downloaded; agree with --yes"
    ):
        Call(owned, root, yes=False)
    assert not root.exists()
    assert not gets(mirror)


def test_a_file_that_the_server_has_not_is_told_before_the_question(owned, root, mirror):
    del mirror.files["/masks.tar.gz"]
    with pytest.raises(DataError, match=r"masks\.tar\.gz answers 404"):
        Call(owned, root, yes=False, answer=True)
    assert not root.exists()


def test_a_download_that_was_cut_is_shown_and_continued(owned, root, mirror):
    mirror.serve("pictures.zip", ZIP, drops=[2000, *[0] * 4])
    with pytest.raises(MachineError, match="5 times in a row"):
        Call(owned, root)
    mirror.files["/pictures.zip"].drops.clear()
    mirror.asked.clear()
    call = Call(owned, root)
    assert f"  pictures.zip  {len(ZIP) / 1000:.1f} kB, 2.0 kB of it here; no owner's" in call.text
    coming = len(ZIP) + len(TAR) + len(TABLE) - 2000
    assert f"to download: {coming / 1000:.1f} kB" in call.text
    assert mirror.ranges()[0] == "bytes=2000-"
    assert held(root) == WHOLE


def test_an_interrupted_unpacking_is_finished(owned, root, mirror, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bench.data.get.unpack", killed)
        with pytest.raises(KeyboardInterrupt):
            Call(owned, root)
    assert ledger(root)["pictures.zip"]["unpacked"] is None
    mirror.asked.clear()
    Call(owned, root)
    assert held(root) == WHOLE
    assert "/pictures.zip" not in gets(mirror)


def test_a_wrong_checksum_stops_before_unpacking(owned, root, mirror):
    mirror.serve("masks.tar.gz", TAR + b"?")
    with pytest.raises(DataError, match="where its owner publishes"):
        Call(owned, root)
    assert not (root / "deep" / "masks.tar.gz").exists()
    assert not (root / "deep" / "masks").exists()
    assert "deep/masks.tar.gz" not in ledger(root)
    assert ledger(root)["pictures.zip"]["unpacked"]  # what came before stays finished


def test_files_from_a_browser_are_taken_up(owned, root, mirror):
    """The way out of a login: the archive is put there by hand and the same command goes on."""
    page = b"<!doctype html>sign in"
    mirror.serve("pictures.zip", page, kind="text/html")
    with pytest.raises(DataError) as error:
        Call(owned, root)
    assert f"put it at {root / 'pictures.zip'}, and run the same command again" in str(error.value)
    root.mkdir(parents=True)
    (root / "pictures.zip").write_bytes(ZIP)
    call = Call(owned, root)
    assert "  pictures.zip  lies there, to be looked at; no owner's checksum: its sha256 is recorded" in call.said
    assert held(root) == WHOLE
    assert ledger(root)["pictures.zip"]["checksum"] == "recorded when it was found"


def test_a_wrong_file_from_a_browser_is_left_to_its_owner(owned, root):
    place = root / "deep" / "masks.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half")
    found = hashlib.md5(b"half").hexdigest()
    with pytest.raises(DataError) as error:
        Call(owned, root)
    assert f"{place} has the md5 {found} where its owner publishes {MD5}; move it away" in str(error.value)
    assert place.read_bytes() == b"half"


def test_a_file_that_changed_behind_the_ledger_is_told(owned, root):
    Call(owned, root)
    (root / "table.csv").write_bytes(TABLE + b"b,0\n")
    with pytest.raises(DataError, match=r"table\.csv has the sha256 .* where downloads\.json has .*; move it away"):
        Call(owned, root)
    (root / "table.csv").unlink()
    Call(owned, root)
    assert held(root) == WHOLE


def test_folders_that_were_put_there_by_hand_are_not_downloaded_over(owned, root, mirror):
    for folder in ("pictures", "deep/masks"):
        (root / folder).mkdir(parents=True)
        (root / folder / "mine.jpg").write_text("mine")
    (root / "table.csv").write_text("mine")
    before = held(root)
    assert Call(owned, root).code == 0
    assert held(root) == before
    assert not mirror.asked
    assert not (root / "downloads.json").exists()


def test_a_read_only_folder_that_has_everything_is_left_alone(owned, root, mirror):
    Call(owned, root)
    (root / ".downloads.lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    assert Call(owned, root).code == 0
    assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before


@pytest.fixture
def locked_folder(monkeypatch):
    """A folder that this process may read and not write, root or not; on the other side of a folder of mode 700."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    nobody = 65534 if os.geteuid() == 0 else None
    if nobody is not None:
        os.seteuid(nobody)
    yield folder
    if nobody is not None:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of Unix")
def test_a_read_only_folder_is_named_with_the_way_out(mirror, locked_folder):
    for root in (locked_folder, locked_folder / "new"):
        with pytest.raises(MachineError) as error:
            Call(Owned(address=mirror.address), root)
        assert f"{root} cannot be written (Permission denied)" in str(error.value)
        assert "name another folder with --data-root" in str(error.value)
    assert not list(locked_folder.iterdir())
    assert not gets(mirror)


def test_room_for_archives_and_what_is_in_them(owned, root, monkeypatch):
    need = 2 * (len(ZIP) + len(TAR)) + len(TABLE)
    usage = shutil.disk_usage("/")._replace(free=need - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(MachineError) as error:
        Call(owned, root, yes=False, answer=True)
    assert f"need {need / 1000:.1f} kB, have {(need - 1) / 1000:.1f} kB at {root}; make room" in str(error.value)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=need))
    assert Call(owned, root).code == 0


def test_two_at_a_time(owned, root, mirror):
    root.mkdir(parents=True)
    with FileLock(root / ".downloads.lock"), pytest.raises(MachineError) as error:
        Call(owned, root)
    assert f"another `bench data get` works in {root}; wait for it" in str(error.value)
    assert not gets(mirror)
    Call(owned, root)
    assert held(root) == WHOLE


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}'])
def test_a_ledger_that_cannot_be_read(owned, root, content):
    root.mkdir(parents=True)
    (root / "downloads.json").write_text(content)
    with pytest.raises(DataError, match=r"downloads\.json cannot be read \(it is no list of downloads\); move it away"):
        Call(owned, root)
    assert (root / "downloads.json").read_text() == content


@pytest.mark.parametrize("place", ["../out.csv", "/etc/out.csv", "a/../../out.csv"])
def test_a_plugin_that_wants_to_write_elsewhere(root, place, mirror):
    class Greedy(Bare):
        def sources(self):
            return (Source(f"{mirror.address}/table.csv", place),)

    with pytest.raises(DataError, match=r"leaves the data folder; correct the sources\(\) of the data set"):
        Call(Greedy(), root)
    assert not mirror.asked


def test_where_a_login_is_needed(root):
    call = Call(Guarded(), root)
    assert call.code == 3
    assert call.said == [f"guarded is not there: {root} is empty or does not exist", Guarded.by_hand]
    root.mkdir(parents=True)
    (root / "else.txt").write_text("")
    assert Call(Guarded(), root).said[0] == f"{root} has no train.tar; put it there"
    (root / "train.tar").write_text("")
    call = Call(Guarded(), root)
    assert (call.code, call.said) == (0, [f"guarded lies in {root}; `bench data check guarded` reads all of it"])


def test_embedded_and_nameless(root):
    call = Call(Embedded(), root)
    assert (call.code, call.said) == (0, ["embedded is made by its own code: there is nothing to download"])
    call = Call(Bare(), root)
    assert call.code == 3
    assert call.said[-1] == f"bare names nothing to download: put its files into {root}"
    assert not root.exists()


def test_a_process_that_is_killed_in_the_middle_is_continued(owned, root, mirror):
    """The real thing: another Python gets the data set, is killed while bytes come, and this one goes on."""
    mirror.serve("pictures.zip", ZIP, stalls=2000)
    code = (
        "import sys; from pathlib import Path; from bench.api import Source; from bench.data.download import download\n"
        "to = Path(sys.argv[1]) / 'pictures.zip'\n"
        "download(Source(sys.argv[2], 'pictures.zip'), to, lambda done, total: print(done, flush=True))"
    )
    words = [sys.executable, "-c", code, str(root), f"{mirror.address}/pictures.zip"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline() != "2000\n":
            assert child.poll() is None
        child.kill()
    mirror.serve("pictures.zip", ZIP)
    mirror.asked.clear()
    Call(owned, root)
    assert held(root) == WHOLE
    assert mirror.ranges()[0] == "bytes=2000-"


def test_the_official_addresses():
    sources = isic_2018()
    assert {source.url for source in sources} == {
        f"https://isic-challenge-data.s3.amazonaws.com/2018/ISIC2018_{name}"
        for name in (
            "Task1-2_Training_Input.zip",
            "Task1_Training_GroundTruth.zip",
            "Task3_Training_Input.zip",
            "Task3_Training_GroundTruth.zip",
            "Task3_Training_LesionGroupings.csv",
        )
    }
    assert [source.unpack for source in sources] == ["."] * 4 + [""]
    assert not any(source.md5 or source.sha256 for source in sources)  # none is published
    assert "not for commercial use" in ISIC_TERMS


@pytest.mark.data
def test_isic_that_lies_there_is_not_fetched(shared_data):
    class OnlyAddresses(Bare):
        def sources(self):
            return isic_2018()

    before = sorted((shared_data / "isic2018").iterdir())
    assert Call(OnlyAddresses(), shared_data / "isic2018").code == 0
    assert sorted((shared_data / "isic2018").iterdir()) == before


def test_no_bar_without_a_terminal(capsys):
    with transfer_bars(True) as report:
        report("a.zip", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_bar_at_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with transfer_bars(True) as report:
        assert capsys.readouterr() == ("", "")  # a question may be asked here
        report("a [b].zip", 500_000, 2_000_000)
        report("a [b].zip", 2_000_000, 2_000_000)
    out, err = capsys.readouterr()
    assert not out
    assert "a [b].zip" in err
    assert "2.0/2.0 MB" in err
