"""What `build` and `fit` of a method promise: the same network again, also after a kill, from the draws that they are given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.contract.firewall import Peeked, check_firewall
from bench.contract.plugin_faults import Fault, place_of
from bench.contract.surroundings import generators
from bench.contract.trial import Trial
from bench.training import Training


def builds(trial: Trial) -> None:
    """build() returns a network."""
    trial.build(trial.task)


def fits(trial: Trial) -> None:
    """fit() runs to its end."""
    trial.fit_first()


def fits_again(trial: Trial) -> None:
    """From the same seed."""
    _same_network(trial, trial.fit("again"), "fitted twice with one seed")


def survives_kills(trial: Trial) -> None:
    """Goes on from what lay on the disk after each epoch."""
    for epoch in range(1, trial.whole.total + 1):
        _same_network(trial, trial.fit(f"killed-{epoch}"), f"killed after epoch {epoch} and continued")


def _same_network(trial: Trial, other: Training, when: str) -> None:
    different = differing(trial.whole.net, other.net)
    if different:
        raise Fault(
            f"{trial.method.name} {when} is another network ({different} differs): draw only from training.generator, "
            "and name everything that lives from epoch to epoch in training.epochs(n, name=...)",
            place_of(trial.method, "fit"),
        )


def differing(one: nn.Module, other: nn.Module) -> str:
    """The first parameter or buffer that is not the same bits in both; empty where all are."""
    a, b = one.state_dict(), other.state_dict()
    return next((name for name in {**a, **b} if not same(a.get(name), b.get(name))), "")


def same(one: Any, other: Any) -> bool:
    """Whether two values are tensors of the same shape and the same bits."""
    return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)


def leaves_seeds(trial: Trial) -> None:
    """A second seed: a generator that is in the same state afterwards has been seeded by the method."""
    trial.first_epoch("reseeded", seed=1)
    after = generators()
    fixed = [name for name, state in after.items() if state == trial.after[name]]
    if fixed:
        raise Fault(
            f"{trial.method.name} seeds {fixed[0]} in build() or fit(): every run of it would be the same one; "
            "draw from training.generator, which has the run's seed",
            place_of(trial.method, "fit"),
        )


def looks_at_declared_masks(trial: Trial) -> None:
    """bench.contract.firewall."""
    try:
        check_firewall(trial.method, trial.task)
    except Peeked as error:
        raise Fault(str(error), place_of(trial.method, error.function)) from error


def leaves_surroundings(trial: Trial) -> None:
    """Everything that the calls of the other checks have changed."""
    for function, said in trial.left.items():
        if said:
            raise trial.fault(
                function, f"{' and '.join(said)}; other plugins run beside it: put it back, or leave it alone"
            )
