"""One turn of a conversation with a person: a message, the replies to it, what was preferred."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from aloe.agents.judge import Comparison
from aloe.errors import AloeError
from aloe.memory.disclosures import default_checker
from aloe.schema import (
    AssistantNode,
    Disclosure,
    Node,
    Persona,
    UserNode,
    Verdict,
    Vote,
    sentences,
)
from aloe.verdict import HUMAN as HUMAN

NAMES = ("model", "beside")
"""What trees call the two who answer, after the options that name their models."""

Choice = Literal["1", "2", "tie"]
"""The reply that is preferred, by its place on the screen."""

Checked: TypeAlias = tuple[UserNode, list[AssistantNode]]
"""A message and the replies to it, held against a persona."""


class ChatError(AloeError):
    """What was asked for makes no sense at this point of the conversation."""


@dataclass(kw_only=True)
class ChatTurn:
    """One message of the person, and what came of it."""

    user: UserNode
    before: "ChatTurn | None"
    """The turn that it follows; None opens the conversation."""
    order: tuple[str, ...]
    """Who answers, in the order in which the replies are shown."""
    replies: dict[str, AssistantNode] = field(default_factory=dict)
    """By name; those who failed are missing."""
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by name."""
    verdict: Verdict | None = None
    marked: bool = False
    """Whether a model has marked what the message tells."""
    checked: bool = False
    """Whether the replies that are there were held against the persona."""
    named: bool = True
    """Whether the person knows who wrote which reply."""

    @property
    def path(self) -> tuple[Node, ...]:
        """What was said before."""
        return self.before.said if self.before else ()

    @property
    def in_order(self) -> list[AssistantNode | None]:
        """The replies as they are shown; None for one that is missing."""
        return [self.replies.get(name) for name in self.order]

    @property
    def goes_on(self) -> AssistantNode | None:
        """The reply that the conversation goes on with: the preferred one, or the first."""
        shown = [self.replies[name] for name in self.order if name in self.replies]
        if self.verdict and self.verdict.preferred:
            return next(each for each in shown if each.id == self.verdict.preferred)
        return next((each for each in shown if each.content), shown[0] if shown else None)

    @property
    def said(self) -> tuple[Node, ...]:
        """What was said up to the reply that the conversation goes on with."""
        last = (self.goes_on,) if self.goes_on else ()
        return (*self.path, self.user, *last)

    def take_marked(self, found: Iterable[Disclosure]) -> None:
        """Take in the sentences that a model marked, beside those that rules have."""
        told = {each.quote for each in (*self.user.revealed, *found)}
        said = dict.fromkeys(each for each in sentences(self.user.content) if each in told)
        revealed = tuple(Disclosure(quote=each) for each in said)
        self.user = self.user.model_copy(update={"revealed": revealed})
        self.marked = True

    def hold_against(self, persona: Persona, tree: str) -> Checked:
        """Return message and replies with what of them fits the persona; changes nothing."""
        replies = [self.replies[name] for name in self.order if name in self.replies]
        return default_checker().check(persona, tree, self.path, self.user, replies)

    def take_checked(self, found: Checked) -> None:
        """Take in what `hold_against` found."""
        self.user, replies = found
        self.replies |= {each.agent: each for each in replies}
        self.checked = True

    def judge(self, persona: Persona, tree: str, choice: Choice) -> Verdict:
        """Return the person's verdict; replies that are the same, or empty, need none.

        Raises:
            ChatError: there are no two replies to compare.
        """
        if len(self.order) < len(NAMES):
            raise ChatError("only one model answers here; --beside names another to compare with")
        if len(self.replies) < len(NAMES):
            raise ChatError("there are no two replies to compare")
        first, second = (self.replies[name] for name in NAMES)
        asked = Comparison(
            persona=persona, tree=tree, path=self.path, user=self.user, first=first, second=second
        )
        if asked.settled:
            return asked.verdict(asked.settled)
        swapped = self.order != NAMES
        sides: tuple[Literal["first"], Literal["second"]] = ("first", "second")
        outcome = "tie" if choice == "tie" else sides[(int(choice) - 1) ^ swapped]
        order: Literal["first-second", "second-first"] = (
            "second-first" if swapped else "first-second"
        )
        vote = Vote(judge=HUMAN, order=order, raw=choice, choice=outcome)
        return asked.verdict(outcome, (vote,))
