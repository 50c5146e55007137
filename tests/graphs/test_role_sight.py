"""What roles get to see of a tree, and that nothing they do to it reaches the tree."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from branching import varied
from builders import PERSONAS, config, grow, models, scripted_model
from pydantic_core import to_json

from aloe.calls.log import CallLog
from aloe.config.roles import Stage
from aloe.graphs.context import make_context
from aloe.graphs.rollouts import roll_out
from aloe.schema import Persona, Tree, UserNode

OTHER = Persona.of("I am 90. I keep owls. I own a mill. I sing in Ghent.", "I whisper. I am proud.")
"""Who the user plays instead: nothing of it stands in the tree's own persona."""

OWN = '''
from aloe.agents.roles import Update
from aloe.schema import Persona

SEEN = []


def other(exchange, model, profile, personality):
    return Update(persona=Persona.of(profile, personality), note={"plays": profile})


def tells(exchange, model):
    """Notes all it knows, on every message that it may note on."""
    note = [fact.text for fact in exchange.persona.facts]
    return Update(note=note, notes={reply.id: note for reply in exchange.candidates})


def spies(exchange, model):
    SEEN.append(exchange)
    return Update(text=f"This is answer {exchange.turn}.", note={"mine": exchange.turn})


def draws(exchange, model):
    note = [exchange.rng().random(), exchange.rng().random()]
    return Update(text="Do rest.", note=note) if model.name == "among" else note


def deep(exchange, model):
    return {"list": [1], "by": {"name": "x"}}


def answers(exchange, model):
    if exchange.said and not exchange.candidates:
        return Update(text=f"{exchange.user.content} Thank you.")


def smuggles(exchange, model):
    for node in (*exchange.path, exchange.said, *exchange.candidates):
        if node:
            spoil(node.notes)
    if exchange.played:
        spoil(exchange.persona.preferences)
        spoil(exchange.persona.axes)
    return answers(exchange, model)


def spoil(notes):
    for each in notes.values():
        each["list"].append("smuggled")
        each["by"].clear()
    notes["smuggled"] = "smuggled"


def even(asked, model):
    return 0


def smuggling_judge(asked, model):
    for node in (*asked.path, asked.user, asked.first, asked.second):
        spoil(node.notes)
    spoil(asked.persona.axes)
    return 0


def all_of(candidates, verdicts, rng):
    return [each.id for each in candidates]


def smuggling_policy(candidates, verdicts, rng):
    for each in candidates:
        spoil(each.notes)
    return all_of(candidates, verdicts, rng)


KEPT = Persona.of("I am 90. I keep owls.", "I whisper.")


def keeps(exchange, model):
    KEPT.axes["turn"] = exchange.turn
    return Update(persona=KEPT)
'''


@pytest.fixture
def own(write_module: Callable[[str, str], str]) -> str:
    return write_module("sight", OWN)


def grown(roles: dict[str, Any], **simulation: Any) -> Tree:
    settings = config(expansion="both", **simulation)
    return grow(settings.updated({"roles": roles}, source="test"))


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


@pytest.mark.parametrize("disclosure", ["schedule", "answering"])
def test_a_role_among_the_assistants_is_told_nothing_that_was_not_said(
    own: str, disclosure: str
) -> None:
    swap = {"profile": OTHER.profile, "personality": OTHER.personality}
    roles: dict[str, Any] = {"other": {"use": f"{own}:other", "before": "user", **swap}}
    for number, stage in enumerate(("user", "inducer", "assistant", "judge")):
        roles[f"tells{number}"] = {"use": f"{own}:tells", "after": stage}
    roles["spy"] = {"use": f"{own}:spies", "among": "assistants"}
    settings = config(turns=3, expansion="both")
    changes = {"roles": roles, "user": {"disclosure": disclosure}}
    tree = grow(settings.updated(changes, source="test"))
    seen = sys.modules[own].SEEN
    assert {exchange.turn for exchange in seen} == {1, 2, 3}
    assert all(node.notes["tells0"] and node.played for node in tree.users)  # there to be leaked
    said = " ".join(node.content for node in tree.users)
    facts = [fact for persona in (*PERSONAS[:1], OTHER) for fact in persona.facts]
    for exchange in seen:
        dump = to_json(vars(exchange))
        path = " ".join(node.content for node in (*exchange.path, exchange.user))
        texts = list(strings(json.loads(dump)))
        for fact in facts:
            assert fact.id not in texts
            assert fact.text in path or not any(fact.text in text for text in texts), fact.text
        assert OTHER.id not in texts
        assert exchange.revealed
        assert {each.quote for each in exchange.revealed} <= set(texts)
        assert exchange.user.revealed or not exchange.path
    assert any(fact.text not in said for fact in facts)
    deep = max(seen, key=lambda exchange: len(exchange.path))
    with pytest.raises(LookupError):
        deep.persona  # noqa: B018


