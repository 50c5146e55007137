import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from bags import BAGS
from builders import PERSONAS, SCRIPTED, config, persona_lines
from command import RunAloe, StartAloe, wait_for
from server import Answer, ChatServer, completion, failure, scripted

from aloe.config import load
from aloe.errors import ConfigError
from aloe.graphs.commands.simulate import SimulateOptions
from aloe.memory.run_folder import RunFolder, read_trees


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


def events(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def test_a_run_writes_what_was_agreed(aloe: RunAloe, personas_file: Path, out: Path) -> None:
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 3, "--turns", 2, "--out", out,
        "--model", SCRIPTED, "--concurrency", 2, "--seed", 5, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.result["trees"] == ran.result["trees_now"] == 3
    assert ran.result["calls"] == len(events(out)) > 0
    assert ran.result["verdicts"].keys() <= {"first", "second", "tie", "abstain"}
    assert ran.out.count("\n") == 1  # progress and summary went to stderr
    assert "3/3 trees" in ran.err
    assert "tokens/s" in ran.err
    assert "\x1b" not in ran.err
    saved = load(out / "config.toml")
    assert (saved.seed, saved.simulation.trees, saved.simulation.turns) == (5, 3, 2)
    assert saved.models.judge.model == SCRIPTED
    trees = list(read_trees(out))
    assert [tree.persona for tree in trees] == PERSONAS[:3]
    assert set(trees[0].models) == {"user", "inducer", "hinted", "plain", "judge"}


def test_the_same_command_again_does_nothing(aloe: RunAloe, personas_file: Path, out: Path) -> None:
    command = ["simulate", "--personas", personas_file, "--model", SCRIPTED, "--out", out, "--json"]
    first = aloe(*command, "--trees", 2, "--turns", 1)
    before = (out / "trees.jsonl").read_bytes()
    again = aloe(*command, "--trees", 2, "--turns", 1)
    assert (first.result["trees_now"], again.result["trees_now"], again.result["trees"]) == (
        2,
        0,
        2,
    )
    assert again.result["calls"] == 0
    said = [line for line in again.err.splitlines() if line]
    assert said == [f"2 trees, all in {out} already; nothing to do"]
    assert (out / "trees.jsonl").read_bytes() == before


def test_a_dry_run_says_what_the_run_takes_and_does_nothing(
    aloe: RunAloe, server: ChatServer, personas_file: Path, out: Path
) -> None:
    command = ("simulate", "--personas", personas_file, "--trees", 2, "--turns", 2, "--out", out,
               "--model", f"openai:m@{server.url}", "--json")  # fmt: skip
    ahead = aloe(*command, "--dry-run")
    assert ahead.code == 0
    assert "forecast:" in ahead.err
    assert (server.requests, out.exists()) == ([], False)
    forecast = ahead.result["forecast"]
    ran = aloe(*command)
    assert forecast["least"]["calls"] == forecast["most"]["calls"] == ran.result["calls"]
    left = aloe(*command, "--dry-run").result["forecast"]
    assert (left["most"]["calls"], left["measured"]) == (0, True)
    for cap, said in ((ran.result["calls"], False), (1, True)):
        capped = aloe(*command[:-3], "--model", SCRIPTED, "--out", f"{out}2", "--max-calls", cap,
                      "--dry-run")  # fmt: skip
        assert ("the budget will end the run before that" in capped.err) == said


def test_quiet_says_nothing_on_the_way(aloe: RunAloe, personas_file: Path, out: Path) -> None:
    ran = aloe(
        "simulate", "--personas", personas_file, "--model", SCRIPTED, "--trees", 1, "--turns", 1,
        "--out", out, "--quiet",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, f"wrote {out}\n")
    assert "verdicts" in ran.out


def test_over_http_with_a_model_for_each_role(
    aloe: RunAloe, server: ChatServer, personas_file: Path, tmp_path: Path, out: Path
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        f'[models]\nuser = "openai:u@{server.url}"\ninducer = "openai:i@{server.url}"\n'
        f'judge = "openai:j@{server.url}"\n'
        f'[[models.assistants]]\nname = "x"\nmodel = "openai:x@{server.url}"\nhint = true\n'
        f'[[models.assistants]]\nname = "y"\nmodel = "openai:y@{server.url}"\n'
    )
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 2, "--turns", 2, "--out", out,
        "--config", file, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert {str(r.body["model"]) for r in server.requests} == set("uijxy")
    assert ran.result["cost"] is None
    assert all(tree.models["judge"] == "openai:j" for tree in read_trees(out))
    assert all(v.margin is not None for tree in read_trees(out) for v in tree.verdicts)


def test_a_server_that_keeps_connections_open(
    start: StartAloe, server: ChatServer, personas_file: Path, out: Path
) -> None:
    server.keep_alive = True
    child = start(
        "simulate", "--personas", personas_file, "--trees", 3, "--turns", 2, "--out", out,
        "--model", server.model,
    )  # fmt: skip
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "Traceback" not in err
    assert [event for event in events(out) if event["outcome"] == "error"] == []


def test_a_run_over_http_rides_out_what_passes(
    aloe: RunAloe, server: ChatServer, personas_file: Path, out: Path
) -> None:
    troubles = {
        1: failure(429, headers={"Retry-After": "0.1"}),
        3: failure(500),
        5: Answer(body=completion("x" * 500).body, reset=True),
    }
    server.behave = lambda r: troubles.get(len(server.requests)) or scripted(r)
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 1, "--turns", 1, "--out", out,
        "--model", server.model, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert [event["outcome"] for event in events(out)].count("error") == 3
    assert ran.result["trees"] == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(body=b"<html>not JSON</html>"),
        Answer(body={**completion("x").body, "choices": []}),
        failure(400, "context too long"),
    ],
)
def test_a_call_that_fails_for_good_costs_its_tree_alone(
    aloe: RunAloe, server: ChatServer, personas_file: Path, out: Path, trouble: Answer
) -> None:
    def behave(request: object) -> Answer:
        is_bus_driver = PERSONAS[3].personality in str(request)
        return trouble if is_bus_driver else scripted(request)  # type: ignore[arg-type]

    server.behave = behave
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 4, "--turns", 1, "--out", out,
        "--model", server.model, "--json",
    )  # fmt: skip
    assert ran.code == 2
    assert (ran.result["trees"], ran.result["set_aside"]) == (3, 1)
    assert "set aside 1 tree;" in ran.err
    assert "Traceback" not in ran.err
    assert len(list(read_trees(out))) == 3


