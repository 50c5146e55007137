"""Faults of a message that can be detected without asking a model.

Simulators fail in known ways: they speak as the assistant, decline the role, think aloud, wrap the
message in markup, write both sides, become somebody else, repeat earlier messages, say nothing,
only think, or are cut off by a limit, a filter or an error. Each is detected by rule, so that the
message can be requested again and the reason counted; a fault that remains is recorded on its node
instead of passing as data. What the rules catch and miss is measured on a corpus
(`benchmark/user_faults`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from aloe.agents.commentary import comments
from aloe.agents.form_faults import (
    annotated,
    both_sides,
    has_blank,
    has_options,
    labelled,
    marked_up,
    narrates,
    repeats_itself,
)
from aloe.agents.languages import OTHER, language, languages_of
from aloe.agents.persona_faults import contradicts, invents
from aloe.agents.prompt import Prompt
from aloe.agents.voice_faults import (
    addresses_oneself,
    coaches,
    declines,
    speaks_as_assistant,
    without_quotes,
)
from aloe.memory.words import find_content_words
from aloe.models.markup import message_in
from aloe.models.reply import Reply
from aloe.schema import Fault, Persona, sentences
from aloe.sentences import finished

ECHO_SHARE = 0.7
"""Share of a message's word trigrams found in one earlier message from which it is an echo."""
QUESTION_WORDS = 5
"""Words from which a question is not put twice in the same words."""
LEAKED_WORDS = 6
"""Words in a row that a message and its instructions may not share."""

_ABOUT_USER = re.compile(
    r"\b(?:the|this) user(?:'s|\u2019s)?\b(?! (?:interface|guide|manual|name))"
    r"|\bbased on (?:the|their|this) (?:hint|profile|disclosures?|notes?)\b"
    r"|\bthis person(?:'s)? (?:is|has|likes|hates|wants|keeps|prefers|said|lives|works"
    r"|would|may)\b",
    re.I,
)
_TURN = re.compile(r"(?:\A|\n)\W*(?:user|human)\W{0,3}:\s", re.IGNORECASE)
_HINTED = re.compile(
    r"what (?:this user has|I) told (?:you )?about \w+sel(?:ves|f)|without reciting any of it",
    re.I,
)
_QUOTED = re.compile(r"[\"“][^\"”]*[\"”]|^>.*$", re.MULTILINE)
_ATTRIBUTED = re.compile(
    r"\byou(?:'ve| have)? (?:said|told|mentioned|wrote"
    r"|say)\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(?:I|my|we)\b|\bI'", re.IGNORECASE)
_FELLOW = re.compile(
    r"\b(?:as|being) (?:a fellow|another|someone who(?: also)?|somebody who(?: also)?|a)\b"
    r"([^.?!,]*)"
    r"(?:, I\b| myself\b)|\bI(?:'m| am) (?:also|too) an?\b([^.?!,]*)|\bI,? too,? ([^.?!,]*)",
    re.IGNORECASE,
)
"""What somebody claims of themselves to be one of the same kind."""
_ENDINGS: dict[str, Fault] = {"length": "truncated", "content_filter": "filtered"}
_LABEL = re.compile(r"^(?:user|me|person|message|assistant|reply)\s*:\s*", re.IGNORECASE)