def test_a_role_among_the_assistants_sees_its_own_notes_and_no_other_s(own: str) -> None:
    grown(
        {
            "tells": {"use": f"{own}:tells", "after": "judge"},
            "spy": {"use": f"{own}:spies", "among": "assistants"},
        },
        turns=3,
    )
    found = [
        (node.agent, node.notes)
        for exchange in sys.modules[own].SEEN
        for node in exchange.path
        if not isinstance(node, UserNode)
    ]
    assert {agent for agent, _ in found} == {"a0", "a1", "spy"}
    for agent, notes in found:
        assert set(notes) == ({"spy"} if agent == "spy" else set())


SMUGGLES = [{"before": "user"}, *({"after": stage} for stage in get_args(Stage))]


@pytest.mark.parametrize("hook", [*SMUGGLES, {"among": "assistants"}], ids=str)
def test_nothing_that_a_role_does_to_an_exchange_reaches_the_tree(
    own: str, hook: dict[str, str]
) -> None:
    notes = {"use": f"{own}:deep", "after": "user"}
    trees = []
    for use in ("answers", "smuggles"):
        sys.modules.pop(own, None)
        roles = {"notes": notes, "mine": {"use": f"{own}:{use}", **hook}}
        trees.append(grown(roles, turns=2))
    plain, smuggled = trees
    assert smuggled == plain
    assert "smuggled" not in smuggled.model_dump_json()


def test_nothing_that_a_judge_or_a_policy_does_to_messages_reaches_the_tree(own: str) -> None:
    trees = []
    for judge, policy in (("even", "all_of"), ("smuggling_judge", "smuggling_policy")):
        settings = config(turns=2, expansion=f"{own}:{policy}")
        roles = {"notes": {"use": f"{own}:deep", "after": "user"}}
        changes = {"judge": {"use": f"{own}:{judge}"}, "roles": roles}
        trees.append(grow(settings.updated(changes, source="test")))
    plain, smuggled = (tree.model_dump(exclude={"verdicts"}) for tree in trees)
    assert smuggled == plain


def test_a_persona_that_a_role_returned_is_the_tree_s_own(own: str) -> None:
    tree = grown({"mine": {"use": f"{own}:keeps", "before": "user"}}, turns=2)
    assert [node.played and node.played.axes for node in tree.users] == [{"turn": 1}] + [
        {"turn": 2}
    ] * (len(tree.users) - 1)


def drawn(tree: Tree) -> dict[tuple[str, str, str], Any]:
    """Return what roles drew, by tree, message and role."""
    notes = ((node, name) for node in tree.nodes for name in node.notes)
    return {(tree.id, node.id, name): node.notes[name] for node, name in notes}


def test_randomness_is_of_a_role_s_own_and_comes_again(own: str) -> None:
    roles = {
        "early": {"use": f"{own}:draws", "before": "user"},
        "late": {"use": f"{own}:draws", "after": "judge"},
        "other": {"use": f"{own}:draws", "after": "judge"},
        "among": {"use": f"{own}:draws", "among": "assistants"},
    }
    wanted = config(turns=3, expansion="both").updated({"roles": roles}, source="test")
    found: dict[tuple[str, str, str], Any] = {}
    for seed in (1, 2):
        tree = grow(wanted, seed=seed)
        assert drawn(grow(wanted, seed=seed)) == drawn(tree)
        found |= drawn(tree)
    numbers = [number for note in found.values() for number in note]
    assert {name for _, _, name in found} == set(roles)
    assert len(set(numbers)) == len(numbers) > 40


def test_a_rollout_draws_anew(own: str) -> None:
    role = {"use": f"{own}:draws", "before": "user"}
    changes = {"roles": {"mine": role}, "simulation.rollouts": {"count": 3}}
    wanted = config(turns=2, check_ledger=False).updated(changes, source="test")
    model = scripted_model(varied)
    tree = grow(wanted, model=model)
    context = make_context(wanted, models(wanted, model), CallLog())
    rolled, again = (asyncio.run(roll_out(tree, context)) for _ in range(2))
    assert rolled == again
    numbers = [node.notes["mine"] for node in rolled.users]
    assert len(numbers) > len(tree.users)
    assert len({str(each) for each in numbers}) == len(numbers)
