"""Nothing lost: what goes wrong around a simulation, over real HTTP; see docs/reliability.md."""

import email.utils
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED, persona_lines
from command import Ran, RunAloe, files_up_to
from server import Answer, ChatServer, Request, completion, failure, scripted

from aloe.memory.run_folder import read_trees
from aloe.schema import Persona

SETTINGS = """
[limits]
backoff = 0.02
patience = {patience}
[models]
user = {{ timeout = {timeout} }}
inducer = {{ timeout = {timeout} }}
judge = {{ timeout = {timeout} }}
assistants = [
    {{ name = "x", hint = true, timeout = {timeout} }},
    {{ name = "y", timeout = {timeout} }},
]
"""

QUOTA = "You exceeded your current quota, please check your plan. Please retry in 0.2s."

Simulate = Callable[..., Ran]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def simulate(
    aloe: RunAloe, server: ChatServer, personas_file: Path, tmp_path: Path, out: Path
) -> Simulate:
    """Run two trees of one turn against the server."""

    def run(*more: object, trees: int = 2, timeout: float = 5.0, patience: float = 300.0) -> Ran:
        file = tmp_path / "settings.toml"
        file.write_text(SETTINGS.format(timeout=timeout, patience=patience))
        given = ["--personas", personas_file, "--config", file, "--model", server.model]
        given += ["--trees", trees, "--turns", 1, "--json", "--quiet"]
        return aloe("simulate", *given, *([] if "--out" in more else ["--out", out]), *more)

    return run


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def troubled(*troubles: Answer) -> Callable[[Request], Answer]:
    """Answer well after these, each of which comes for another call."""
    left = list(troubles)

    def behave(request: Request) -> Answer:
        return left.pop(0) if left else scripted(request)

    return behave


# What passes: the run comes to the same trees as one without trouble.


@pytest.mark.parametrize(
    "trouble",
    [
        failure(429, headers={"Retry-After": "0.2"}),
        failure(429),
        failure(500),
        failure(502),
        failure(503),
        failure(503, headers={"Retry-After": "0.2"}),
        Answer(body=completion("late").body, delay=0.8),
        Answer(body=completion("x" * 500).body, reset=True),
        Answer(body=b"<html>Bad gateway</html>"),
        Answer(body={**completion("x").body, "choices": []}),
        Answer(body={"error": {"code": 502, "message": "Provider returned error"}}),
        Answer(body=[{"error": {"code": 429, "message": QUOTA}}], status=429),
        Answer(body=completion("x").body, headers={"Content-Encoding": "gzip"}),
    ],
    ids=[
        "429-wait",
        "429",
        "500",
        "502",
        "503",
        "503-wait",
        "timeout",
        "reset",
        "html",
        "no-choices",
        "502-inside",
        "quota-a-minute",
        "not-packed",
    ],
)
def test_what_passes_leaves_no_trace_in_the_trees(
    simulate: Simulate, server: ChatServer, tmp_path: Path, out: Path, trouble: Answer
) -> None:
    timeout = 0.4 if trouble.delay else 5.0
    server.behave = troubled(*[trouble] * 4)
    ran = simulate(timeout=timeout)
    assert ran.code == 0, ran.err
    assert [event["outcome"] for event in events(out)].count("error") == 4
    assert simulate("--out", tmp_path / "calm", timeout=timeout).code == 0
    assert (out / "trees.jsonl").read_bytes() == (tmp_path / "calm" / "trees.jsonl").read_bytes()


def test_a_date_to_wait_for_is_waited_for(simulate: Simulate, server: ChatServer) -> None:
    date = email.utils.formatdate(time.time() + 2, usegmt=True)  # dates are whole seconds
    server.behave = troubled(failure(429, headers={"Retry-After": date}))
    clock = time.monotonic()
    assert simulate(trees=1).code == 0
    assert 0.9 <= time.monotonic() - clock < 30


def test_caps_in_the_providers_headers_are_kept(simulate: Simulate, server: ChatServer) -> None:
    times: list[float] = []

    def behave(request: Request) -> Answer:
        times.append(time.monotonic())
        said = scripted(request)
        return Answer(body=said.body, headers={"x-ratelimit-limit-requests": "1200"})

    server.behave = behave
    assert simulate().code == 0
    assert times[-1] - times[1] >= (len(times) - 2) * 0.05 * 0.9  # 1200 a minute are 20 a second


