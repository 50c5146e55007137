"""The simulated user: plays a persona and reveals it bit by bit.

The manner of the persona is in force from the start; its facts come on the table one a turn, in an
order drawn from the tree's seed, and the simulator is only ever told facts that are on the table.
So it cannot blurt out the rest, and what the user could have revealed by turn k is known exactly.
For the user agent the roles are flipped: it writes as "assistant" in answer to the assistant's
words. Its prompt opens with what is the same for everybody and then only grows from turn to turn,
so that a server's prefix cache holds across personas and turns.
"""

import re
from dataclasses import dataclass, field

from agents.faults import tidied, user_faults
from agents.mood import MANNERS, mood_of, taken_back, with_typos
from agents.prompt import Prompt, shipped
from agents.transcript import Path
from aloe.calls import CallLog
from aloe.config import Mood
from aloe.errors import CallError
from aloe.models import Message, Model
from aloe.schema import Fact, Fault, Persona, UserNode, derived_seed
from memory.ledger import facts_in_order

TRIES = 3
"""Samples asked for until one is without fault."""

NOTE = "Note:"
"""Opens a fact in the prompt; where the model goes on with a note of its own, it is cut off."""


REASONS: dict[Fault, str] = {
    "empty": "(Nothing was written. Write the person's message.)",
    "only_reasoning": "(Only thoughts were written. Write the person's message at once.)",
    "role_confusion": "(That was the assistant speaking. Write as the person.)",
    "narration": "(No stage directions: write only what the person types.)",
    "echo": "(That was said before. Write something new.)",
    "over_long": "(That was too long. Write two short sentences.)",
    "truncated": "(That was too long. Write one short sentence.)",
    "filtered": "(A filter cut that off. Write it in milder words.)",
    "failed": "(That broke off. Write one whole message.)",
}
"""What the user is told when asked again; it stands late, so that a prefix cache still holds."""

_FAREWELL = re.compile(
    r"\b(?:good-?bye|bye|that(?:'s| is| was) all (?:I|for)"
    r"|I(?: have|'ve got) (?:all|what) I need)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class UserAgent:
    """Writes the user's messages."""

    model: Model
    calls: CallLog
    prompt: Prompt = field(default_factory=lambda: shipped("user"))
    window: int | None = None
    """Past exchanges that it rereads; None for all."""
    most_words: int = 60
    """A message with more words is over-long."""
    moods: tuple[Mood, ...] = ()
    """What the mood of a tree is drawn from; empty for none."""

    async def speak(self, persona: Persona, tree: str, path: Path) -> UserNode:
        """Write the user message that follows `path` (empty: the opening message).

        Raises:
            CallError: the call failed, or the model said nothing in `TRIES` samples.
        """
        parent = path[-1].id if path else None
        turn = len(path) // 2 + 1
        best: UserNode | None = None
        repaired: list[Fault] = []
        for attempt in range(TRIES):
            messages = self._messages(persona, tree, path, repaired[-1] if repaired else None)
            async with self.calls.call("user", self.model, tree=tree, node=parent) as call:
                seed = derived_seed("user", tree, parent, attempt)
                reply = await call.ask(messages, seed=seed)
                text = self._as_written(tidied(reply).partition(NOTE)[0].strip(), tree, seed)
                faults = user_faults(
                    text, reply, (node.content for node in path), most_words=self.most_words
                )
                call.event.outcome = faults[0] if faults else "ok"
                node = UserNode.of(parent, text, tree=tree, turn=turn, faults=faults)
                call.event.node = node.id
            if not faults:
                return node.model_copy(update={"repaired": tuple(repaired)})
            repaired.append(faults[0])
            if text and (best is None or len(faults) < len(best.faults)):
                best = node
        if best is None:
            raise CallError(f"{self.model.name}: {_silence(repaired)}")
        return best

    def done(self, persona: Persona, user: UserNode) -> bool:
        """Whether the conversation has come to its end: a farewell, or nothing is left to tell."""
        told = sum(fact.kind == "fact" for fact in persona.facts)
        return user.turn >= told or bool(_FAREWELL.search(user.content))

    def _as_written(self, text: str, tree: str, seed: int) -> str:
        return with_typos(text, seed) if mood_of(self.moods, tree) == "typos" else text

    def _messages(
        self, persona: Persona, tree: str, path: Path, fault: Fault | None
    ) -> list[Message]:
        facts, mood = facts_in_order(persona, tree), mood_of(self.moods, tree)
        manner = " ".join(filter(None, (persona.personality, MANNERS.get(mood) if mood else None)))
        *messages, (_, introduction) = self.prompt.render(personality=manner)
        exchanges = len(path) // 2
        first = 0 if self.window is None else max(0, exchanges - self.window)
        for turn in range(first, exchanges + 1):
            parts = [introduction] if turn == first else []
            parts += [path[2 * turn - 1].content] if turn else []
            parts += [REASONS[fault]] if fault and turn == exchanges else []
            parts.append(_note(facts, turn, contradictory=mood == "contradictory"))
            messages.append(("user", "\n\n".join(parts)))
            if turn < exchanges:
                messages.append(("assistant", path[2 * turn].content))
        return messages


def _silence(faults: list[Fault]) -> str:
    """Return in words what came of a user who never said anything."""
    if "only_reasoning" not in faults:
        return f"the user said nothing in {TRIES} tries"
    return (
        f"the user only reasoned in {TRIES} tries; raise its max_tokens or switch its reasoning off"
    )


def _note(facts: list[Fact], turn: int, *, contradictory: bool) -> str:
    """Return what the user is told at `turn` (from 0)."""
    told = [facts[turn].text] if turn < len(facts) else []
    if contradictory and turn % 2 and turn <= len(facts):
        told.append(taken_back(facts[turn - 1].text))
    return " ".join([NOTE, *told]) if told else "(No new note.)"
