"""A whole run on a server whose every reply thinks: nothing of it is learned from."""

import json
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe
from server import Answer, ChatServer, Request, completion, scripted

from aloe.calls.event import read_events
from aloe.memory.run_folder import read_trees

SECRET = "the ZEBRA plan"
PLACES = {
    "tags": lambda text: {"content": f"<think>\n{SECRET}\n</think>\n\n{text}<|im_end|>"},
    "a lone end": lambda text: {"content": f"{SECRET}\n</think>\n\n```\n{text}\n```"},
    "a field": lambda text: {"content": text, "reasoning_content": SECRET},
    "harmony": lambda text: {
        "content": f"<|channel|>analysis<|message|>{SECRET}<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{text}<|return|>"
    },
}


def thinks(request: Request, place: str) -> Answer:
    """Answer as the stand-in does, behind thoughts, for which 80 tokens are too few."""
    said = scripted(request)
    choice: dict[str, Any] = said.body["choices"][0]
    choice.pop("logprobs", None)
    message = PLACES[place](choice["message"]["content"])
    if (request.body.get("max_tokens") or 0) < 100:
        text = message["content"]
        kept = "" if place == "a field" else text[: text.index(SECRET) + len(SECRET)]
        choice["finish_reason"] = "length"
        message = {**message, "content": kept if place != "a lone end" else ""}
    choice["message"] |= message
    return said


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("options", ["", "options = {disable_streaming = true}"])
def test_thoughts_are_in_the_trace_and_in_no_row(
    aloe: RunAloe, server: ChatServer, personas_file: Path, tmp_path: Path, place: str, options: str
) -> None:
    server.behave = lambda request: thinks(request, place)
    settings = tmp_path / "my.toml"
    settings.write_text(
        "".join(f'[models.{role}]\nmodel = "{server.model}"\n{options}\n'
                for role in ("user", "inducer", "judge"))
        + "".join(f'[[models.assistants]]\nname = "{name}"\nhint = {hint}\n'
                  f'model = "{server.model}"\n{options}\n'
                  for name, hint in (("hinted", "true"), ("plain", "false")))
    )  # fmt: skip
    out = tmp_path / "run"
    ran = aloe("simulate", "--personas", personas_file, "--config", settings, "--trees", 2,
               "--turns", 2, "--out", out, "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    trees = list(read_trees(out))
    assert len(trees) == 2
    assert not any(node.faults for tree in trees for node in tree.nodes)
    assert not any(SECRET in node.content for tree in trees for node in tree.nodes)
    assert any(node.revealed for tree in trees for node in tree.nodes if node.role == "user")
    for kind in ("sft", "dpo"):
        rows = tmp_path / f"{kind}.jsonl"
        assert aloe("export", out, "--format", kind, "--out", rows).code == 0
        text = rows.read_text()
        assert len(text.splitlines()) >= 2
        assert not any(mark in text for mark in (SECRET, "think>", "<|", "```"))
    events = list(read_events(out / "events.jsonl"))
    assert {event["outcome"] for event in events} <= {"ok", "only_reasoning", "truncated"}
    reply = trees[0].nodes[1]
    shown = " ".join(aloe("trace", out, "--node", reply.id).out.split())
    assert f"thoughts {SECRET} answer {reply.content}" in shown
    asked = json.dumps([request.body["messages"] for request in server.requests])
    assert SECRET not in asked


def test_a_server_that_never_stops_thinking_costs_its_trees_and_says_why(
    aloe: RunAloe, server: ChatServer, personas_file: Path, tmp_path: Path
) -> None:
    server.behave = lambda _: completion("<think>and so on", finish="length")
    ran = aloe("simulate", "--personas", personas_file, "--model", server.model, "--trees", 1,
               "--turns", 1, "--out", tmp_path / "run")  # fmt: skip
    assert ran.code == 2
    assert "only reasoned in 3 tries" in " ".join(ran.err.split())
