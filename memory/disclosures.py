"""The disclosure checker: compares what the user said with the persona.

The inducer marks disclosures from the conversation alone, so hints cannot leak. This module checks
afterwards, by program, how well it does: every sentence of the user is compared with every
statement of the persona, by cosine of MiniLM vectors and by the words that vectors blur (names,
numbers, negation); a wish that a program can check is known by its phrase. A sentence *reveals* a
statement, *contradicts* one, or is *invented*. This gives the inducer's recall and precision, the
simulated user's drift, and which replies read minds: those that use what the user had not said on
their path.

Nothing here reaches an agent. The thresholds were set on 64 hand-labelled sentences (63 are judged
as labelled) and tested on 28 others (26 are); both are in `tests/disclosures.py`. They hold for
MiniLM only.
"""

import random
import re
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from aloe.memory.contradictions import exclude_each_other
from aloe.memory.embedder import Embedder, MiniLmEmbedder
from aloe.memory.verifiable.phrases import find_stated
from aloe.memory.words import denies, find_content_words, find_names, find_numbers, is_about_speaker
from aloe.schema import (
    AssistantNode,
    Consistency,
    Disclosure,
    Fact,
    Node,
    Persona,
    UserNode,
    derive_seed,
    sentences,
)

SAME = 0.64
"""Cosine from which a sentence is about the same thing as a statement of the persona."""
AKIN = 0.55
"""Cosine from which a sentence with another name or number contradicts a statement."""
AKIN_OVERLAP = 0.5
"""Share of common content words that this takes as well."""
DENIAL_OVERLAP = 0.7
"""Share of common content words from which a denial denies the statement itself."""
GUESS_WORDS = 2
"""Content words, not said before, from which a reply that has half of a fact's words uses it."""

TOLD = 0.5
"""Share of a statement's content words from which a message tells it, where nobody noted what it
was to tell."""

_ADDRESSED = re.compile(r"\b(?:you(?:'re)?|your(?:s|self)?)\b", re.IGNORECASE)
_SUPPOSED = re.compile(
    r"\b(?:if|could|would|may|might|maybe|perhaps|whether|should|can|let)\b", re.IGNORECASE
)
_AS_SPEAKER = (
    (re.compile(r"\byou(?: are|'re)\b", re.IGNORECASE), "I am"),
    (re.compile(r"\byour\b", re.IGNORECASE), "my"),
    (re.compile(r"\byou\b", re.IGNORECASE), "I"),
)
"""From what is said to somebody to what they would say of themselves."""
_CLAUSE = re.compile(r"[,;:]\s|\b(?:but|and|so|because)\b")


def order_facts(persona: Persona, tree: str) -> list[Fact]:
    """Return the persona's facts of life in the order in which this tree reveals them."""
    facts = [fact for fact in persona.facts if fact.kind == "fact"]
    random.Random(derive_seed("facts", tree)).shuffle(facts)
    return facts


def tells(text: str, fact: Fact) -> bool:
    """Whether a text tells a fact: half of its content words and one of its numbers, if any."""
    words, said = find_content_words(fact.text), find_content_words(text)
    counts = find_numbers(fact.text)
    if counts and not counts & find_numbers(text):
        return False
    return bool(words or counts) and len(words & said) >= TOLD * len(words)


