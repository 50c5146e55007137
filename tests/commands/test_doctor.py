from pathlib import Path

import pytest
from builders import SCRIPTED
from command import RunAloe, StartAloe
from server import Answer, ChatServer, Request, completion, failure, scripted


def test_a_healthy_installation(aloe: RunAloe) -> None:
    ran = aloe("doctor", "--model", SCRIPTED, "--json")
    assert ran.code == 0, ran.err
    assert ran.result["ok"]
    checks = {what: (well, found) for what, well, found in ran.result["checks"]}
    assert checks["embedder"] == (True, "all-MiniLM-L6-v2, 384 dimensions")
    assert checks[f"model {SCRIPTED}"] == (True, "reachable")
    for role in ("user", "inducer", "hinted", "plain", "judge", "writer"):
        well, found = checks[f"role {role}"]
        assert well
        assert found.startswith("answers ")
        assert "; but" not in found
    assert "with log-probabilities" in checks["role judge"][1]
    assert "prefers the reply shown" in checks["role judge"][1]  # and not a letter, nor JSON
    assert "'revealed: I mend bicycles in Porto.'" in checks["role inducer"][1]
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
    assert "log-probabilities" in " ".join(out.split())


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


def checks(aloe: RunAloe, server: ChatServer, *options: str) -> dict[str, tuple[bool, str]]:
    ran = aloe("doctor", "--model", server.model, "--json", *options)
    return {what: (well, found) for what, well, found in ran.result["checks"]}


def is_about(request: Request, word: str) -> bool:
    return word in request.body["messages"][0]["content"]


def test_the_parameters_that_had_to_go_are_told(aloe: RunAloe, server: ChatServer) -> None:
    server.behave = lambda r: (
        failure(400, "Unknown parameter: seed") if "seed" in r.body else scripted(r)
    )
    found = checks(aloe, server)
    assert found["parameters of openai:tiny"] == (True, "seed is left out")
    assert found["role user"][0]
    assert sum("seed" in request.body for request in server.requests) == 1


def test_each_answer_is_judged(aloe: RunAloe, server: ChatServer) -> None:
    def behave(request: Request) -> Answer:
        marked = "response_format" in request.body
        thought = "<think>Hm, who is this?</think>"
        if marked:
            return completion('{"1": "user"}')  # of two sentences
        if is_about(request, "helpful assistant"):
            return completion("It was a dark and", finish="length")
        return completion(f"{thought} Yes.")

    server.behave = behave
    found = checks(aloe, server)
    assert "; but it cannot be read" in found["role inducer"][1]
    assert "it is cut off" in found["role plain"][1]
    assert "the model thinks first" in found["role user"][1]
    assert "it cannot be read" in found["role judge"][1]
    assert "without log-probabilities" in found["role judge"][1]
    assert all(well for well, _ in found.values())


def test_the_limit_of_the_role_itself_is_told(aloe: RunAloe, server: ChatServer) -> None:
    server.behave = lambda r: completion("I mend bicycles. And I", finish="length")
    found = checks(aloe, server)
    assert "cut at max_tokens = 100" in found["role writer"][1]


def test_a_role_that_fails_leaves_the_others(aloe: RunAloe, server: ChatServer) -> None:
    server.behave = lambda r: (
        failure(400, "no JSON for you today") if "response_format" in r.body and
        is_about(r, "sentence") else scripted(r)
    )  # fmt: skip
    found = checks(aloe, server)
    assert not found["role inducer"][0]
    assert "no JSON for you today" in found["role inducer"][1]
    assert found["role user"][0]
    assert found["role judge"][0]


def test_a_model_that_is_named_wrongly_leaves_the_others(
    aloe: RunAloe, server: ChatServer, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'[models]\nuser = "nonsense:x"\njudge = "{server.model}"\n', "utf-8")
    ran = aloe("doctor", "--config", file, "--json", "--no-talk")
    found = {what: well for what, well, _ in ran.result["checks"]}
    assert not found["model nonsense:x"]
    assert found[f"model {server.model}"]
