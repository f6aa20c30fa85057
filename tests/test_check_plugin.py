"""`bench check-plugin` names every broken promise and the line to change: one liar for each sin, and an honest plugin of each kind."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from bench import plugins, testing
from bench.commands.cli import cli

LIARS = Path(__file__).parent / "plugins" / "liars"

SINS = [  # file, name, check, what is said, the text of the line to change
    ("no_docstring", "", "docstring", "class Liar has no docstring", "class Liar"),
    (
        "undescribed",
        "",
        "descriptions",
        "undescribed.alpha has no description; say what it is, its unit",
        "alpha: float",
    ),
    ("not_json", "", "json", "not_json.table is another value once it has been JSON", "table: dict"),
    ("no_network", "", "build", "build() of no_network must return a torch.nn.Module; it returned object", "def build"),
    ("two_loops", "", "fit", "this one starts a second", "def fit"),
    ("crashes", "", "fit", "fit() of crashes failed: KeyError: 'x'", 'there["x"]'),
    ("clock", "", "seed", "clock fitted twice with one seed is another network (0.bias differs)", "def fit"),
    ("forgetful", "", "kill", "forgetful killed after epoch 1 and continued is another network", "def fit"),
    ("reseeds", "", "reseed", "reseeds seeds torch's random generator in build() or fit()", "def fit"),
    ("no_channel", "", "shape", "must return (24, 1, h, w) floats in [0, 1]; it returned (24, 64, 64)", "def maps"),
    ("whole_numbers", "", "dtype", "it returned (24, 1, 64, 64) torch.int32", "def maps"),
    ("not_a_number", "", "nan", "1536 of its 98304 values are NaN", "def maps"),
    ("out_of_range", "", "range", "its values run from 1.", "def maps"),
    ("needs_labels", "", "labels", "'NoneType' object has no attribute 'any'", "return net(images) * labels"),
    ("dice", "", "again", "maps() of dice gives other maps when called again", "def maps"),
    ("batch", "", "batch", "maps() of batch depends on the other images of a batch", "def maps"),
    ("writes_network", "", "reads", "maps() of writes_network changes its network (seen)", "def maps"),
    ("writes_pictures", "", "reads", "maps() of writes_pictures changes the pictures that it is given", "def maps"),
    ("not_stored", "", "stored", "makes a network that is another one once it was stored and loaded", "def build"),
    ("dead", "", "alive", "maps() of dead gives dead maps: each has one value everywhere", "def maps"),
    (
        "says_constant",
        "",
        "class",
        "makes a map that differs from image to image, and the class says constant",
        "def maps",
    ),
    ("same_map", "", "class", "makes a map that is the same for every image, and the class says constant", "def maps"),
    ("says_binary", "", "class", "makes values between 0 and 1, and the class says binary = True", "def maps"),
    ("hides_labels", "", "class", "fit() of hides_labels looks at labels, and the class says reads_labels", "def fit"),
    ("one_foreground", "", "foregrounds", "must return (24, 2, h, w) floats in [0, 1] for two foregrounds", "def maps"),
    ("peeks", "", "firewall", "fit() of peeks makes another network when masks are replaced by noise", "def fit"),
    ("guesses", "", "firewall", "maps() of guesses makes another maps when masks are replaced by noise", "def maps"),
    ("leaves_traces", "leaves_dtype", "surroundings", "fit() of leaves_dtype changes torch's default dtype", "def fit"),
    (
        "leaves_traces",
        "leaves_folder",
        "surroundings",
        "fit() of leaves_folder changes the working directory",
        "def fit",
    ),
    (
        "leaves_traces",
        "leaves_filters",
        "surroundings",
        "fit() of leaves_filters changes the warnings filters",
        "def fit",
    ),
    ("leaves_traces", "leaves_threads", "surroundings", "changes torch's number of threads", "def fit"),
    ("leaves_traces", "leaves_variables", "surroundings", "changes the environment variables", "def maps"),
    ("leaves_traces", "leaves_draws", "surroundings", "changes torch's random generator", "def maps"),
    ("leaves_traces", "leaves_prints", "surroundings", "maps() of leaves_prints prints to standard output", "def maps"),
    ("bad_targets", "float_targets", "targets", "must return (24, 64, 64) uint8 masks; it returned", "def targets"),
    ("bad_targets", "seven_targets", "targets", "the values 0, 1 and 255; it made the value 7", "def targets"),
    ("bad_targets", "dice_targets", "again", "makes other masks when called again", "def targets"),
]


@pytest.fixture(autouse=True)
def _restored(monkeypatch, tmp_path):
    """In memory where the system has such a folder; what a liar leaves behind would be the next test's."""
    monkeypatch.setattr("tempfile.tempdir", "/dev/shm" if os.path.isdir("/dev/shm") else None)


@pytest.fixture
def no_firewall(monkeypatch):
    """For tests about something else."""
    monkeypatch.setattr("bench.contract.fit.check_firewall", lambda *_: None)


def liar(file: str, name: str = ""):
    classes = plugins.load_file(LIARS / f"{file}.py")
    return next(cls for cls in classes if cls.name == (name or file))()