class DisclosureChecker:
    """Checks the disclosures of a tree against the tree's persona.

    Args:
        embedder: what makes the vectors; the thresholds are MiniLM's.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._statements = lru_cache(maxsize=256)(embedder.embed)

    def check(
        self,
        persona: Persona,
        tree: str,
        path: Sequence[Node],
        user: UserNode,
        replies: Sequence[AssistantNode],
        *,
        scheduled: bool = True,
    ) -> tuple[UserNode, list[AssistantNode]]:
        """Return `user`, which follows `path`, and the `replies` to it with what the check found.

        A node's findings depend on the path alone, not on what else was checked, so a tree that
        is grown further keeps them. `scheduled` is as in `find_hidden`.
        """
        quotes = dict.fromkeys((*sentences(user.content), *(d.quote for d in user.revealed)))
        facts = self._statements(tuple(fact.text for fact in persona.facts))
        texts = dict.fromkeys((user.content, *filter(is_about_speaker, quotes)))
        vectors = self._embedder.embed([*texts])
        cosines = dict(zip(texts, np.asarray(vectors @ facts.T).tolist(), strict=True))
        found = {
            quote: _find_wish(quote, persona)
            or _classified(quote, persona.facts, cosines.get(quote, ()))
            for quote in quotes
        }
        said = [*path, user]
        hidden = find_hidden(persona, tree, said, scheduled=scheduled)
        checked = user.model_copy(
            update={
                "revealed": tuple(found[d.quote] for d in user.revealed),
                "stated": tuple(dict.fromkeys(d.fact for d in found.values() if d.fact)),
                "consistency": _consistency(persona, hidden, cosines[user.content]),
            }
        )
        return checked, [
            node.model_copy(
                update={"mind_reading": find_mind_reading(node.content, persona, [*path, checked])}
            )
            for node in replies
        ]

    def find_opposed(self, reply: str, facts: Sequence[Fact]) -> list[Fact]:
        """Return the statements of a user that a reply gets wrong, the first it speaks of first.

        Conservative: only what the reply says of the user ("you are", "your wife") counts, read as
        the user would say it; questions and suppositions do not.
        """
        quotes = [
            _as_speaker(piece)
            for piece in sentences(reply)
            if _ADDRESSED.search(piece)
            and not _SUPPOSED.search(piece)
            and not piece.rstrip().endswith("?")
        ]
        if not quotes or not facts:
            return []
        statements = self._statements(tuple(fact.text for fact in facts))
        cosines = np.asarray(self._embedder.embed(quotes) @ statements.T).tolist()
        found = [_classified(each, facts, row) for each, row in zip(quotes, cosines, strict=True)]
        opposed = dict.fromkeys(each.fact for each in found if each.kind == "contradicted")
        return [fact for name in opposed for fact in facts if fact.id == name]


@cache
def default_checker() -> DisclosureChecker:
    """Return the check that simulations use, on the embedder its thresholds were set for."""
    return DisclosureChecker(MiniLmEmbedder())


def _find_wish(quote: str, persona: Persona) -> Disclosure | None:
    """Return the disclosure of a checkable wish of the persona, if a quote states one.

    It need not be about the speaker: "Next time, leave out the list."
    """
    wishes = persona.preferences
    for name, value in find_stated(quote).items() if wishes else ():
        if name in wishes:
            own = (fact.id for fact in persona.facts if name in find_stated(fact.text))
            return Disclosure(
                quote=quote,
                kind="revealed" if wishes[name] == value else "contradicted",
                fact=next(own, None),
            )
    return None


def _classified(quote: str, facts: Sequence[Fact], cosines: Sequence[float]) -> Disclosure:
    """Return the disclosure of `quote` with its kind and the statement that it is about.

    The cosines are of the quote and each fact, and not read unless it is about the speaker.
    """
    if not facts or not is_about_speaker(quote):
        return Disclosure(quote=quote, kind="invented")
    ranked = sorted(zip(cosines, facts, strict=True), key=lambda pair: -pair[0])
    cosine, nearest = ranked[0]
    if cosine >= SAME:
        kind = "contradicted" if _conflict(quote, nearest.text) else "revealed"
        return Disclosure(quote=quote, kind=kind, fact=nearest.id)
    for cosine, fact in ranked:
        akin = cosine >= AKIN and measure_overlap(quote, fact.text) >= AKIN_OVERLAP
        if exclude_each_other(quote, fact.text) or (akin and _conflict(quote, fact.text)):
            return Disclosure(quote=quote, kind="contradicted", fact=fact.id)
    return Disclosure(quote=quote, kind="invented")


def measure_overlap(text: str, other: str) -> float:
    """Return the share of the poorer text's content words that both have."""
    mine, theirs = find_content_words(text), find_content_words(other)
    return len(mine & theirs) / max(1, min(len(mine), len(theirs)))