_SPEAKER = re.compile(r"\b(?:i|i'm|im|my|me|you|your|we)\b")
_ASIDE = re.compile(r"(?:[(\[]|\n\s*)([^()\[\]\n]+)[)\]]?\s*\Z")
_REPORT = re.compile(
    r"\A\W*(?:she|he|they|the (?:user|person|\w+)|this (?:person|user|\w+)) |\b(?:message|reply"
    r"|tone|remark|answer|voice|style|manner|mood)\b"
)
_TEMPER = re.compile(
    r"\bI am (?:(?:\w+ and|an?|a little|very|quite|rather) )*(?!very\b|little\b|quick\b|good\b"
    r"|slow\b)([\w-]{4,})"
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a simulated user was given to play."""

    persona: Persona
    instructions: str = ""
    """What its prompt told it to do, which no message may repeat."""
    contradictory: bool = False
    """Whether it was told to contradict itself."""

    @classmethod
    def of(cls, persona: Persona, prompt: Prompt, *, contradictory: bool = False) -> Self:
        """Return the part of `persona`, as a prompt of simulated users tells it."""
        told = " \n".join(text for _, text in prompt.messages)
        return cls(persona=persona, instructions=told, contradictory=contradictory)


def tidied(reply: Reply) -> str:
    """Return the message without label, cut off behind its last whole sentence if it broke off.

    What stands before is left as it came; a message without a whole sentence stays as it is.
    """
    text = reply.text
    if label := _LABEL.match(text):
        text = message_in(text[label.end() :])
    return text if reply.finish == "stop" else finished(text) or text


def user_faults(
    text: str, reply: Reply, earlier: Iterable[str], *, most_words: int, part: Part | None = None
) -> tuple[Fault, ...]:
    """Return what is wrong with a simulated user's message, the worst first.

    Args:
        text: the message, tidied.
        reply: what it was made from.
        earlier: all messages of the path, the assistant's too.
        most_words: a message with more is over-long.
        part: what was to be played; None leaves out what depends on it.
    """
    if not text:
        return (silence(reply),)
    said = list(earlier)
    who = part.persona.text if part else ""
    own = without_quotes(text)
    found: dict[Fault, bool] = {
        "refusal": declines(own),
        "role_confusion": speaks_as_assistant(own, opening=not said)
        or (part is not None and addresses_oneself(own, _own_words(part, said))),
        "coaching": coaches(own),
        "commentary": comments(own, who) or annotated(text) or _names_traits(text, part),
        "options": has_options(text),
        "both_sides": both_sides(text),
        "label": labelled(text, who),
        "markup": marked_up(text, (who, *said)),
        "placeholder": has_blank(own),
        "narration": narrates(text),
        "echo": repeats_itself(text) or _echoes_any(text, said) or _asks_again(text, said[::2]),
        **(_against(text, " ".join(said), part) if part else {}),
        "over_long": len(text.split()) > most_words,
    }
    if cut := ending_fault(reply):
        found[cut] = cut != "truncated" or finished(text) != text
    return tuple(fault for fault, seen in found.items() if seen)


def _own_words(part: Part, said: list[str]) -> str:
    """Return what the user has of their own: the facts of life, and what they said."""
    facts = [fact.text for fact in part.persona.facts if fact.kind == "fact"]
    return " ".join((*facts, *said[::2]))


def _against(text: str, said: str, part: Part) -> dict[Fault, bool]:
    """Return what is wrong with a message in view of the part it should play."""
    persona = part.persona
    return {
        "prompt_leak": _leaks(text, part, f"{persona.text} {said}"),
        "other_language": _is_foreign(text, persona.text, said),
        "contradiction": not part.contradictory and contradicts(text, persona, said),
        "invention": invents(text, persona, said),
    }


def _is_foreign(text: str, persona: str, said: str) -> bool:
    """Whether a message is in a language that neither the person nor the chat speaks."""
    spoken = language(text)
    if spoken is None or spoken == language(persona):
        return False
    expected = languages_of(persona, said)
    return bool(expected) and spoken not in expected and (spoken != OTHER or expected == {"en"})


def _leaks(text: str, part: Part, told_before: str) -> bool:
    """Whether a message repeats its instructions, the traits it was told, or how notes are told."""
    traits = [fact.text for fact in part.persona.facts if fact.kind == "trait"]
    words = _spelt(text)
    told = sum(_spelt(trait).strip() in words for trait in traits)
    marked = re.search(
        r"\A\W*note:|\bno new note\b|\b(?:system|user) prompt\b|\A\W*instructions\s*:", text, re.I
    )
    noted = "Note:" in text and any(echoes(fact.text, text) for fact in part.persona.facts)
    shared = _runs(text, LEAKED_WORDS) & _runs(part.instructions, LEAKED_WORDS)
    known = marked and marked[0].lower() in told_before.lower()
    return bool((marked and not known) or noted or shared) or told > 1


def _names_traits(text: str, part: Part | None) -> bool:
    """Whether a message names the temper that it should have: people do not announce it."""
    traits = [f.text for f in part.persona.facts if f.kind == "trait"] if part else []
    named = {word.lower() for trait in traits for word in _TEMPER.findall(trait)}
    if not named:
        return False
    words = re.compile(
        rf"\b(?:{'|'.join(map(re.escape, sorted(named)))})\b(?! (?:it|them|the|my)\b)"
    )
    first, *others = [*filter(None, re.split(r"[.\n]", text.lower())), ""]
    told = named | find_content_words(" ".join(traits))
    asides = [piece for piece in others if _REPORT.search(piece)] + _ASIDE.findall(text.lower())
    return any(
        (
            words.search(piece)
            or (
                (piece != first or _REPORT.search(piece))
                and len(told & find_content_words(piece)) > 1
            )
        )
        for piece in (first, *asides)
        if "?" not in piece and not _SPEAKER.search(piece)
    )


def assistant_faults(
    text: str, reply: Reply, *, hint: str | None = None, asked: str = ""
) -> tuple[Fault, ...]:
    """Return what is wrong with a candidate reply as training data, the worst first.

    Args:
        text: the reply, tidied.
        reply: what it was made from.
        hint: what the assistant was told about its user; None leaves out what depends on it.
        asked: the message that it answers.
    """
    if not text:
        return (silence(reply),)
    found: dict[Fault, bool] = {
        "role_confusion": hint is not None and _takes_over(text, hint),
        "about_user": hint is not None
        and _ABOUT_USER.search(text) is not None
        and not re.search(r"\busers?\b", asked, re.IGNORECASE),
        "both_sides": _TURN.search(text) is not None,
        "prompt_leak": hint is not None and _HINTED.search(text) is not None,
        "echo": _count_words(text) > 2 and _spelt(text) == _spelt(asked),
    }
    if cut := ending_fault(reply):
        found[cut] = True
    return tuple(fault for fault, seen in found.items() if seen)


def ending_fault(reply: Reply) -> Fault | None:
    """Return what is wrong with how a reply ended; None if it is whole."""
    if reply.finish == "stop":
        return None
    return _ENDINGS.get(reply.finish, "failed")


def silence(reply: Reply) -> Fault:
    """Return the fault of a reply without a message."""
    return "only_reasoning" if reply.only_reasoned else "empty"


def _takes_over(text: str, hint: str) -> bool:
    """Whether a reply says of itself, in the first person, what the user said of themselves."""
    if _ATTRIBUTED.search(text):
        return False
    spoken = _QUOTED.sub(" ", text)
    claims = [find_content_words(" ".join(found)) for found in _FELLOW.findall(spoken)]
    if claims and not find_content_words(hint).isdisjoint(frozenset().union(*claims)):
        return True
    own = [each for each in sentences(spoken) if _FIRST.search(each)]
    told = [each for each in sentences(hint) if _FIRST.search(each) and _count_words(each) > 2]
    return any(echoes(mine, theirs) or echoes(theirs, mine) for mine in own for theirs in told)


def echoes(text: str, other: str) -> bool:
    """Whether most of `text` occurs in `other`."""
    size = min(3, _count_words(text))
    return size == min(3, _count_words(other)) and _mostly_in(text, size, _spelt(other))


def _echoes_any(text: str, said: list[str]) -> bool:
    """Whether most of a message occurs in one of those before it, or in all together."""
    if _count_words(text) < 3:
        return any(echoes(text, other) for other in (*said, " ".join(said)))
    return _mostly_in(text, 3, "".join([" ", *(_spelt(other)[1:] for other in said)]))


def _asks_again(text: str, own: list[str]) -> bool:
    """Whether a question of some length was put in the same words in an earlier message."""
    earlier = list(_spell_questions(own))
    return any(new in old or old in new for new in _spell_questions([text]) for old in earlier)


def _spell_questions(texts: Iterable[str]) -> Iterator[str]:
    spelt = (_spelt(each) for text in texts for each in sentences(text) if each.endswith("?"))
    return (question for question in spelt if _count_words(question) >= QUESTION_WORDS)


def _mostly_in(text: str, size: int, other: str) -> bool:
    """Whether most runs of `size` words of `text` are in `other`, which is spelt as by `_spelt`."""
    runs, missing = _runs(text, size), 0
    for run in runs:
        missing += run not in other
        if (len(runs) - missing) / len(runs) < ECHO_SHARE:
            return False
    return bool(runs)


@lru_cache(maxsize=8192)
def _spelt(text: str) -> str:
    """Return the words of a text in lower case, one blank before, between and behind them."""
    return " ".join(("", *re.findall(r"\w+", text.lower()), ""))


def _count_words(text: str) -> int:
    return _spelt(text).count(" ") - 1


@lru_cache(maxsize=2048)
def _runs(text: str, size: int) -> frozenset[str]:
    """Return all runs of `size` words, each with a blank before and behind it."""
    words = _spelt(text).split()
    runs = (words[i : i + size] for i in range(len(words) - size + 1) if size)
    return frozenset(f" {' '.join(run)} " for run in runs)
