import asyncio

import pytest

from aloe.agents.marker import MarkerByAuthor, RuleMarker
from aloe.agents.rule_user import BACK_TO, QUESTIONS
from aloe.players import RULE
from aloe.schema import Disclosure, UserNode


class AskedError(Exception):
    """The model was asked."""


class Model:
    async def induce(self, tree: str, user: UserNode) -> tuple[Disclosure, ...]:
        raise AskedError


def say(*sentences: str, agent: str = RULE) -> UserNode:
    return UserNode.of(None, " ".join(sentences), tree="t", turn=1, agent=agent)


def mark(message: UserNode) -> list[str]:
    marker = MarkerByAuthor(model=Model(), rule=RuleMarker())
    return [told.quote for told in asyncio.run(marker.induce("t", message))]


def test_what_a_rule_said_is_marked_by_rule() -> None:
    told = ("I mend bicycles.", "Where's the list?")  # a remark may be a question
    assert mark(say(*told, QUESTIONS[0])) == [*told]
    assert mark(say(told[0], f"{BACK_TO} {QUESTIONS[1]}")) == [told[0]]
    assert mark(say(QUESTIONS[2])) == []


def test_what_a_model_or_a_role_said_is_marked_by_a_model() -> None:
    for message in (
        say("I mend bicycles.", agent="user"),
        say("I mend bikes, mostly.").model_copy(update={"former": ("id-of-what-the-rule-said",)}),
    ):
        with pytest.raises(AskedError):
            mark(message)
