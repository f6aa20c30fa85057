"""ImageNet weights: files of every kind, the hub's cache, and one sentence where they are not to be had."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from bench.api import Pretrained
from bench.errors import MachineError, UsageError
from bench.methods.gradcam import GradCAM
from bench.pipeline import keys
from bench.weights import load_backbone, locate, read

BACKBONE = "test_resnet"


class Some(Pretrained):
    """A method that starts from ImageNet."""

    name = "some_method"


def state(**arguments: object) -> dict[str, Tensor]:
    torch.manual_seed(5)
    return dict(timm.create_model(BACKBONE, **arguments).state_dict())


def some(file: Path | None = None, **settings: object) -> Some:
    return Some.model_validate({"backbone": BACKBONE, "weights": file, **settings})


def assert_loaded(file: Path, expected: dict[str, Tensor], num_classes: int = 3) -> None:
    loaded = load_backbone(some(file), num_classes).state_dict()
    assert loaded["fc.weight"].shape[0] == num_classes
    assert all(torch.equal(loaded[n], v) for n, v in expected.items() if not n.startswith("fc."))


def test_safetensors_and_state_dicts_are_told_apart_by_content(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "weights.pth")
    torch.save(state(), tmp_path / "weights.safetensors")
    torch.save({"state_dict": {f"module.{n}": v for n, v in state().items()}, "epoch": 3}, tmp_path / "trained")
    for file in tmp_path.iterdir():
        assert_loaded(file, state())


def test_half_precision_becomes_single_and_statistics_may_lack_their_count(tmp_path: Path) -> None:
    half = {n: v.half() for n, v in state().items() if not n.endswith("num_batches_tracked")}
    save_file(half, tmp_path / "half")
    assert_loaded(tmp_path / "half", {n: v.float() for n, v in half.items()})
    assert all(v.dtype != torch.float16 for v in load_backbone(some(tmp_path / "half"), 3).state_dict().values())


def test_a_head_of_the_same_size_is_kept(tmp_path: Path) -> None:
    save_file(state(num_classes=3), tmp_path / "w")
    loaded = load_backbone(some(tmp_path / "w"), 3).state_dict()
    assert torch.equal(loaded["fc.weight"], state(num_classes=3)["fc.weight"])


def test_a_file_without_head_leaves_a_new_one(tmp_path: Path) -> None:
    save_file({n: v for n, v in state().items() if not n.startswith("fc.")}, tmp_path / "w")
    assert_loaded(tmp_path / "w", state())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda s: s.pop("conv1.0.weight"), r"keys 1 missing \(conv1\.0\.weight\)"),
        (lambda s: s.update(stranger=torch.zeros(1)), r"keys 1 unknown \(stranger\)"),
        (lambda s: s.update({"bn1.weight": torch.zeros(3)}), r"keys 1 of another shape \(bn1\.weight\)"),
    ],
)
def test_a_file_of_another_network_is_refused_by_file_and_keys(tmp_path: Path, change: object, fault: str) -> None:
    other = state()
    change(other)  # type: ignore[operator]
    save_file(other, tmp_path / "other")
    with pytest.raises(MachineError, match=rf"other does not hold the weights of {BACKBONE}: {fault}"):
        load_backbone(some(tmp_path / "other"), 3)


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not weights")
    torch.save({"harm": Path("x")}, tmp_path / "pickle")
    (tmp_path / "cut").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    for file in tmp_path.iterdir():
        with pytest.raises(MachineError, match=f"{file.name} is neither a safetensors file nor a state dict"):
            read(file)


def test_a_missing_file_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"some_method\.weights: there is no file .*gone"):
        locate(some(tmp_path / "gone"))


def test_from_scratch_needs_no_file(tmp_path: Path) -> None:
    assert locate(some(pretrained=False)) is None
    assert locate(some(tmp_path / "gone", pretrained=False)) is None
    assert load_backbone(some(pretrained=False), 4).state_dict()["fc.weight"].shape[0] == 4


def test_an_unknown_network_has_near_names() -> None:
    for use in (locate, lambda method: load_backbone(method, 3)):
        with pytest.raises(
            UsageError, match=r"some_method\.backbone: timm has no network resnet5O; did you mean resnet50"
        ):
            use(some(backbone="resnet5O"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server that speaks as much of the hub's protocol as a download takes; the requests that it got."""
    save_file(state(), tmp_path / "model")
    requests: list[str] = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            data = (tmp_path / "model").read_bytes()
            requests.append(f"{self.command} {self.path}")
            self.send_response(200)
            for name, value in {"ETag": '"etag"', "X-Repo-Commit": "0" * 40, "Content-Length": len(data)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_GET = do_HEAD

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        point_hub_at(f"http://127.0.0.1:{server.server_port}", tmp_path / "cache", monkeypatch)
        yield requests
        server.shutdown()


def point_hub_at(endpoint: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT and HF_HOME do before the hub's package is imported."""
    from huggingface_hub import constants, file_download

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    for module in (constants, file_download):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(cache), raising=False)


def test_weights_are_fetched_by_timm_name_once_and_then_come_from_the_cache(hub: list[str]) -> None:
    file = locate(some())
    assert file is not None
    assert hub[0] == f"HEAD /timm/{BACKBONE}.r160_in1k/resolve/main/model.safetensors"
    assert any(request.startswith("GET") for request in hub)
    assert_loaded(file, state())
    assert not file.is_symlink()  # the confined process is shown this one file
    hub.clear()
    assert locate(some()) == file
    assert hub == []


def test_without_a_network_both_ways_out_are_said_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_hub_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    start = time.monotonic()
    with pytest.raises(MachineError) as caught:
        locate(some())
    assert time.monotonic() - start < 5
    text = str(caught.value)
    assert text.startswith(f"the ImageNet weights of {BACKBONE} are not to be had (no answer from 127.0.0.1:9")
    assert "--set some_method.weights=FILE" in text
    assert "--set some_method.pretrained=false" in text
    assert caught.value.exit_code == 5


def test_a_network_that_nobody_has_trained_says_so() -> None:
    with pytest.raises(MachineError, match=r"timm publishes none.*some_method\.pretrained=false"):
        locate(some(backbone="cspresnet50d"))


@pytest.mark.data
def test_real_weights_tell_a_trained_network(shared_data: Path, tmp_path: Path) -> None:
    coded = shared_data / "weights"
    decoder = coded / "decode_ktb.py"
    file = tmp_path / "resnet18.safetensors"
    words = [coded / "resnet18_small_blocks.pth", file, coded / "resnet18_small_blocks.bn_stats.safetensors"]
    shutil.copy(decoder, tmp_path)
    subprocess.run([sys.executable, str(tmp_path / decoder.name), *map(str, words)], check=True)
    net = load_backbone(some(file, backbone="resnet18"), 7)
    assert net.state_dict()["fc.weight"].shape[0] == 7
    assert float(net.state_dict()["bn1.running_var"].mean()) != 1


def test_a_file_of_weights_that_is_not_read_is_no_setting_of_the_row(tmp_path: Path) -> None:
    """`smoke` trains from scratch: a file that a user names beside it decides nothing, and the row says so."""
    file = tmp_path / "net.safetensors"
    file.write_bytes(b"weights")
    used, unread = (GradCAM(pretrained=pretrained, weights=file) for pretrained in (True, False))
    assert keys.shown(used) == {"weights": "net.safetensors"}
    assert keys.shown(unread) == {"pretrained": False}
    assert "weights" in keys.decisive(used)
    assert keys.decisive(unread) == keys.decisive(GradCAM(pretrained=False))
    assert unread.notes() == ("from scratch, BatchNorm trains; its file of weights is not read: pretrained=false",)
    assert used.notes() == ()
