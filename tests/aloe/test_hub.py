"""Models of the hub by name, from a hub on loopback."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe

from aloe.config import ModelConfig
from aloe.errors import AloeError, ConfigError, ModelError
from aloe.models.check import locate_model
from aloe.models.hub import (
    _fetch,
    explain_unreachable,
    fetch_gguf,
    find_cached,
    is_hub_name,
    quant_of,
)
from aloe.models.local import weights_path
from aloe.models.weights import hash_models, hash_weights
from aloe.training.model_folder import hash_model

REVISION = "c0ffee" + "0" * 34
REPO = "me/tiny-GGUF"


@dataclass
class Hub:
    """A fake hub with one repository."""

    files: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)
    """What is really sent, where that is something else."""
    checksums: bool = True
    refuses: int = 0
    """Status of every answer; 0: the right one."""
    asked: list[str] = field(default_factory=list)


def answer(hub: Hub, path: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body."""
    hub.asked.append(path)
    if hub.refuses:
        code = {403: "GatedRepo", 404: "RepoNotFound"}.get(hub.refuses, "")
        return hub.refuses, {"X-Error-Code": code} if code else {}, b"{}"
    if path.startswith(f"/api/models/{REPO}"):
        siblings: list[dict[str, Any]] = [{"rfilename": "README.md", "size": 3}]
        for name, data in hub.files.items():
            found = {"rfilename": name, "size": len(data)}
            lfs = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 9}
            siblings.append({**found, "lfs": lfs} if hub.checksums else found)
        body = {"id": REPO, "sha": REVISION, "siblings": siblings, "tags": [], "downloads": 0}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
    name = path.partition(f"/{REPO}/resolve/{REVISION}/")[2].partition("?")[0]
    if name in hub.files:
        data = hub.sent.get(name, hub.files[name])
        etag = hashlib.sha256(hub.files[name]).hexdigest()
        return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": REVISION}, data
    return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    found = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self, *, body: bool = True) -> None:
            status, headers, data = answer(found, self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def do_HEAD(self) -> None:
            self.do_GET(body=False)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{http.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield found
    http.shutdown()
    http.server_close()
    thread.join()


FILES = {
    "tiny-q4_k_m.gguf": b"four" * 500,
    "tiny-q8_0.gguf": b"eight" * 900,
    "tiny-fp16-00001-of-00002.gguf": b"",
    "big-F16-00001-of-00002.gguf": b"a",
    "big-F16-00002-of-00002.gguf": b"b",
    "mmproj-tiny-BF16.gguf": b"eyes",
}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (f"{REPO}:Q8_0", "tiny-q8_0.gguf"),
        (f"{REPO}:q4_k_m", "tiny-q4_k_m.gguf"),
        (REPO, "tiny-q4_k_m.gguf"),
    ],
)
def test_a_file_is_downloaded_once(
    hub: Hub, name: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.files = FILES
    path = weights_path(name)
    assert path.read_bytes() == FILES[file]
    assert f"downloading {file} of {REPO}" in capsys.readouterr().err
    asked = len(hub.asked)
    hub.refuses = 500  # from now on nobody is asked
    assert weights_path(name) == path
    assert locate_model(ModelConfig(model=f"local:{name}")) == str(path)
    assert len(hub.asked) == asked


def test_eyes_in_the_cache_are_no_model(hub: Hub) -> None:
    home = keep()
    (home / "mmproj-n-F16.gguf").touch()
    assert find_cached(f"{REPO}:F16") is find_cached(REPO) is None
    (home / "n-model-it-qat-F16.gguf").touch()
    assert find_cached(f"{REPO}:F16") == home / "n-model-it-qat-F16.gguf"


def test_without_a_default_the_first_whole_file_is_taken(hub: Hub) -> None:
    hub.files = {name: FILES[name] for name in ("big-F16-00001-of-00002.gguf", "tiny-q8_0.gguf")}
    assert fetch_gguf(REPO).name == "tiny-q8_0.gguf"


def keep(*files: str) -> Path:
    """Put files into the hub's cache, as if they had been fetched by name."""
    from huggingface_hub import constants

    home = Path(constants.HF_HUB_CACHE) / f"models--{REPO.replace('/', '--')}" / "snapshots" / "1"
    home.mkdir(parents=True, exist_ok=True)
    for file in files:
        (home / file).write_bytes(FILES[file])
    return home


def test_what_else_is_cached_does_not_change_what_a_name_means(hub: Hub) -> None:
    hub.files = FILES
    keep("tiny-q8_0.gguf")
    assert "downloaded at first use" in locate_model(ModelConfig(model=f"local:{REPO}"))
    assert fetch_gguf(REPO).name == "tiny-q4_k_m.gguf"


def test_a_hub_without_the_default_names_the_file_that_is_cached(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.files = {"tiny-q8_0.gguf": FILES["tiny-q8_0.gguf"]}
    home = keep("tiny-q8_0.gguf")
    assert fetch_gguf(REPO) == home / "tiny-q8_0.gguf"
    assert "downloading" not in capsys.readouterr().err


@pytest.mark.parametrize("off", [True, False])
def test_offline_no_other_file_is_taken_and_those_in_the_cache_are_named(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, *, off: bool
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", off)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    home = keep("tiny-q8_0.gguf")
    with pytest.raises(ModelError, match="cannot be asked which file") as problem:
        fetch_gguf(REPO)
    assert f"local:{home / 'tiny-q8_0.gguf'}" in str(problem.value)
    with pytest.raises(ModelError, match="not in the hub's cache"):
        fetch_gguf(f"{REPO}:Q4_K_M")


def test_of_several_cached_files_of_a_quantization_the_hub_says_which_is_meant(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = {**FILES, "tiny-large-q8_0.gguf": b"large", "t-q8_0.gguf": b"t"}
    home = keep("tiny-q8_0.gguf")
    (home / "tiny-large-q8_0.gguf").write_bytes(b"large")
    assert find_cached(f"{REPO}:Q8_0") is None
    assert fetch_gguf(f"{REPO}:Q8_0").name == "t-q8_0.gguf"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    _fetch.cache_clear()
    with pytest.raises(ModelError, match=r"t-q8_0\.gguf, tiny-q8_0\.gguf, tiny-large"):
        fetch_gguf(f"{REPO}:Q8_0")


def test_a_model_of_the_hub_has_a_hash_by_which_another_file_shows(hub: Hub) -> None:
    hub.files = FILES
    model = ModelConfig(model=f"local:{REPO}:Q8_0")
    before = hash_models([model])
    assert before.keys() == {model.model}
    find_cached(f"{REPO}:Q8_0").write_bytes(b"another")  # type: ignore[union-attr]
    assert hash_models([model])[model.model] != before[model.model]


def test_a_revision_that_transformers_reads_has_a_hash(hub: Hub) -> None:
    assert hash_weights(f"hf:{REPO}") is None
    main = keep().parent.parent / "refs" / "main"
    main.parent.mkdir()
    found = set()
    for revision in ("c0ffee", "decade"):
        main.write_text(revision)
        found |= {hash_weights(f"hf:{REPO}"), hash_model(REPO)}
    assert len(found - {None}) == 2


def test_a_hub_that_refuses_is_not_offline(hub: Hub) -> None:
    keep("tiny-q8_0.gguf")
    hub.refuses = 403
    with pytest.raises(ModelError, match="consent"):
        fetch_gguf(REPO)


@pytest.mark.parametrize(
    ("name", "changes", "kind", "words"),
    [
        (f"{REPO}:Q5_K_M", {}, ConfigError, ["has no Q5_K_M", "there are Q4_K_M, Q8_0"]),
        (f"{REPO}:F16", {}, ConfigError, ["F16", "split into parts", "there are Q4_K_M, Q8_0"]),
        (REPO, {"files": {}}, ConfigError, ["holds no GGUF file"]),
        ("me/unknown", {}, ConfigError, ["no file here", "the hub has no me/unknown"]),
        (REPO, {"refuses": 403}, ModelError, ["consent", "HF_TOKEN"]),
        (REPO, {"refuses": 500}, ModelError, ["cannot be reached", "500"]),
        (REPO, {"sent": {"tiny-q4_k_m.gguf": b"five" * 500}}, ModelError, ["broken", "checksum"]),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    hub: Hub, name: str, changes: dict[str, Any], kind: type[AloeError], words: list[str]
) -> None:
    hub.files = FILES
    for key, value in changes.items():
        setattr(hub, key, value)
    with pytest.raises(kind) as error:
        weights_path(name)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_broken_file_does_not_stay(hub: Hub) -> None:
    hub.files = FILES
    hub.sent = {"tiny-q4_k_m.gguf": b"five" * 500}
    with pytest.raises(ModelError, match="broken"):
        fetch_gguf(REPO)
    hub.sent = {}
    assert fetch_gguf(REPO).read_bytes() == FILES["tiny-q4_k_m.gguf"]


def test_off_the_network_it_says_so(
    hub: Hub, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch, personas_file: Path, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    simulate = ("simulate", "--personas", personas_file, "--out", tmp_path / "run")
    simulate = (*simulate, "--model", f"local:{REPO}:Q8_0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert aloe(*simulate).is_one_line_about(
        f"local:{REPO}:Q8_0", "the hub cannot be reached: no connection to 127.0.0.1"
    )
    unnamed = OSError("request failed")
    unnamed.__cause__ = socket.gaierror(-2, "Name or service not known")
    assert explain_unreachable(unnamed) == "no connection to 127.0.0.1"
    assert explain_unreachable(OSError("disk full")) == "disk full"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert aloe(*simulate).is_one_line_about("not in the hub's cache", "HF_HUB_OFFLINE")
    assert hub.asked == []
    assert not (tmp_path / "run").exists()
    assert "downloaded at first use" in locate_model(ModelConfig(model=f"local:{REPO}"))


def test_names_of_files_are_none_of_the_hub() -> None:
    names = ("models/x.gguf", "./models/x", "~/x", "/models/x", "a/b/c", "x", "me/", "me/x:")
    assert not any(is_hub_name(name) for name in names)
    assert is_hub_name("Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M")


@pytest.mark.parametrize(
    ("file", "quant"),
    [
        ("qwen2.5-1.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("SmolLM2.Q4_1.gguf", "Q4_1"),
        ("x-IQ2_XXS.gguf", "IQ2_XXS"),
        ("F16/x-F16-00001-of-00002.gguf", "F16"),
        ("gpt-oss-mxfp4.gguf", "MXFP4"),
        ("q8-but-not-said.gguf", ""),
        ("model.gguf", ""),
    ],
)
def test_quantizations_are_read_from_names(file: str, quant: str) -> None:
    assert quant_of(file) == quant