FAULTS = [
    failure(429), failure(500), failure(502), failure(503), Answer(body=b"<html>oops</html>"),
    Answer(body=b'{"choices": [{"mess'), Answer(body={**completion("x").body, "choices": []}),
    Answer(body={"error": {"code": 429, "message": "slow down"}}),
    Answer(body={"error": {"message": "upstream"}}),
    Answer(body=completion("x" * 500).body, reset=True),
]  # fmt: skip


def test_mixed_faults_cost_hardly_a_tree(simulate: Simulate, server: ChatServer, out: Path) -> None:
    """15 of 100 answers are one of `FAULTS`; the whole run is there at the first try."""
    chance = random.Random(1)
    server.behave = lambda r: chance.choice(FAULTS) if chance.random() < 0.15 else scripted(r)
    ran = simulate(trees=16)
    assert ran.result["trees"] >= 14, ran.err
    errors = [event["outcome"] for event in events(out)].count("error")
    assert errors > 10


# What does not pass.


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Answer(body=b"<html>not JSON</html>"), "JSON"),
        (failure(403, "flagged by moderation"), "flagged"),
        (Answer(body={"error": {"code": 403, "message": "flagged"}}), "flagged"),
        (Answer(body={**completion("x").body, "choices": []}), "holds no message"),
        (failure(400, "maximum context length is 512 tokens"), "context length"),
        (failure(500, "this prompt crashes me"), "crashes"),
        (completion(""), "said nothing"),
    ],
    ids=["no-json", "403", "403-inside", "no-choices", "context", "poison", "silence"],
)
def test_a_persona_for_whom_it_never_works_costs_its_tree_alone(
    simulate: Simulate, server: ChatServer, out: Path, trouble: Answer, words: str
) -> None:
    unlucky = PERSONAS[1].personality
    server.behave = lambda r: trouble if unlucky in str(r.body) else scripted(r)
    ran = simulate(trees=4)
    assert ran.code == 2
    assert (ran.result["trees"], ran.result["set_aside"]) == (3, 1)
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert [tree.persona for tree in read_trees(out)] == [PERSONAS[i] for i in (0, 2, 3)]
    server.behave = scripted
    assert simulate(trees=4).result["trees"] == 4


def test_garbage_and_cut_replies_are_data(simulate: Simulate, server: ChatServer) -> None:
    def behave(request: Request) -> Answer:
        system = request.body["messages"][0]["content"]
        if system.startswith("You compare"):
            return completion("¯\\_(ツ)_/¯")
        return (
            completion("I was goi", finish="length") if "helpful" in system else scripted(request)
        )

    server.behave = behave
    ran = simulate()
    assert ran.code == 0, ran.err
    assert ran.result["outcomes"]["y:truncated"] == 2


HALF = "This half of a word was never meant to be an exam"


@pytest.mark.parametrize(
    ("speaker", "finish"),
    [("assistant", "MAX_TOKENS"), ("assistant", "SAFETY"), ("assistant", None), ("user", "abort"),
     ("user", "tool_calls")],
)  # fmt: skip
def test_half_a_reply_is_never_exported(
    simulate: Simulate,
    server: ChatServer,
    aloe: RunAloe,
    out: Path,
    speaker: str,
    finish: str | None,
) -> None:
    """Whatever its server calls it, and whoever speaks."""
    cut = completion(HALF, finish=finish)

    def behave(request: Request) -> Answer:
        system = request.body["messages"][0]["content"]
        openings = {"helpful": "assistant", "write the messages": "user"}
        who = next((role for words, role in openings.items() if words in system), "")
        unlucky = PERSONAS[1].personality in str(request.body) or speaker == "assistant"
        return cut if who == speaker and unlucky and request.body["seed"] % 4 else scripted(request)

    server.behave = behave
    settings = out.parent / "both.toml"
    text = SETTINGS.format(timeout=5.0, patience=9.0)
    settings.write_text(f'{text}[simulation]\nexpansion = "both"\n')
    assert simulate("--turns", 2, "--config", settings, trees=4).code == 0
    assert HALF in (out / "trees.jsonl").read_text()
    rows = 0
    for kind in ("sft", "dpo", "kto", "grpo", "rm", "step", "aloe"):
        file = out.parent / f"{kind}.jsonl"
        ran = aloe("export", out, "--format", kind, "--out", file, "--json")
        assert ran.code == 0, ran.err
        assert "half of a word" not in file.read_text(), kind
        rows += len(file.read_text().splitlines())
    assert rows


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (failure(401), "check api_key_env"),
        (failure(403), "check api_key_env"),
        (failure(404, "no such model"), "check the model's name"),
        (failure(429, "You exceeded your current quota, please check your plan"), "paid"),
    ],
    ids=["401", "403", "404", "quota"],
)
def test_a_refusal_stops_the_run_at_once(
    simulate: Simulate, server: ChatServer, trouble: Answer, words: str
) -> None:
    server.behave = lambda _: trouble
    ran = simulate(trees=4)
    assert ran.is_one_line_about(words)
    assert len(server.requests) <= 4  # the first call of each tree
    server.behave = scripted
    assert simulate(trees=4).result["trees"] == 4


