"""What a message claims of its writer that the persona denies, or has no word of.

A simulator that forgets its persona makes up another: an age, a trade, a family, a past. A judge
reads the persona, so a verdict on such a conversation is about somebody else. Claims are read off
by rule, in English only: ages, trades, where somebody lives, kin, and whether something is liked,
owned or done at all. Small things that the persona leaves open (a neighbour, a sock, a Sunday) are
what makes a user alive and are no fault.
"""

import re
from functools import lru_cache

from aloe.memory.contradictions import find_contradictions
from aloe.memory.disclosures import measure_overlap
from aloe.memory.words import find_content_words, find_names, find_numbers
from aloe.schema import Persona, sentences

_AGES = re.compile(
    r"\b(?:I am|I'm|im|at|turned|aged?)(?: only| just| now| already)?,? (\d{2})\b(?! ?(?:%|km"
    r"|hours|"
    r"minutes|days|weeks|euros|pounds|am|pm|:|degrees|metres|over|[.,]\d))"
    r"|\b(\d{2})[- ]years?[- ]old\b|(?:\A|, |\. )(\d{2})\b(?=[.,] |\Z)|\band (\d{2})\b(?=[.,])"
    r"|\bâge, (\d{2}) ans\b|\btengo (\d{2}) años\b|\bich bin (\d{2})\b|\bj'ai (\d{2}) ans\b",
    re.IGNORECASE,
)
_OWN_AGE = re.compile(
    r"\b(?:I am|I'm|im)(?: only| just| now| already)? (\d{2})(?= and|,|\.| years|\Z)"
    r"|\bat (\d{2})\b,? I(?:'m| am)|\bage, (\d{2})\b"
    r"|\bmon âge, (\d{2}) ans\b|\btengo (\d{2}) años\b|\bich bin (\d{2}) jahre\b",
    re.IGNORECASE,
)
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
_HOME = re.compile(
    r"\b(?:I live (?:[a-z]+ ){0,4}?in|I'm living in"
    r"|born(?: and raised)? in|raised in|(?:I )?grew up in|I(?:'m"
    r"| am) from"
    r"|vivo sol[ao] en|vivo en|j'habite à|ich wohne in) (?:the )?([^\W\d_]{3,})",
    re.IGNORECASE,
)
_NAMED_PLACE = re.compile(r"\b(?:in|from|near|above|off|of) [A-Z][\w-]{2,}")
_NO_PLACE = frozenset(
    ("flat", "house", "room", "caravan", "boat", "small", "big", "old", "village")
)
SAME_WORDS = 0.6
"""Share of common content words from which two sentences are about the same thing."""
_KIN = {
    "spouse": r"wife|husband|spouse|married|wedding|bride|groom|widow\w*|fianc\w+|engaged"
    r"|divorc\w+",
    "child": r"sons?|daughters?|kids?|child(?:ren)?|twins|triplets|stepsons?|stepdaughters?"
    r"|bab(?:y"
    r"|ies)|boys?|girls?|father of|mother of|grand\w+",
    "sibling": r"brothers?|sisters?|twin|siblings?",
    "parent": r"mother|father|mum|mom|mam|dad|da|parents?|stepfather|stepmother",
    "elder": r"grand(?:mother|father|ma|pa)|aunts?|uncles?|cousins?|nieces?|nephews?|grandson"
    r"|granddaughter",
}
_KIN_WORDS = {group: re.compile(rf"\b(?:{words})\b", re.I) for group, words in _KIN.items()}
_OWN_KIN = re.compile(
    r"\b(?i:my|our)\b(?: (?:late|ex|own|two|three|four|five|six|twelve|little|older|younger"
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
_NO_KIN = {
    "spouse": r"\bI(?:'ve| have)? never married\b|\ba bachelor\b|\bI(?:'m| am)(?: \w+)? single\b"
    r"|\bI have no (?:wife|husband)\b|\bI plan to stay single\b",
    "child": r"\b(?:I(?:'ve| have)?(?: got)? no|(?:don't|do not) have any|without) (?:\w+ )?"
    r"(?:children|kids|sons|daughters)\b|\bI never had (?:children|kids)\b|\bI am childless\b"
    r"|\bno stepchildren\b",
    "sibling": r"\b(?:I(?:'ve| have)?(?: got)? no|(?:don't|do not) have any) (?:brothers|sisters"
    r"|siblings)\b|\bonly child\b",
}
_WISH = re.compile(r"(?:'d|\bwould) (?:like|love)\b", re.IGNORECASE)
_OWN = re.compile(
    r"\A(?:been|lived|never|haven't|got|love|hate)\b|\b(?:I|my|we|me)\b|\bi(?:'m|'ve|m)\b",
    re.IGNORECASE,
)
_CLAUSES = re.compile(r"[,;:.]\s|\b(?:but|and|so|because)\b")
_DENIED = re.compile(
    r"\b(?:no|not an?|never|without|(?:do|have|did|am|has)(?:n't| not)|don't|can't|cannot)"
    r" ((?:(?:have|got|any|even|own|keep|like|know|been|a|an|the|to|ever|my|live|once"
    r"|in)? ?){0,3}"
    r"[\w'-]+)",
    re.IGNORECASE,
)
_ALONE = re.compile(
    r"\b(?:widow(?:er)?|divorced|never married|(?:wife|husband) (?:died|left)|(?:lost|split from"
    r"|separated from) my (?:wife|husband|girlfriend|boyfriend))\b",
    re.IGNORECASE,
)
_SPOUSE = re.compile(
    r"\bmy (?:wife|husband)(?: and I\b| (?:is|says|will|wants|thinks|has|just|and)\b)"
    r"|\bhappily married\b|\bI(?:'m| am) married\b",
    re.IGNORECASE,
)
_DEAD = re.compile(r"\bmy (\w+) (?:died|is dead|passed away|has (?:died|passed))", re.I)
_ALIVE = re.compile(
    r"\bmy (\w+) (?:lives|is|has|works|paints|repairs|plays|runs|drives|builds|says|wants)\b", re.I
)
_AGAINST = re.compile(
    r"\b(?:hate|detest|dislike|afraid|scared|fear|allergic|avoid|cannot|can't|can not|never"
    r"|not|no"
    r"|don't|doesn't|isn't|nobody|without|broke up|split (?:up|from|with)|quit|lost|failed"
    r"|flunked|intolerant"
    r"|distrust|divorced|nothing|none|poor|bad|badly|want to (?:see|visit))\b",
    re.IGNORECASE,
)
_FOR = re.compile(
    r"\b(?:love|adore|enjoy|joy|like|happily|every day|each (?:dawn|day|morning)|always|own|keep"
    r"|have|been to|lived|grew up|as always|perfect|first (?:try|time)|whole|aced|passed|know"
    r"|born with|best subject|favourite|good at)\b",
    re.IGNORECASE,
)
_KIN_TITLE = re.compile(rf"\b(?i:my|our) (?:\w+ )?\w+,? {_TITLE.pattern[2:]}")
_PAST = re.compile(
    r"\b(?:I (?:had|won|played|worked|fought|studied|was raised|grew up|lived|owned|served|flew"
    r"|crashed|moved)|I(?:'ve| have) (?:just )?(?:won|come back|bought|inherited|sold)"
    r"|(?:moved|flew) here from|crashed \w+|(?:we|I) own\b|(?:when )?we lived in|I walk with"
    r"|since the accident|my \w+ horses|bought a (?:mansion|house|yacht)|I work nights)\b",
    re.IGNORECASE,
)
_GRAND = re.compile(
    r"\b(?:mansion|palace|inheritance|nobel|ferrari|yacht|million\w*|premiere|transplant|medals"
    r"|senator|minister|hollywood|nasa|famous|guards|vineyard|wooden leg|my leg|broke my back"
    r"|accident|accent)\b",
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
    return (
        _other_age(text, facts)
        or _other_trade(text, f"{persona.text} {said}")
        or _other_kin(text, facts)
        or _other_home(text, facts, said)
        or _excluded(text, facts)
        or any(
            _opposed(piece, fact) or _differs(piece, fact)
            for piece in sentences(text)
            for fact in sentences(facts)
        )
    )


def _ages(found: list[tuple[str, ...]]) -> set[int]:
    return {int(age) for ages in found for age in ages if age}


def _other_age(text: str, facts: str) -> bool:
    mine, theirs = _ages(_OWN_AGE.findall(text)), _ages(_AGES.findall(facts))
    return bool(mine and theirs) and all(abs(a - b) > 1 for a in mine for b in theirs)


def _other_trade(text: str, known: str) -> bool:
    for found in _TRADE.finditer(text):
        noun = next(filter(None, found.groups())).split()[-1].lower()
        skill = re.search(r"\b(?:bad|good|terrible|great|poor|slow|lousy|decent)\b", found[0])
        if not skill and noun not in _NO_TRADE and noun[:4] not in _persona_words(known):
            return True
    return False


def _other_kin(text: str, facts: str) -> bool:
    for group, denial in _NO_KIN.items():
        kin = _KIN_WORDS[group]
        denied, known_denied = (re.search(denial, each, re.IGNORECASE) for each in (text, facts))
        if denied and not known_denied and kin.search(facts):
            return True
        if known_denied and any(kin.fullmatch(found[1]) for found in _OWN_KIN.finditer(text)):
            return True
    dead = {found[1].lower() for found in _DEAD.finditer(text)}
    alive = {found[1].lower() for found in _ALIVE.finditer(facts)}
    return bool(dead & alive or (_ALONE.search(facts) and _SPOUSE.search(text)))


def _excluded(piece: str, fact: str) -> bool:
    """Whether one person cannot say both, though either alone."""
    both = find_contradictions(f"{fact} {piece}")
    return bool(both) and not set(both) <= {*find_contradictions(piece), *find_contradictions(fact)}


def _other_home(text: str, facts: str, said: str) -> bool:
    """Whether a home is named that is not the persona's, which is known."""
    known = f"{facts} {said}".lower()
    named: list[str] = _HOME.findall(text)
    return bool(_HOME.search(facts) or _NAMED_PLACE.search(facts)) and any(
        place.lower() not in known and place.lower() not in _NO_PLACE for place in named
    )


def _differs(piece: str, fact: str) -> bool:
    """Whether a sentence says what a fact says but for a name or a number."""
    if piece.endswith("?") or not _OWN.search(piece) or measure_overlap(piece, fact) < SAME_WORDS:
        return False
    mine, theirs = (find_numbers(each) - {1} for each in (piece, fact))
    called, known = find_names(piece) - find_names(fact), find_names(fact) - find_names(piece)
    return bool((mine - theirs and theirs - mine) or (called and known))


def _opposed(piece: str, fact: str) -> bool:
    """Whether a sentence of one's own affirms what a fact denies, or the other way round."""
    if piece.endswith("?") and not re.match(r"\W*(?:I|My|Both my|Me)\b", piece, re.IGNORECASE):
        piece = piece.rpartition(",")[0]
    if not _OWN.search(piece):
        return False
    shared = find_content_words(piece) & find_content_words(fact)
    return bool(shared) and any(
        (_denied(clause, shared & find_content_words(clause)) and _sides(fact) != 2)
        or (_sides(clause) | _sides(fact) == 3 and bool(shared & find_content_words(clause)))
        for clause in _CLAUSES.split(piece)
    )


def _denied(clause: str, shared: frozenset[str]) -> bool:
    """Whether one of the words `shared` with a fact is what the clause denies."""
    return any(shared & find_content_words(found[1]) for found in _DENIED.finditer(clause))


def _sides(text: str) -> int:
    """Return 1 for something had or liked, 2 for something denied or disliked, 0 for neither."""
    text = _WISH.sub(" ", text)
    if _AGAINST.search(text):
        return 2
    return 1 if _FOR.search(text) else 0


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
        groups = [name for name, words in _KIN_WORDS.items() if words.fullmatch(found[1])]
        new = not any(_KIN_WORDS[name].search(known) for name in groups)
        close = bool({"spouse", "child"} & set(groups)) and not found[1].startswith("grand")
        ex = bool(re.search(r"\bex\b", found[0])) and "divorc" not in known
        new = new or ex
        described = len(found[0].split()) > 2 + found[0].count(" own") and bool(
            re.search(r",? (?:the \w+|[A-Z]\w+|who)$", found[0])
        )
        score += new * (1 + close + described)
    parent = re.search(r"\ban? (?:father|mother|dad|mum) of \w+", text, re.IGNORECASE)
    score += 2 * bool(parent and not _KIN_WORDS["child"].search(known))
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
