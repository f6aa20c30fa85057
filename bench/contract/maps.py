"""What `maps` of a method promises: a function of its arguments, the same for every batch, and what the class says of it."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from bench.contract.fit import differing, same
from bench.contract.made import TWO
from bench.contract.trial import Trial
from bench.pipeline.method_process import map_faults, seed_everything
from bench.training import save_network

CLOSE = 1e-4
"""How far the map of an image may lie from that of the same image in a batch: sums of another size are added up in another order."""
FEW = 4
NETWORKS = 4


def makes_maps(trial: Trial) -> None:
    """One map for each image and foreground."""
    trial.made = trial.maps(trial.images, trial.labels)
    _refuse(trial, "shape")


def makes_floats(trial: Trial) -> None:
    """Of any precision."""
    _refuse(trial, "dtype")


def makes_numbers(trial: Trial) -> None:
    """No NaN."""
    _refuse(trial, "nan")


def keeps_the_range(trial: Trial) -> None:
    """From 0 to 1."""
    _refuse(trial, "range")


def _refuse(trial: Trial, kind: str) -> None:
    _hold(trial, trial.made, len(trial.task.foreground), kind)


def _hold(trial: Trial, made: Any, foregrounds: int, *kinds: str, when: str = "") -> None:
    found = map_faults(made, len(trial.view), foregrounds)
    for kind in kinds or found:
        if kind in found:
            wanted = f"must return ({len(trial.view)}, {foregrounds}, h, w) floats in [0, 1]"
            raise trial.fault("maps", f"{wanted}{when}; {found[kind]}")


def takes_images_without_labels(trial: Trial) -> None:
    """Those of val and test."""
    _hold(trial, trial.maps(trial.images, None), len(trial.task.foreground), when=" where labels is None")


def makes_them_again(trial: Trial) -> None:
    """With and without labels."""
    for labels in (trial.labels, None):
        if not same(trial.maps(trial.images, labels), trial.maps(trial.images, labels)):
            raise trial.fault("maps", "gives other maps when called again; it must be a function of its arguments")


def takes_any_batch(trial: Trial) -> None:
    """Of one, and of all."""
    for labels in (trial.labels, None):
        together = trial.maps(trial.images, labels)
        for n in range(FEW):
            alone = trial.maps(trial.images[n : n + 1], None if labels is None else labels[n : n + 1])
            if not (alone.shape[1:] == together.shape[1:] and torch.allclose(together[n : n + 1], alone, atol=CLOSE)):
                raise trial.fault(
                    "maps", "depends on the other images of a batch; use eval mode and per-image statistics"
                )


def only_reads(trial: Trial) -> None:
    """Neither the network nor the pictures are another one afterwards."""
    images, net = trial.images.clone(), trial.whole.net
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        trial.call("maps", net, images, trial.labels, trial.task)
    changed = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    net.load_state_dict(before)
    if changed:
        raise trial.fault("maps", f"changes its network ({changed[0]}); it may only read it")
    if not torch.equal(images, trial.images):
        raise trial.fault("maps", "changes the pictures that it is given; work on a copy (no in-place operations)")


def is_stored(trial: Trial) -> None:
    """Maps are made in another process, from the network's file."""
    file, fresh = trial.folder / "net.safetensors", trial.build(trial.task)
    try:
        save_network(file, trial.whole.net)
        fresh.load_state_dict(load_file(file))
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise trial.fault("build", f"makes a network that cannot be stored and loaded: {said}") from error
    few, labels = trial.images[:FEW], trial.view.labels[:FEW] if trial.view.labels is not None else None
    if not same(trial.maps(few, labels, fresh.eval()), trial.maps(few, labels)):
        raise trial.fault(
            "build",
            "makes a network that is another one once it was stored and loaded; what it needs is a parameter or a buffer",
        )


def is_alive(trial: Trial) -> None:
    """A map that is the same everywhere says nothing. A network may have the bad luck of such maps alone, not every network."""
    trial.alive = trial.made
    for seed in range(1, 1 + NETWORKS):
        if trial.method.constant or not _flat(trial.alive, (2, 3)):
            return
        seed_everything(seed)
        trial.alive = trial.maps(trial.images, trial.labels, trial.build(trial.task).eval())
    if _flat(trial.alive, (2, 3)):
        raise trial.fault("maps", "gives dead maps: each has one value everywhere; say where the object is")


def is_what_it_says(trial: Trial) -> None:
    """The class attributes `constant`, `binary`, `reads_labels` decide what the harness leaves out."""
    made, cls = trial.alive, type(trial.method)
    if cls.constant != _flat(made, (0,)):
        other = "differs from image to image" if cls.constant else "is the same for every image"
        raise trial.fault(
            "maps", f"makes a map that {other}, and the class says constant = {cls.constant}; change either"
        )
    if cls.binary and not bool(((made == 0) | (made == 1)).all()):
        raise trial.fault("maps", "makes values between 0 and 1, and the class says binary = True; change either")
    if not cls.reads_labels and not same(trial.made, trial.maps(trial.images, None)):
        raise trial.fault("maps", "looks at labels, and the class says reads_labels = False; change either")
    if not cls.reads_labels and _learns_labels(trial):
        raise trial.fault("fit", "looks at labels, and the class says reads_labels = False; change either")


def _flat(made: Tensor, axes: tuple[int, ...]) -> bool:
    return bool((made.amax(axes) == made.amin(axes)).all())


def _learns_labels(trial: Trial) -> bool:
    """Whether the first epoch ends in another network when every image has the label of another."""
    view = trial.view_of(trial.task)
    assert view.labels is not None
    view.labels = view.labels.roll(1, 0)
    return bool(differing(trial.first_epoch("true").net, trial.first_epoch("rolled", view=view).net))


def takes_several_foregrounds(trial: Trial) -> None:
    """Two, each shown by a class of its own."""
    view = trial.view_of(TWO)
    net = trial.first_epoch("two", view=view).net.eval()
    _hold(trial, trial.maps(view.images(torch.arange(len(view))), None, net, TWO), 2, when=" for two foregrounds")
