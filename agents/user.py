"""The simulated user: plays a persona and reveals it bit by bit.

The manner of the persona is in force from the start; its facts come on the table one a turn, in an
order drawn from the tree's seed, and the simulator is only ever told facts that are on the table.
So it cannot blurt out the rest, and what the user could have revealed by turn k is known exactly.

Models trained to help answer as the assistant sooner or later, so the prompt for all but the
smallest shows them the chat as a text to go on with, and the note next to the order. The smallest
only go on with turns: for them the roles are flipped, and they write as "assistant" in answer to
the assistant's words. Either prompt opens with what is the same for everybody, and its account of
the chat only grows from turn to turn, so that a server's prefix cache holds.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from aloe.agents.faults import Part, tidied, user_faults
from aloe.agents.mood import MANNERS, mood_of, taken_back, with_typos
from aloe.agents.prompt import Prompt, chosen, shipped
from aloe.agents.prompt_size import prompt_for
from aloe.agents.reader import Reader
from aloe.agents.repairs import REPAIRS
from aloe.agents.transcript import Turns, as_text
from aloe.calls.log import CallLog
from aloe.config import Config, Mood
from aloe.errors import CallError
from aloe.memory.disclosures import order_facts
from aloe.memory.words import find_content_words
from aloe.models.open import Message, Model
from aloe.schema import SPOILING, Fact, Fault, Persona, UserNode, derive_seed, sentences

TRIES = 3
"""Samples asked for until one is without fault."""

NOTE = "Note:"
"""Opens a fact in the prompt; where the model goes on with a note of its own, it is cut off."""

UNSAID = "(That left the note out. Begin with the note.)"
"""What the model is told when it is asked again for a message without its note."""
UNSAID_SHARE = 0.3
"""Share of a note's content words that a message has to have. Of 134 turns of the corpus of user
turns that tell a note in a person's own words, 29 have less: asking those again costs a call."""

_FIRST = re.compile(r"\b(?:I|me|my|mine|we|us|our)\b|\bI'", re.IGNORECASE)
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
    reader: Reader | None = None
    """Reads what the rules let pass; None: nobody does."""
    moods: tuple[Mood, ...] = ()
    """What the mood of a tree is drawn from; empty for none."""

    @classmethod
    def of(
        cls, config: Config, model: Model, calls: CallLog, *, reader: Model | None = None
    ) -> Self:
        """Return the user that `config` describes; `reader` is the model of a second reader.

        Raises:
            ConfigError: a custom prompt cannot be used.
        """
        return cls(
            model=model,
            calls=calls,
            prompt=prompt_for("user", config, config.models.user),
            window=config.simulation.user_window,
            most_words=config.simulation.user_words,
            moods=config.simulation.moods,
            reader=Reader(model=reader, calls=calls, prompt=chosen("reader", config.prompts))
            if reader
            else None,
        )

    async def speak(self, persona: Persona, tree: str, path: Turns) -> UserNode:
        """Write the user message that follows `path` (empty: the opening message).

        Raises:
            CallError: the call failed, or the model said nothing in `TRIES` samples.
        """
        parent = path[-1].id if path else None
        turn = len(path) // 2 + 1
        part = self._part(persona, tree)
        best: UserNode | None = None
        repaired: list[Fault] = []
        reason: str | None = None
        for attempt in range(TRIES):
            messages = self._messages(persona, tree, path, reason)
            async with self.calls.call("user", self.model, tree=tree, node=parent) as call:
                seed = derive_seed("user", tree, parent, attempt)
                reply = await call.ask(messages, seed=seed)
                said = _NEXT_NOTE.split(tidied(reply))[0].strip()
                text = self._as_written(said, tree, seed)
                earlier = [node.content for node in path]
                faults = user_faults(said, reply, earlier, most_words=self.most_words, part=part)
                unsaid = attempt == 0 and self._leaves_out(said, persona, tree, turn)
                call.event.outcome = faults[0] if faults else "no_note" if unsaid else "ok"
                node = UserNode.of(parent, text, tree=tree, turn=turn, faults=faults)
                call.event.node = node.id
            if not SPOILING & set(faults) and await self._doubted(persona, tree, path, node):
                faults = ("doubted", *faults)
                node = node.model_copy(update={"faults": faults})
            if not faults and not unsaid:
                return node.model_copy(update={"repaired": tuple(repaired)})
            repaired += faults[:1]
            reason = REPAIRS[faults[0]].reason if faults else UNSAID
            if text and (best is None or _badness(faults) < _badness(best.faults)):
                best = node
        if best is None:
            raise CallError(f"{self.model.name}: {_silence(repaired)}")
        return best

    def done(self, persona: Persona, user: UserNode) -> bool:
        """Whether the conversation has come to its end: a farewell, or nothing is left to tell."""
        told = sum(fact.kind == "fact" for fact in persona.facts)
        return user.turn >= told or bool(_FAREWELL.search(user.content))

    async def _doubted(self, persona: Persona, tree: str, path: Turns, node: UserNode) -> bool:
        """Whether a second reader, where there is one, takes a message for somebody else's."""
        if self.reader is None:
            return False
        earlier = [each.content for each in path]
        return await self.reader.doubts(persona, earlier, node.content, tree=tree, node=node.id)

    @property
    def _reads(self) -> bool:
        """Whether the prompt shows the chat as a text."""
        return "history" in self.prompt.fields

    def _leaves_out(self, text: str, persona: Persona, tree: str, turn: int) -> bool:
        """Whether a message has next to none of its note's words; only full prompts are so strict.

        Words that it says of somebody else ("you are looking for a home?") tell the note of nobody.
        People paraphrase, so this is no fault, and the first draft alone is asked again for it.
        """
        facts = order_facts(persona, tree)
        if not self._reads or turn > len(facts):
            return False
        note = facts[turn - 1].text
        own = _FIRST.search(note) is not None
        said = (each for each in sentences(text) if _FIRST.search(each) or not own)
        words = find_content_words(note)
        return len(words & find_content_words(" ".join(said))) < UNSAID_SHARE * len(words)

    def _part(self, persona: Persona, tree: str) -> Part:
        contradictory = mood_of(self.moods, tree) == "contradictory"
        return Part.of(persona, self.prompt, contradictory=contradictory)

    def _as_written(self, text: str, tree: str, seed: int) -> str:
        return with_typos(text, seed) if mood_of(self.moods, tree) == "typos" else text

    def _messages(
        self, persona: Persona, tree: str, path: Turns, reason: str | None
    ) -> list[Message]:
        facts, mood = order_facts(persona, tree), mood_of(self.moods, tree)
        manner = " ".join(filter(None, (persona.personality, MANNERS.get(mood) if mood else None)))
        contradictory = mood == "contradictory"
        exchanges = len(path) // 2
        first = 0 if self.window is None else max(0, exchanges - self.window)
        if self._reads:
            # The last reply is always read, as where roles are flipped.
            said = path[2 * first :] or path[-1:]
            note = _note(facts, exchanges, contradictory=contradictory)
            note = "\n\n".join(filter(None, (reason, note)))
            return self.prompt.render(personality=manner, history=as_text(said), note=note)
        *messages, (_, introduction) = self.prompt.render(personality=manner)
        for turn in range(first, exchanges + 1):
            parts = [introduction] if turn == first else []
            parts += [path[2 * turn - 1].content] if turn else []
            parts += [reason] if reason and turn == exchanges else []
            parts.append(_note(facts, turn, contradictory=contradictory))
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
