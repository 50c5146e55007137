"""The user of a verifiable persona, by rule: what can be judged exactly is also said exactly.

Wishes that a program checks are worth little if a model has to voice them and may not. So this
user says one fact of its life a turn, in the order of every simulated user, and about the replies
what `memory.verifiable.next_words` says: the first wish that was just broken, else one not yet
said. No model is called, and two candidates that answer alike hear the same.
"""

from agents.transcript import Path
from aloe.schema import Persona, UserNode
from memory.ledger import facts_in_order
from memory.verifiable import next_words

NAME = "rule"
"""What nodes call it."""

QUESTIONS = (
    "What should I do today?",
    "What would you try first?",
    "How do I go on from there?",
    "What else is worth a thought?",
)


class RuleUser:
    """Writes the messages of a verifiable persona."""

    async def speak(self, persona: Persona, tree: str, path: Path) -> UserNode:
        """Write the user message that follows `path` (empty: the opening message)."""
        turn = len(path) // 2 + 1
        facts = facts_in_order(persona, tree)
        texts = [node.content for node in path[::2]]
        parts = [
            facts[turn - 1].text if turn <= len(facts) else "",
            next_words(persona, texts, path[-1].content if path else None),
            QUESTIONS[(turn - 1) % len(QUESTIONS)],
        ]
        return UserNode.of(
            path[-1].id if path else None,
            " ".join(filter(None, parts)),
            tree=tree,
            turn=turn,
            agent=NAME,
        )
