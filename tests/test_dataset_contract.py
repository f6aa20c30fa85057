"""The contract of a data set: an honest one passes, and each way to break it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from bench import Dataset, Fault, Item, PluginError, Task
from bench.testing import check_dataset


class Good(Dataset):
    """Two pictures of each split."""

    name: ClassVar[str] = "good"
    embedded: ClassVar[bool] = True

    @property
    def task(self) -> Task:
        return Task(classes=("a", "b"), foreground=("x",), shows=(0, None))

    def items(self, split: str) -> list[Item]:
        return [Item(f"{split}{n}", (n,) if split.startswith("weak") else None) for n in range(2)]

    def image(self, item: Item) -> Any:
        return np.zeros((3, 6, 5), np.uint8)

    def mask(self, item: Item) -> Any:
        return np.full((6, 5), 1, np.uint8)


def changed(**methods: Any) -> Dataset:
    return type("Changed", (Good,), methods)()


def always(*items: Item) -> Any:
    return lambda self, split: list(items)


def weak(*items: Item) -> Any:
    return lambda self, split: list(items) if split == "weak" else Good.items(self, split)


def test_an_honest_data_set_passes() -> None:
    check_dataset(Good())


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"items": always(Item("same", (0,)))}, "image same lies in weak and in weak_heldout"),
        ({"items": weak(Item("w", (0,)), Item("w", (0,)))}, r"items\('weak'\) names an id twice"),
        ({"items": weak(Item("w", None))}, "image w of weak has no label"),
        ({"items": weak(Item("w", (5,)))}, r"has the labels \(5,\); the task has 2 classes"),
        ({"items": weak(Item("w", (0, 1)))}, "has 2 labels; set exclusive=False"),
        ({"items": weak(Item("../w", (0,)))}, r"has the id '../w'; an id is 1 to 128 letters"),
        ({"items": weak(Item("w" * 129, (0,)))}, "an id is 1 to 128 letters"),
        ({"items": weak("w")}, "holds 'w', not bench.Item"),
        ({"items": weak()}, r"items\('weak'\) is empty; there is nothing to fit"),
        ({"items": lambda self, s: [] if s == "test" else Good.items(self, s)}, r"items\('test'\) is empty"),
        (
            {"items": lambda self, s: [Item(f"{s}{np.random.randint(10**9)}", (0,))]},
            "is another list when it is asked for again",
        ),
        ({"image": lambda self, item: np.zeros((6, 5, 3), np.uint8)}, r"is uint8 \(6, 5, 3\); image\(\) gives"),
        ({"image": lambda self, item: np.zeros((3, 6, 5), np.float32)}, r"is float32 \(3, 6, 5\); image\(\) gives"),
        ({"image": lambda self, item: np.zeros((4, 6, 5), np.uint8)}, r"is uint8 \(4, 6, 5\)"),
        (
            {"image": lambda self, item: np.random.randint(0, 255, (3, 6, 5)).astype(np.uint8)},
            "is another picture or mask when it is read again",
        ),
        ({"mask": lambda self, item: np.zeros((5, 6), np.uint8)}, r"has a mask that is uint8 \(5, 6\)"),
        ({"mask": lambda self, item: np.zeros((6, 5), bool)}, r"has a mask that is bool \(6, 5\)"),
        (
            {"mask": lambda self, item: np.full((6, 5), 9, np.uint8)},
            "has a mask with the value 9; the task knows 0, 1, 255",
        ),
        ({"embedded": False}, r"files\('weak'\) names 0 files for 2 images"),
        (
            {"files": lambda self, split: [Path("nowhere.png")] * 2},
            r"files\('weak'\) names nowhere.png, which is not there",
        ),
        ({"faults": lambda self: [Fault("bent", "x", "x is bent")]}, r"faults\(\) names the kind bent"),
    ],
)
def test_a_broken_promise_is_named(methods: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        check_dataset(changed(**methods))


def test_a_split_that_depends_on_the_instance_is_caught() -> None:
    """Another order in another process would be another split under the same fingerprint."""
    orders: dict[int, int] = {}

    def items(self: Dataset, split: str) -> list[Item]:
        turn = orders.setdefault(id(self), len(orders))
        return Good.items(self, split)[:: 1 if turn % 2 else -1]  # type: ignore[arg-type]

    with pytest.raises(PluginError, match="is another list when it is asked for again"):
        check_dataset(changed(items=items))


def test_a_module_that_starts_with_torch_is_caught(tmp_path: Path) -> None:
    from bench import plugins

    file = tmp_path / "slow_start.py"
    file.write_text(
        "import torch\n"
        "from typing import ClassVar\n"
        "from bench import Dataset, hookimpl\n"
        "class Slow(Dataset):\n"
        "    name: ClassVar[str] = 'slow_start'\n"
        "@hookimpl\n"
        "def bench_datasets():\n"
        "    return [Slow]\n"
    )
    (slow,) = plugins.load_file(file)
    with pytest.raises(PluginError, match=r"slow_start.py line 1 imports torch at its top; import it where it is used"):
        check_dataset(slow())
