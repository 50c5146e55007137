"""What holds for every tree, whatever the settings and whatever the models say."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any, get_args

import pytest
from builders import PERSONAS, JitteryChat, config, grow, models, scripted_model
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.prompt import shipped
from aloe.agents.scripted import reply
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import EXPANSION_NAMES, Config, ModelConfig, Schedule
from aloe.errors import CallError, ConfigError, ContextError, ModelError, TransientCallError
from aloe.graphs.plan import plan_extension
from aloe.graphs.turn import turn_graph
from aloe.memory.merge import replace_fields
from aloe.models.open import closed_model
from aloe.ranking import beaten
from aloe.schema import Node, Tree, UserNode, digest
from aloe.training.export import Skipped, dpo_rows, sft_rows

ODD = (
    "", "   ", "A", "B", "Both", "TIE", "Message 1", '{"1": "user"}', '{"1": "user", "2": "user"}',
    "User: As an AI language model I cannot.", "*sighs* Fine.", "I *love* tea. And you?",
    "Note: I invent a note.", '"quoted"', "First line\nI sew.\n\nBye!", "{message} {0} %s \\1",
    "Because you said: I am rich.", "\u2028\x00\u00e9 \U0001f600", "I am 34 years old.",
)  # fmt: skip


def odd(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
    """Answer any role with anything, sometimes cut off, sometimes as a good model would."""
    chance = int(digest([m.text for m in messages], arguments["seed"]), 16)
    if chance % 3 == 0:
        return reply(messages, arguments)
    finish = "length" if chance % 7 == 0 else "stop"
    return AIMessage(ODD[chance % len(ODD)], response_metadata={"finish_reason": finish})


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Config, int]:
    """Return any settings of a small tree, and how many assistants it has."""
    assistants = draw(st.integers(2, 4))
    turns = draw(st.integers(1, 3 if assistants < 4 else 2))
    expansion = draw(st.sampled_from(EXPANSION_NAMES))
    found = config(
        assistants=assistants,
        turns=turns,
        expansion=expansion,
        both_turns=draw(st.integers(0, 2)),
        beam_width=draw(st.integers(1, 3)),
        node_budget=draw(st.none() | st.integers(5, 40)),
        user_window=draw(st.sampled_from([None, 0, 1])),
    )
    schedule = draw(st.sampled_from(get_args(Schedule)))
    judge = found.judge.model_copy(update={"schedule": schedule})
    return found.model_copy(update={"judge": judge}), assistants


def check_shape(tree: Tree, settings: Config, assistants: int) -> None:
    """Check what every tree promises, walking by `parent` alone."""
    turns, schedule = settings.simulation.turns, settings.judge.schedule
    seen: dict[str, Node] = {}
    for node in tree.nodes:
        parent = seen.get(node.parent or "")
        if isinstance(node, UserNode):
            assert node.id == digest(node.parent or tree.id, "user", node.content)
            assert node.turn == (parent.turn + 1 if parent else 1)
            assert node.content
            assert parent is None or parent.role == "assistant"
            assert parent is None or parent.content, "an empty reply was continued"
        else:
            assert node.id == digest(node.parent, "assistant", node.agent, node.content)
            assert parent is not None
            assert parent.role == "user"
            assert node.turn == parent.turn
            assert bool(node.content) == ("empty" not in node.faults)
        assert node.parent is None or parent is not None, "parents stand before their children"
        assert 1 <= node.turn <= turns
        assert node.id not in seen
        seen[node.id] = node
    assert sum(node.parent is None for node in tree.nodes) == 1
    pairs = Counter((v.node, v.first, v.second) for v in tree.verdicts)
    expected: Counter[tuple[str, str, str]] = Counter()
    for user in (node for node in tree.nodes if node.role == "user"):
        children = [node.id for node in tree.nodes if node.parent == user.id]
        assert len(children) == assistants
        expected.update((user.id, a, b) for a, b in combinations(children, 2))
    if schedule == "round_robin":
        assert pairs == expected
    assert pairs <= expected
    for user, a, b in expected - pairs:
        order = beaten(tree.verdicts_on(user))
        assert (b in order[a]) != (a in order[b]), "a pair was spared although nothing orders it"


def check_hints(tree: Tree) -> None:
    """Check that what an assistant was told stands word for word in what the user said to it."""
    for node in tree.nodes:
        if isinstance(node, UserNode):
            assert all(each.quote in node.content for each in node.revealed)
        elif node.agent == "a0":
            path = tree.path(node.id)
            said = [each for each in path if isinstance(each, UserNode)]
            quotes = [disclosure.quote for each in said for disclosure in each.revealed]
            assert node.hint == (" ".join(quotes) or None)
        else:
            assert node.hint is None


def check_rows(tree: Tree) -> None:
    """Check that rows follow from the tree, history and all."""
    skipped: Skipped = Counter()
    rows = list(dpo_rows(tree, skipped))
    again = Tree.model_validate_json(tree.model_dump_json())
    assert list(dpo_rows(again, Counter())) == rows
    assert len(rows) + skipped.total() == len(tree.verdicts)
    labels = {
        (tuple(path_texts(tree, v.node)), tree.by_id[v.preferred].content)
        for v in tree.verdicts
        if v.preferred
    }
    for row in rows:
        prompt = [(message["role"], message["content"]) for message in row["prompt"]]
        chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
        assert (tuple(prompt), chosen) in labels
        assert chosen != rejected
        assert chosen
        assert rejected
    best = Counter(str(row["prompt"]) for row in sft_rows(tree, Counter()))
    assert set(best.values()) <= {1}


def path_texts(tree: Tree, node: str | None) -> list[tuple[str, str]]:
    """Return role and text from the opening down, by parents and nothing else."""
    found = []
    by_id = {each.id: each for each in tree.nodes}
    while node is not None:
        found.append((by_id[node].role, by_id[node].content))
        node = by_id[node].parent
    return found[::-1]


@settings(max_examples=15)
@given(world=worlds(), seed=st.integers(0, 2**31))
def test_every_tree_is_well_formed(world: tuple[Config, int], seed: int) -> None:
    settings, assistants = world
    tree = grow(settings, seed=seed)
    check_shape(tree, settings, assistants)
    check_hints(tree)
    check_rows(tree)
    budget, turns = settings.simulation.node_budget, settings.simulation.turns
    assert budget is None or len(tree.nodes) <= max(budget, 1 + assistants)
    if budget is None or budget >= turns * (1 + assistants):
        assert max(node.turn for node in tree.nodes) == turns


@settings(max_examples=40)
@given(world=worlds(), seed=st.integers(0, 2**31))
def test_whatever_the_models_say(world: tuple[Config, int], seed: int) -> None:
    settings, assistants = world
    try:
        tree = grow(settings, seed=seed, model=scripted_model(odd))
    except CallError:  # a user that stays silent costs its tree, and nothing else may
        return
    check_shape(tree, settings, assistants)
    check_hints(tree)
    check_rows(tree)
    assert Tree.model_validate_json(tree.model_dump_json()) == tree


@pytest.mark.parametrize(
    ("simulation", "users"),
    [
        ({"turns": 3, "expansion": "sample"}, [1, 1, 1]),
        ({"turns": 3, "expansion": "preferred"}, [1, 1, 1]),
        ({"turns": 3, "expansion": "both"}, [1, 2, 4]),
        ({"turns": 3, "both_turns": 1}, [1, 2, 2]),
        ({"turns": 1, "expansion": "both"}, [1]),
        ({"turns": 4, "expansion": "beam"}, [1, 2, 2, 2]),
        ({"turns": 3, "expansion": "beam", "beam_width": 3, "assistants": 3}, [1, 3, 3]),
        ({"turns": 3, "expansion": "both", "assistants": 4}, [1, 4, 16]),
        ({"turns": 3, "expansion": "both", "node_budget": 15}, [1, 2, 2]),
        ({"turns": 3, "expansion": "both", "node_budget": 14}, [1, 1, 2]),
    ],
)
def test_the_expansion_gives_the_shape(simulation: dict[str, Any], users: list[int]) -> None:
    tree = grow(config(**simulation))
    turns = Counter(node.turn for node in tree.nodes if node.role == "user")
    assert [turns[turn] for turn in sorted(turns)] == users


def test_the_check_of_the_ledger_changes_nothing_that_is_said() -> None:
    checked = grow(config(turns=3))
    unchecked = grow(config(turns=3, check_ledger=False))
    assert [node.content for node in checked.nodes] == [node.content for node in unchecked.nodes]
    assert checked.verdicts == unchecked.verdicts
    users = [node for node in checked.nodes if node.role == "user"]
    assert all(d.kind for node in users for d in node.revealed)
    others = [node for node in unchecked.nodes if node.role == "user"]
    assert [d.kind for node in others for d in node.revealed] == [None] * sum(
        len(node.revealed) for node in others
    )
    assert any(node.revealed for node in others)
    assert all(node.consistency is None for node in others)


def test_preferred_continues_what_the_judge_prefers() -> None:
    tree = grow(config(turns=3, expansion="preferred"))
    continued = {node.parent for node in tree.nodes if node.role == "user" and node.parent}
    assert continued <= {verdict.preferred for verdict in tree.verdicts}


@pytest.mark.parametrize("expansion", EXPANSION_NAMES)
def test_a_tree_does_not_depend_on_who_answers_first(expansion: str) -> None:
    settings = config(turns=3, assistants=3, expansion=expansion, both_turns=1, node_budget=30)
    steady = grow(settings).model_dump_json()
    jittery = scripted_model()
    for _ in range(2):
        chat = JitteryChat(script=reply)
        model = type(jittery)(**{**vars(jittery), "chat": chat})
        assert grow(settings, model=model).model_dump_json() == steady


def test_the_user_answers_the_branch_it_is_on() -> None:
    prompts: list[list[str]] = []

    def watched(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        prompts.append([message.text for message in messages])
        return reply(messages, arguments)

    tree = grow(config(turns=3, expansion="both"), model=scripted_model(watched))
    asked_of_users = [p for p in prompts if p[0].startswith("You write the messages")]
    for node in tree.nodes:
        if isinstance(node, UserNode) and node.parent:
            path = path_texts(tree, node.parent)
            so_far = "\n".join(f"{role.capitalize()}: {text}" for role, text in path)
            assert any(f"The chat so far:\n{so_far}\n\n" in each[-1] for each in asked_of_users)


class Failing:
    """A script that raises `error` at its first `times` calls as the judge."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left = error, times

    def __call__(
        self, messages: Sequence[BaseMessage], arguments: dict[str, Any]
    ) -> str | AIMessage:
        if messages[0].text.startswith("You compare") and self.left:
            self.left -= 1
            raise self.error
        return reply(messages, arguments)


