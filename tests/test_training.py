"""The loop that belongs to the host: what survives a kill, what stops a fit, what a plan promises; and what a method sees of the data."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.api import Method, Task
from bench.errors import BenchError, PluginError
from bench.training import CHECKPOINT, HISTORY, Training, balanced, shuffled
from bench.view import IMAGES, LABELS, TARGETS, Joined, View

TASK = Task(classes=("a", "b"), foreground=("lesion",), shows=(0, 0))


class Kill(Exception):
    pass


def network():
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 1))


def fit(training, epochs=4, fault=lambda epoch, step: None):
    """A fit with everything that can be forgotten: momentum, a schedule, dropout's draws, the host's generator, and state of its own."""
    optimizer = torch.optim.Adam(training.net.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
    own = {"mean": torch.zeros(4), "seen": 0, "name": "none"}
    for epoch in training.epochs(epochs, optimizer=optimizer, schedule=schedule, own=own):
        for step in range(3):
            x = torch.randn(8, 4, generator=training.generator)
            own["mean"] = 0.9 * own["mean"] + x.mean(0)
            own["seen"] += len(x)
            own["name"] = f"epoch {epoch}"
            loss = (training.net(x + own["mean"]) - x.sum(1, keepdim=True)).square().mean()
            training.step(loss, optimizer)
            fault(epoch, step)
        training.log(seen=own["seen"])
        schedule.step()
    return own, optimizer


def outcome(folder, **options):
    training = Training(network(), folder, seed=3)
    own, optimizer = fit(training, **options)
    return training, own, optimizer


@pytest.mark.parametrize("where", [(0, 0), (0, 2), (1, 1), (2, 2), (3, 0)])
def test_a_kill_in_any_epoch_leaves_no_trace(tmp_path, where):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, own, optimizer = outcome(tmp_path / "whole")
    random_state = torch.get_rng_state()

    def fault(epoch, step):
        if (epoch, step) == where:
            raise Kill

    with pytest.raises(Kill):
        outcome(tmp_path / "killed", fault=fault)
    torch.manual_seed(99)  # another process
    resumed, own_2, optimizer_2 = outcome(tmp_path / "killed")
    assert all(
        torch.equal(a, b)
        for a, b in zip(whole.net.state_dict().values(), resumed.net.state_dict().values(), strict=True)
    )
    assert torch.equal(own["mean"], own_2["mean"])
    assert (own["seen"], own["name"]) == (own_2["seen"], own_2["name"]) == (96, "epoch 3")
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(whole.generator.get_state(), resumed.generator.get_state())
    assert optimizer.param_groups[0]["lr"] == optimizer_2.param_groups[0]["lr"] == pytest.approx(0.05 * 0.7**4)
    for a, b in zip(optimizer.state.values(), optimizer_2.state.values(), strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert whole.history == resumed.history
    assert (tmp_path / "whole" / HISTORY).read_bytes() == (tmp_path / "killed" / HISTORY).read_bytes()


def test_a_kill_after_the_last_epoch_trains_no_more(tmp_path):
    done, _, _ = outcome(tmp_path)
    again, _, _ = outcome(tmp_path, fault=lambda epoch, step: pytest.fail("trained again"))
    assert torch.equal(done.net[0].weight, again.net[0].weight)
    assert again.seconds >= done.seconds > 0


def test_a_kill_while_the_checkpoint_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    whole, _, _ = outcome(tmp_path / "whole")
    save, saved = torch.save, []

    def half(thing, path):
        saved.append(path)
        save(thing, path)
        if len(saved) == 3:
            path.write_bytes(path.read_bytes()[:100])
            raise Kill

    monkeypatch.setattr(torch, "save", half)
    (tmp_path / "killed").mkdir()
    with pytest.raises(Kill):
        outcome(tmp_path / "killed")
    assert torch.load(tmp_path / "killed" / CHECKPOINT, weights_only=True)["next"] == 2
    monkeypatch.undo()
    assert torch.equal(whole.net[0].weight, outcome(tmp_path / "killed")[0].net[0].weight)


@pytest.mark.parametrize(
    ("n", "share", "total"), [(300, 1 / 75, 4), (10, 1.0, 10), (3, 1 / 75, 1), (10, 0.25, 2), (0, 1.0, 1)]
)
def test_epochs_are_scaled_by_the_protocols_share_and_never_none(tmp_path, n, share, total):
    training = Training(network(), tmp_path, seed=0, fit_share=share)
    seen = [(epoch, training.epoch, training.total) for epoch in training.epochs(n)]
    assert seen == [(epoch, epoch, total) for epoch in range(total)]


def test_progress_is_reported_after_each_epoch(tmp_path):
    told = []
    training = Training(network(), tmp_path, seed=0, report=lambda done, total: told.append((done, total)))
    list(training.epochs(3))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_second_loop_is_refused(tmp_path):
    training = Training(network(), tmp_path, seed=0)
    list(training.epochs(1))
    with pytest.raises(PluginError, match="a second"):
        next(iter(training.epochs(1)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_stops_naming_epoch_and_step_and_changes_nothing(tmp_path, value):
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    training = Training(net, tmp_path, seed=0)
    for epoch in training.epochs(3):
        training.step(net(torch.ones(1, 2)).sum(), optimizer)
        if epoch == 1:
            before = net.weight.clone()
            with pytest.raises(
                BenchError, match=r"the loss is -?(nan|inf) in epoch 2, step 2; try a smaller learning rate"
            ):
                training.step(net(torch.ones(1, 2)).sum() * value, optimizer)
            assert torch.equal(net.weight, before)
            break


def test_a_step_descends_the_gradient_of_this_loss_only(tmp_path):
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 1.0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    training = Training(net, tmp_path, seed=0)
    for _ in range(2):
        training.step(net(torch.ones(1, 1)).sum(), optimizer)
    assert float(net.weight.detach()) == 0.0


def test_the_history_holds_the_mean_of_each_epoch(tmp_path):
    training = Training(network(), tmp_path, seed=0)
    for epoch in training.epochs(2):
        for value in (1.0, 3.0):
            training.log(loss=value + epoch, recall=0.5)
    with (tmp_path / HISTORY).open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["epoch", "name", "value"],
        ["0", "loss", "2.0"],
        ["0", "recall", "0.5"],
        ["1", "loss", "3.0"],
        ["1", "recall", "0.5"],
    ]


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_follows_the_protocol(tmp_path, precision, dtype):
    training = Training(network(), tmp_path, seed=0, precision=precision)
    with training.autocast():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


def test_the_network_of_a_field_is_found_by_its_method(tmp_path):
    class Inner(Method):
        name = "inner"
        width: int = 1

    one, two = nn.Linear(1, 1), nn.Linear(1, 1)
    training = Training(network(), tmp_path, seed=0, fitted={Inner(): one, Inner(width=2): two})
    assert training.fitted(Inner(width=2)) is two
    assert training.fitted(Inner(width=1)) is one


# --- plans -----------------------------------------------------------------------------------------------------------------------------


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_shuffled_takes_every_number_once_in_whole_batches(n, batch, seed):
    plan = list(shuffled(n, batch, generator(seed)))
    assert [len(b) for b in plan] == ([batch] * (n // batch) if n >= batch else [n])
    numbers = torch.cat(plan).tolist()
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(n))


def test_shuffled_differs_from_epoch_to_epoch_and_not_from_run_to_run():
    one = generator()
    first, second = (torch.cat(list(shuffled(40, 8, one))).tolist() for _ in range(2))
    assert first != second
    assert first == torch.cat(list(shuffled(40, 8, generator()))).tolist()


classes_of_images = st.lists(st.integers(0, 6), min_size=1, max_size=80)


def one_hot(classes):
    return torch.nn.functional.one_hot(torch.tensor(classes), 7).bool()


@given(classes_of_images, st.sampled_from([8, 16, 32]), st.integers(0, 3))
def test_balanced_batches_hold_as_many_images_of_each_of_their_classes(classes, batch, seed):
    usable = [c for c in range(7) if classes.count(c) >= 2]
    plan = list(balanced(one_hot(classes), batch, generator(seed)))
    assert len(plan) == (0 if len(usable) < 2 else max(1, len(classes) // batch))
    chosen = min(max(2, batch // 8), len(usable))
    for index in plan:
        drawn = [classes[i] for i in index.tolist()]
        assert sorted(drawn.count(c) for c in set(drawn)) == [batch // chosen] * chosen
        assert set(drawn) <= set(usable)
    numbers = torch.cat(plan).tolist() if plan else []
    for c in usable:  # an image comes again only when its class is used up
        members, drawn = [i for i in range(len(classes)) if classes[i] == c], [i for i in numbers if classes[i] == c]
        for start in range(0, len(drawn) - len(members) + 1, len(members)):
            assert sorted(drawn[start : start + len(members)]) == members


def test_an_epoch_over_two_equal_classes_shows_every_image_once():
    plan = list(balanced(one_hot([0] * 24 + [1] * 24), 16, generator()))
    assert sorted(torch.cat(plan).tolist()) == list(range(48))


def test_balanced_draws_from_its_subset_and_all_classes_get_their_turn():
    classes = [c for c in range(7) for _ in range(30)]
    subset = torch.arange(0, 210, 2)
    plan = [b.tolist() for seed in range(10) for b in balanced(one_hot(classes), 32, generator(seed), subset)]
    assert all(sorted(Counter(classes[i] for i in b).values()) == [8, 8, 8, 8] for b in plan)
    drawn = {i for b in plan for i in b}
    assert drawn <= set(subset.tolist())
    assert {classes[i] for i in drawn} == set(range(7))


def test_one_class_makes_no_batch():
    assert list(balanced(one_hot([2] * 50 + [3]), 16, generator())) == []


# --- view ------------------------------------------------------------------------------------------------------------------------------


def pictures(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 6, 8), dtype=np.uint8)


def test_a_view_opens_its_folder_and_hands_out_pictures_by_number(tmp_path):
    stack, labels = pictures(5), np.eye(2, dtype=bool)[[0, 1, 1, 0, 1]]
    np.save(tmp_path / IMAGES, stack)
    np.save(tmp_path / LABELS, labels)
    view = View.open(tmp_path, TASK)
    assert (len(view), view.size) == (5, (6, 8))
    chosen = view.images(torch.tensor([3, 0]))
    np.testing.assert_allclose(chosen, stack[[3, 0]] / 255, atol=1e-7)
    assert isinstance(view.pictures, np.memmap)
    assert (view.targets, view.heldout, view.masks) == (None, None, None)
    assert torch.equal(view.labels, torch.from_numpy(labels))


def test_a_view_without_labels_has_none_and_makes_no_batches(tmp_path):
    np.save(tmp_path / IMAGES, pictures(2))
    np.save(tmp_path / TARGETS, np.ones((2, 6, 8), np.uint8))
    view = View.open(tmp_path, TASK, targets=tmp_path)
    assert view.labels is None
    assert view.targets.sum() == 96
    with pytest.raises(ValueError, match="no labels"):
        next(view.batches([torch.tensor([0])]))


def test_batches_follow_the_plan_with_pictures_and_labels_that_belong_together():
    stack, labels = pictures(6), torch.eye(2).bool()[[0, 1, 1, 0, 1, 0]]
    plan = [torch.tensor([4, 2]), torch.tensor([1])]
    made = list(
        View(stack, labels, TASK).batches(plan, lambda images, g: images + torch.rand(1, generator=g), generator(4))
    )
    shifts = torch.rand(1, generator=(g := generator(4))), torch.rand(1, generator=g)
    for (images, given_labels), index, shift in zip(made, plan, shifts, strict=True):
        torch.testing.assert_close(images, torch.from_numpy(stack[index.numpy()]) / 255 + shift)
        assert torch.equal(given_labels, labels[index])


def test_in_order_is_every_number_once():
    order = list(View(pictures(7), None, TASK).in_order(3))
    assert [index.tolist() for index in order] == [[0, 1, 2], [3, 4, 5], [6]]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_joined_stacks_are_one_stack(lengths, data):
    parts = [pictures(n, seed) for seed, n in enumerate(lengths)]
    joined, whole = Joined(parts), np.concatenate(parts)
    numbers = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=9)))
    assert (len(joined), joined.shape) == (len(whole), whole.shape)
    np.testing.assert_array_equal(joined[numbers], whole[numbers])