@pytest.mark.parametrize(
    "refused",
    [failure(400, "'top_p' is not supported"), failure(403, "no"), Answer(body=b"<html>hi</html>")],
    ids=["400", "403", "html"],
)
def test_a_role_that_is_never_answered_stops_the_run(
    simulate: Simulate, server: ChatServer, out: Path, refused: Answer
) -> None:
    """Here the judge, the last to be asked; see how much of 60 trees is paid for."""
    server.behave = lambda r: refused if is_for(r, "judge") else scripted(r)
    ran = simulate("--config", few_at_once(out), trees=60)
    assert ran.is_one_line_about(
        "judge: ", "different calls were refused and none was answered", "models.judge"
    )
    assert len(server.requests) <= 60
    server.behave = scripted
    assert simulate("--config", few_at_once(out), trees=60).result["trees"] == 60


@pytest.mark.parametrize("role", ["judge", "inducer"])
def test_a_role_that_is_never_readable_stops_the_run(
    simulate: Simulate, server: ChatServer, out: Path, role: str
) -> None:
    server.behave = lambda r: completion("Hm.") if is_for(r, role) else scripted(r)
    ran = simulate("--config", few_at_once(out), trees=60)
    assert ran.is_one_line_about(f"{role}: none of 40 answers", f"models.{role}", "aloe trace")


def is_for(request: Request, role: str) -> bool:
    opening = {"judge": "You compare", "inducer": "You read"}[role]
    return str(request.body["messages"][0]["content"]).startswith(opening)


def few_at_once(out: Path) -> Path:
    """Return settings with four trees in flight."""
    file = out.parent / "few.toml"
    file.write_text(f"{SETTINGS.format(timeout=5.0, patience=9.0)}[simulation]\nconcurrency = 4\n")
    return file


def test_a_server_that_stays_away_stops_the_run_which_goes_on_later(
    simulate: Simulate, server: ChatServer, out: Path
) -> None:
    server.behave = lambda r: scripted(r) if len(server.requests) <= 10 else failure(503)
    ran = simulate(trees=4, patience=1.0)
    assert ran.is_one_line_about("has answered no call for", "run the same command again")
    answered = [event for event in events(out) if event["reply"]]
    assert len(answered) == 10
    asked = len(server.requests)
    assert asked < 10 + 8 + 12  # all that were under way, then single probes
    server.behave = scripted
    ran = simulate(trees=4)
    assert ran.result["trees"] == 4
    assert len(server.requests) - asked == 4 * 6 - 10


def test_a_server_that_comes_back_is_waited_for(simulate: Simulate, server: ChatServer) -> None:
    gone: list[float] = []

    def behave(request: Request) -> Answer:
        if len(server.requests) > 8 and not gone:
            gone.append(time.monotonic())
        away = gone and time.monotonic() - gone[0] < 1.0
        return failure(502) if away else scripted(request)

    server.behave = behave
    ran = simulate(trees=4)
    assert (ran.code, ran.result["trees"], ran.result["set_aside"]) == (0, 4, 0), ran.err


# Budgets.


