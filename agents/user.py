"""The simulated user: plays a persona and reveals it bit by bit.

What comes on the table, and when, is decided in `aloe.agents.disclosing`, and the simulator is only
ever told what is on the table. So it cannot blurt out the rest, and what the user could have
revealed by turn k is known exactly. By the schedule that is one fact of life a turn, with the
manner of the persona in force from the start. Who answers what is asked may be asked for a trait as
well, so there the manner is what was told of it.

Models trained to help answer as the assistant sooner or later, so the prompt for all but the
smallest shows them the chat as a text to go on with, and the note next to the order. The smallest
only go on with turns: for them the roles are flipped, and they write as "assistant" in answer to
the assistant's words. Either prompt opens with what is the same for everybody, and its account of
the chat only grows from turn to turn, so that a server's prefix cache holds.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from aloe.agents.disclosing import (
    Act,
    Statements,
    choose_act,
    find_known,
    open_matcher,
    schedule_fact,
    texts_of_user,
)
from aloe.agents.faults import Part, tidied, user_faults
from aloe.agents.mood import MANNERS, mood_of, taken_back, with_typos
from aloe.agents.prompt import Prompt, chosen, shipped
from aloe.agents.prompt_size import prompt_for
from aloe.agents.reader import Reader
from aloe.agents.repairs import REPAIRS
from aloe.agents.rewording import Rewording
from aloe.agents.rule_user import QUESTIONS
from aloe.agents.transcript import Turns, as_text
from aloe.calls.log import CallLog
from aloe.config import Config, Mood, UserConfig
from aloe.errors import CallError
from aloe.memory.disclosures import default_checker, order_facts
from aloe.memory.embedder import DEFAULT_EMBEDDER
from aloe.memory.questions import find_questions_in
from aloe.memory.words import find_content_words
from aloe.models.open import Message, Model
from aloe.schema import SPOILING, Fault, Persona, Telling, UserNode, derive_seed, sentences

TRIES = 3
"""Samples asked for until one has no fault."""

NOTE = "Note:"
"""Opens a fact in the prompt; where the model goes on with a note of its own, it is cut off."""

NO_NOTE = "(No new note.)"
PRESSES = "(No new note. The person is tired of questions and asks for the answer.)"
LEAVES_OPEN = "(No new note. The person leaves open what is asked and no note answers.)"
AGAIN = "(No new note. The person told this before and now says so:"
AGAINST = "(No new note. The reply goes against what the person told, and the person says so:"
WANTS = "(No new note. The person wants to know:"
"""What the model is told where there is nothing new to tell, the last three before a text."""
UNKNOWN = "Like anybody."
"""Manner of a person none of whose traits has been told yet."""

UNSAID = "(That left the note out. Begin with the note.)"
"""What the model is told when it is asked again for a message without its note."""
UNSAID_SHARE = 0.3
"""Share of a note's content words that a message has to have. Of 134 turns of the corpus of user
turns that tell a note in a person's own words, 29 have less: asking those again costs calls."""

