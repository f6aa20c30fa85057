"""Artifacts: found whole or made once, and never half."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.errors import MachineError
from bench.store import MaskUse, Record, Store, canonical, digest, write_file, write_json


def make(text: str = "x", record: Record | None = None):
    def work(folder: Path) -> Record:
        (folder / "data.txt").write_text(text)
        return record or Record()

    return work


def refuse(folder: Path) -> Record:
    raise AssertionError("made again")


def test_an_artifact_is_made_once_and_brings_its_record_along(tmp_path):
    record = Record(
        masks=(MaskUse("masks", 10, "training"),), labels=7, seconds=1.5, confined=True, facts={"coverage": 0.5}
    )
    made = Store(tmp_path).make("fit", {"lr": 0.1}, make(record=record))
    found = Store(tmp_path).make("fit", {"lr": 0.1}, refuse)
    assert found.record == record
    assert found.folder == made.folder
    assert (found.folder / "data.txt").read_text() == "x"


def test_other_inputs_or_another_kind_make_another_artifact(tmp_path):
    store = Store(tmp_path)
    names = {store.path(k, i).name for k in ("fit", "maps") for i in ({"lr": 0.1}, {"lr": 0.2}, {"lr": 0.1, "k": None})}
    assert len(names) == 6


def test_the_order_of_inputs_does_not_matter():
    assert canonical({"a": 1, "b": [1, 2]}) == canonical({"b": [1, 2], "a": 1}) == '{"a":1,"b":[1,2]}'
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})


def test_what_a_killed_maker_left_is_there_for_the_next(tmp_path):
    def killed(folder: Path) -> Record:
        (folder / "checkpoint").write_text("half")
        (folder / "net.new").write_text("torn")  # a write that the kill interrupted
        raise KeyboardInterrupt

    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.make("fit", {}, killed)
    assert store.find("fit", {}) is None

    def resume(folder: Path) -> Record:
        assert (folder / "checkpoint").read_text() == "half"
        return Record()

    artifact = store.make("fit", {}, resume)
    assert sorted(p.name for p in artifact.folder.iterdir()) == ["checkpoint", "manifest.json"]


def test_two_cells_that_need_one_artifact_make_it_once(tmp_path):
    made = []

    def slow(folder: Path) -> Record:
        made.append(1)
        time.sleep(0.3)
        return Record()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Store(tmp_path).make("fit", {}, slow), range(4)))
    assert made == [1]


def test_a_damaged_artifact_is_named(tmp_path):
    artifact = Store(tmp_path).make("fit", {}, make("four"))
    (artifact.folder / "data.txt").write_text("fou")
    with pytest.raises(MachineError, match=rf"data\.txt is damaged or missing; delete the folder {artifact.name}"):
        Store(tmp_path).find("fit", {})


def test_the_manifest_holds_key_and_hashes(tmp_path):
    artifact = Store(tmp_path).make("fit", {"lr": 0.1}, make("abc"))
    manifest = json.loads((artifact.folder / "manifest.json").read_text())
    assert manifest["inputs"] == {"lr": 0.1}
    assert (
        manifest["files"]["data.txt"]
        == {
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  # of "abc": FIPS 180-2, appendix B.1
            "bytes": 3,
        }
    )
    assert artifact.name == f"fit-{digest({'kind': 'fit', 'inputs': {'lr': 0.1}})}"


def test_fresh_makes_again_what_is_older(tmp_path):
    Store(tmp_path).make("fit", {}, make("old"))
    later = Store(tmp_path, fresh_since=time.time() + 0.01)
    time.sleep(0.02)
    assert (later.make("fit", {}, make("new")).folder / "data.txt").read_text() == "new"
    assert (later.make("fit", {}, refuse).folder / "data.txt").read_text() == "new"


def test_fresh_does_not_go_on_from_what_an_older_kill_left(tmp_path):
    part = Store(tmp_path).path("fit", {}).with_name(Store(tmp_path).path("fit", {}).name + ".part")
    part.mkdir()
    (part / "checkpoint").write_text("old")
    time.sleep(0.02)

    def work(folder: Path) -> Record:
        assert not list(folder.iterdir())
        return Record()

    Store(tmp_path, fresh_since=time.time()).make("fit", {}, work)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("unexpected pos 64 vs 0")])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, error):
    file = tmp_path / "result.json"
    write_json(file, {"a": 1})

    def fail(temporary: Path) -> None:
        temporary.write_text("{")
        raise error

    with pytest.raises(MachineError, match=r"result\.json could not be written"):
        write_file(file, fail)
    assert json.loads(file.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
