"""The ways in which users of simulators say that a user fails, each faulty on every try.

Driven through the user's node of a real tree: what is wrong is seen and asked for again with its
reason, and neither SFT nor DPO gets any of it; or what stood around the message is taken away.
"""

import json
from collections import Counter
from dataclasses import dataclass, field

import pytest
from builders import config, grow, scripted_model
from user_modes import MODES, PERSONA

from aloe.agents.repairs import REPAIRS
from aloe.agents.user import TRIES, UserAgent
from aloe.calls.log import CallLog
from aloe.schema import SPOILING, Persona, Tree, UserNode, Verdict
from aloe.training.export import ROWS

MENDED = {
    "thoughts in tags", "a harmony channel", "a chat token", "a fence", "quotes around it",
    "a tag around it",
}  # fmt: skip
"""What is taken away from around a message before anybody reads it."""


@dataclass
class Faulty:
    """Says the same at every try, and keeps what it was asked."""

    message: str
    asked: list[str] = field(default_factory=list)

    def __call__(self, messages, arguments) -> str:  # type: ignore[no-untyped-def]
        self.asked.append(messages[-1].text)
        return self.message


def played(faulty: Faulty) -> tuple[UserNode, Tree]:
    """Return the message that stays, and its tree with a preference, so that it could be learnt."""
    agent = UserAgent(model=scripted_model(faulty), calls=CallLog())
    tree = grow(config(turns=1), persona=Persona.of(*PERSONA), user=agent)
    said, one, two = tree.nodes
    assert isinstance(said, UserNode)
    verdict = Verdict(node=said.id, first=one.id, second=two.id, votes=(), outcome="first")
    return said, tree.model_copy(update={"verdicts": (verdict,)})


def exported(tree: Tree) -> str:
    return "".join(json.dumps(list(ROWS[each](tree, Counter()))) for each in ("sft", "dpo"))


def test_there_are_as_many_as_were_reported() -> None:
    assert len(MODES) == len(set(MODES.values())) == 43
    assert MODES.keys() > MENDED


@pytest.mark.parametrize("mode", sorted(MODES.keys() - MENDED))
def test_what_fails_is_asked_for_again_and_never_exported(mode: str) -> None:
    faulty = Faulty(MODES[mode])
    said, tree = played(faulty)
    assert SPOILING & set(said.faults)
    assert len(faulty.asked) == TRIES
    assert REPAIRS[said.faults[0]].reason in faulty.asked[1]
    assert REPAIRS[said.faults[0]].reason not in faulty.asked[0]
    assert exported(tree) == "[][]"


@pytest.mark.parametrize("mode", sorted(MENDED))
def test_what_stands_around_a_message_is_not_exported(mode: str) -> None:
    said, tree = played(Faulty(MODES[mode]))
    assert said.faults == ()
    assert said.content.startswith("Which oil")
    assert json.dumps(MODES[mode])[1:-1] not in exported(tree)
    assert json.dumps(said.content)[1:-1] in exported(tree)