@pytest.mark.parametrize(("file", "name", "sin", "said", "line"), SINS, ids=[sin[1] or sin[0] for sin in SINS])
def test_each_liar_is_caught_by_one_check_which_names_the_line(request, file, name, sin, said, line):
    if sin != "firewall":
        request.getfixturevalue("no_firewall")
    plugin = liar(file, name)
    found = {finding.check: finding for finding in testing.check_plugin(plugin)}
    broken = {check: finding.fault for check, finding in found.items() if finding.fault}
    assert list(broken) == [sin], broken
    assert said in broken[sin]
    place, _, number = found[sin].place.rpartition(":")
    assert line in Path(place).read_text().splitlines()[int(number) - 1]
    assert all(f.waits_for in found for f in found.values() if f.waits_for)


def test_what_rests_on_a_broken_promise_waits_and_the_rest_is_still_checked(no_firewall):
    found = {f.check: f for f in testing.check_plugin(liar("out_of_range"))}
    assert found["labels"].waits_for == "range"
    assert {name for name, f in found.items() if not f.waits_for} >= {"docstring", "kill", "reads", "surroundings"}
    crashed = {f.check: f for f in testing.check_plugin(liar("crashes"))}
    assert {name for name, f in crashed.items() if not f.waits_for} == {
        "docstring",
        "descriptions",
        "json",
        "build",
        "fit",
    }


def bench(*words: str):
    return CliRunner().invoke(cli, ["check-plugin", *words])


def test_an_honest_file_passes_and_leaves_the_process_as_it_was():
    before = (os.getcwd(), random.getstate(), torch.get_rng_state().sum(), torch.get_default_dtype(), dict(os.environ))
    settings = (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads(), np.random.get_state()[1].sum())
    done = bench(str(LIARS / "honest.py"))
    assert done.exit_code == 0, done.output
    assert "honest (method, " in done.output
    assert "23 checks, none to mend" in done.output
    after = (os.getcwd(), random.getstate(), torch.get_rng_state().sum(), torch.get_default_dtype(), dict(os.environ))
    assert after == before
    assert settings == (
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        np.random.get_state()[1].sum(),
    )


def test_a_floor_by_its_name_with_a_setting(no_firewall):
    done = bench("centre_disc", "--set", "radius=0.3", "-q")
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) == 3  # title, sum, empty
    done = bench("centre_disc", "--set", "radius=-1")
    assert done.exit_code == 2
    assert "centre_disc.radius takes a value greater than 0" in done.output


def test_a_broken_file_is_exit_4_with_the_line_to_change(no_firewall):
    done = bench(str(LIARS / "bad_targets.py"))
    assert done.exit_code == 4
    assert done.output.count("1 to mend") == 3
    (line,) = [line for line in done.output.splitlines() if "value 7" in line]
    assert line.startswith("  change  targets() returns masks: targets() of seven_targets must return")
    assert line.endswith(f"; change {LIARS / 'bad_targets.py'}:26")


def test_seeding_at_the_top_of_a_module_is_caught(no_firewall):
    done = bench(str(LIARS / "seeds_at_import.py"), "--json")
    assert done.exit_code == 4
    (report,) = json.loads(done.stdout)["plugins"]
    assert report["broken"] == 1
    (check,) = [check for check in report["checks"] if check["state"] == "change"]
    assert check["check"] == "import"
    assert check["fault"].startswith("importing seeds_at_import.py changes torch's random generator")
    assert check["place"] == f"{LIARS / 'seeds_at_import.py'}:1"


def test_data_sets_are_checked_too(tmp_path):
    done = bench("synthetic")
    assert done.exit_code == 0, done.output
    assert "splits, pictures, masks and files keep the contract" in done.output
    file = tmp_path / "drawn.py"
    file.write_text(DRAWN)
    done = bench(str(file))
    assert done.exit_code == 4
    assert "image() or mask() of drawn changes NumPy's random generator" in done.output
    assert "drawn.words has no description" in done.output


DRAWN = '''
"""A data set that draws."""
from typing import ClassVar
import numpy as np
from bench import Dataset, Item, Task, hookimpl

class Drawn(Dataset):
    """Two pictures of each split."""
    name: ClassVar[str] = "drawn"
    embedded: ClassVar[bool] = True
    words: int = 3

    @property
    def task(self):
        return Task(classes=("a", "b"), foreground=("x",), shows=(0, None))

    def items(self, split):
        return [Item(f"{split}{n}", (n,)) for n in range(2)]

    def image(self, item):
        np.random.rand()
        return np.full((3, 6, 5), len(item.id) + int(item.id[-1]), np.uint8)

    def mask(self, item):
        return np.full((6, 5), 1, np.uint8)

@hookimpl
def bench_datasets():
    return [Drawn]
'''


def test_unknown_names_and_files_that_do_not_load():
    done = bench("centre_disk")
    assert done.exit_code == 2
    assert "no plugin is called centre_disk; did you mean centre_disc?" in done.output
    done = bench("nowhere.py")
    assert done.exit_code == 4
    assert "nowhere.py cannot be read" in done.output
    done = bench("precomputed")
    assert done.exit_code == 2
    assert "precomputed.folder has no value" in done.output


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name", ["gradcam_resnet50", "ml_attention", "dcml_attention", "reconstruction_decomposition", "pretrained_pca"]
)
def test_the_built_in_methods_at_their_full_size(name):
    done = bench(name)
    assert done.exit_code == 0, done.output


def test_help_imports_no_torch(tmp_path):
    code = "import sys; from bench.commands import check; assert not {'torch', 'pandas', 'pydantic'} & set(sys.modules)"
    import subprocess

    subprocess.run([sys.executable, "-P", "-c", code], check=True)