def test_empty_and_cut_replies_and_a_useless_judge_are_counted_and_not_labels(
    aloe: RunAloe, server: ChatServer, personas_file: Path, tmp_path: Path, out: Path
) -> None:
    def behave(request: object) -> Answer:
        system = request.body["messages"][0]["content"]  # type: ignore[attr-defined]
        if system.startswith("You compare"):
            return completion("Both", finish="length")
        if system.startswith("You are a helpful"):
            return completion("I was goi", finish="length")
        if system.startswith("You read"):
            return completion("not JSON")
        return scripted(request)  # type: ignore[arg-type]

    server.behave = behave
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 1, "--turns", 1, "--out", out,
        "--model", server.model, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.result["outcomes"]["inducer:unreadable"] == 1
    assert ran.result["outcomes"]["plain:truncated"] == 1
    assert ran.result["verdicts"] == {"tie": 1}  # both were cut at the same place
    ran = aloe("export", out, "--format", "dpo", "--out", tmp_path / "d.jsonl", "--json")
    assert ran.is_one_line_about("gives no dpo rows; left out: tie: 1")


def test_a_key_never_leaves_the_environment(
    aloe: RunAloe,
    server: ChatServer,
    personas_file: Path,
    tmp_path: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_CREDENTIAL", "abc-planted-123")
    file = tmp_path / "c.toml"
    roles = "".join(
        f'[models.{role}]\nmodel = "{server.model}"\napi_key_env = "MY_CREDENTIAL"\n'
        for role in ("user", "inducer", "judge", "writer")
    )
    roles += "".join(
        f'[[models.assistants]]\nname = "{name}"\nmodel = "{server.model}"\n'
        'api_key_env = "MY_CREDENTIAL"\n'
        for name in "xy"
    )
    file.write_text(roles)
    asked = 0

    def behave(request: object) -> Answer:
        nonlocal asked
        asked += 1
        key = request.headers["authorization"]  # type: ignore[attr-defined]
        return failure(400, f"bad key: {key}") if asked == 1 else scripted(request)  # type: ignore[arg-type]

    server.behave = behave
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 2, "--turns", 1, "--out", out,
        "--config", file,
    )  # fmt: skip
    assert ran.code == 2
    assert "bad key" in ran.err
    assert {r.headers["authorization"] for r in server.requests} == {"Bearer abc-planted-123"}
    for path in out.iterdir():
        assert "planted" not in path.read_text(), path
    assert "planted" not in ran.err + ran.out


