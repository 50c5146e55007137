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
from typing import Self

from aloe.agents.faults import Part, tidied, user_faults
from aloe.agents.mood import MANNERS, mood_of, taken_back, with_typos
from aloe.agents.prompt import Prompt, chosen, shipped
from aloe.agents.repairs import REPAIRS
from aloe.agents.transcript import Path
from aloe.calls.log import CallLog
from aloe.config import Config, Mood
from aloe.errors import CallError
from aloe.memory.disclosures import facts_in_order
from aloe.models.open import Message, Model
from aloe.schema import SPOILING, Fact, Fault, Persona, UserNode, derive_seed

TRIES = 3
"""Samples asked for until one is without fault."""

NOTE = "Note:"
"""Opens a fact in the prompt; where the model goes on with a note of its own, it is cut off."""

_NEXT_NOTE = re.compile(rf"\n\s*{NOTE}")

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

    @classmethod
    def of(cls, config: Config, model: Model, calls: CallLog) -> Self:
        """Return the user that `config` describes.

        Raises:
            ConfigError: a prompt of the user's own cannot be used.
        """
        return cls(
            model=model,
            calls=calls,
            prompt=chosen("user", config.prompts),
            window=config.simulation.user_window,
            most_words=config.simulation.user_words,
            moods=config.simulation.moods,
        )

    async def speak(self, persona: Persona, tree: str, path: Path) -> UserNode:
        """Write the user message that follows `path` (empty: the opening message).

        Raises:
            CallError: the call failed, or the model said nothing in `TRIES` samples.
        """
        parent = path[-1].id if path else None
        turn = len(path) // 2 + 1
        part = self._part(persona, tree)
        best: UserNode | None = None
        repaired: list[Fault] = []
        for attempt in range(TRIES):
            messages = self._messages(persona, tree, path, repaired[-1] if repaired else None)
            async with self.calls.call("user", self.model, tree=tree, node=parent) as call:
                seed = derive_seed("user", tree, parent, attempt)
                reply = await call.ask(messages, seed=seed)
                said = _NEXT_NOTE.split(tidied(reply))[0].strip()
                text = self._as_written(said, tree, seed)
                earlier = [node.content for node in path]
                faults = user_faults(said, reply, earlier, most_words=self.most_words, part=part)
                call.event.outcome = faults[0] if faults else "ok"
                node = UserNode.of(parent, text, tree=tree, turn=turn, faults=faults)
                call.event.node = node.id
            if not faults:
                return node.model_copy(update={"repaired": tuple(repaired)})
            repaired.append(faults[0])
            if text and (best is None or _badness(faults) < _badness(best.faults)):
                best = node
        if best is None:
            raise CallError(f"{self.model.name}: {_silence(repaired)}")
        return best

    def done(self, persona: Persona, user: UserNode) -> bool:
        """Whether the conversation has come to its end: a farewell, or nothing is left to tell."""
        told = sum(fact.kind == "fact" for fact in persona.facts)
        return user.turn >= told or bool(_FAREWELL.search(user.content))

    def _part(self, persona: Persona, tree: str) -> Part:
        told = self.prompt.render(personality="")[0]
        return Part(
            persona=persona,
            instructions=told[1] if told[0] == "system" else "",
            contradictory=mood_of(self.moods, tree) == "contradictory",
        )

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
            parts += [REPAIRS[fault].reason] if fault and turn == exchanges else []
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


def _badness(faults: tuple[Fault, ...]) -> tuple[bool, int]:
    """Return what to choose the best of faulty messages by: what spoils is worse than any count."""
    return bool(SPOILING & set(faults)), len(faults)


def _note(facts: list[Fact], turn: int, *, contradictory: bool) -> str:
    """Return what the user is told at `turn` (from 0)."""
    told = [facts[turn].text] if turn < len(facts) else []
    if contradictory and turn % 2 and turn <= len(facts):
        told.append(taken_back(facts[turn - 1].text))
    return " ".join([NOTE, *told]) if told else "(No new note.)"