def test_a_passing_failure_is_tried_again_and_changes_nothing() -> None:
    events: list[Event] = []
    log = CallLog(on_event=events.append)
    failing = scripted_model(Failing(TransientCallError("busy"), 1))
    assert grow(config(turns=1), model=failing, calls=log) == grow(config(turns=1))
    assert log.totals.errors == 1


@pytest.mark.parametrize("error", [CallError("context too long"), ModelError("key refused")])
def test_a_failure_that_stays_is_not_tried_again(error: Exception) -> None:
    failing = Failing(error, 99)
    with pytest.raises(type(error), match=str(error)):
        grow(config(turns=1), model=scripted_model(failing))
    assert failing.left >= 97  # each order of the two at most once


INSTRUCTIONS = {
    role: shipped(role).messages[0][1].split(".")[0] for role in ("user", "assistant", "judge")
}
"""How the instructions of each role begin."""


def reading(words: str, most: int) -> Any:
    """Return a script that answers as usual, but for whom `words` instruct reads so many words."""

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> Any:
        length = sum(len(message.text.split()) for message in messages)
        if words in messages[0].text and length > most:
            raise ContextError("the conversation is too long")
        return reply(messages, arguments)

    return script


def longest(words: str, turns: int) -> int:
    """Return the words that the role so instructed reads in `turns` turns."""
    read = [0]

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> Any:
        if words in messages[0].text:
            read.append(sum(len(message.text.split()) for message in messages))
        return reply(messages, arguments)

    grow(config(turns=turns), model=scripted_model(script))
    return max(read)