# What a person can get wrong: one line, exit code 2, nothing written.


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "gpt-4o-mini"], ["unknown model 'gpt-4o-mini'", "openai:..."]),
        (["--model", "openai:gpt-4o-mini"], ["OPENAI_API_KEY"]),
        (["--model", "local:no-such"], ["no-such"]),
        (["--model", "openai:x", "--base-url", "http://127.0.0.1:9/v1"], ["nothing answers at"]),
        (["--model", "openai:x", "--base-url", "127.0.0.1:9"], ["127.0.0.1:9"]),
        (["--base-url", "http://h/v1"], ["http://h/v1", "(user, inducer,", "--model openai:NAME"]),
        (["--turns", "0"], ["--turns: at least 1"]),
        (["--expansion", "all"], ["--expansion", "preferred"]),
        (["--config", "none.toml"], ["none.toml", "cannot be read"]),
        (["--personas", "none.jsonl"], ["none.jsonl", "cannot be read"]),
        (
            ["--disclosure", "answers"],
            ["--disclosure is schedule, answering or reticent, not 'answers'"],
        ),
    ],
)
def test_a_wrong_flag(
    aloe: RunAloe, personas_file: Path, out: Path, flags: list[str], words: list[str]
) -> None:
    given = {"--personas": str(personas_file), "--model": SCRIPTED}
    given |= dict(zip(flags[::2], flags[1::2], strict=True))
    ran = aloe("simulate", "--out", out, *(part for pair in given.items() for part in pair))
    assert ran.is_one_line_about("aloe: ", *words)
    assert not out.exists()


@pytest.mark.parametrize("flags", [{"replay": Path("r.jsonl")}, {"engine": "local"}])
def test_what_is_done_here_is_not_of_the_cluster_that_the_file_names(
    tmp_path: Path, flags: dict[str, Any]
) -> None:
    file = tmp_path / "ray.toml"
    file.write_text('[simulation]\nengine = "ray"\nray_address = "auto"\nworkers = 4\n')
    found = SimulateOptions(out=tmp_path / "run", config=file, **flags).settings().simulation
    assert (found.engine, found.ray_address) == ("local", None)
    assert found.workers == (1 if "replay" in flags else 4)
    there = SimulateOptions(out=tmp_path / "run", config=file).settings().simulation
    assert (there.engine, there.ray_address) == ("ray", "auto")
    with pytest.raises(ConfigError, match="ray_address is for"):
        SimulateOptions(out=tmp_path, config=file, engine="local", ray_address="h:1").settings()


def test_users_who_cannot_answer_are_refused(
    aloe: RunAloe, personas_file: Path, tmp_path: Path, out: Path
) -> None:
    given = ("simulate", "--out", out, "--model", SCRIPTED, "--disclosure", "answering")
    file = tmp_path / "c.toml"
    file.write_text(f'personas.embedder = "{BAGS}"\n')
    ran = aloe(*given, "--personas", personas_file, "--config", file)
    assert ran.is_one_line_about("embedder bag-of-words")
    assert not out.exists()


def test_disclosure_is_a_flag_and_stands_in_the_trees(
    aloe: RunAloe, personas_file: Path, out: Path
) -> None:
    ran = aloe("simulate", "--out", out, "--model", SCRIPTED, "--personas", personas_file,
               "--trees", 1, "--turns", 2, "--disclosure", "reticent", "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    assert load(out / "config.toml").user.disclosure == "reticent"
    assert [tree.disclosure for tree in read_trees(out)] == ["reticent"]
    again = aloe("simulate", "--out", f"{out}-2", "--extend", out, "--disclosure", "answering")
    assert again.is_one_line_about("leave out --disclosure")


def test_a_refused_key(aloe: RunAloe, server: ChatServer, personas_file: Path, out: Path) -> None:
    server.models = failure(401)  # a 403 may forbid the list of models alone
    ran = aloe("simulate", "--personas", personas_file, "--out", out, "--model", server.model)
    assert ran.is_one_line_about("HTTP 401", "check api_key_env")
    assert not out.exists()


@pytest.mark.parametrize("status", [401, 404])
def test_a_model_refused_on_the_way_stops_the_run_and_leaves_it_resumable(
    aloe: RunAloe, server: ChatServer, personas_file: Path, out: Path, status: int
) -> None:
    command = [
        "simulate", "--personas", personas_file, "--out", out, "--model", server.model,
        "--trees", 2, "--turns", 1, "--quiet",
    ]  # fmt: skip
    server.behave = lambda _: failure(status, "no such model")
    assert aloe(*command).is_one_line_about("openai:tiny", "check")
    server.behave = scripted
    assert aloe(*command, "--json").result["trees"] == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("simulation.truns = 3", ["unknown setting 'simulation.truns'", "did you mean"]),
        ("turns = = 3", ["not valid TOML", "line 1"]),
        ("simulation = 3", ["simulation"]),
    ],
)
def test_a_wrong_setting(
    aloe: RunAloe, personas_file: Path, tmp_path: Path, out: Path, text: str, words: list[str]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    ran = aloe(
        "simulate", "--personas", personas_file, "--out", out, "--config", file, "--trees", 2
    )
    assert ran.is_one_line_about("c.toml", *words)
    assert not out.exists()


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ('{"profile": "x"', ":5: "),
        ('{"profile": "x", "mood": 1}', ":5: personality"),
        ('{"profile": 3, "personality": "y"}', ":5: profile"),
        ('"a""b"', ":5: "),
        (persona_lines(PERSONAS[:1]).strip(), ":5: persona"),
    ],
)
def test_a_broken_persona_is_named_by_its_line(
    aloe: RunAloe, personas_file: Path, out: Path, line: str, where: str
) -> None:
    with personas_file.open("a") as file:
        file.write(line + "\n")
    ran = aloe("simulate", "--personas", personas_file, "--out", out, "--model", SCRIPTED)
    assert ran.is_one_line_about(f"personas.jsonl{where}")
    assert not out.exists()


