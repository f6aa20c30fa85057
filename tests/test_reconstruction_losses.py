"""Paper 2's losses: hand values, their minimisers, the public code's own numbers; and what labels become."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.api import Task
from bench.errors import BenchError
from bench.methods._decomposition_labels import (
    class_balanced,
    constant,
    labelled,
    mean_sizes,
    presence,
    showing,
    wanted_shares,
)
from bench.methods._decomposition_losses import guidance_loss, mask_loss, reconstruction_loss
from bench.view import View

FIXTURES = Path(__file__).parent / "fixtures"
ISIC = Task(classes=tuple("abcdefg"), foreground=("lesion",), shows=(0,) * 7)
DOGS = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))
BOTH = torch.tensor([[True, True]])
NO_DOG = torch.tensor([[False, True]])


def rows(*values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def logits(*chances: object) -> torch.Tensor:
    return rows(*chances).logit()


def test_reconstruction_of_one_pixel() -> None:
    masks, imagelets = rows(0.25, 0.75)[None, :, None, None, None], rows(1.0, 0.2)[None, :, None, None, None]
    parts = (masks * imagelets).expand(1, 2, 3, 1, 1)  # 0.25 and 0.15: 0.1 below the image
    assert float(reconstruction_loss(parts, torch.full((1, 3, 1, 1), 0.5).double())) == pytest.approx(0.01)


def test_mask_loss_by_hand() -> None:
    shares, both = rows([0.25, 0.75]), rows([1, 1])
    assert float(mask_loss(shares, both, "paper")) == pytest.approx(0.8369882)  # -(ln 1/4 + ln 3/4) / 2
    assert float(mask_loss(shares, both, "code")) == pytest.approx(1.6739764, abs=1e-5)
    assert float(mask_loss(shares, rows([0, 1]), "paper")) == pytest.approx(0.2876821)  # -ln 3/4, twice, halved


@pytest.mark.parametrize("k", [2, 4, 8])
def test_the_codes_mask_loss_is_k_times_the_papers(k: int) -> None:
    draw = torch.Generator().manual_seed(k)
    shares = torch.rand(6, k, generator=draw).softmax(1)
    wanted = torch.rand(6, k, generator=draw).round()
    ratio = float(mask_loss(shares, wanted, "code") / mask_loss(shares, wanted, "paper"))
    assert ratio == pytest.approx(k, rel=1e-4)


@pytest.mark.parametrize(
    ("wanted", "best", "value"),
    [
        ([1, 1], [0.5, 0.5], math.log(2)),
        ([0, 1], [0, 1], 0),
        ([0.2, 0.8], [0.2, 0.8], 0.500402),
        ([0.2, 1], [0.1, 0.9], 0.325083),
        ([1, 0, 1, 1], [1 / 3, 0, 1 / 3, 1 / 3], None),
        ([0, 0.3, 0, 0.7], [0, 0.3, 0, 0.7], None),
    ],
)
@pytest.mark.parametrize("form", ["paper", "code"])
def test_where_the_mask_loss_is_smallest(
    wanted: list[float], best: list[float], value: float | None, form: str
) -> None:
    target, least = rows(wanted), rows(best)
    random = np.random.default_rng(0)
    anywhere = torch.from_numpy(random.dirichlet(np.ones(len(best)), 200))
    near = torch.cat([least * (1 - step) + step * anywhere for step in (1.0, 0.1, 0.01)])
    smallest = float(mask_loss(least, target, form))  # type: ignore[arg-type]
    assert all(float(mask_loss(each[None], target, form)) > smallest - 1e-5 for each in near)  # type: ignore[arg-type]
    if value is not None and form == "paper":
        assert smallest == pytest.approx(value, abs=1e-5)


def test_an_empty_or_full_mask_costs_much_and_breaks_nothing() -> None:
    for form in ("paper", "code"):
        shares = torch.tensor([[0.0, 1.0], [1.0000001, 0.0]], requires_grad=True)
        loss = mask_loss(shares, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), form)  # type: ignore[arg-type]
        loss.backward()
        assert math.isfinite(float(loss.detach()))
        assert float(loss.detach()) > 10
        assert shares.grad is not None
        assert shares.grad.isfinite().all()


def test_guidance_at_k_2_by_hand() -> None:
    seen = logits([[0.8], [0.3]])  # of the dog's part and of the background's
    assert float(guidance_loss(seen, BOTH, "paper")) == pytest.approx(0.2899092)  # -(ln .8 + ln .7) / 2
    assert float(guidance_loss(seen, BOTH, "code")) == pytest.approx(0.2899092)
    assert float(guidance_loss(seen, NO_DOG, "paper")) == pytest.approx(0.1783375)  # -ln .7 / 2
    assert float(guidance_loss(seen, NO_DOG, "code")) == pytest.approx(0.9830564)  # -(ln .2 + ln .7) / 2


def test_guidance_at_k_3_by_hand() -> None:
    seen = logits([[0.9, 0.2], [0.6, 0.5], [0.1, 0.4]])
    present = torch.tensor([[True, False, True]])
    # part 1: -ln .9 - ln .8; part 2, absent: -ln .4 (and -ln .5 in the code); background: -ln .9 - ln .6
    paper, absent = (0.1053605 + 0.2231436 + 0.9162907 + 0.1053605 + 0.5108256), 0.6931472
    assert float(guidance_loss(seen, present, "paper")) == pytest.approx(paper / 3)
    assert float(guidance_loss(seen, present, "paper", "mean")) == pytest.approx(paper / 6)
    assert float(guidance_loss(seen, present, "code")) == pytest.approx((paper + absent) / 6)


def eq_6(chances: np.ndarray, present: list[bool]) -> float:
    """The equation, term by term; k = K is the background."""
    whole = 0.0
    for k, shown in enumerate(present):
        whole -= math.log(chances[k, k]) if shown and k != len(present) - 1 else 0
        whole -= sum(math.log(1 - chances[k, j]) for j in range(len(present) - 1) if j != k)
    return whole / len(present)


@pytest.mark.parametrize("k", [2, 4, 8])
def test_guidance_is_equation_6(k: int) -> None:
    random = np.random.default_rng(k)
    chances, shown = random.uniform(0.01, 0.99, (5, k, k - 1)), random.random((5, k)) < 0.5
    shown[:, -1] = True
    expected = np.mean([eq_6(c, list(s)) for c, s in zip(chances, shown, strict=True)])
    got = guidance_loss(torch.from_numpy(chances).logit(), torch.from_numpy(shown), "paper")
    assert float(got) == pytest.approx(expected)


@pytest.mark.parametrize("k", [2, 4])
def test_losses_of_the_public_code(k: int) -> None:
    inputs = {n: torch.from_numpy(v) for n, v in np.load(FIXTURES / "other_codes.npz").items() if n.startswith("rec")}
    numbers = json.loads((FIXTURES / "other_codes.json").read_text())
    image, label = inputs[f"rec{k}_image"], inputs[f"rec{k}_label"]
    masks = inputs[f"rec{k}_mask_logits"].softmax(1)
    parts = masks[:, :, None] * inputs[f"rec{k}_x"]
    seen = parts.mean((3, 4)) @ inputs[f"rec{k}_g_weight"] + inputs[f"rec{k}_g_bias"]
    found = {
        "recon": reconstruction_loss(parts, image),
        "mask": mask_loss(masks.mean((2, 3)), label, "code"),
        "cls": guidance_loss(seen, label.bool(), "code"),
    }
    expected = {name: numbers[f"rec{k}_{name}_code"] for name in found}
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, abs=1e-6)


def test_classes_are_those_that_show_something_and_the_background_comes_last() -> None:
    assert showing(ISIC) == list(range(7))
    assert showing(DOGS) == [1]
    labels = torch.tensor([[True, False], [False, True]])
    assert presence(labels, DOGS).tolist() == [[False, True], [True, True]]
    assert presence(torch.eye(7).bool(), ISIC).shape == (7, 8)
    with pytest.raises(
        BenchError, match=r"none of the classes not_dog, dog shows a foreground: there is nothing to find"
    ):
        showing(DOGS.model_copy(update={"shows": (None, None)}))


def test_wanted_shares_are_the_labels_or_sum_to_one() -> None:
    present = torch.tensor([[True, False, True], [True, True, True], [False, False, True]])
    assert wanted_shares(present, None).tolist() == present.float().tolist()
    shares = wanted_shares(present, torch.tensor([0.2, 0.3]))
    assert torch.allclose(shares, torch.tensor([[0.2, 0, 0.8], [0.2, 0.3, 0.5], [0, 0, 1.0]]))
    crowded = wanted_shares(present, torch.tensor([0.7, 1.0]))  # 1 is taken for 0.99
    assert torch.allclose(crowded.sum(1), torch.ones(3))
    assert crowded[1].tolist() == pytest.approx([0.7 / 1.69 * 0.99, 0.99 / 1.69 * 0.99, 0.01], abs=1e-6)
    assert wanted_shares(present, torch.tensor([0.0, 0.5]))[0].tolist() == pytest.approx([0.01, 0, 0.99])


def test_the_mean_size_of_masks_is_over_those_that_show_it_and_over_judged_pixels() -> None:
    two = Task(classes=("cat", "tree", "dog"), foreground=("cat", "dog"), shows=(0, None, 1), exclusive=False)
    masks = torch.zeros(3, 4, 4, dtype=torch.uint8)
    masks[0, :2] = 1
    masks[1, 0] = 255
    masks[1, 1] = 1  # four of twelve judged pixels
    masks[2, :3] = 2
    assert mean_sizes(masks, two).tolist() == pytest.approx([(1 / 2 + 1 / 3) / 2, 3 / 4])
    with pytest.raises(BenchError, match=r"area_prior=masks: no mask shows dog; take area_prior=class"):
        mean_sizes(masks[:2], two)


def test_batches_have_as_many_images_of_each_class_and_of_none() -> None:
    labels = torch.zeros(100, 2, dtype=torch.bool)
    labels[:90, 0], labels[90:, 1] = True, True  # nine in ten show no dog
    for batch in class_balanced(presence(labels, DOGS), 8, 2, torch.Generator().manual_seed(0)):
        assert labels[batch].sum(0).tolist() == [4, 4]
    seven = presence(torch.eye(7).bool().repeat(6, 1), ISIC)
    for batch in class_balanced(seven, 8, 2, torch.Generator().manual_seed(0)):
        assert sorted(seven[batch, :-1].sum(0).tolist()) == [0, 0, 0, 2, 2, 2, 2]


def test_where_all_images_are_of_one_kind_every_image_comes_once() -> None:
    lesions = torch.ones(8, 2, dtype=torch.bool)
    batches = list(class_balanced(lesions, 4, 2, torch.Generator().manual_seed(0)))
    assert sorted(torch.cat(batches).tolist()) == list(range(8))


def test_what_every_image_shows_is_named() -> None:
    assert constant(presence(torch.tensor([[False, True]] * 3), DOGS), DOGS) == "dog"
    assert constant(presence(torch.eye(2).bool(), DOGS), DOGS) == ""


def test_labels_that_are_missing_or_show_nothing_are_told() -> None:
    pictures = np.zeros((2, 3, 8, 8), np.uint8)
    with pytest.raises(BenchError, match=r"mine learns from image labels: this data set's weak images have none"):
        labelled(View(pictures, None, DOGS), "mine")
    with pytest.raises(BenchError, match=r"mine: no weakly labelled image shows dog"):
        labelled(View(pictures, torch.tensor([[True, False]] * 2), DOGS), "mine")
