"""What roles get to see of a tree, and that nothing they do to it reaches the tree."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, config, grow
from pydantic_core import to_json

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
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_sight_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


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
