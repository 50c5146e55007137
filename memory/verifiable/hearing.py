"""Which checkable wishes a person states, in whatever words: topic, yes or no, clause by clause.

Simulated users speak the sentences of `phrases.toml`, which nothing here changes. A person says "No
bullet points, please." or "Keep it short and don't use emojis.". A wish is heard only in a clause
that is one from its first word to its last: who wants it ("I like", "please use", "can you stop"),
what (`topics`), and words that add nothing ("from now on"). "I like lists of pubs" has words left
over, "My boss hates emojis" is somebody else's, and what stands in quotation marks or behind a
colon is quoted. So wishes are missed rather than invented; docs/chat.md has the figures.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from aloe.memory.verifiable.catalogue import find_opposite
from aloe.memory.verifiable.own_words import split_own
from aloe.memory.verifiable.phrases import GRADED, find_stated
from aloe.memory.verifiable.plain_speech import HIDDEN, simplify
from aloe.memory.verifiable.topics import DEEDS, ENDURED, PATTERN, THINGS, Wanted, name_topic
from aloe.memory.verifiable.wish_clauses import DET, STARTS, TOO, frames

LONGEST = 400
"""Characters of the longest sentence that is listened to."""


def find_heard(text: str) -> dict[str, str]:
    """Return the wishes that a person states, by `find_stated` or in other words.

    Of two wishes about one dimension the one stated last counts.

    Args:
        text: a message of a person.

    Returns:
        Value by dimension.
    """
    own = [said for _, said in split_own(text)]
    stated = find_stated("\n".join(own))  # a phrase may have a line break
    for said in own:
        stated |= _hear_own(said)
    return stated


def find_wishing(text: str) -> tuple[str, ...]:
    """Return the sentences of a message that state a wish."""
    return tuple(sentence for sentence, said in split_own(text) if _hear_own(said))


def _hear_own(said: str) -> dict[str, str]:
    return {**_hear(said), **find_stated(said)}


def find_all_heard(texts: Iterable[str]) -> dict[str, str]:
    """Return the wishes that a person's messages state; the latest counts.

    Args:
        texts: the messages so far, in order.
    """
    return {name: value for text in texts for name, value in find_heard(text).items()}


class _Clause(NamedTuple):
    """A clause that states wishes."""

    wishes: dict[str, str]
    end: int
    denied: bool
    """Whether it asks for something not to be done."""
    spread: bool
    """Whether the denial may extend to what "and" adds: "I don't want you to rave and thank me"."""
    bare: bool
    """Whether it has no verb, so that what stands before it decides what it is."""


_REPORTS = re.compile(
    r"\b(?:say|says|said|told|tells|tell (?:him|her|them|my)|asked|asks|wrote|writes|thinks?"
    r"|thought|claims?|if|when|whenever|unless|whether|who|which|rules?|signs?|motto|advice|imagine|suppose"
    rf"|he|she|they|his|her|their|boss|teacher|mother|father|wife|husband)\b|:|{HIDDEN}"
)
"""Signs before a clause that it is somebody else's, a condition or a quotation."""
_ORDERS = re.compile(
    r"(?:tell|explain|give|write|describe|suggest|help|recommend|show|list|name|answer|compare|plan"
    r"|summari[sz]e|teach|keep|make|be|(?:can|could|would|will) you)\b"
)
_QUESTION = re.compile(r"(?:(?:can|could|would|will|can't|couldn't|won't) you|why (?:so|all)|"
                       r"(?:can|could|may|might) i)\b")  # fmt: skip
_POLITE = re.compile(r"\b(?:please|pls|plz)\b", re.IGNORECASE)


def _hear(sentence: str) -> dict[str, str]:
    """Return the wishes of one sentence, as its clauses state them."""
    if len(sentence) > LONGEST:
        return {}
    plain, polite = simplify(sentence), bool(_POLITE.search(sentence))
    asked = sentence.rstrip().endswith("?")
    heard: dict[str, str] = {}
    at, before = 0, None
    for start in _starts(plain):
        if start < at:
            continue
        if start > at and _REPORTS.search(plain, at, start):
            break
        linked = re.search(r"\b(and|or|nor|then|because)\s+\Z", plain[:start])
        carried = _carry(before, linked[1] if linked else "")
        clause = _read(plain, start, polite or before is not None, carried)
        if clause is None:
            if start:
                before = None
            continue
        if asked and clause.end == len(plain) and not _QUESTION.match(plain, start):
            continue
        own = re.match(r"i\b|i'", plain[start:]) or polite or start == 0 or before
        if not own and (clause.bare or (linked and not _ORDERS.match(plain))):
            continue
        heard |= clause.wishes
        at, before = clause.end, clause
    return heard


