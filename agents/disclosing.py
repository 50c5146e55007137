"""What a user puts on the table, decided before a word of it is written.

Every kind of user asks here: models and rules, in simulations, benchmarks and training. So what a
question is worth does not depend on who plays the user, and a model that plays one is told no more
than what it is to say now.

The decision is a function of the conversation: chance comes from the tree's seed, the turn and the
words of the last reply, and what was told before is read from the path. So replies that say the
same hear the same, and a conversation that is taken up in another process goes on alike.
"""

import random
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

from aloe.agents.transcript import Turns
from aloe.calls.sample import vary_seed
from aloe.config import Disclosing, UserConfig
from aloe.errors import ConfigError
from aloe.memory.cached_embedder import CachedEmbedder
from aloe.memory.disclosures import DisclosureChecker, order_facts, tells
from aloe.memory.embedder import open_embedder
from aloe.memory.question_matcher import QuestionMatcher, find_open
from aloe.memory.questions import find_questions_in
from aloe.memory.verifiable.asking import OPEN, find_asked
from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.phrases import find_stated
from aloe.memory.words import is_about_speaker
from aloe.schema import Asked, Node, Persona, Telling, UserNode, Why, derive_seed

_OFFER = re.compile(
    r"\b(?:anything|something) else\b|\belse (?:can|could|may) I\b|\blike to know\b"
    r"|\b(?:can|could|may) I (?:\w+ )?(?:help|assist|do)\b"
    r"|\b(?:shall|should) I (?:explain|elaborate|continue|go on|begin|start)\b",
    re.IGNORECASE,
)
"""Questions with which replies end, which ask nothing of who the user is."""
_TEACHES = re.compile(r"\blike to know\b", re.IGNORECASE)
"""Questions that offer to say more of their topic, even if that is lists or examples."""
_CLAUSE = re.compile(r"[^.,;:!?]+[.,;:!?]?")

