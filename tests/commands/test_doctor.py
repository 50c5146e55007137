from pathlib import Path

import pytest
from builders import SCRIPTED
from command import RunAloe, StartAloe
from server import ChatServer, failure


def test_a_healthy_installation(aloe: RunAloe) -> None:
    ran = aloe("doctor", "--model", SCRIPTED, "--json")
    assert ran.code == 0, ran.err
    assert ran.result["ok"]
    checks = {what: (well, found) for what, well, found in ran.result["checks"]}
    assert checks["embedder"] == (True, "all-MiniLM-L6-v2, 384 dimensions")
    assert checks[f"model {SCRIPTED}"][1].startswith("answers ")
    assert {"aloe", "langgraph", "chromadb", "torch"} <= set(checks)


def test_every_model_of_the_settings_is_asked(
    start: StartAloe, server: ChatServer, tmp_path: Path
) -> None:
    server.keep_alive = True  # models at one server share its connections
    names = ("user", "inducer", "judge", "writer")
    text = "".join(f'{name} = "openai:{name}@{server.url}"\n' for name in names)
    file = tmp_path / "c.toml"
    file.write_text(f"[models]\n{text}" + "".join(
        f'[[models.assistants]]\nname = "{name}"\nmodel = "{SCRIPTED}"\n' for name in "xy"
    ))  # fmt: skip
    child = start("doctor", "--config", file)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert {r.body["model"] for r in server.requests} == set(names)
    assert "log-probabilities" in out


def test_no_talk_asks_nothing(aloe: RunAloe, server: ChatServer) -> None:
    ran = aloe("doctor", "--model", server.model, "--no-talk")
    assert ran.code == 0
    assert "reachable" in ran.out
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("openai:gpt-4o-mini", "OPENAI_API_KEY"),
        ("openai:x@http://127.0.0.1:9/v1", "nothing answers"),
        ("nonsense", "unknown model"),
    ],
)
def test_a_model_that_does_not_work_is_told(aloe: RunAloe, model: str, words: str) -> None:
    ran = aloe("doctor", "--model", model, "--json")
    assert ran.code == 2
    assert not ran.result["ok"]
    (found,) = [found for what, well, found in ran.result["checks"] if not well]
    assert words in found
    assert "Traceback" not in ran.err


def test_a_model_that_refuses_is_told(aloe: RunAloe, server: ChatServer) -> None:
    server.behave = lambda _: failure(404, "unheard")
    ran = aloe("doctor", "--model", server.model)
    assert ran.code == 2
    assert "unheard" in " ".join(ran.out.split())