def _starts(plain: str) -> Iterator[int]:
    """Yield where clauses may begin."""
    yield 0
    for mark in STARTS.finditer(plain):
        yield mark.end()


_Carried = Literal["denied", "unclear", ""]
"""Whether a clause without a "not" of its own has that of the one before it."""


def _carry(before: _Clause | None, link: str) -> _Carried:
    if before is None or not before.denied:
        return ""
    if link in ("or", "nor"):  # "don't apologise or thank me"
        return "denied"
    return "unclear" if link == "and" and before.spread else ""


def _read(plain: str, start: int, polite: bool, carried: _Carried) -> _Clause | None:
    """Return the wishes of the clause that begins at `start`, if it is one about replies."""
    if found := TOO.match(plain, start):
        dimension = "sentences" if found["sentences"] else "length"
        less, more = ("short", "long") if found["sentences"] else ("brief", "thorough")
        wishes = {dimension: less if found["long"] else more}
        return _Clause(wishes=wishes, end=found.end(), denied=False, spread=False, bare=False)
    for name, wanted, pattern in frames():
        found = pattern.match(plain, start)
        if found and (clause := _weigh(name, wanted, found, polite, carried)):
            return clause
    return None


def _weigh(
    name: str, wanted: bool, found: re.Match[str], polite: bool, carried: _Carried
) -> _Clause | None:
    """Return what a clause of a known form comes to; None if it is about something else."""
    parts = found.groupdict()
    turns = (parts.get("asks_not"), parts.get("not"), parts.get("stop"))
    turned = sum(map(bool, turns)) % 2 == 1
    if carried and "asks" in parts and not any(turns) and not parts["asks"]:
        if carried == "unclear":
            return None
        turned = True
    meant = wanted != turned
    if deed := parts.get("deed"):
        topics = [(name_topic(deed, (*DEEDS, *ENDURED)), meant)]
    else:
        topics = [(each, meant and not no) for each, no in _name_things(found["things"])]
        topics += [(each, not meant) for each, _ in _name_things(parts.get("others") or "")]
    plainly = (not topic.shy and not topic.general for topic, _ in topics)
    if name == "order" and meant and not (parts.get("about") or _is_many(parts["things"])):
        return None
    near = bool(parts.get("about")) or (len(topics) > 1 and any(plainly))
    if not all(_fits(topic, name, yes, polite, near) for topic, yes in topics):
        return None
    if not meant and len(topics) > 1 and any(each.dimension in GRADED for each, _ in topics):
        return None  # "no lists and short answers" wants those
    wishes = {
        topic.dimension: topic.value if yes else find_opposite(topic.dimension, topic.value)
        for topic, yes in topics
    }
    bare = name in ("no", "more", "bare")
    led = parts.get("asks") or parts.get("asks_not")
    return _Clause(wishes=wishes, end=found.end(), denied=turned, spread=bool(led), bare=bare)


_THING = re.compile(rf"(?P<no>\bno )?(?:{DET})\b(?P<thing>{PATTERN})(?=,|\s|\Z)")


def _name_things(text: str) -> list[tuple[Wanted, bool]]:
    """Return the things that a list names, and whether a "no" stands before them."""
    return [(name_topic(each["thing"], THINGS), bool(each["no"])) for each in _THING.finditer(text)]


_ONE = re.compile(
    r"(?:an?|one|1|another|single|the|this|your) (?!few|couple|lot|bit|little)"
    r"|.*\b(?:list|reply|answer|response|explanation|apology|greeting|salutation|example|step"
    r"|paragraph|block|question|thank[- ]you)\b"
)
"""How one thing is named, and not several or a kind."""


def _is_many(things: str) -> bool:
    """Whether a list names no single thing, which would be a text that is ordered."""
    return not any(_ONE.match(each) for each in re.split(r",? (?:and|or|nor|with) |, ", things))


def _fits(topic: Wanted, name: str, yes: bool, polite: bool, near: bool) -> bool:
    """Whether a topic is spoken of as something about replies."""
    if topic.only_denied and yes:
        return False
    if topic.shy and not (
        near or name in ("in", "many") or (polite and name not in ("give", "order"))
    ):
        return name in ("use", "order") and topic.dimension != "question"
    if name == "like" and topic.general:
        return near
    if name == "bare":
        return topic.bare and polite
    return topic.bare or name != "no"