HELP_WORDS = 15
"""Words outside its questions from which a reply helps, whatever it asks."""
PATIENCE = 2
"""Replies in a row that only ask, after which a user asks for the answer."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """What the next message of a user does."""

    told: tuple[Telling, ...] = ()
    """What it puts on the table for the first time."""
    asked: Asked | None = None
    """What the question of the reply before comes to."""
    repeats: str | None = None
    """What it says again, for it was asked for or gone against again."""
    presses: bool = False
    """Whether it asks for the answer, for the replies before only asked."""


class Matter(Protocol):
    """What a user can tell of themselves: ids, and where they come up."""

    @property
    def upcoming(self) -> Sequence[str]:
        """What comes up without being asked for, in this order."""

    def find_said(self, user: UserNode) -> Collection[str]:
        """Return what a message says."""

    def find_asked(self, question: str) -> Sequence[str] | None:
        """Return what answers a question, the likeliest first; None if it is not about the user.

        Nothing answers a question about what the user does not care about.
        """

    def find_opposed(self, reply: str) -> Sequence[str]:
        """Return what a reply goes against."""


@dataclass(frozen=True, kw_only=True)
class CheckableWishes:
    """The wishes of a persona that a program can check, by dimension."""

    persona: Persona

    @property
    def upcoming(self) -> Sequence[str]:
        """The dimensions that the persona cares about, in its order."""
        return tuple(self.persona.preferences)

    def find_said(self, user: UserNode) -> Collection[str]:
        """Return the wishes that a message was to tell or states.

        Who changes their mind in the middle of a talk has said the other value only, and that does
        not count.
        """
        stated = find_stated(user.content)
        told = {each.about for each in user.told}
        return {
            name
            for name, value in self.persona.preferences.items()
            if (stated[name] == value if name in stated else name in told)
        }

    def find_asked(self, question: str) -> Sequence[str] | None:
        """Return the dimension that a question is about, all if it is open.

        "Should I start with a hello?" asks about a wish, though offers of help begin like that; an
        offer of help names no wish.
        """
        asked = find_asked(question)
        if asked is None or _TEACHES.search(question):
            return None
        return [name for name in self.upcoming if asked in (name, OPEN)]

    def find_opposed(self, reply: str) -> Sequence[str]:
        """Return the wishes that a reply breaks: an empty one, those that miss something in it."""
        wishes = self.persona.preferences.items()
        return [name for name, value in wishes if not find_wish(name, value).kept(reply)]


@dataclass(frozen=True, kw_only=True)
class Statements:
    """The statements of a persona in free text: its facts of life come up, its traits do not.

    A trait is how somebody is, and people do not announce that: it is told only where it is asked
    for or gone against.
    """

    persona: Persona
    tree: str
    matcher: QuestionMatcher
    checker: DisclosureChecker

    @cached_property
    def upcoming(self) -> Sequence[str]:
        """Ids of the facts of life, in the order that the tree draws."""
        return tuple(fact.id for fact in order_facts(self.persona, self.tree))

    def find_said(self, user: UserNode) -> Collection[str]:
        """Return what a message was to tell."""
        return {each.about for each in user.told}

    def find_asked(self, question: str) -> Sequence[str] | None:
        """Return the statement that answers a question, all of its kind if it is open.

        Nothing tells an offer of help from a question about the user but the words it begins with.
        """
        if _OFFER.search(question):
            return None
        if kind := find_open(question):
            traits = [fact.id for fact in self.persona.facts if fact.kind == "trait"]
            return self.upcoming if kind == "fact" else traits
        found = self.matcher.match(question, self.persona.facts)
        return [found.id] if found else None

    def find_opposed(self, reply: str) -> Sequence[str]:
        """Return the statements that a reply gets wrong when it speaks of the user."""
        return [fact.id for fact in self.checker.find_opposed(reply, self.persona.facts)]


@cache
def open_matcher(embedder: str) -> QuestionMatcher:
    """Return what matches questions to statements, on the embedder of that name.

    Raises:
        ConfigError: there is no such embedder, or the matcher was not set for it.
    """
    return QuestionMatcher(CachedEmbedder(open_embedder(embedder)))


def schedule_fact(persona: Persona, tree: str, turn: int) -> tuple[Telling, ...]:
    """Return the fact of life whose turn, counted from 1, has come; nothing after the last."""
    facts = order_facts(persona, tree)[turn - 1 : turn]
    return tuple(Telling(about=fact.id, why="scheduled") for fact in facts)


def note_told(persona: Persona, path: Turns) -> list[Node]:
    """Return a path of plain messages with a note on each of what its words tell in free text.

    Clauses in which the user asks something tell nothing: who wonders what to cook has not said
    that they cook.
    """

    def noted(user: UserNode) -> UserNode:
        clauses = (each for each in _CLAUSE.findall(user.content) if not each.endswith("?"))
        said = " ".join(each for each in clauses if is_about_speaker(each))
        told = [fact.id for fact in persona.facts if tells(said, fact)]
        tellings = tuple(Telling(about=each, why="scheduled") for each in told)
        return user.model_copy(update={"told": tellings})

    return [noted(node) if isinstance(node, UserNode) else node for node in path]


def texts_of_user(path: Iterable[Node]) -> list[str]:
    """Return the messages of the user on a path."""
    return [node.content for node in path if isinstance(node, UserNode)]


def find_known(matter: Matter, path: Turns) -> set[str]:
    """Return what the user has said on a path."""
    users = (node for node in path if isinstance(node, UserNode))
    return {each for user in users for each in matter.find_said(user)}


def choose_act(matter: Matter, tree: str, path: Turns, config: UserConfig) -> Act:
    """Return what the user does who speaks after `path`.

    Whoever does not go by the schedule answers the first question that is about them, and leaves it
    at that. Else a user says what the reply goes against, or what comes next: a reticent one seldom
    does either.

    Args:
        matter: what there is to tell.
        tree: id of the tree, from whose seed chance comes.
        path: the conversation so far; empty: the user opens it.
        config: when users tell something.
    """
    return _Choice(matter=matter, tree=tree, path=path, config=config).act()


@dataclass(frozen=True, kw_only=True)
class _Choice:
    matter: Matter
    tree: str
    path: Turns
    config: UserConfig

    @cached_property
    def known(self) -> set[str]:
        return find_known(self.matter, self.path)

    @property
    def _reply(self) -> str:
        return self.path[-1].content if self.path else ""

    def act(self) -> Act:
        if self.path and self.config.disclosure != "schedule":
            if only_asked(self.path):
                return Act(presses=True)
            for question in find_questions_in(self._reply, texts_of_user(self.path)):
                if (asked := self.matter.find_asked(question)) is not None:
                    return self._answer(asked)
        reticent = self.config.disclosure == "reticent"
        seed = derive_seed("disclosure", self.tree, len(self.path), self._reply)
        rng = random.Random(vary_seed(seed))
        complains, volunteers = (
            rng.random() < chance for chance in (self.config.complains, self.config.volunteers)
        )
        opposed: Sequence[str] = ()
        if self.path and (complains or not reticent):
            opposed = self.matter.find_opposed(self._reply)
        coming = self._unsaid(self.matter.upcoming) if volunteers or not reticent else []
        if unsaid := self._unsaid(opposed):
            return self._tell(unsaid[0], "contradicted")
        if opposed and not (coming and self.config.disclosure == "answering"):
            return Act(repeats=opposed[0])
        if coming:
            return self._tell(coming[0], "volunteered" if reticent else "scheduled")
        return Act()

    def _answer(self, asked: Sequence[str]) -> Act:
        if unsaid := self._unsaid(asked):
            return self._tell(unsaid[0], "asked")
        return Act(asked="again", repeats=asked[0]) if asked else Act(asked="indifferent")

    def _tell(self, about: str, why: Why) -> Act:
        reply = self.path[-1].id if why in ("asked", "contradicted") else None
        told = (Telling(about=about, why=why, reply=reply),)
        return Act(told=told, asked="told" if why == "asked" else None)

    def _unsaid(self, ids: Iterable[str]) -> list[str]:
        return [each for each in ids if each not in self.known]


def only_asked(path: Turns) -> bool:
    """Whether the last replies of a path only ask and do not help."""
    replies = path[1::2][-PATIENCE:]
    return len(replies) == PATIENCE and all(_only_asks(node.content) for node in replies)


def _only_asks(reply: str) -> bool:
    questions = find_questions_in(reply)
    beside = len(reply.split()) - sum(len(each.split()) for each in questions)
    return bool(questions) and beside < HELP_WORDS


def check_users(personas: Iterable[Persona], disclosure: Disclosing, embedder: str) -> None:
    """Make sure that users who are to answer questions can.

    Args:
        personas: who they are.
        disclosure: when they tell something.
        embedder: name of what matches questions to statements in free text.

    Raises:
        ConfigError: a persona states nothing, there is no such embedder, or the matcher was not set
            for it.
    """
    if disclosure == "schedule":
        return
    for persona in personas:
        if not (persona.facts or persona.preferences):
            raise ConfigError(
                f'user.disclosure is "{disclosure}", and persona {persona.id} states nothing that '
                "could be asked for; give it a profile or a personality of whole sentences"
            )
        if not persona.preferences:
            open_matcher(embedder)