@pytest.mark.parametrize("flag", ["--max-calls", "--max-tokens", "--max-cost"])
def test_a_run_stops_at_its_budget_and_goes_on_with_more(
    simulate: Simulate, server: ChatServer, tmp_path: Path, out: Path, flag: str
) -> None:
    a_call = {"--max-calls": 1, "--max-tokens": 15, "--max-cost": 15e-3}[flag]

    def run(calls: int) -> Ran:
        more = tmp_path / "priced.toml"
        settings = SETTINGS.format(timeout=5.0, patience=300.0)
        more.write_text(f"{settings}\n[prices.tiny]\ninput = 1000\noutput = 1000\n")
        return simulate(flag, calls * a_call, "--config", more, trees=3)

    first = run(8)
    assert first.code == 3
    assert first.result["stopped"] in first.err
    assert "higher cap" in first.err
    made = len(server.requests)
    assert first.result["calls"] == made
    assert made == 8 if flag == "--max-calls" else 8 <= made <= 11
    assert [bool(event["reply"]) for event in events(out)] == [True] * made
    assert run(8).result["calls"] == 0  # what was spent before counts
    assert len(server.requests) == made
    last = run(100)
    assert (last.code, last.result["trees"], last.result["stopped"]) == (0, 3, None)
    assert len(server.requests) == 3 * 6
    assert last.result["spent"]["calls"] == 3 * 6


@pytest.mark.parametrize("flag", ["--max-tokens", "--max-cost"])
def test_a_budget_holds_where_the_server_counts_nothing(
    simulate: Simulate, server: ChatServer, tmp_path: Path, out: Path, flag: str
) -> None:
    def behave(request: Request) -> Answer:
        said = scripted(request).body
        return Answer(body={**said, "usage": None})

    server.behave = behave
    priced = tmp_path / "priced.toml"
    settings = SETTINGS.format(timeout=5.0, patience=9.0)
    priced.write_text(f"{settings}\n[prices.tiny]\ninput = 1000\noutput = 1000\n")
    ran = simulate(
        flag, {"--max-tokens": 1000, "--max-cost": 1.0}[flag], "--config", priced, trees=9
    )
    assert ran.code == 3, ran.err
    made = events(out)
    assert 1000 <= ran.result["spent"]["tokens"] < 3000
    assert ran.result["estimated"] == len(made)
    assert all(event["reply"]["estimated"] for event in made)


def test_a_cap_in_dollars_needs_prices(simulate: Simulate, out: Path) -> None:
    ran = simulate("--max-cost", 1)
    assert ran.is_one_line_about("openai:tiny", '[prices."tiny"]')
    assert not out.exists()


def test_the_forecast_comes_first(aloe: RunAloe, personas_file: Path, out: Path) -> None:
    ran = aloe(
        "simulate", "--personas", personas_file, "--model", SCRIPTED, "--trees", 2, "--turns", 2,
        "--out", out, "--max-calls", 23,
    )  # fmt: skip
    assert ran.code == 3
    assert ran.err.startswith("forecast: 24 calls, ")
    assert "the budget will end the run before that" in ran.err


# Record, replay, fork.


def test_a_whole_run_is_replayed_without_a_server(
    simulate: Simulate, server: ChatServer, tmp_path: Path, out: Path
) -> None:
    unlucky = PERSONAS[1].personality
    refused = failure(400, "too long")
    server.behave = lambda r: refused if unlucky in str(r.body) else scripted(r)
    file, again = tmp_path / "calls.jsonl", tmp_path / "again"
    assert simulate("--record", file, trees=3).result["set_aside"] == 1
    asked = len(server.requests)
    server.models = failure(401)
    server.behave = lambda _: failure(401)
    ran = simulate("--replay", file, "--out", again, trees=3)
    assert (ran.result["trees"], ran.result["set_aside"], ran.result["calls"]) == (2, 1, 0), ran.err
    assert "too long" in ran.err
    assert ran.result["spent"]["calls"] == 0
    assert len(server.requests) == asked
    assert (again / "trees.jsonl").read_bytes() == (out / "trees.jsonl").read_bytes()
    assert {event["carried"] for event in events(again)} == {True}


def without_logprobs(request: Request) -> Answer:
    """Answer as a server that refuses log-probabilities; its judge is of two minds."""
    if "logprobs" in request.body:
        return failure(400, "logprobs is not supported by this model")
    if "A or B" not in str(request.body["messages"][-1]):
        return scripted(request)
    return completion("A" if request.body["max_tokens"] == 1 else "B")


