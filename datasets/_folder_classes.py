"""The classes of a user's own folder, against what the settings say of them and against the images that there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from bench.datasets._folder_tables import LABELS, SPLITS, Contents, near
from bench.faults import Fault

Images = Mapping[str, Collection[str]]


def by_name(classes: Collection[str], foreground: Collection[str]) -> bool:
    """Whether a class shows the foreground of its own name: with several, or where a class is called so. Else each class shows the one."""
    return len(foreground) > 1 or any(name in foreground for name in classes)


def class_faults(root: Path, found: Contents, foreground: Collection[str], absent: Collection[str]) -> list[Fault]:
    """Classes that the settings do not place; those with too few images to learn from, and foregrounds without a class, do not block."""
    images = {c: [i for i, names in found.labels.items() if c in names] for c in found.classes}
    if not images:
        return []
    path = root / LABELS
    faults = [_no_class(path, name, images) for name in absent if name not in images]
    if by_name(images, foreground):
        placed = {*foreground, *absent}
        faults += [_unplaced(path, name, foreground) for name in images if name not in placed]
        faults += [_unlearned(path, name) for name in foreground if name not in images]
    return [*faults, *_few(path, images), *_elsewhere(root / SPLITS, images, found)]


def _no_class(path: Path, name: str, images: Images) -> Fault:
    text = (
        f"the setting absent names {name}, which is no class of {path}{near(name, images)}; it has {', '.join(images)}"
    )
    return Fault("unknown-class", name, text)


def _unplaced(path: Path, name: str, foreground: Collection[str]) -> Fault:
    text = (
        f"{path} has the class {name}, which is no foreground ({', '.join(foreground)}){near(name, foreground)}; correct it, or name it in "
        "--set folder.foreground=..., or in --set folder.absent=... if its images show none"
    )
    return Fault("unknown-class", name, text)


def _unlearned(path: Path, name: str) -> Fault:
    text = f"{path} has no class called {name} as the foreground is; no method can learn it"
    return Fault("empty-class", name, text, blocks=False)


def _few(path: Path, images: Images) -> list[Fault]:
    return [
        Fault("empty-class", name, _lonely(path, name, images), blocks=False)
        for name, ids in images.items()
        if len(ids) < 2
    ]


def _lonely(path: Path, name: str, images: Images) -> str:
    hint = near(name, [other for other in images if other != name])
    return (
        f"{path} has one image of the class {name}{hint}; batches take two images of a class, so it is hardly learned"
    )


def _elsewhere(path: Path, images: Images, found: Contents) -> list[Fault]:
    """Classes that a table of splits keeps from the images to learn from."""
    if found.splits is None:
        return []
    learned = {name for i, split in found.splits.items() if split == "weak" for name in found.labels.get(i, ())}
    text = f"{path} puts no image of the class {{}} into weak; no method can learn it"
    return [Fault("empty-class", c, text.format(c), blocks=False) for c in images if c not in learned]
