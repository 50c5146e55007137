"""What agents answer is said in words, for whoever reads a log."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from builders import assistant
from sample_tree import CALLS, HINTED, OPENING, PLAIN, SECOND, TREE, exchange
from snapshots import drawn

from aloe.calls.recorded_call import RecordedCall
from aloe.schema import AssistantNode, Disclosure, Tree
from aloe.views.answers import Interpreter, describe_json
from aloe.views.calls import call_line
from aloe.views.node import node_view
from aloe.views.tree import Drawer

SHOWN = f"[A] {HINTED.content}\n\n[B] {PLAIN.content}\n\nWhich one?"


def call(
    role: str,
    text: str,
    prompt: str = SHOWN,
    about: str = OPENING.id,
    outcome: str = "ok",
    **logprobs: float,
) -> RecordedCall:
    reply = {"text": text, "finish": "stop", "logprobs": logprobs or None}
    return exchange(role, about, ("user", prompt), reply=reply, outcome=outcome)


def written() -> list[RecordedCall]:
    """Return the calls that wrote both replies."""
    return [call(node.agent, node.content, "Hi") for node in (HINTED, PLAIN)]


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (call("judge", "A", A=-0.1, B=-2.4), "prefers hinted to plain by 2.3, shown first"),
        (call("judge2", "b"), "prefers plain to hinted, shown second"),
        (call("judge", "TIE"), "finds hinted and plain equal"),
        (call("judge", "B", "elsewise"), "prefers the reply shown second"),
        (call("judge", "A", **{"A": -3.0, "B": -1.2, " b": -1.2, "b": -1.3}),
         "prefers plain to hinted by 2.9, shown second"),  # A was drawn, B is likelier
        (call("judge", "A", A=-0.7, B=-1.6, TIE=-1.2),
         "prefers hinted to plain by 0.6, shown first"),  # a tie counts half for either
        (call("judge", "4"), "4"),  # of two replies that says nothing
        (call("judge", "4", "One reply."), "rates the reply 4 of 5"),
        (call("judge", "4", "One reply.", **{"4": -0.7, "5": -0.7}), "rates the reply 4.5 of 5"),
        (call("judge", "A", outcome="unreadable"), "A"),
        (call("judge", '{"better": "A"}'), "better: A"),
        (call("judge", "Hm, both."), "Hm, both."),
        (call("inducer", '{"1": "user", "2": "topic"}', "1. I sew.\n2. How?"), "revealed: I sew."),
        (call("inducer", '{"1. I": "no"}', "1. It rains."), "revealed: nothing"),
        (call("inducer", "no idea", "1. It rains."), "no idea"),
        (call("reader", "NO", YES=-3.0, NO=-0.5), "doubts that the user wrote that, by 2.5"),
        (call("reader", "YES"), "takes the message for the user's"),
        (call("safety", '{"level": 2, "safe": true}'), "level: 2, safe: yes"),
        (call("hinted", "Check [it]."), "Check [it]."),
    ],
)  # fmt: skip
def test_an_answer_is_said_in_words(answered: RecordedCall, words: str) -> None:
    interpreter = Interpreter()
    for each in written():
        interpreter.interpret(each)
    assert interpreter.interpret(answered) == words
    if "prefers" in words and "shown first" in words:  # the tree knows as much as the log
        assert Interpreter([TREE]).interpret(answered) == words


@pytest.mark.parametrize(
    ("min_mass", "words"),
    [(0.5, "prefers hinted to plain, shown first"),
     (0.1, "prefers plain to hinted by 0.9, shown second")],
)  # fmt: skip
def test_an_answer_is_read_as_the_settings_of_the_judge_say(min_mass: float, words: str) -> None:
    judged = call("judge", "A", A=-2.5, B=-1.6)  # together 0.28
    assert Interpreter([TREE], min_mass=min_mass).interpret(judged) == words
    view = drawn(node_view(TREE, OPENING, [judged], min_mass=min_mass), 160)
    assert words in view


def test_a_complaint_worded_as_a_question_is_revealed_if_it_was_counted_so() -> None:
    said = "What is that emoji doing there?"
    marked = call("inducer", '{"1": "user"}', f"1. {said}")
    assert Interpreter().interpret(marked) == "revealed: nothing"
    assert Interpreter(tells=lambda text: text == said).interpret(marked) == f"revealed: {said}"
    opening = OPENING.model_copy(update={"revealed": (Disclosure(quote=said),)})
    tree = TREE.model_copy(update={"nodes": (opening, *TREE.nodes[1:])})
    assert Interpreter([tree]).interpret(marked) == f"revealed: {said}"


def again(nodes: Sequence[AssistantNode]) -> tuple[list[RecordedCall], RecordedCall]:
    """Return the calls that wrote replies to a message, and a judge's about the first two."""
    about = nodes[0].parent
    wrote = [call(each.agent, each.content, "Hi", about=each.id) for each in nodes]
    shown = f"[A] {nodes[0].content}\n\n[B] {nodes[1].content}\n\nWhich one?"
    return wrote, call("judge", "A", shown, about=about)