def test_a_judge_without_log_probabilities_is_asked_alike_whoever_asks_first(
    simulate: Simulate, server: ChatServer, tmp_path: Path, out: Path
) -> None:
    server.behave = without_logprobs
    file = tmp_path / "calls.jsonl"
    assert simulate("--record", file).code == 0
    whole, asked = (out / "trees.jsonl").read_bytes(), len(server.requests)
    votes = [
        vote for tree in read_trees(out) for verdict in tree.verdicts for vote in verdict.votes
    ]
    assert [vote.raw for vote in votes] == ["B"] * 4
    assert simulate("--replay", file, "--out", tmp_path / "again").code == 0
    assert (tmp_path / "again" / "trees.jsonl").read_bytes() == whole
    (out / "trees.jsonl").unlink()
    assert simulate().code == 0
    assert len(server.requests) == asked, "all of it was answered before"
    assert (out / "trees.jsonl").read_bytes() == whole


def test_a_recording_of_a_run_in_parts_is_whole(
    simulate: Simulate, tmp_path: Path, out: Path
) -> None:
    file = tmp_path / "calls.jsonl"
    assert simulate("--record", file, "--max-calls", 7).code == 3
    assert len(file.read_text().splitlines()) == 7
    assert simulate("--record", file).code == 0
    assert simulate("--replay", file, "--out", tmp_path / "again").code == 0


@pytest.mark.parametrize(
    "change",
    [
        ["--seed", 1], ["--trees", 4], ["--turns", 2], ["--model", "openai:other"],
        ["--base-url", "http://127.0.0.1:9/v1"],
    ],
    ids=lambda change: str(change[0]),
)  # fmt: skip
def test_what_was_not_recorded_is_missed(
    simulate: Simulate, server: ChatServer, tmp_path: Path, change: list[object]
) -> None:
    file = tmp_path / "calls.jsonl"
    assert simulate("--record", file).code == 0
    asked = len(server.requests)
    ran = simulate("--replay", file, "--out", tmp_path / "again", *change)
    assert ran.is_one_line_about("calls.jsonl holds no answer to a call that this run makes")
    assert len(server.requests) == asked


@pytest.mark.parametrize("text", ["", "{}\n", '{"key": 1}\n'])
def test_what_is_no_recording(simulate: Simulate, tmp_path: Path, text: str) -> None:
    file = tmp_path / "calls.jsonl"
    if text:
        file.write_text(text)
    assert simulate("--replay", file).is_one_line_about("calls.jsonl")


def test_a_changed_run_is_refused_and_forked(
    simulate: Simulate, server: ChatServer, tmp_path: Path, out: Path
) -> None:
    assert simulate().code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    asked = len(server.requests)
    assert simulate("--turns", 2).is_one_line_about("simulation.turns: 1 there, 2 now")
    fork, whole = tmp_path / "fork", tmp_path / "whole"
    assert simulate("--turns", 2, "--fork", fork).code == 0
    assert len(server.requests) - asked == 2 * 6  # the second turn of both trees
    assert simulate("--turns", 2, "--out", whole).code == 0
    assert (fork / "trees.jsonl").read_bytes() == (whole / "trees.jsonl").read_bytes()
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    asked = len(server.requests)
    assert simulate("--turns", 2, "--fork", fork).result["trees_now"] == 0
    assert len(server.requests) == asked


def test_a_fork_may_have_other_personas(
    simulate: Simulate, personas_file: Path, tmp_path: Path
) -> None:
    assert simulate().code == 0
    personas_file.write_text(persona_lines(PERSONAS[2:]))
    assert simulate("--fork", tmp_path / "fork").result["trees"] == 2
    assert simulate("--fork", tmp_path / "fork").result["trees_now"] == 0


