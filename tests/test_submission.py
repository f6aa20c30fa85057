"""A submission: the same bytes every time, nothing of the machine in it, and nothing that a stranger's file could do."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from submitted import changed, contents, copy, groups, ours, resealed, theirs

from bench.commands.cli import cli
from bench.errors import DataError
from bench.leaderboard.files import inspect_runs, masks_rle, sealed
from bench.leaderboard.files.findings import Refused
from bench.leaderboard.files.identity import protocol_of_title
from bench.leaderboard.files.public import without_places
from bench.leaderboard.files.submission import submit
from bench.pipeline.cell import RESULT
from bench.protocol import QUICK, change

__all__ = ["groups", "ours", "theirs"]


def invoke(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["leaderboard", *map(str, words)])
    return done.exit_code, done.output


def test_the_same_runs_give_the_same_bytes(groups: tuple[Path, Path], theirs: Path, tmp_path: Path) -> None:
    code, said = invoke("submit", groups[1], "-o", tmp_path / "again.zip")
    assert (code, said.split(" rows ")[0]) == (0, "wrote 2")
    assert (tmp_path / "again.zip").read_bytes() == theirs.read_bytes()


def test_no_place_of_the_machine_is_in_it(groups: tuple[Path, Path], ours: Path) -> None:
    texts = {name: content.decode() for name, content in contents(ours).items() if not name.endswith(".npy")}
    for name, text in texts.items():
        for place in (groups[0], groups[0].parent, Path.home(), Path(__file__).parent):
            assert f"{place}" not in text, name
    failed = [json.loads(text) for name, text in texts.items() if name.endswith(RESULT) and "failed" in text]
    assert [result["failed"] for result in failed] == ["it broke; its log is log.txt"]
    assert "seed 2 failed: it broke; its log is log.txt" in texts[sealed.ROWS]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("its log is /home/me/my runs/log.txt", "its log is log.txt"),
        ("/data/isic/a.png cannot be read", "a.png cannot be read"),
        ("'C:\\Users\\me\\weights.pt' is gone", "'weights.pt' is gone"),
        ("file:///home/me/x.txt, ~/y.txt (/z/w)", "x.txt, y.txt (w)"),
        ("see https://example.org/a/b and 1/256 and/or 5 / 3", "see https://example.org/a/b and 1/256 and/or 5 / 3"),
        ("smoke(size=32)", "smoke(size=32)"),
        ("two\nlines\x1b[2J", "two lines [2J"),
    ],
)
def test_places_are_cut_to_their_last_part(text: str, left: str) -> None:
    assert without_places(text, "/home/me/my runs") == left


def test_only_the_methods_that_are_named(groups: tuple[Path, Path], tmp_path: Path) -> None:
    assert invoke("submit", groups[0], "-o", tmp_path / "a.zip", "--method", "centre_disc")[0] == 0
    assert {name.split("/")[2] for name in contents(tmp_path / "a.zip") if "/" in name} == {"centre_disc"}
    code, said = invoke("submit", groups[0], "-o", tmp_path / "b.zip", "--method", "otsu")
    assert code == 3
    assert "there is no finished run of these methods" in said
    assert not (tmp_path / "b.zip").exists()


def test_runs_that_were_changed_are_not_submitted(groups: tuple[Path, Path], tmp_path: Path) -> None:
    runs = copy(groups[1], tmp_path / "runs")
    scores = next(runs.glob("*/centre_disc/r-*/scores.csv"))
    scores.write_text(
        scores.read_text().replace("test-1,test-1,box,test,init,fixed,0.5,", "test-1,test-1,box,test,init,fixed,0.5,1")
    )
    code, said = invoke("submit", runs, "-o", tmp_path / "a.zip")
    assert code == 6
    assert "what would be submitted differs from what it says" in said
    assert not (tmp_path / "a.zip").exists()
    next(runs.glob("*/full_supervision/r-*/predictions/unet-test.npy")).unlink()
    assert "one file of predictions" in invoke("submit", runs, "-o", tmp_path / "a.zip")[1]
    scores.unlink()
    assert invoke("submit", runs, "-o", tmp_path / "a.zip")[0] == 3


def test_a_missing_file_and_one_that_is_none(tmp_path: Path) -> None:
    code, said = invoke("verify", tmp_path / "none.zip")
    assert (code, "cannot be read (No such file or directory)" in said) == (3, True)
    (tmp_path / "text.zip").write_text("hello")
    code, said = invoke("verify", tmp_path / "text.zip")
    assert (code, "is no submission: it is no zip" in said) == (6, True)
    sealed.write(tmp_path / "other.zip", {"leaderboard.csv": b"a\n"})
    code, said = invoke("verify", tmp_path / "other.zip")
    assert (code, "it has no manifest.json" in said) == (6, True)


STRANGE = {
    "slip": ("../../outside.npy", 0),
    "a deeper slip": ("runs/a/b/r-000000000000/../../../../../outside.npy", 0),
    "absolute": ("/tmp/outside.npy", 0),
    "a drive": ("C:\\outside.npy", 0),
    "another file": ("runs/a/b/r-000000000000/plugin.py", 0),
    "a pickle": ("runs/a/b/r-000000000000/predictions/init-test.pkl", 0),
    "a name cut by a zero": ("manifest.json\0.py", 0),
    "a link": ("leaderboard.csv", stat.S_IFLNK),
    "a device": ("leaderboard.csv", stat.S_IFCHR),
    "twice": ("manifest.json", 0),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", STRANGE)
def test_members_that_no_submission_has(kind: str, theirs: Path, tmp_path: Path) -> None:
    name, mode = STRANGE[kind]
    mutant = tmp_path / "mutant.zip"
    with zipfile.ZipFile(mutant, "w") as packed:
        for known, content in contents(theirs).items():
            if known != name or kind == "twice":
                packed.writestr(known, content)
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = name
        info.external_attr = (mode | 0o777) << 16
        packed.writestr(info, b"/etc/passwd")
    place = tmp_path / "place"
    with pytest.raises(Refused, match=r"nothing was unpacked$"), sealed.opened(mutant) as submission:
        inspect_runs.inspect(submission, place)
    assert sorted(os.listdir(tmp_path)) == ["mutant.zip"]


def test_a_bomb_is_refused_by_what_it_announces(theirs: Path, tmp_path: Path) -> None:
    big = bytes(sealed.MOST[".json"] + 1)
    mutant = changed(theirs, tmp_path / "a.zip", RESULT, lambda _: big)
    assert mutant.stat().st_size < 200_000
    with pytest.raises(Refused, match=r"is announced with 16\.8 MB"), sealed.opened(mutant):
        pass


def test_a_member_that_is_larger_than_it_announces(theirs: Path, tmp_path: Path) -> None:
    """The size in both headers says less than the packed bytes give: no byte beyond it is read, and the checksum tells."""
    whole = contents(theirs)[sealed.ROWS]
    packed = bytearray(theirs.read_bytes())
    for start in (packed.find(b"PK\x03\x04"), packed.find(b"PK\x01\x02")):
        field = start + (22 if packed[start + 2] == 3 else 24)
        assert int.from_bytes(packed[field : field + 4], "little") == len(whole)
        packed[field : field + 4] = (10).to_bytes(4, "little")
    mutant = tmp_path / "a.zip"
    mutant.write_bytes(packed)
    with sealed.opened(mutant) as submission, pytest.raises(Refused, match=r"leaderboard\.csv"):
        submission.read(sealed.ROWS)


def npy(values: npt.NDArray[np.generic], pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=pickled)
    return file.getvalue()


ARRAYS = {
    "a pickled object": npy(np.array([{"a": 1}], object), pickled=True),
    "floats": npy(np.zeros((6, 1, 32, 32))),
    "an image less": npy(np.zeros((5, 1, 32, 32), np.uint16)),
    "one dimension": npy(np.zeros(6, np.uint16)),
    "nothing in it": npy(np.zeros((6, 1, 0, 32), np.uint16)),
    "columns first": npy(np.asfortranarray(np.zeros((6, 1, 32, 32), np.uint16))),
    "cut off": npy(np.zeros((6, 1, 32, 32), np.uint16))[:-1],
    "a header alone": npy(np.zeros((6, 1, 32, 32), np.uint16))[:40],
    "no array": b"import os",
    "sides that are too long": npy(np.zeros((6, 1, 1, 4097), np.uint16)),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_that_are_no_predictions(kind: str, theirs: Path, tmp_path: Path) -> None:
    mutant = changed(theirs, tmp_path / "a.zip", "unet-test.npy", lambda _: ARRAYS[kind])
    code, said = invoke("check", tmp_path, "--json")
    assert code == 6
    assert "unet-test.npy" in said, mutant


def test_predictions_that_nobody_scored(theirs: Path, tmp_path: Path) -> None:
    members = contents(theirs)
    name = next(name for name in members if name.endswith("unet-test.npy"))
    members[name.replace("unet-test", "unet-otsu-test")] = members[name]
    with sealed.opened(resealed(members, tmp_path / "a.zip")) as submission:
        found = inspect_runs.inspect(submission, tmp_path / "place")[1]
    assert [one.expected for one in found] == ["predictions that were scored"]


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_run_lengths_give_the_mask_back(mask: npt.NDArray[np.bool_]) -> None:
    twice = list(masks_rle.decode(masks_rle.encode([mask, ~mask])))
    assert [one.tolist() for one in twice] == [mask.tolist(), (~mask).tolist()]


def test_run_lengths_of_a_small_mask_by_hand() -> None:
    mask = np.array([[0, 1, 1], [1, 0, 0]], bool)
    assert masks_rle.encode([mask]).tolist() == [2, 3, 3, 1, 3, 2]
    assert masks_rle.encode([np.ones((1, 2), bool)]).tolist() == [1, 2, 2, 0, 2]


@pytest.mark.parametrize(
    "runs", [[2, 3, 3, 1, 3], [2, 3, 2, 1, 3], [0, 3, 0], [2, 3], [1 << 31, 1 << 31, 1, 0], [2, 3, 1 << 31, 6]]
)
def test_run_lengths_that_fill_no_mask(runs: list[int]) -> None:
    with pytest.raises(DataError, match="run-length masks are damaged at number 0"):
        list(masks_rle.decode(np.array(runs, np.uint32)))


@pytest.mark.parametrize(
    "changes", [{}, {"threshold": "0.25"}, {"size": "32", "segmenter": "smp-unet", "encoder_weights": "none"}]
)
def test_a_protocol_is_found_again_by_its_title(changes: dict[str, str]) -> None:
    rules = change(QUICK, changes)
    assert protocol_of_title(rules.title) == rules


def test_without_predictions_nothing_is_submitted(groups: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        submit(tmp_path / "none", tmp_path / "a.zip")
