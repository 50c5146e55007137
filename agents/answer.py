"""A question with a few one-word answers, and how sure the model is of its answer.

If the server returns log-probabilities, the model writes one token and the probabilities of the
possible answers are read from it. They are meaningful only if the model was about to answer: one
that starts with `<think>` or a bracket still leaves a small probability on every letter, and the
ratio of those says nothing. So together they must have `min_mass`; otherwise the text is parsed
strictly, after any thoughts. If one token does not contain the answer, the question is asked again
with more room: the role's own `max_tokens`, and `aloe.models.open.THINKING` for a model that
thinks.

That a server refuses log-probabilities is found out by asking. The question with which that is
found out is asked again as all later ones are, so that no answer depends on which came first; and
what an earlier part of a run was asked, its journal tells, so that a run that is resumed or
replayed asks the same.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aloe.calls.log import CallLog
from aloe.config import MIN_MASS
from aloe.models.logprobs import FLOOR, add_up, keep_usable, total
from aloe.models.open import Message, Model, Reply
from aloe.models.thoughts import split_thoughts

UNSEEN = 0.05
"""Probability of all words below which a reply that was cut is taken for a thought: where a model's
template opens the thoughts, nothing else tells that a reply begins inside them."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model answered."""

    raw: str
    """Untouched."""
    mass: float | None = None
    """Probability within 0..1 that the answer begins with one of the words; None if not known."""
    logprobs: Mapping[str, float] = field(default_factory=dict)
    """Log-probability, within ln 1e-9..0, of each word that the server listed; empty if `mass` is
    too small to be an answer."""
    most: float = FLOOR
    """The most that the log-probability of a word can be which is not listed."""
    word: str | None = None
    """The likeliest word or, without log-probabilities, what the text says; None: unreadable."""
    thinking: bool = False
    """Whether the model is, or seems to be, thinking still."""
    hesitant: bool = False
    """Whether the words had too little mass where the answer began, so that its text is a draw."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words to choose from, in upper case, and how a text says one of them."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    """Matches all of an answer; its group 1 is the word."""
    weighed: bool = False
    """Whether an answer that is `hesitant` counts as unreadable."""

    def read(self, reply: Reply, min_mass: float = MIN_MASS) -> Answer:
        """Read a reply.

        Args:
            reply: what the model said.
            min_mass: the probability that the words must have together to be read as odds.
        """
        unended = split_thoughts(reply.said).unended
        only = bool(reply.thoughts) and not reply.text
        thinking = unended or only or not reply.said  # a server may have taken thoughts out
        answer = Answer(raw=reply.said, thinking=thinking)
        if listed := keep_usable(reply.logprobs or {}):
            found = self._found(listed)
            mass = min(total(found.values()), 1.0)
            answer = replace(answer, mass=mass)
            if found and mass >= min_mass:
                left = max(0.0, 1 - total(listed.values()))
                most = min(min(listed.values()), math.log(left) if left else FLOOR)
                likeliest = max(found, key=lambda word: found[word])
                return replace(answer, logprobs=found, most=max(most, FLOOR), word=likeliest)
            unseen = mass < UNSEEN and reply.finish != "stop" and _has_word(reply.said)
            answer = replace(
                answer,
                thinking=answer.thinking or unseen,
                hesitant=not (reply.thoughts or self._hides_thoughts(reply, listed, mass)),
            )
        match = self.pattern.fullmatch("" if unended else reply.text)
        return replace(answer, word=match[1].upper() if match else None)

    def _found(self, listed: Mapping[str, float]) -> dict[str, float]:
        """Return the log-probability of each word that is listed, all spellings added up."""
        found: dict[str, list[float]] = {}
        for token, value in listed.items():
            if word := self._begun(token):
                found.setdefault(word, []).append(value)
        return {word: add_up(values) for word, values in found.items()}

    def _hides_thoughts(self, reply: Reply, listed: Mapping[str, float], mass: float) -> bool:
        """Whether what is listed seems to be of thoughts that the server took out of a reply."""
        likeliest = max(listed, key=lambda token: listed[token])
        return mass < UNSEEN and reply.finish == "stop" and self._begun(likeliest) is None

    def _begun(self, token: str) -> str | None:
        """Return the one word that a token is the beginning of, whatever its case and marks."""
        letters = re.sub(r"^[\W_]+|[\W_]+$", "", unicodedata.normalize("NFKC", token)).upper()
        words = [word for word in self.words if letters and word.startswith(letters)]
        return words[0] if len(words) == 1 else None


def _has_word(text: str) -> bool:
    return bool(re.search(r"[^\W_]", text))


async def ask_for_word(
    words: Words,
    messages: Sequence[Message],
    model: Model,
    calls: CallLog,
    *,
    seed: int,
    tree: str,
    node: str,
    min_mass: float = MIN_MASS,
    role: str = "judge",
) -> Answer:
    """Ask a judge for one of `words`, with as much room as it turns out to need.

    Args:
        words: what it may answer.
        messages: the question.
        model: the judge.
        calls: the log that every call passes.
        seed: sampling seed.
        tree: tree that is worked for.
        node: node that the call is about.
        min_mass: as for `Words.read`.
        role: name of the agent that asks.

    Raises:
        CallError: a call failed.
    """
    roomy = model.thinking_room is None

    def wishes(room: int | None) -> dict[str, Any]:
        return {"seed": seed, "logprobs": room in (1, None), "max_tokens": room}

    def known(room: int | None) -> bool:
        return calls.knows(role, model, messages, wishes(room))

    async def asked(room: int | None) -> Answer:
        to_read = room == 1 and known(None)
        async with calls.call(role, model, tree=tree, node=node) as call:
            answer = words.read(await call.ask(messages, **wishes(room)), min_mass)
            refused = room == 1 and not model.gives_logprobs
            if answer.mass is None and (refused or to_read):  # as if it had been known before
                answer = replace(answer, word=None, thinking=False)
            if answer.word is None:
                more = room == 1 or (room is None and answer.thinking and not roomy)
                call.event.outcome = "truncated" if more else "unreadable"
            elif words.weighed and answer.hesitant:
                call.event.outcome = "unreadable"
        return answer

    one_token = model.gives_logprobs and (known(1) or not known(None))
    first = answer = await asked(1 if one_token else None)
    if answer.word is None and one_token and (roomy or not answer.thinking):
        answer = await asked(None)
    if answer.word is None and answer.thinking and not roomy:
        answer = await asked(model.thinking_room)
    return answer if answer.logprobs else replace(answer, mass=first.mass)
