"""What was downloaded, when, and by which checksum it is known: `downloads.json` in the data folder."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.api import Source
from bench.data.unpack import Unpacked
from bench.errors import DataError
from bench.store import write_json

LEDGER = "downloads.json"
RECORDED = "recorded at first download"
FOUND = "recorded when it was found"


@dataclass(frozen=True)
class Digest:
    """What a file is: its length and its checksums."""

    bytes: int
    sha256: str
    md5: str


@dataclass(frozen=True)
class Receipt:
    """A file that is known: where it came from, what it was, whose checksum says so, and what was unpacked from it."""

    url: str
    bytes: int
    sha256: str
    checksum: str
    """`owner's md5`, `owner's sha256`, or how the sha256 came to be known where the owner publishes none"""
    date: str
    unpacked: Unpacked | None = None


_FILES = TypeAdapter(dict[str, Receipt])


class Ledger:
    """The receipts of a data folder by file; each is on the disk before the next step begins."""

    def __init__(self, root: Path) -> None:
        self.path = root / LEDGER
        try:
            self.files = _FILES.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            self.files = {}
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no list of downloads"
            raise DataError(
                f"{self.path} cannot be read ({reason}); move it away and run the same command again: what lies there is looked at anew"
            ) from None

    def keep(self, file: str, receipt: Receipt) -> None:
        """Write a receipt down."""
        self.files[file] = receipt
        write_json(self.path, {name: asdict(each) for name, each in sorted(self.files.items())})


def receipt_for(source: Source, digest: Digest, otherwise: str) -> Receipt:
    """The receipt of a file that fits its owner's checksum; without one, `otherwise` says how its sha256 came to be known."""
    kind = checksum_of(source)
    known_by = f"owner's {kind}" if kind else otherwise
    return Receipt(source.url, digest.bytes, digest.sha256, known_by, datetime.now(UTC).isoformat(timespec="seconds"))


def digest_of(path: Path) -> Digest:
    """Length, sha256 and md5 of a file, read once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
        return Digest(file.tell(), sha256.hexdigest(), md5.hexdigest())


def checksum_of(source: Source) -> str:
    """The kind of checksum that the owner publishes; empty where there is none."""
    return "sha256" if source.sha256 else "md5" if source.md5 else ""


def mismatch(source: Source, digest: Digest) -> str:
    """How a file differs from its owner's checksums; empty where it does not."""
    for kind, right, found in (("sha256", source.sha256, digest.sha256), ("md5", source.md5, digest.md5)):
        if right and right.lower() != found:
            return f"the {kind} {found} where its owner publishes {right.lower()}"
    return ""
