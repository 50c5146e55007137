"""Folders to a hub on loopback: it takes commits, and keeps what it was told."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe

from aloe.errors import AloeError, ConfigError, ModelError
from aloe.training.card import _find_base
from aloe.training.push import Push, check_push, list_files, push_folder

TOKEN = "hf_" + "s3cret" * 6
PUSH = Push(repo="me/rows", kind="dataset")
ENVIRONMENT = {"HF_TOKEN": TOKEN}


@dataclass
class Hub:
    """A fake hub with one repository."""

    address: str = ""
    public: bool = False
    created: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0
    refuses: dict[str, int] = field(default_factory=dict)
    """Status by a part of the path."""
    told: list[tuple[str, str | None]] = field(default_factory=list)
    """Paths asked for, and with which token."""

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        for part, status in self.refuses.items():
            if part in path:
                return status, {"error": f"no {TOKEN}"}
        if "whoami" in path:
            return 200, {"name": "me", "type": "user"}
        if path.endswith("/repos/create"):
            self.created.append(json.loads(body))
            return 200, {"url": f"{self.address}/datasets/me/rows", "id": "me/rows"}
        if "validate-yaml" in path:
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            found = [self.describe(each["path"]) for each in json.loads(body)["files"]]
            return 200, {"files": found}
        if "/commit/" in path:
            self.commits += 1
            self.take(body)
            address = f"{self.address}/datasets/me/rows/commit/{'0' * 40}"
            return 200, {"commitUrl": address, "commitOid": "0" * 40, "success": True}
        if "/tree/" in path:
            return 200, [
                {"type": "file", "path": n, "size": len(d), "oid": oid(d)}
                for n, d in self.files.items()
            ]
        return 200, {"id": "me/rows", "private": not self.public, "sha": "0" * 40, "siblings": []}

    def describe(self, name: str) -> dict[str, Any]:
        there = {"oid": oid(self.files[name])} if name in self.files else {}
        return {"path": name, "uploadMode": "regular", "shouldIgnore": False, **there}

    def take(self, body: bytes) -> None:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "deletedFile":
                del self.files[value["path"]]


def oid(data: bytes) -> str:
    """Return the hash that git has for a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    found = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.told.append((self.path, self.headers.get("authorization")))
            status, answer = found.answer(self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{http.server_port}"
    found.address = address
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setitem(ENVIRONMENT, "HF_ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield found
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "set"
    for name, text in {
        "README.md": "---\nlicense: mit\n---\n# Rows\n",
        "train.jsonl": '{"prompt": []}\n',
        ".lock": "",
        "checkpoints/checkpoint-1/model.safetensors": "big",
        "training_args.bin": "pickle",
    }.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return made


def test_it_is_private_and_holds_what_is_to_be_shared(hub: Hub, folder: Path) -> None:
    hub.files = {".gitattributes": b"*", "test.jsonl": b"of an earlier split", "own.txt": b"kept"}
    push_folder(folder, PUSH, ENVIRONMENT)
    assert [(each["name"], each["visibility"]) for each in hub.created] == [("rows", "private")]
    assert set(hub.files) == {".gitattributes", "README.md", "train.jsonl", "own.txt"}
    assert hub.files["train.jsonl"] == (folder / "train.jsonl").read_bytes()
    assert {token for _, token in hub.told} == {f"Bearer {TOKEN}"}


def test_again_goes_on_where_it_broke_off(hub: Hub, folder: Path) -> None:
    hub.refuses = {"/commit/": 400}
    with pytest.raises(ModelError, match=r"pushing to me/rows failed: .*run it again"):
        push_folder(folder, PUSH, ENVIRONMENT)
    assert hub.files == {}
    hub.refuses = {}
    for _ in range(2):
        push_folder(folder, PUSH, ENVIRONMENT)
        assert set(hub.files) == {"README.md", "train.jsonl"}
    assert hub.commits == 1  # nothing was left to send


def test_nothing_becomes_public_unasked(hub: Hub, folder: Path) -> None:
    hub.public = True
    with pytest.raises(ConfigError, match="me/rows is public; say --public"):
        push_folder(folder, PUSH, ENVIRONMENT)
    assert hub.files == {}
    push_folder(folder, Push(repo="me/rows", kind="dataset", public=True), ENVIRONMENT)
    assert "README.md" in hub.files


def test_what_is_private_is_not_called_public(hub: Hub, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"me/rows is private and stays so.*leave out --public"):
        push_folder(folder, Push(repo="me/rows", kind="dataset", public=True), ENVIRONMENT)
    assert hub.files == {}


def model(folder: Path, *names: str) -> Path:
    for name in ("README.md", "training.json", "tokenizer.json", *names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} of {folder.name}")
    return folder


def test_no_part_of_an_earlier_model_stays_beside_a_new_one(hub: Hub, tmp_path: Path) -> None:
    parts = "adapter_config.json", "adapter_model.safetensors", "adapter.gguf", "curves.png"
    adapter = model(tmp_path / "adapter", *parts, "ref/adapter_config.json")
    whole = model(tmp_path / "whole", "config.json", "model-00001-of-00002.safetensors")
    push = Push(repo="me/model", kind="model")
    hub.files = {"README.md": b"theirs", "model-Q4.gguf": b"theirs", "eval/config.json": b"theirs"}
    theirs = {"model-Q4.gguf", "eval/config.json"}
    for folder in (adapter, whole, adapter):
        push_folder(folder, push, ENVIRONMENT)
        assert hub.files.keys() - theirs == set(list_files(folder))
        assert hub.files["tokenizer.json"].decode() == f"tokenizer.json of {folder.name}"
        assert hub.files.keys() >= theirs
    assert not any(name.startswith("ref/") for name in hub.files)


def test_a_model_from_elsewhere_is_not_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"config.json": b"theirs"}
    adapter = model(tmp_path / "adapter", "adapter_config.json")
    with pytest.raises(ConfigError, match=r"me/model holds config.json.*name another repository"):
        push_folder(adapter, Push(repo="me/model", kind="model"), ENVIRONMENT)
    assert hub.files == {"config.json": b"theirs"}


@pytest.mark.parametrize(
    ("refuses", "kind", "words"),
    [
        ({"whoami": 401}, ConfigError, "does not know the token in HF_TOKEN"),
        ({"create": 403, "/datasets/me/rows": 404}, ConfigError, "may not write to me/rows"),
        ({"/commit/": 403}, ConfigError, "may not write to me/rows"),
        ({"validate-yaml": 400}, ModelError, "me/rows"),
        ({"/preupload/": 418}, ModelError, "run it again"),
    ],
)
def test_what_goes_wrong_is_one_sentence_without_the_token(
    hub: Hub,
    folder: Path,
    refuses: dict[str, int],
    kind: type[AloeError],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.refuses = refuses

    def push() -> None:
        check_push(PUSH, ENVIRONMENT)
        push_folder(folder, PUSH, ENVIRONMENT)

    with pytest.raises(kind) as error:
        push()
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert TOKEN not in str(error.value)


def test_without_token_or_network_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    for environment in ({}, {"HF_TOKEN": " "}):
        with pytest.raises(ConfigError, match=r"no token to push with.*set HF_TOKEN"):
            check_push(PUSH, environment)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE forbids"):
        check_push(PUSH, {"HF_TOKEN": TOKEN})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ModelError, match="cannot be reached"):
        check_push(PUSH, {"HF_TOKEN": TOKEN, "HF_ENDPOINT": "http://127.0.0.1:9"})
    for name in ("rows", "me/rows:Q4", "./rows", "a/b/c"):
        with pytest.raises(ConfigError, match="is not a repository"):
            Push(repo=name, kind="model")


def test_a_dry_run_asks_nobody(hub: Hub, aloe: RunAloe, folder: Path, tmp_path: Path) -> None:
    golden = Path(__file__).parent.parent / "golden" / "trees.jsonl"
    export = ("export", golden, "--format", "dpo", "--out", tmp_path / "out")
    ran = aloe(*export, "--push-to-hub", "me/rows", "--dry-run", "--json")
    assert list(ran.result["push"]["files"]) == ["README.md", "train.jsonl"]
    assert "would go to the private dataset me/rows" in ran.err
    shown = aloe("train", "push", folder, "me/model", "--dry-run", "--public", "--json")
    assert list(shown.result["push"]["files"]) == ["README.md", "train.jsonl"]
    assert "would go to the public model me/model" in shown.err
    assert hub.told == []
    assert aloe(*export, "--dry-run").is_one_line_about("--dry-run needs --push-to-hub")
    to_file = (*export[:-1], tmp_path / "rows.jsonl", "--push-to-hub", "me/rows", "--dry-run")
    assert aloe(*to_file).is_one_line_about("needs a folder")
    (folder / "training.json").write_text("{}")
    assert aloe("train", "push", folder, "me/m", "--dry-run").is_one_line_about("unfinished")
    (folder / "README.md").unlink()
    with pytest.raises(ConfigError, match="no README"):
        list_files(folder)


def test_a_card_names_a_base_only_if_the_hub_can_know_it(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    assert _find_base(str(tmp_path / "base")) is None
    assert _find_base("local:smollm2-135m") is None
    assert (
        _find_base("local:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0")
        == "Qwen/Qwen2.5-0.5B-Instruct-GGUF"
    )