Badness = tuple[bool, bool, int]
"""Whether a message spoils its branch, whether it leaves out its note, and its number of faults."""

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
    config: UserConfig = field(default_factory=UserConfig)
    """When it tells something."""
    embedder: str = DEFAULT_EMBEDDER
    """What matches questions to statements, where it answers them."""

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
            config=config.user,
            embedder=config.personas.embedder,
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
        act = await self._choose(persona, tree, path)
        notes = _texts(persona, act.told)
        best: tuple[Badness, UserNode] | None = None
        repaired: list[Fault] = []
        reason: str | None = None
        for attempt in range(TRIES):
            messages = self._messages(persona, tree, path, act, reason)
            async with self.calls.call("user", self.model, tree=tree, node=parent) as call:
                seed = derive_seed("user", tree, parent, attempt)
                reply = await call.ask(messages, seed=seed)
                said = _NEXT_NOTE.split(tidied(reply))[0].strip()
                text = self._as_written(said, tree, seed)
                earlier = [node.content for node in path]
                faults = user_faults(said, reply, earlier, most_words=self.most_words, part=part)
                if act.repeats or act.presses:  # as it is told to
                    faults = tuple(fault for fault in faults if fault != "echo")
                unsaid = any(self._leaves_out(said, each) for each in notes)
                call.event.outcome = faults[0] if faults else "no_note" if unsaid else "ok"
                given = {"turn": turn, "faults": faults, "told": act.told, "asked": act.asked}
                node = UserNode.of(parent, text, tree=tree, repaired=tuple(repaired), **given)
                call.event.node = node.id
            if not SPOILING & set(faults) and await self._doubted(persona, tree, path, node):
                faults = ("doubted", *faults)
                node = node.model_copy(update={"faults": faults})
            if not faults and not unsaid:
                return node
            repaired += faults[:1]
            found = (REPAIRS[faults[0]].reason if faults else None, UNSAID if unsaid else None)
            reason = " ".join(filter(None, found))
            bad = _badness(faults, unsaid=unsaid)
            if text and (best is None or bad < best[0]):
                best = bad, node
        if best is None:
            raise CallError(f"{self.model.name}: {_silence(repaired)}")
        return best[1]

    async def recheck(
        self, persona: Persona, tree: str, path: Turns, changed: Rewording
    ) -> UserNode:
        """Return a message that a custom role reworded, with the faults of what it says now.

        Raises:
            CallError: the call of a second reader failed.
        """
        faults = changed.find_faults(
            [node.content for node in path],
            most_words=self.most_words,
            part=self._part(persona, tree),
        )
        if not SPOILING & set(faults) and await self._doubted(persona, tree, path, changed.user):
            faults = ("doubted", *faults)
        return changed.with_faults(faults)

    def done(self, persona: Persona, tree: str, path: Turns) -> bool:
        """Whether a path has come to its end: a farewell, or nothing comes up any more."""
        if _FAREWELL.search(path[-1].content):
            return True
        if self._scheduled:
            return path[-1].turn >= len(order_facts(persona, tree))
        matter = self._matter(persona, tree)
        return find_known(matter, path).issuperset(matter.upcoming)

    @property
    def _scheduled(self) -> bool:
        return self.config.disclosure == "schedule"

    def _matter(self, persona: Persona, tree: str) -> Statements:
        return Statements(
            persona=persona,
            tree=tree,
            matcher=open_matcher(self.embedder),
            checker=default_checker(),
        )

    async def _choose(self, persona: Persona, tree: str, path: Turns) -> Act:
        if self._scheduled:
            return Act(told=schedule_fact(persona, tree, len(path) // 2 + 1))
        matter = self._matter(persona, tree)
        return await asyncio.to_thread(choose_act, matter, tree, path, self.config)

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

    def _leaves_out(self, text: str, note: str) -> bool:
        """Whether a message has next to none of its note's words; only full prompts are so strict.

        Words that it says of somebody else ("you are looking for a home?") tell the note of nobody.
        People paraphrase, so this is no fault: it is asked again for, and at last accepted.
        """
        if not self._reads:
            return False
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
        self, persona: Persona, tree: str, path: Turns, act: Act, reason: str | None
    ) -> list[Message]:
        manner = self._manner(persona, tree, path)
        notes = self._notes(persona, tree, path, act)
        exchanges = len(path) // 2
        first = 0 if self.window is None else max(0, exchanges - self.window)
        if self._reads:
            # The last reply is always read, as where roles are flipped.
            said = path[2 * first :] or path[-1:]
            note = "\n\n".join(filter(None, (reason, notes[-1])))
            return self.prompt.render(personality=manner, history=as_text(said), note=note)
        *messages, (_, introduction) = self.prompt.render(personality=manner)
        for turn in range(first, exchanges + 1):
            parts = [introduction] if turn == first else []
            parts += [path[2 * turn - 1].content] if turn else []
            parts += [reason] if reason and turn == exchanges else []
            parts.append(notes[turn])
            messages.append(("user", "\n\n".join(parts)))
            if turn < exchanges:
                messages.append(("assistant", path[2 * turn].content))
        return messages

    def _manner(self, persona: Persona, tree: str, path: Turns) -> str:
        """Return how the person is, as far as the model may know it."""
        temper, mood = persona.personality, mood_of(self.moods, tree)
        if not self._scheduled:
            told = [each for node in path if isinstance(node, UserNode) for each in node.told]
            temper = " ".join(_texts(persona, told, "trait")) or UNKNOWN
        return " ".join(filter(None, (temper, MANNERS.get(mood) if mood else None)))

    def _notes(self, persona: Persona, tree: str, path: Turns, act: Act) -> list[str]:
        """Return what the model was told at each turn, and is told now."""
        users = [node for node in path if isinstance(node, UserNode)]
        scheduled = [schedule_fact(persona, tree, turn) for turn, _ in enumerate(users, 1)]
        told = scheduled if self._scheduled else [user.told for user in users]
        texts = [_texts(persona, each) for each in (*told, act.told)]
        contradictory = mood_of(self.moods, tree) == "contradictory"
        notes = []
        for turn, new in enumerate(texts):
            if contradictory and turn % 2:
                new = [*new, *map(taken_back, texts[turn - 1][:1])]
            notes.append(" ".join([NOTE, *new]) if new else NO_NOTE)
        if not (self._scheduled or texts[0]):
            question = QUESTIONS[derive_seed("question", tree) % len(QUESTIONS)]
            notes[0] = f"{WANTS} {question})"
        if path and notes[-1] == NO_NOTE:
            notes[-1] = self._what_else(persona, path, act)
        return notes

    def _what_else(self, persona: Persona, path: Turns, act: Act) -> str:
        """Return what the model is told to do where there is nothing new to tell."""
        if act.presses:
            return PRESSES
        if act.repeats:
            known = next(fact.text for fact in persona.facts if fact.id == act.repeats)
            return f"{AGAIN if act.asked else AGAINST} {known})"
        asked = not self._scheduled and find_questions_in(path[-1].content, texts_of_user(path))
        return LEAVES_OPEN if asked else NO_NOTE


def _silence(faults: list[Fault]) -> str:
    """Return in words what came of a user who never said anything."""
    if "only_reasoning" not in faults:
        return f"the user said nothing in {TRIES} tries"
    return (
        f"the user only reasoned in {TRIES} tries; raise its max_tokens or switch its reasoning off"
    )


def _badness(faults: tuple[Fault, ...], *, unsaid: bool) -> Badness:
    """Return what to choose the best message by: what spoils is worse than a note left out."""
    return bool(SPOILING & set(faults)), unsaid, len(faults)


def _texts(persona: Persona, told: Iterable[Telling], *kinds: str) -> list[str]:
    """Return the statements in `told`, those of some kinds only if any are named."""
    facts = {fact.id: fact for fact in persona.facts}
    found = [facts[each.about] for each in told if each.about in facts]
    return [fact.text for fact in found if not kinds or fact.kind in kinds]
