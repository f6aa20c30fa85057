"""my_dataset keeps the contract of a data set, on a few made pictures in the layout that it reads."""

from pathlib import Path

import numpy as np
from my_dataset import COLUMNS, TABLE, MyDataset
from PIL import Image

from bench.testing import check_dataset


def make(root: Path) -> None:
    """Four pictures of each split, every second one with a square and its mask."""
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    random = np.random.default_rng(0)
    lines = [",".join(COLUMNS)]
    for split in ("weak", "weak_heldout", "masks", "val", "test"):
        for number in range(4):
            name, label = f"{split}-{number}", ("without", "with")[number % 2]
            picture = random.integers(0, 90, (40, 48, 3), dtype=np.uint8)
            if label == "with":
                mask = np.zeros((40, 48), np.uint8)
                mask[8 + number : 24, 10:30] = 255
                picture[mask > 0] += 120
                Image.fromarray(mask).save(root / "masks" / f"{name}.png")
            Image.fromarray(picture).save(root / "images" / f"{name}.png")
            lines.append(f"{name},{label},{name},{split}")
    (root / TABLE).write_text("\n".join(lines) + "\n")


def test_contract(tmp_path: Path) -> None:
    make(tmp_path)
    check_dataset(MyDataset(root=tmp_path))
