"""Conversations in the layout of the paper's data, as trees."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, assistant, config, grow, user

from aloe.errors import InputError
from aloe.memory.conversations import IMPORTED, is_conversation, read_conversations
from aloe.memory.formats.conversation import verdict_of
from aloe.schema import Disclosure, Node, Tree, UserNode
from aloe.training.export import ROWS, Format, take_trainer_columns


def turn(user: str, chosen: str = "preferred", **changes: Any) -> dict[str, Any]:
    replies = {"preferred": f"Good on {user}", "rejected": f"Bad on {user}"}
    return {"user": user, "assistant": replies, "chosen": chosen, **changes}


def read(folder: Path, *records: Any) -> list[Tree]:
    file = folder / "talks.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return [tree for _, tree in read_conversations(file)]


def rows(trees: list[Tree], kind: Format) -> list[Any]:
    return [
        take_trainer_columns(row, kind) for tree in trees for row in ROWS[kind](tree, Counter())
    ]


@pytest.mark.parametrize("expansion", ["sample", "both", "preferred"])
def test_trees_come_back_with_the_same_pairs(tmp_path: Path, expansion: str) -> None:
    trees = [grow(config(turns=4, expansion=expansion), seed=seed) for seed in (1, 2)]
    talks = [row for tree in trees for row in rows([tree], "aloe")]
    assert len(talks) >= 2
    back = read(tmp_path, *talks)
    assert sorted(rows(back, "dpo"), key=str) == sorted(rows(trees, "dpo"), key=str)
    assert sorted(rows(back, "aloe"), key=str) == sorted(talks, key=str)
    assert [tree.persona.id for tree in back] == [trees[0].persona.id] * len(back)


def test_what_the_layout_does_not_say_is_not_made_up(tmp_path: Path) -> None:
    talk = {"conversations": [turn("Hello", "rejected"), turn("And now?")]}
    (tree,) = read(tmp_path, talk)
    assert (tree.persona.profile, tree.persona.personality, tree.persona.facts) == ("", "", ())
    assert tree.models == {}
    assert {v.votes[0].judge for v in tree.verdicts} == {IMPORTED}
    assert all(v.margin is None and v.confidence is None for v in tree.verdicts)
    first, second = rows([tree], "dpo")
    assert first["chosen"][0]["content"] == "Good on Hello"
    assert [m["content"] for m in second["prompt"]] == ["Hello", "Bad on Hello", "And now?"]


def test_the_preferred_reply_does_not_always_stand_first(tmp_path: Path) -> None:
    trees = read(tmp_path, *({"conversations": [turn(f"Question {n}")]} for n in range(40)))
    outcomes = Counter(verdict.outcome for tree in trees for verdict in tree.verdicts)
    assert min(outcomes["first"], outcomes["second"]) > 8


def test_people_nobody_describes_are_not_one_person(tmp_path: Path) -> None:
    talks = [{"conversations": [turn("Hello")]}, {"conversations": [turn("Good day")]}]
    assert len({tree.persona.id for tree in read(tmp_path, *talks)}) == 2


def test_paths_of_one_opening_are_one_tree(tmp_path: Path) -> None:
    who = {"profile": "I am old.", "personality": "I am kind."}
    paths = [[turn("Hi", "preferred"), turn("One")], [turn("Hi", "rejected"), turn("Two")]]
    (tree,) = read(tmp_path, *({**who, "conversations": path} for path in paths))
    assert len(tree.verdicts) == 3
    other = read(tmp_path, *({"profile": p, "conversations": paths[0]} for p in ("A.", "B.")))
    assert len(other) == 2


def test_only_the_words_of_the_user_become_disclosures(tmp_path: Path) -> None:
    who = {"profile": "I sell tea. I am 40.", "personality": "I hate waiting."}
    first = turn("I sell tea. I hate waiting.", inferred_profile="I sell tea. He is a trader.",
                 inferred_personality="I hate waiting.")  # fmt: skip
    second = turn("Green or black?", inferred_profile="I sell tea. Green or black?",
                  inferred_personality="None")  # fmt: skip
    (tree,) = read(tmp_path, {**who, "conversations": [first, second]})
    told = [node.revealed for node in tree.nodes if isinstance(node, UserNode)]
    linked = {fact.text: fact.id for fact in tree.persona.facts}
    assert [(d.quote, d.fact, d.kind) for d in told[0]] == [
        ("I sell tea.", linked["I sell tea."], "revealed"),
        ("I hate waiting.", linked["I hate waiting."], "revealed"),
    ]
    assert [(d.quote, d.fact, d.kind) for d in told[1]] == [("Green or black?", None, None)]


def test_what_a_user_told_comes_back_quote_by_quote(tmp_path: Path) -> None:
    texts = ("I live in Porto and ask", "I mend bicycles. Which oil?", "And now?")
    quotes = (("I live in Porto",), ("I mend bicycles.",), ())
    nodes: list[Node] = []
    verdicts = []
    for number, (text, told) in enumerate(zip(texts, quotes, strict=True), 1):
        revealed = tuple(Disclosure(quote=quote) for quote in told)
        on = nodes[-2] if nodes else None
        asked = user(text, on.id if on else None, turn=number, revealed=revealed)
        pair = [assistant(f"{side} {number}", asked, agent=side) for side in ("one", "two")]
        nodes += [asked, *pair]
        verdicts.append(verdict_of(asked.id, pair[0].id, pair[1].id, judge=IMPORTED))
    tree = Tree(id="t", persona=PERSONAS[0], seed=0, models={}, nodes=tuple(nodes),
                verdicts=tuple(verdicts))  # fmt: skip
    (back,) = read(tmp_path, *rows([tree], "aloe"))
    found = [node.revealed for node in back.nodes if isinstance(node, UserNode)]
    assert [tuple(each.quote for each in told) for told in found] == list(quotes)


def test_personas_of_the_original_data_lose_their_json(tmp_path: Path) -> None:
    raw = {"profile": '"He is 19.\\n"\n', "personality": '"So" he says.'}
    (tree,) = read(tmp_path, {**raw, "conversations": [turn("Hello")]})
    assert (tree.persona.profile, tree.persona.personality) == ("He is 19.", '"So" he says.')


def test_a_reply_that_is_empty_or_there_twice_gives_no_row(tmp_path: Path) -> None:
    nothing = turn("Hello", assistant={"preferred": " ", "rejected": "No."})
    twice = turn("Hello", assistant={"preferred": "Yes.", "rejected": "Yes."})
    (tree,) = read(tmp_path, {"conversations": [nothing, turn("So?")]})
    assert len(rows([tree], "dpo")) == 1
    (tree,) = read(tmp_path, {"conversations": [twice, turn("So?")]})
    assert (len(tree.nodes), len(tree.verdicts)) == (5, 1)


BROKEN: dict[str, tuple[Any, str]] = {
    "no turn": ({"conversations": []}, "is not a conversation"),
    "rows": ({"prompt": []}, "is not a conversation"),
    "sharegpt": ({"conversations": [{"from": "human", "value": "Hi"}]}, "is not a conversation"),
    "chosen": ({"conversations": [turn("a", "both")]}, "turn 1: 'chosen' is 'both', neither"),
    "no chosen": ({"conversations": [turn("a"), turn("b", None)]}, "turn 2: 'chosen' is None"),
    "no reply": (
        {"conversations": [turn("a"), turn("b", assistant={"preferred": "x"})]},
        "turn 2: 'assistant': 'rejected' is missing",
    ),
    "number": (
        {"conversations": [turn("a", assistant={"preferred": 1, "rejected": "x"})]},
        "turn 1: 'assistant': 'preferred' is no text",
    ),
    "one reply": ({"conversations": [turn("a", assistant="x")]}, "'assistant' is not an object"),
    "silent user": ({"conversations": [turn("a"), turn(" ")]}, "turn 2: 'user' is empty"),
    "no object": ({"conversations": [turn("a"), 3]}, "turn 2: is not an object"),
    "persona": ({"profile": 3, "conversations": [turn("a")]}, "'profile' is no text"),
    "false": ({"profile": False, "conversations": [turn("a")]}, "'profile' is no text"),
    "inferred": ({"conversations": [turn("a", inferred_profile=[])]}, "'inferred_profile' is no"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_said_with_line_and_turn(tmp_path: Path, case: str) -> None:
    record, problem = BROKEN[case]
    with pytest.raises(InputError) as caught:
        read(tmp_path, {"conversations": [turn("Hello")]}, record)
    assert str(caught.value).startswith(f"{tmp_path / 'talks.jsonl'}:2: ")
    assert problem in str(caught.value)


def test_the_layout_is_known_by_its_first_turn() -> None:
    assert is_conversation({"conversations": [turn("Hello")]})
    assert not is_conversation({"conversations": {"user": 1}})
    assert not is_conversation([turn("Hello")])