def _conflict(quote: str, fact: str) -> bool:
    """Whether two sentences about the same thing differ in a name, a number or a denial."""
    one, other = find_numbers(quote), find_numbers(fact)
    if one - other and other - one:
        return True
    called, known = find_names(quote), find_names(fact)
    told = [name for name in re.findall(r"\w+", fact) if name in known]
    if told and told[0] not in called and called - known:
        return True
    clause = max(
        _CLAUSE.split(quote), key=lambda piece: measure_overlap(piece, fact) * bool(piece.strip())
    )
    close = measure_overlap(clause, fact) >= DENIAL_OVERLAP
    return exclude_each_other(quote, fact) or (close and denies(clause) != denies(fact))


def _as_speaker(text: str) -> str:
    for pattern, replacement in _AS_SPEAKER:
        text = pattern.sub(replacement, text)
    return text


def find_hidden(
    persona: Persona, tree: str, said: Sequence[Node], *, scheduled: bool = True
) -> frozenset[str]:
    """Return ids of what a user may not have brought up by the end of a path.

    Args:
        persona: who the user is.
        tree: id of the tree.
        said: the path, the user's message last.
        scheduled: whether facts come up one a turn, and traits show from the start. Else a
            message may bring up what it or an earlier one was to tell.
    """
    told = {each.about for node in said if isinstance(node, UserNode) for each in node.told}
    if scheduled:
        facts: Sequence[Fact] = order_facts(persona, tree)[said[-1].turn :]
    elif persona.preferences:  # whose traits are wishes, told by dimension
        facts = order_facts(persona, tree)
    else:
        facts = persona.facts
    return frozenset(fact.id for fact in facts) - told


def _consistency(
    persona: Persona, hidden: frozenset[str], cosines: Sequence[float]
) -> Consistency | None:
    """Return how near a message is to what is on the table, and to what is not."""
    on_table = [c for c, f in zip(cosines, persona.facts, strict=True) if f.id not in hidden]
    rest = [c for c, f in zip(cosines, persona.facts, strict=True) if f.id in hidden]
    if not on_table:
        return None
    return Consistency(
        on_table=round(max(on_table), 2), hidden=round(max(rest), 2) if rest else None
    )


def find_mind_reading(reply: str, persona: Persona, path: Sequence[Node]) -> tuple[str, ...]:
    """Return the ids of the facts of life that `reply` uses although nobody told it.

    Conservative: a fact counts as used only if one sentence of the reply has a name from it, a
    number from it beside another of its words, or at least two and half of its content words, none
    of which was said before by anyone on the path.
    """
    stated = {fact for node in path if isinstance(node, UserNode) for fact in node.stated}
    said = " ".join(node.content for node in path)
    secret = [f for f in persona.facts if f.kind == "fact" and f.id not in stated]
    pieces = sentences(reply) or (reply,)
    return tuple(f.id for f in secret if any(_uses(piece, f.text, said) for piece in pieces))


def _uses(piece: str, fact: str, said: str) -> bool:
    known = find_content_words(said)
    words = find_content_words(fact)
    common = (words & find_content_words(piece)) - known
    spoken = set(re.findall(r"\w+", piece))
    if any(name in spoken and name.lower() not in said.lower() for name in find_names(fact)):
        return True
    digits = {n for n in find_numbers(fact) if str(n) in spoken and str(n) not in said and n > 12}
    if digits and words & find_content_words(piece):
        return True
    return len(common) >= GUESS_WORDS and 2 * len(common) >= len(words)
