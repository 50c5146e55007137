"""What a message claims about its writer that the persona denies or does not mention.

A simulator that forgets its persona makes up another: an age, a trade, a family, a past. The judge
reads the original persona, so its verdict on such a conversation is about somebody else. Claims are
found by rule, in English only: ages, trades, where somebody lives, relatives, and whether something
is liked, owned or done at all. Small details that the persona leaves open (a neighbour, a sock, a
Sunday) bring a user to life and are not faults.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from aloe.agents import kin
from aloe.agents.circumstances import other_circumstances
from aloe.agents.kin import other_kin
from aloe.agents.stances import opposed
from aloe.memory.contradictions import exclude_each_other
from aloe.memory.disclosures import measure_overlap
from aloe.memory.words import find_content_words, find_names
from aloe.schema import Persona, sentences

_TRADE_NOUN = (
    r"(?:\w{2,}(?:er|or|ist|ian|eer|man|woman)|nurse|cook|chef|pilot|vet|monk|judge|clerk|student"
    r"|surgeon|lawyer|priest|nun|bishop|politician|soldier|colonel|captain|architect|journalist)"
)
_TRADE = re.compile(
    rf"\b(?:I'm|I am|I was|im) an? ((?:\w+ ){{0,2}}?{_TRADE_NOUN})\b(?! of\b)"
    rf"|\b[Aa]s a (?:retired|former|practising) ({_TRADE_NOUN})\b|\bI work(?:ed)? as an? (\w+)",
    re.IGNORECASE,
)
_NO_TRADE = frozenset((
    "sister", "brother", "mother", "father", "daughter", "beginner", "stranger", "lover", "owner",
    "teenager", "user", "customer", "reader", "eater", "sleeper", "learner", "talker", "loner",
    "member", "believer", "swimmer", "foreigner", "newcomer", "never", "danger", "bother",
    "grandmother", "grandfather", "widower", "woman", "man", "person", "vegetarian", "sinner",
    "liar", "number", "disaster", "monster", "bachelor", "morning", "amateur", "killer", "burger",
    "slower", "better", "bigger", "older", "younger", "longer", "human", "patient", "other",
))  # fmt: skip
_MONTH = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December)\b"
)
SAME_WORDS = 0.6
"""Share of common content words from which two sentences are about the same thing."""
_OWN_KIN = re.compile(
    r"\b(?i:my|our)\b(?: (?:late|ex|own|twin|two|three|four|five|six|twelve|little|older|younger"
    r"|\d+))*"
    r"[ -](wife|husband|sons?|daughters?|kids|children|twins?|brothers?|sisters?|mother"
    r"|father|mum"
    r"|mom|dad|uncle|aunt|grandson|granddaughter|niece|nephew|fianc\w+|stepson)\b(?:,? (?:the"
    r" \w+|[A-Z]\w+)|,? who\b| in [A-Z]\w+)?",
)
_TITLE = re.compile(
    r"\b(?:the|a|an) (?:senator|minister|bishop|astronaut|pilot|nun|judge|king|millionaire"
    r"|dentist"
    r"|president|general|doctor|lawyer)\b"
)
_OWN = re.compile(
    r"\A(?:been|lived|never|haven't|got|love|hate)\b|\b(?:I|my|we|me)\b|\bi(?:'m|'ve|m)\b",
    re.IGNORECASE,
)
_KIN_TITLE = re.compile(rf"\b(?i:my|our) (?:\w+ )?\w+,? {_TITLE.pattern[2:]}")
_PAST = re.compile(
    r"\b(?:I (?:had|won|played|worked|fought|studied|was raised|grew up|lived|owned|served|flew"
    r"|crashed|moved)|I(?:'ve| have) (?:just )?(?:won|come back|bought|inherited|sold)"
    r"|(?:moved|flew) here from|crashed \w+|(?:we|I) own\b|(?:when )?we lived in|I walk with"
    r"|lost my (?:leg|arm|eye|hand|foot|legs)"
    r"|I used to (?:be|work|fly|own|play|race|run|sing|dance|live|serve|command|drive)"
    r"|(?:after|since) my (?:\w+ )?(?:transplant|trial|divorce|time|years|tour|release|marriage"
    r"|crash|accident|arrest|war|plane)"
    r"|since the accident|my \w+ horses|bought a (?:mansion|house|yacht)|I work nights)\b",
    re.IGNORECASE,
)
_GRAND = re.compile(
    r"\b(?:mansion|palace|inheritance|nobel|ferrari|yacht|million\w*|premiere|transplant|medals"
    r"|senator|minister|hollywood|nasa|famous|guards|vineyard|wooden leg|my leg|broke my back"
    r"|accident|accent|plane crash|oscars?|lottery|won (?:the|an?) (?-i:[A-Z])\w+)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=512)
def _persona_words(text: str) -> frozenset[str]:
    return frozenset(word[:4] for word in re.findall(r"[^\W\d_]{3,}", text.lower()))


def contradicts(text: str, persona: Persona, said: str) -> bool:
    """Whether `text` claims of its writer what the persona denies.

    Args:
        text: the message.
        persona: whose message it should be.
        said: what was said before.
    """
    facts = " ".join(fact.text for fact in persona.facts if fact.kind == "fact")
    known, told = f"{persona.text} {said}", sentences(facts)
    return (
        other_circumstances(text, facts, known)
        or _other_trade(text, known)
        or other_kin(text, facts, known)
        or exclude_each_other(text, facts)
        or opposed(text, facts)
        or any(_differs(piece, told) for piece in sentences(text))
    )


def _other_trade(text: str, known: str) -> bool:
    for found in _TRADE.finditer(text):
        noun = next(filter(None, found.groups())).split()[-1].lower()
        skill = re.search(r"\b(?:bad|good|terrible|great|poor|slow|lousy|decent)\b", found[0])
        if not skill and noun not in _NO_TRADE and noun[:4] not in _persona_words(known):
            return True
    return False


def _differs(piece: str, told: Iterable[str]) -> bool:
    """Whether a sentence says what one of the facts says but for a name or a number."""
    if piece.endswith("?") or not _OWN.search(piece):
        return False
    alike = (fact for fact in told if measure_overlap(piece, fact) >= SAME_WORDS)
    return any(_names_other(piece, fact) for fact in alike)


def _names_other(piece: str, fact: str) -> bool:
    called, known = find_names(piece) - find_names(fact), find_names(fact) - find_names(piece)
    months, others = ({*_MONTH.findall(each)} for each in (piece, fact))
    return bool((called and known) or (months and others and not months & others))


def invents(text: str, persona: Persona, said: str) -> bool:
    """Whether `text` gives its writer kin or a past of which the persona has no word.

    Args:
        text: the message.
        persona: whose message it should be.
        said: what was said before.
    """
    known = f"{persona.text} {said}"
    score = 0
    for found in _OWN_KIN.finditer(text):
        groups = [name for name, words in kin.WORDS.items() if words.fullmatch(found[1])]
        new = not any(kin.WORDS[name].search(known) for name in groups)
        close = bool({"spouse", "child"} & set(groups))
        ex = bool(re.search(r"\bex\b", found[0])) and "divorc" not in known
        new = new or ex
        described = len(found[0].split()) > 2 + found[0].count(" own") and bool(
            re.search(r",? (?:the \w+|[A-Z]\w+|who)$", found[0])
        )
        score += new * (1 + close + described)
    parent = re.search(r"\ban? (?:father|mother|dad|mum) of \w+", text, re.IGNORECASE)
    score += 2 * bool(parent and not kin.WORDS["child"].search(known))
    score += (
        2 * bool(_KIN_TITLE.search(text))
        + bool(_TITLE.search(text))
        + 2
        * bool(_PAST.search(text) and not _told(text, known))
        * bool(_GRAND.search(text) or re.search(r"\b(?:in|from|at) [A-Z]\w+", text))
    )
    return score >= 2


def _told(text: str, known: str) -> bool:
    """Whether most of what a sentence about the past says was known."""
    past = next((piece for piece in sentences(text) if _PAST.search(piece)), text)
    words = find_content_words(past)
    return len(words & find_content_words(known)) * 3 >= len(words)