def test_who_wrote_a_reply_is_looked_up_among_those_to_the_same_message() -> None:
    plain = assistant(HINTED.content, SECOND, agent="plain")
    hinted = assistant(PLAIN.content, SECOND, agent="hinted")
    third = assistant(HINTED.content, SECOND, agent="third")
    later = [plain, hinted]
    tree = TREE.model_copy(update={"nodes": (OPENING, HINTED, PLAIN, SECOND, *later)})
    first, second = again([HINTED, PLAIN]), again(later)
    for interpreter in (Interpreter([tree]), Interpreter()):
        for wrote, judged in (first, second, first):  # the other way round in the second
            for each in wrote:
                interpreter.interpret(each)
            better = "prefers plain to hinted" if judged is second[1] else "prefers hinted to plain"
            assert interpreter.interpret(judged) == f"{better}, shown first"
    unsure = "prefers the reply shown first"
    wrote, judged = again([*later, third])  # two wrote the same
    for interpreter in (Interpreter([tree.model_copy(update={"nodes": (*tree.nodes, third)})]),
                        Interpreter()):  # fmt: skip
        for each in wrote:
            interpreter.interpret(each)
        assert interpreter.interpret(judged) == unsure
    assert Interpreter([TREE]).interpret(judged) == unsure  # a message that none of them answers
    replies = [HINTED, assistant("No.", OPENING, agent="hinted")]
    same = TREE.model_copy(update={"nodes": (OPENING, *replies)})
    _, judged = again(replies)
    assert Interpreter([same]).interpret(judged) == unsure  # one agent wrote both


def test_messages_are_known_by_their_former_ids() -> None:
    opening = OPENING.model_copy(update={"former": ("before",)})
    tree = TREE.model_copy(update={"nodes": (opening, *TREE.nodes[1:])})
    judged = call("judge", "A", about="before")
    assert Interpreter([tree]).interpret(judged) == "prefers hinted to plain, shown first"


def test_a_failed_call_says_why() -> None:
    assert Interpreter().interpret(CALLS[2]) == "HTTP 500"


def test_what_is_no_json_stays_as_it_is() -> None:
    for text in ("{broken", "[1, 2", "42", "[deep" * 3):
        assert describe_json(text) == text
    assert describe_json("[" * 50_000) == "[" * 50_000


def test_a_line_shows_words_or_the_answer() -> None:
    said = call("judge", "A", A=-0.1, B=-2.4)
    assert "prefers hinted" in drawn(call_line(said, Interpreter([TREE]).interpret(said)), 160)
    assert drawn(call_line(said), 160).rstrip().endswith(" A")


def noted() -> Tree:
    raw: dict[str, Any] = TREE.model_dump()
    raw["nodes"] = [node.model_copy(update={"notes": {"safety": {"safe": False, "why": [1]}}})
                    for node in TREE.nodes]  # fmt: skip
    return Tree.model_validate(raw)


def test_a_view_shows_what_was_answered_as_it_came_only_if_asked() -> None:
    tree, calls = noted(), [call("judge", "A", A=-0.1, B=-2.4), call("inducer", '{"1": "user"}')]
    words = drawn(node_view(tree, tree.nodes[0], calls), 160)
    assert "said 'A'" not in words
    assert '{"' not in words
    assert "safety    safe: no, why: 1" in words
    drawing = Drawer(tree=tree, account=None, took={}).drawing()
    assert "safety: safe: no, why: 1" in drawn(drawing, 160)
    raw = drawn(node_view(tree, tree.nodes[0], calls, raw=True), 160)
    assert "said 'A'" in raw
    assert json.loads(next(line for line in raw.splitlines() if '{"1"' in line)) == {"1": "user"}
    assert "first token: 'A' -0.10" in raw