@pytest.mark.parametrize("role", ["user", "assistant", "judge"])
def test_a_conversation_that_is_too_long_ends_its_branch(
    role: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was said before is that of the shorter tree."""
    words = INSTRUCTIONS[role]
    model = scripted_model(reading(words, longest(words, 2)))
    tree = grow(config(turns=4), model=model)
    assert tree == grow(config(turns=2))
    assert "a branch ends: the conversation is too long" in caplog.text


def test_other_branches_go_on() -> None:
    whole = grow(config(turns=3, expansion="both"))
    last = [n for n in whole.nodes if n.role == "user" and n.turn == 3]
    said = Counter(node.content for node in last)
    first = next(node for node in last if said[node.content] == 1)
    gone = {n.id for n in whole.nodes if n.id == first.id or n.parent == first.id}

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> Any:
        if any(first.content == message.text for message in messages):
            raise ContextError("too long")
        return reply(messages, arguments)

    tree = grow(config(turns=3, expansion="both"), model=scripted_model(script))
    assert {n.id for n in tree.nodes} == {n.id for n in whole.nodes} - gone


def test_an_opening_that_is_too_long_costs_its_tree() -> None:
    model = scripted_model(reading("", 0))
    with pytest.raises(ContextError):
        grow(config(turns=2), model=model)


def test_a_turn_can_be_played_on_its_own() -> None:
    from aloe.graphs.context import make_context

    settings = config(turns=1)
    context = make_context(settings, models(settings, scripted_model()), CallLog())
    task = {"tree": "t", "persona": PERSONAS[0], "path": [], "revealed": ()}
    result = asyncio.run(turn_graph().ainvoke(task, context=context))
    assert set(result) == {"nodes", "verdicts"}
    assert [node.role for node in result["nodes"]] == ["user", "assistant", "assistant"]


@pytest.mark.parametrize(
    ("recorded", "same"),
    [
        ("langchain:pkg:Chat:m", True),
        ("langchain:pkg:Chat", True),  # as before models of a class were told apart
        ("langchain:pkg:Chat:other", False),
    ],
)
def test_trees_are_extended_by_the_models_that_grew_them(recorded: str, *, same: bool) -> None:
    model = closed_model(ModelConfig(model="langchain:pkg:Chat", options={"model": "m"}), "")
    tree = replace_fields(grow(config(turns=1)), models={"user": recorded})
    if same:
        assert plan_extension([tree], {"user": model})[0].start == tree
    else:
        with pytest.raises(ConfigError, match="grown with other models"):
            plan_extension([tree], {"user": model})
