"""Judges on real servers whose replies are odd: the run goes on, and nothing is made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe
from server import Answer, ChatServer, Request, completion, scripted

from aloe.memory.run_folder import read_trees


def is_judge(request: Request) -> bool:
    return "You compare two replies" in request.body["messages"][0]["content"]


def judging(server: ChatServer, answer: Callable[[Request, str], Answer]) -> None:
    """Let a server answer a judge's questions by `answer`, given the letter it would say."""

    def behave(request: Request) -> Answer:
        said = scripted(request)
        letter = said.body["choices"][0]["message"]["content"]
        return answer(request, letter) if is_judge(request) else said

    server.behave = behave


@pytest.mark.parametrize(
    "place",
    [None, "A", [], {"token": "A", "logprob": None, "top_logprobs": None},
     {"token": "A", "logprob": "0", "top_logprobs": [None, {"token": 1}, {"logprob": []}]}],
    ids=str,
)  # fmt: skip
def test_malformed_log_probabilities_stop_no_run(
    aloe: RunAloe, server: ChatServer, personas_file: Path, tmp_path: Path, place: Any
) -> None:
    def answer(_: Request, letter: str) -> Answer:
        said = completion(letter)
        said.body["choices"][0]["logprobs"] = {"content": [place]}
        return said

    judging(server, answer)
    out = tmp_path / "run"
    ran = aloe("simulate", "--personas", personas_file, "--model", server.model, "--trees", 1,
               "--turns", 1, "--out", out, "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    (verdict,) = next(iter(read_trees(out))).verdicts
    assert [vote.choice for vote in verdict.votes] == ["first", "first"]
    assert (verdict.outcome, verdict.margin) == ("first", None)


def test_a_reasoning_judge_is_heard_out_and_its_trace_says_so(
    aloe: RunAloe, server: ChatServer, personas_file: Path, tmp_path: Path
) -> None:
    def answer(request: Request, _: str) -> Answer:
        if request.body["max_tokens"] < 1000:
            top = [("<think>", -1e-4), ("A", -18.0), ("B", -18.2)]
            return completion("<think>", finish="length", logprobs=top)
        asked = request.body["messages"][-1]["content"]
        a, b = asked.partition("[A]")[2].partition("Which reply")[0].split("[B]")
        return completion(f"<think>Is it A? Or B?</think>\n\n{'A' if a > b else 'B'}")

    judging(server, answer)
    out = tmp_path / "run"
    ran = aloe("simulate", "--personas", personas_file, "--model", server.model, "--trees", 1,
               "--turns", 1, "--out", out, "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    tree = next(iter(read_trees(out)))
    (verdict,) = tree.verdicts
    assert verdict.preferred is not None
    assert verdict.margin is None
    assert [r.body["max_tokens"] for r in server.requests if is_judge(r)] == [1, 2048] * 2
    shown = aloe("trace", out, "--node", verdict.node, "--raw").out
    assert "0.0% on an answer: its text counts" in " ".join(shown.split())
