"""Archives: what is in them comes out whole, and a bad one leaves nothing behind, inside the target or outside."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import string
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bench.data import unpack as unpacking
from bench.data.archives import parts
from bench.data.unpack import Unpacked, lies_whole, unpack
from bench.errors import DataError, MachineError

NOISE = random.Random(0).randbytes(5000)
TREE = {
    "data/images/a.jpg": NOISE,
    "data/images/ü b.jpg": NOISE[:700],
    "data/table.csv": b"image,label\n",
    "top.txt": b"",
}
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def quiet(done: int, total: int | None) -> None:
    pass


def make_zip(path: Path, tree: dict[str, bytes], **modes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tree.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = modes.get(name, 0o100644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def make_tar(path: Path, tree: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
    packing = {".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".xz": "xz"}.get(path.suffix, "")
    with tarfile.open(path, f"w:{packing}") as archive:
        for name, content in tree.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in others:
            archive.addfile(info)
    return path


def make(path: Path, tree: dict[str, bytes]) -> Path:
    return make_zip(path, tree) if path.suffix == ".zip" else make_tar(path, tree)


def special(name: str, kind: bytes, leads: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, leads
    return info


def held(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def surroundings(target: Path) -> list[Path]:
    return sorted(set(target.parent.rglob("*")) - {target})


def refused(archive: Path, target: Path, *parts: str) -> None:
    """One sentence with the archive in it, and the surroundings as they were before."""
    before = surroundings(target)
    with pytest.raises(DataError) as error:
        unpack(archive, target, quiet)
    for part in (f"{archive} is not unpacked: ", *parts, "remove it and get it again, or ask its owner"):
        assert part in str(error.value)
    assert surroundings(target) == before


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "mit Öl" / "target"


@pytest.fixture
def inbox(tmp_path) -> Path:
    folder = tmp_path / "mit Öl" / "inbox"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("suffix", [".zip", ".ZIP", *TARS])
def test_everything_comes_out(inbox, target, suffix):
    archive = make_zip(inbox / f"a{suffix}", TREE) if suffix.lower() == ".zip" else make(inbox / f"a{suffix}", TREE)
    told: list[tuple[int, int | None]] = []
    size = sum(map(len, TREE.values()))
    assert unpack(archive, target, lambda *now: told.append(now)) == Unpacked(("data", "top.txt"), 4, size)
    assert held(target) == TREE
    assert sorted(p.name for p in target.iterdir()) == ["data", "top.txt"]
    assert told[-1] == (size, size if suffix.lower() == ".zip" else None)


def test_an_archive_of_the_system_tar(inbox, target):
    """Names that begin with `./`, entries for folders, rights and times that are not ours to take over."""
    tree = inbox / "tree"
    for name, content in TREE.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "data").chmod(0o500)
    assert os.spawnlp(os.P_WAIT, "tar", "tar", "-czf", str(inbox / "a.tgz"), "-C", str(tree), ".") == 0
    assert unpack(inbox / "a.tgz", target, quiet).names == ("data", "top.txt")
    assert held(target) == TREE
    assert (target / "data").stat().st_mode & 0o700 == 0o700


OUTSIDE = "leads out of its folder"
NAMES = {
    "../evil": OUTSIDE,
    "data/../../evil": OUTSIDE,
    "data/..": OUTSIDE,
    "/etc/evil": OUTSIDE,
    "//host/evil": OUTSIDE,
    "C:/evil": OUTSIDE,
    "..\\evil": OUTSIDE,
    "data\\evil": OUTSIDE,
    "new\nline": "has control characters in its name",
    "x" * 300: "has a name of more than 255 bytes",
    "ü" * 200: "has a name of more than 255 bytes",
    "data/CON": "is called like a device",
    "data/nul.jpg": "is called like a device",
    ".": "has no name",
}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_names_that_lead_elsewhere_or_cannot_be(inbox, target, suffix, name):
    archive = make(inbox / f"a{suffix}", {"good": b"1", name: b"evil"})
    refused(archive, target, f"its entry {name[:100]!r}", NAMES[name])


def test_a_nul_in_a_zip_name(inbox, target):
    archive = make_zip(inbox / "a.zip", {"evil.jpg?.exe": b"1"})
    archive.write_bytes(archive.read_bytes().replace(b"evil.jpg?.exe", b"evil.jpg\0.exe"))
    refused(archive, target, "has control characters in its name")


@given(some.text(alphabet=[*"./\\:ab ", "\0", "\n", "ü", *string.ascii_letters[:3]], min_size=1, max_size=12))
def test_no_name_leads_out(name):
    from bench.data.archives import Member

    try:
        names = parts(Path("a.zip"), Member(name, 0, "file", io.BytesIO))
    except DataError:
        return
    base = Path("/base/of/the/target")
    place = Path(os.path.normpath(base.joinpath(*names)))
    assert place != base
    assert place.is_relative_to(base)
    assert place.parts[-len(names) :] == names


@pytest.mark.parametrize("leads", ["/etc/passwd", "../../evil", "good"])
def test_links_are_refused_wherever_they_lead(inbox, target, leads):
    refused(
        make_zip(inbox / "a.zip", {"good": b"1", "link": leads.encode()}, link=0o120777), target, "'link' is a link"
    )
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        archive = make_tar(inbox / "a.tar.gz", {"good": b"1"}, special("link", kind, leads))
        refused(archive, target, "its entry 'link' is a link, and data need files and folders only")


def test_devices_are_refused(inbox, target):
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        refused(make_tar(inbox / "a.tar", {"good": b"1"}, special("tap", kind)), target, "'tap' is a device")
    refused(make_zip(inbox / "a.zip", {"tap": b"1"}, tap=0o010644), target, "'tap' is a device")


@pytest.mark.parametrize(
    "tree",
    [("a", "a"), ("a", "./a"), ("a", "a/b"), ("d/a", "d")],
    ids=["twice", "spelled differently", "below a file", "over a folder"],
)
def test_an_entry_in_the_way_of_another(inbox, target, tree):
    with tarfile.open(inbox / "a.tar", "w") as archive:
        for number, name in enumerate(tree):
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"%d" % number))
    refused(inbox / "a.tar", target, f"two of its entries are called {tree[1]}")


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar"])
def test_a_bomb_is_refused_by_what_it_announces(inbox, target, suffix, monkeypatch):
    monkeypatch.setattr(unpacking, "HARMLESS", 100_000)
    monkeypatch.setattr(unpacking, "RATIO", 1 if suffix == ".tar" else 200)
    archive = make(inbox / f"a{suffix}", {"small": b"1", "bomb": bytes(5_000_000)})
    if suffix == ".tar":  # announces what it does not hold
        archive.write_bytes(archive.read_bytes()[:2_000_000])
    refused(archive, target, "would become more than", "a bomb")


def test_a_zip_is_refused_before_its_first_entry(inbox, target, monkeypatch):
    monkeypatch.setattr(unpacking, "HARMLESS", 100_000)
    archive, told = make(inbox / "a.zip", {"small": b"1", "bomb": bytes(5_000_000)}), []
    with pytest.raises(DataError, match="a bomb"):
        unpack(archive, target, lambda *now: told.append(now))
    assert not told


def test_many_small_entries_make_a_bomb_too(inbox, target, monkeypatch):
    monkeypatch.setattr(unpacking, "HARMLESS", 100_000)
    refused(make(inbox / "a.tar.gz", {f"{n}": bytes(50_000) for n in range(50)}), target, "a bomb")


def test_a_table_that_packs_well_is_no_bomb(inbox, target):
    archive = make(inbox / "a.zip", {"table.csv": bytes(5_000_000)})
    assert archive.stat().st_size * unpacking.RATIO < 5_000_000
    unpack(archive, target, quiet)
    assert (target / "table.csv").stat().st_size == 5_000_000


@pytest.mark.parametrize("announces", [4000, 6000])
def test_a_zip_with_another_size_than_it_announces(inbox, target, announces):
    archive = make_zip(inbox / "a.zip", {"a": NOISE})
    true, false = (size.to_bytes(4, "little") for size in (len(NOISE), announces))
    assert archive.read_bytes().count(true) == 2  # its own header and the directory
    archive.write_bytes(archive.read_bytes().replace(true, false))
    refused(archive, target)


@pytest.mark.parametrize("suffix", [".zip", *TARS])
@pytest.mark.parametrize("share", [0, 0.4, 0.8])
def test_a_cut_archive(inbox, target, suffix, share):
    archive = make(inbox / f"a{suffix}", {f"{n}": random.Random(n).randbytes(20_000) for n in range(5)})
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    refused(archive, target)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_that_was_cut_between_two_entries(inbox, target, suffix):
    archive = make(inbox / "a.tar", {"a": bytes(512), "b": bytes(512)})
    half = archive.read_bytes()[:1024]
    archive.unlink()
    archive = inbox / f"a{suffix}"
    archive.write_bytes(gzip.compress(half) if suffix == ".tar.gz" else half)
    refused(archive, target, "its end is missing")


@pytest.mark.parametrize("suffix", [".zip", *TARS])
def test_bytes_that_were_changed_or_are_no_archive(inbox, target, suffix):
    archive = make(inbox / f"a{suffix}", {"a": NOISE})
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 255
    archive.write_bytes(content)
    if suffix != ".tar":  # which has no checksum of its content
        refused(archive, target, "it is cut off, damaged or no archive")
    archive.write_bytes(NOISE)
    refused(archive, target, "it is cut off, damaged or no archive")


def test_a_zip_with_a_password(inbox, target):
    archive = make_zip(inbox / "a.zip", {"a": NOISE})
    content = archive.read_bytes()
    directory = content.rindex(b"PK\x01\x02")
    locked = content[:6] + b"\x01" + content[7 : directory + 8] + b"\x01" + content[directory + 9 :]
    archive.write_bytes(locked)
    refused(archive, target, "encrypted")


def test_unpacking_again_changes_nothing(inbox, target):
    archive = make(inbox / "a.zip", TREE)
    first = unpack(archive, target, quiet)
    stamps = {p: p.stat().st_mtime_ns for p in target.rglob("*") if p.is_file()}
    (target / "data" / "mine.txt").write_text("stays")
    assert unpack(archive, target, quiet) == first
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    assert (target / "data" / "mine.txt").read_text() == "stays"


def test_what_is_missing_is_put_back(inbox, target):
    archive = make(inbox / "a.zip", TREE)
    unpacked = unpack(archive, target, quiet)
    assert lies_whole(target, unpacked)
    (target / "data" / "images" / "a.jpg").unlink()
    assert not lies_whole(target, unpacked)
    unpack(archive, target, quiet)
    assert held(target) == TREE


@pytest.mark.parametrize("name", ["data/table.csv", "top.txt", "data"])
def test_another_file_in_the_way_stops_everything(inbox, target, name):
    place = target / name
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    with pytest.raises(DataError) as error:
        unpack(make(inbox / "a.zip", TREE), target, quiet)
    assert f"{place} is there already and is not what a.zip holds; nothing was overwritten: move it away" in str(
        error.value
    )
    assert held(target) == {name: b"mine"}


def test_a_link_in_the_target_is_not_followed(inbox, target, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target.mkdir()
    (target / "data").symlink_to(elsewhere)
    with pytest.raises(DataError, match="data is there already"):
        unpack(make(inbox / "a.zip", TREE), target, quiet)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("moment", range(1, 9))
def test_a_kill_at_any_moment_and_the_same_call_finishes(inbox, target, monkeypatch, moment):
    """Killed at the n-th file that is written or moved: what is left is mended by the next call."""
    archive = make(inbox / "a.zip", TREE)
    (target / "data").mkdir(parents=True)  # so that files are moved one by one
    left = iter(range(moment - 1))

    class Killed(BaseException):
        pass

    def dying(real):
        def call(*words, **more):
            if next(left, None) is None:
                raise Killed
            return real(*words, **more)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_write", dying(unpacking._write))
        patch.setattr(Path, "rename", dying(Path.rename))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process takes nothing away
        try:
            unpack(archive, target, quiet)
        except Killed:
            assert (target / ".a.zip.part").is_dir()
    unpack(archive, target, quiet)
    assert held(target) == TREE


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_room_is_looked_at_first(inbox, target, monkeypatch, suffix):
    archive = make(inbox / f"a{suffix}", {"a": NOISE})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 4000))
    with pytest.raises(MachineError) as error:
        unpack(archive, target, quiet)
    assert f"unpacking {archive.name}: need 5.0 kB, have 4.0 kB at {target}; make room" in str(error.value)
    assert not held(target)


def test_a_target_that_cannot_be_made(inbox, target):
    target.write_text("a file")
    with pytest.raises(MachineError, match=r"target cannot be written .*--data-root"):
        unpack(make(inbox / "a.zip", TREE), target, quiet)
    assert target.read_text() == "a file"