def test_a_fork_gives_what_failed_another_chance(
    simulate: Simulate, server: ChatServer, tmp_path: Path
) -> None:
    server.behave = lambda r: (
        failure(400) if PERSONAS[1].personality in str(r.body) else scripted(r)
    )
    assert simulate().code == 2
    asked = len(server.requests)
    server.behave = scripted
    assert simulate("--fork", tmp_path / "fork").result["trees"] == 2
    assert len(server.requests) - asked == 6


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--fork", "run"], "another folder"),
        (["--fork", "x", "--out", "none"], "holds no run to fork"),
        (["--fork", "x", "--replay", "y"], "leave out --replay"),
        (["--replay", "none.jsonl"], "there is no such recording"),
        (["--record", "no/such/folder.jsonl"], "there is no such folder"),
    ],
)
def test_wrong_flags(
    simulate: Simulate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert simulate().code == 0
    assert simulate(*flags).is_one_line_about(words)


@pytest.mark.parametrize("finished", [True, False])
def test_other_personas_in_the_same_folder_are_noticed(
    simulate: Simulate, server: ChatServer, personas_file: Path, out: Path, finished: bool
) -> None:
    if not finished:
        server.behave = troubled(completion("Hello, I am new here."), failure(401), failure(401))
    simulate()
    before = (out / "events.jsonl").read_bytes()
    others = [Persona.of(f"I am {age} years old.", "I am kind.") for age in (20, 30)]
    personas_file.write_text(persona_lines(others))
    assert simulate().is_one_line_about("not grown from these personas", "name the file")
    changed = PERSONAS[0].model_copy(update={"preferences": {"emoji": "none"}})
    personas_file.write_text(persona_lines([changed, *PERSONAS[1:]]))
    if finished:
        assert simulate().is_one_line_about(f"of persona {changed.id}, who has changed since")
    personas_file.write_text(persona_lines(PERSONAS + others))
    server.behave = scripted
    assert simulate(trees=1).code == 0  # fewer or more trees of the same personas are fine
    assert simulate(trees=4).code == 0
    assert (out / "events.jsonl").read_bytes().startswith(before)


# Keys, clocks, disks.


def test_a_planted_key_is_nowhere(
    simulate: Simulate,
    aloe: RunAloe,
    server: ChatServer,
    tmp_path: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even where the server echoes it, in errors and in what the model says."""
    key = "open+sesame/123=="
    monkeypatch.setenv("MY_CREDENTIAL", key)
    role = 'timeout = 5.0, api_key_env = "MY_CREDENTIAL"'
    settings = tmp_path / "keyed.toml"
    text = SETTINGS.format(timeout=5.0, patience=9.0)
    settings.write_text(text.replace("timeout = 5.0", role))

    def behave(request: Request) -> Answer:
        sent = request.headers["authorization"]
        assert sent == f"Bearer {key}"
        if len(server.requests) in (1, 5):
            return failure(500 if len(server.requests) == 1 else 400, f"bad header {sent}")
        system = request.body["messages"][0]["content"]
        return completion(f"You sent {sent}.") if "helpful" in system else scripted(request)

    server.behave = behave
    ran = simulate("--config", settings, "--record", tmp_path / "calls.jsonl", trees=3)
    assert ran.code == 2
    assert "bad header" in ran.err
    traced = aloe("trace", out, "--first")
    assert "You sent Bearer ***." in (out / "trees.jsonl").read_text()
    for path in (*out.rglob("*"), tmp_path / "calls.jsonl"):
        assert "sesame" not in path.read_text(), path
    assert "sesame" not in ran.out + ran.err + traced.out + traced.err


def test_a_clock_that_jumps_changes_nothing(
    simulate: Simulate, server: ChatServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, jumps = time.time, [0]

    def jumping() -> float:
        jumps[0] += 1
        return real() + (86400.0 if jumps[0] % 2 else -86400.0)

    monkeypatch.setattr(time, "time", jumping)
    server.behave = troubled(failure(429, headers={"Retry-After": "0.1"}), failure(500))
    ran = simulate()
    assert ran.code == 0, ran.err
    assert jumps[0] > 10
    assert all(0 <= event["latency"] < 5 for event in events(out))
    assert 0 <= ran.result["seconds"] < 30


@pytest.mark.parametrize("room", [1000, 12_000, 25_000])
def test_a_full_disk_is_said_in_one_line_and_nothing_is_lost(
    aloe: RunAloe, personas_file: Path, tmp_path: Path, out: Path, room: int
) -> None:
    """No file can grow over `room` bytes, as on a disk that is full."""
    command = [
        "simulate", "--personas", personas_file, "--model", SCRIPTED, "--trees", 4, "--turns", 2,
        "--quiet", "--json", "--out",
    ]  # fmt: skip
    with files_up_to(room):
        ran = aloe(*command, out)
    assert ran.is_one_line_about("cannot be written", "File too large")
    assert aloe(*command, out).result["trees"] == 4
    assert aloe(*command, tmp_path / "whole").code == 0
    assert (out / "trees.jsonl").read_bytes() == (tmp_path / "whole" / "trees.jsonl").read_bytes()
    keys = [event["key"] for event in events(out)]
    assert len(keys) == len(set(keys))


def test_a_folder_that_cannot_be_made(simulate: Simulate) -> None:
    assert simulate("--out", "/proc/aloe-run").is_one_line_about("cannot be written")