def test_another_runs_folder_is_refused_and_left_alone(
    aloe: RunAloe, personas_file: Path, out: Path
) -> None:
    command = ["simulate", "--personas", personas_file, "--out", out, "--model", SCRIPTED]
    assert aloe(*command, "--trees", 1, "--turns", 1).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    ran = aloe(*command, "--trees", 1, "--turns", 2)
    assert ran.is_one_line_about("simulation.turns: 1 there, 2 now", "name another folder")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_folder_in_use_is_refused(aloe: RunAloe, personas_file: Path, out: Path) -> None:
    with RunFolder(out).writing(config(SCRIPTED)):
        (out / "config.toml").unlink()
        ran = aloe("simulate", "--personas", personas_file, "--out", out, "--model", SCRIPTED)
    assert ran.is_one_line_about("in use by another aloe process")


# Stopped from outside.


def test_killed_anywhere_nothing_is_lost_or_done_twice(
    start: StartAloe,
    aloe: RunAloe,
    personas_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom aloe.agents.scripted import reply as fast\n"
        "def reply(messages, arguments):\n"
        "    time.sleep(0.01)\n    return fast(messages, arguments)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    command = [
        "simulate", "--personas", personas_file, "--trees", 12, "--turns", 2, "--concurrency", 2,
        "--model", "scripted:slow:reply", "--json", "--out",
    ]  # fmt: skip
    killed = start(*command, "killed")
    trees = tmp_path / "killed" / "trees.jsonl"
    wait_for(lambda: trees.exists() and trees.read_bytes().count(b"\n") >= 2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    finished = trees.read_bytes()
    assert finished.endswith(b"\n")
    assert 2 <= finished.count(b"\n") < 12
    for file in (trees, trees.with_name("events.jsonl")):  # as a kill in the middle of a write does
        with file.open("ab") as lines:
            lines.write(b'{"id": "torn", "tree": "x')

    again = aloe(*command, tmp_path / "killed")
    assert again.code == 0, again.err
    assert again.result["trees_now"] == 12 - finished.count(b"\n")
    assert aloe(*command, tmp_path / "whole").code == 0
    assert trees.read_bytes() == (tmp_path / "whole" / "trees.jsonl").read_bytes()
    assert set(finished.splitlines()) <= set(trees.read_bytes().splitlines())
    for run in ("whole", "killed"):
        keys = [event["key"] for event in events(tmp_path / run)]
        assert len(keys) == len(set(keys)), "a call that was answered was made again"
    assert len(events(tmp_path / "killed")) == len(events(tmp_path / "whole"))


def test_ctrl_c_stops_at_once_and_leaves_the_run_resumable(
    start: StartAloe, aloe: RunAloe, server: ChatServer, personas_file: Path, out: Path
) -> None:
    slow_after = 12

    def behave(request: object) -> Answer:
        answer = scripted(request)  # type: ignore[arg-type]
        if len(server.requests) <= slow_after:
            return answer
        return Answer(body=answer.body, delay=20.0)

    server.behave = behave
    command = [
        "simulate", "--personas", personas_file, "--out", out, "--model", server.model,
        "--trees", 4, "--turns", 1,
    ]  # fmt: skip
    child = start(*command)
    wait_for(lambda: len(server.requests) > slow_after)
    asked = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    # It takes less than two seconds on a quiet machine; the answer would take twenty.
    assert time.monotonic() - asked < 5.0
    assert child.returncode == 130
    assert "the same command again" in err
    assert "Traceback" not in err
    answered = len(events(out))
    assert 0 < answered <= slow_after

    server.behave = scripted
    before = len(server.requests)
    ran = aloe(*command, "--json")
    assert ran.code == 0, ran.err
    assert ran.result["trees"] == 4
    whole = 4 * 6  # user, inducer, two assistants, two votes
    assert len(server.requests) - before == whole - answered
