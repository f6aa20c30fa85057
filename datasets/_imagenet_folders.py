"""The folders of ImageNet: `nXXXXXXXX/*.JPEG`, or the flat pictures of the validation set with the file of their classes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.datasets._dog_names import SYNSET
from bench.datasets._imagenet_truth import TRUTHS, find_truth
from bench.faults import Fault
from bench.files import ID_RULE, PICTURES, is_id, link_out


@dataclass
class Pictures:
    """The pictures below a folder: synset and path (text, below `folder`) by id, in no order; and what is wrong with them."""

    folder: Path
    synset: dict[str, str] = field(default_factory=dict)
    place: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def path(self, name: str) -> Path:
        return self.folder / self.place[name]

    def add(self, names: Sequence[str], synset: str, below: str = "") -> None:
        """Names of picture files; what is no sound id, or an id for the second time, becomes a fault.

        An apostrophe is left out of the id: a known sample of ImageNet has the class in the name, as in `carpenter's_kit`.
        """
        for name in names:
            stem, place = name.rpartition(".")[0].replace("'", ""), f"{below}{name}"
            if not is_id(stem):
                text = f"{self.folder} has {place[:200]!r}; rename it: {ID_RULE}"
                self.faults.append(Fault("id", place, text))
            elif stem in self.place:
                text = (
                    f"{self.folder} has both {self.place[stem]} and {place}; remove one, an id stands for one picture"
                )
                self.faults.append(Fault("duplicate-id", stem, text))
            else:
                self.synset[stem], self.place[stem] = synset, place


def list_synsets(folder: Path, inside: Path, suffixes: Collection[str] = PICTURES) -> Pictures:
    """The pictures of a folder of synset folders; `inside`: the data folder, which no link may leave."""
    found = Pictures(folder)
    below, loose = _entries(folder, inside, suffixes, found.faults)
    if loose:
        text = f"{folder} holds {loose[0]}{_more(loose)} beside synset folders; move each into the folder of its synset"
        found.faults.append(Fault("layout", str(folder / loose[0]), text))
    for name in below:
        if not SYNSET.fullmatch(name):
            text = f"{folder / name} is no synset folder (n and eight digits); rename it or move it elsewhere"
            found.faults.append(Fault("unknown-class", name, text))
            continue
        _, names = _entries(folder / name, inside, suffixes, found.faults)
        if not names:
            text = f"{folder / name} holds no pictures; extract {name} again or remove the folder"
            found.faults.append(Fault("empty-class", name, text))
        found.folders.append(name)
        found.add(names, name, f"{name}/")
    found.faults += _archives(folder, below)
    return found


def list_validation(root: Path) -> Pictures:
    """The pictures of `val`: in synset folders, or flat with one of the files that name their classes."""
    folder = root / "val"
    found = Pictures(folder)
    below, names = _entries(folder, root, PICTURES, found.faults)
    if below or not names:
        return list_synsets(folder, root)
    truth = find_truth(root)
    if truth is None:
        text = f"{folder} holds flat pictures, and {root} no file of their classes; put there {', or '.join(TRUTHS)}"
        found.faults.append(Fault("layout", str(folder), text))
        return found
    found.faults += truth.faults
    for name in names if truth.synset else ():
        synset = truth.synset.get(os.path.splitext(name)[0])
        if synset is None:
            text = (
                f"{truth.file} has no class for the picture {name}; put the official file there or remove the picture"
            )
            found.faults.append(Fault("missing-label", name, text))
        else:
            found.add([name], synset)
    return found


def _entries(folder: Path, inside: Path, suffixes: Collection[str], faults: list[Fault]) -> tuple[list[str], list[str]]:
    """Names of the folders and of the pictures in a folder, sorted; hidden ones are left out, links out of `inside` become faults.

    Names and not paths, and a closer look only at links: ImageNet has 1.3 million pictures.
    """
    folders, names = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            left = link_out(Path(entry.path), inside) if entry.is_symlink() else []
            faults += left
            if left:
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif os.path.splitext(entry.name)[1].lower() in suffixes:
                names.append(entry.name)
    return sorted(folders), sorted(names)


def _archives(folder: Path, below: Sequence[str]) -> Iterator[Fault]:
    """ILSVRC2012_img_train.tar holds one archive for each synset."""
    archives = sorted(path.name for path in folder.glob("n*.tar") if path.stem not in below)
    if archives:
        text = f"{folder} holds the archive {archives[0]}{_more(archives)}; extract each into a folder of its name"
        yield Fault("layout", str(folder / archives[0]), text)
    elif not below:
        text = f"{folder} holds no synset folders (nXXXXXXXX); extract the official archive there"
        yield Fault("layout", str(folder), text)


def _more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
