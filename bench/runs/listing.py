"""The runs under a folder: what each is, in which state, what it takes on the disk; and which one a user means."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.near import did_you_mean
from bench.pipeline.cell import RESULT
from bench.results.columns import settings_text
from bench.store import MANIFEST

ARTIFACTS, PART = "artifacts", ".part"
ID = re.compile(r"r-[0-9a-f]{12}")


@dataclass(frozen=True)
class Run:
    """The folder of one seed, and what its result.json says; `fault`: why that cannot be read."""

    folder: Path
    result: dict[str, Any]
    fault: str = ""

    @property
    def id(self) -> str:
        """`r-` and 12 hexadecimal digits."""
        return self.folder.name

    @property
    def out(self) -> Path:
        """The folder that it lies under, beside its artifacts."""
        return self.folder.parents[2]

    @property
    def state(self) -> str:
        """finished, failed, unfinished (a run works at it, or was killed) or unreadable."""
        if self.fault:
            return "unreadable"
        if not self.result:
            return "unfinished"
        return "failed" if "failed" in self.result else "finished"

    @property
    def artifacts(self) -> list[str]:
        """Names of the artifacts that its result rests on."""
        return list(dict.fromkeys(str(stage["artifact"]) for stage in self.result.get("stages", ())))

    @property
    def rules(self) -> list[str]:
        """The threshold rule of each of its rows; empty for a row that has none."""
        return [str(row["rule"]) for row in self.result.get("rows", ())]

    @property
    def when(self) -> datetime:
        """When its result was finished; when it was last worked at where there is none."""
        with suppress(KeyError, TypeError, ValueError):
            return datetime.fromisoformat(self.result["finished"])
        result = self.folder / RESULT
        return datetime.fromtimestamp((result if result.exists() else self.folder).stat().st_mtime, UTC)

    def row(self) -> dict[str, Any]:
        """Plain values for a table or for JSON. `bytes`: of its folder and its artifacts, those that it shares with others too."""
        own = {name: self.result.get(name) for name in ("label", "seed", "protocol", "failed")}
        places = [self.folder, *(self.out / ARTIFACTS / name for name in self.artifacts)]
        return {
            "run": self.id,
            "dataset": self.folder.parts[-3],
            "method": self.folder.parts[-2],
            "settings": settings_text(self.result.get("settings", {})),
            "rules": len(self.rules),
            **own,
            "state": self.state,
            "when": self.when.isoformat(timespec="seconds"),
            "bytes": taken(places),
            "folder": str(self.folder),
        }


def runs(out: Path) -> list[Run]:
    """Every run under `out`, finished or not, by data set, method and id; DataError where `out` is no folder."""
    if not out.is_dir():
        raise DataError(
            f"there is no folder {out}; name the folder of the runs, or make one with `bench run --out {out}`"
        )
    found = [folder for folder in sorted(out.glob("*/*/r-*")) if folder.is_dir()]
    return [read_run(folder) for folder in found if ID.fullmatch(folder.name) and folder.parts[-3] != ARTIFACTS]


def read_run(folder: Path) -> Run:
    """The run that lies in a folder."""
    try:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        run = Run(folder, result)
        _ = run.artifacts, run.rules, run.state, settings_text(result.get("settings", {}))
    except FileNotFoundError:
        return Run(folder, {})
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        return Run(folder, {}, f"{folder / RESULT} is no result ({error!r:.200})")
    return run if result else Run(folder, {}, f"{folder / RESULT} is no result (it is empty)")


def find_run(text: str, out: Path) -> Run:
    """The run that is meant by its folder, its id, or the beginning of its id; UsageError, with ids that are near, for none or several."""
    folder = Path(text).resolve()
    if ID.fullmatch(folder.name) and folder.is_dir() and len(folder.parts) > 3:
        return read_run(folder)
    there = runs(out.resolve()) if out.is_dir() else []
    found = [run for run in there if text and run.id.startswith(_id(text))]
    if len(found) == 1:
        return found[0]
    raise UsageError(_several(text, found) if found else _none(text, [run.id for run in there], out))


def find_finished(text: str, out: Path) -> Run:
    """The same, and it is finished; DataError says in which state it is if not."""
    run = find_run(text, out)
    if run.state != "finished":
        said = f" ({run.fault or run.result.get('failed')})" if run.state != "unfinished" else ""
        raise DataError(
            f"{run.folder} holds no finished run, it is {run.state}{said}; the same `bench run` again makes it"
        )
    return run


def _id(text: str) -> str:
    return text if text.startswith("r-") else f"r-{text}"


def _several(text: str, found: Sequence[Run]) -> str:
    listed = ", ".join(f"{run.id} ({run.folder.parts[-2]} on {run.folder.parts[-3]})" for run in found[:5])
    return f"{text} is the beginning of {len(found)} runs: {listed}{', ...' if len(found) > 5 else ''}; give more of the id"


def _none(text: str, ids: Collection[str], out: Path) -> str:
    hint = did_you_mean(_id(text), ids, f"`bench runs list {out}` shows what there is")
    return f"{text} is neither the folder nor the id of a run under {out}; {hint}"


def inputs_of(artifact: Path) -> dict[str, Any] | None:
    """What an artifact was made from, by its manifest; None where there is no such artifact, or it cannot be read."""
    try:
        return dict(json.loads((artifact / MANIFEST).read_text(encoding="utf-8"))["inputs"])
    except (OSError, ValueError, TypeError, LookupError):
        return None


def segmenters(run: Run) -> dict[str, str]:
    """The artifacts of the U-Nets that a run trained, by the rule of their proxies; a run that trained on masks has one, without rule."""
    store, found = run.out / ARTIFACTS, {}
    for name in run.artifacts:
        if name.startswith("segment-"):
            targets = (inputs_of(store / name) or {}).get("targets", "")
            found[str((inputs_of(store / targets) or {}).get("rule", ""))] = name
    return found


def taken(places: Iterable[Path]) -> int:
    """Bytes of the files in some folders; a file with several names is counted once."""
    states = [file.lstat() for file in files_in(places)]
    return sum({(s.st_dev, s.st_ino): s.st_size for s in states}.values())


def files_in(places: Iterable[Path]) -> Iterator[Path]:
    """Every file in some folders, and below them; links are not followed."""
    for place in places:
        yield from (file for file in sorted(place.rglob("*")) if file.is_symlink() or file.is_file())
