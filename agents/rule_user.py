"""The user of a verifiable persona, by rule: what can be judged exactly is also said exactly.

Wishes that a program checks are worth little if a model has to voice them and may not. So this
user says one fact of its life a turn, in the order of every simulated user, and about the replies
what `aloe.memory.verifiable.talk.react` says: the first wish that was just broken, else one not yet
said. No model is called, and two candidates that answer alike hear the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aloe.agents.transcript import Turns
from aloe.memory.disclosures import order_facts
from aloe.memory.verifiable.talk import react
from aloe.schema import Persona, UserNode, derive_seed

NAME = "rule"
"""What nodes call it."""

QUESTIONS = (
    "What should I do today?",
    "What would you try first?",
    "What makes a good breakfast?",
    "How do I get more sleep?",
    "What could I give a friend?",
    "Where would you spend a free day?",
    "How do I tidy a full cupboard?",
    "What is a good habit to begin with?",
    "How do I make a room warmer?",
    "What can I learn in a month?",
    "How do I write a good letter?",
    "What helps on a bad day?",
    "How do I save a little money?",
    "What should I cook tonight?",
    "How do I get on with my neighbours?",
    "What is worth repairing?",
    "How do I plan a short trip?",
    "What could I plant this season?",
    "How do I stop putting things off?",
    "What is a good way to move more?",
)
"""What a message ends with, unless others are given. The proof trains on others, so that these
stay new to the models that it tests."""


@dataclass(frozen=True, kw_only=True)
class RuleUser:
    """Writes the messages of a verifiable persona."""

    questions: Sequence[str] = QUESTIONS
    """Asked in turn, from a place that the tree decides."""

    async def speak(self, persona: Persona, tree: str, path: Turns) -> UserNode:
        """Write the user message that follows `path` (empty: the opening message)."""
        turn = len(path) // 2 + 1
        facts = order_facts(persona, tree)
        texts = [node.content for node in path[::2]]
        first = derive_seed("question", tree)
        parts = [
            facts[turn - 1].text if turn <= len(facts) else "",
            react(persona, texts, path[-1].content if path else None),
            self.questions[(first + turn - 1) % len(self.questions)],
        ]
        return UserNode.of(
            path[-1].id if path else None,
            " ".join(filter(None, parts)),
            tree=tree,
            turn=turn,
            agent=NAME,
        )

    def done(self, persona: Persona, user: UserNode) -> bool:
        """Whether there is nothing left to tell."""
        told = sum(fact.kind == "fact" for fact in persona.facts)
        return user.turn >= max(told, len(persona.preferences))
