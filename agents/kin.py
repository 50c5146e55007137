"""Whether a message mentions relatives that contradict the persona: absent, miscounted or dead.

Each kin word names a relationship with a few possible values: none, how many, alive or dead, which
trade or sex. A message with a different value from the persona's is about another family. Relatives
that the persona does not mention are left to `aloe.agents.persona_faults.invents`.
"""

import re

from aloe.agents.concepts import lines_of_work
from aloe.memory.words import find_numbers

GROUPS = {
    "spouse": r"wife|husband|spouse|married|wedding|bride|groom|widow\w*|fianc\w+|engaged"
    r"|divorc\w+",
    "child": r"sons?|daughters?|kids?|child(?:ren)?|twins|triplets|stepsons?|stepdaughters?"
    r"|bab(?:y|ies)|boys?|girls?|father of|mother of|grand(?:child\w*|sons?|daughters?|kids?)",
    "sibling": r"brothers?|sisters?|twin|siblings?",
    "parent": r"mother|father|mum|mom|mam|dad|da|parents?|stepfather|stepmother",
    "elder": r"grand(?:mother|father|ma|pa)|aunts?|uncles?|cousins?|nieces?|nephews?|grandson"
    r"|granddaughter",
}
WORDS = {group: re.compile(rf"\b(?:{words})\b", re.I) for group, words in GROUPS.items()}
"""By bond, the words for it."""
_HAVE_NO = (
    r"\b(?:(?:I|we)(?:['\u2019]ve| have)?(?: got)? no|(?:don['\u2019]?t|do not) have any|without)"
    r" (?:\w+ )?"
)
_DENIALS = {
    "spouse": r"\bI(?:['\u2019]ve| have)? never (?:been )?married\b|\ba bachelor\b|\bI(?:['\u2019]m"
    r"| am)(?: \w+)? single\b"
    r"|\bI have no (?:wife|husband)\b|\bI plan to stay single\b|\bI(?:['\u2019]m"
    r"| am) (?:a )?(?:unmarried|spinster)\b",
    "child": rf"{_HAVE_NO}(?:children|child|kids|sons?|daughters?)\b|\bI never had (?:children"
    r"|kids)\b"
    r"|\bI am childless\b|\bno stepchildren\b|\bno (?:children|kids) (?:at home|of my own|here"
    r"|around|in (?:the|this|my) house)\b|\bnever (?:had|wanted) (?:children|kids)\b",
    "sibling": rf"{_HAVE_NO}(?:brothers?|sisters?|siblings?)\b|\bonly child\b",
    "grandchild": rf"{_HAVE_NO}grand(?:children|sons?|daughters?|kids)\b",
}
_DENIED = {group: re.compile(denial, re.IGNORECASE) for group, denial in _DENIALS.items()}
_WHO = {**WORDS, "grandchild": re.compile(r"\bgrand(?:child\w*|sons?|daughters?|kids?)\b", re.I)}
_OWN = re.compile(
    r"\b(?:my|our)(?: (?:late|own|two|three|four|five|six|little|older|elder|eldest|younger"
    r"|youngest|big|dear))*"
    r" (wife|husband|sons?|daughters?|kids|children|twins?|brothers?|sisters?|boys|girls"
    r"|grandchildren|grandsons?|granddaughters?)\b",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    r"\b(?:widow(?:er|ed)?|divorced|single|never married|(?:wife|husband) (?:died|left|is dead)"
    r"|(?:lost|split from"
    r"|separated from) my (?:wife|husband|girlfriend|boyfriend))\b",
    re.IGNORECASE,
)
_PAIRED = re.compile(
    r"\b(?:my|our) (?!late|ex)(?:\w+ )?(?:wife|husband)(?: and I\b| (?:is|will|wants|has|just|and"
    r"|does|can|\w{3,}s)\b"
    r"|,? [^.?!]*\b(?:today|this (?:morning|afternoon|evening)|yesterday|tonight|now)\b)"
    r"|\bhappily married\b|\b(?:I(?:['\u2019]m| am)|we(?:['\u2019]re| are)) (?:still )?married\b"
    r"|\bmarried for \w+ years\b|\bmy (?:wife|husband) (?:and I\b|(?-i:[A-Z])\w+)",
    re.IGNORECASE,
)
_DEAD = re.compile(
    r"\b(?:my|our) (\w+)(?:, \w+,)? (?:died|is dead|are dead|passed(?: away)?|has (?:died|passed)"
    r"|was buried|is buried)"
    r"|\b(?:my|our) late (\w+)|\b(?:lost|buried) my (\w+)|\bsince my (\w+)['\u2019]s (?:death"
    r"|funeral)|\bmy (\w+)['\u2019]s (?:grave|funeral)",
    re.IGNORECASE,
)
_ALIVE = re.compile(
    r"\b[Mm]y (?:\w+ )?(\w+) (?:is|has|will|can|(?!was|died|passed|left|had|lives on)\w{2,}s)\b"
    r"|\b(?:live|lives|share|talk|fish|sing|work|speak|\w+) with my (\w+)\b"
    r"|\bmy (\w+) and I\b",
)
_PARTNER = re.compile(
    r"\b(?:my|have an?) (?:\w+ )?(wife|husband|fianc\w+|girlfriend|boyfriend)\b", re.IGNORECASE
)
_TWIN = re.compile(r"\btwin (brother|sister)\b", re.IGNORECASE)
_TRADE = re.compile(
    r"\bmy (?:\w+ )?(wife|husband|brother|sister|mother|father|mum|dad|son|daughter|twin|partner"
    r"|grandmother|grandfather|uncle|aunt|cousin)"
    r"(?:['\u2019]?s? ?,? ?(?:who |he['\u2019]?s |she['\u2019]?s )?(?:is|was|works as|became"
    r"|worked as)? ?(?:an?|the) | (?=\w+s |\w+ed ))((?:[\w-]+ ?){1,3})",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\bmy (?:\w+ )?(\w+)(?:,? who)? (?:lives|is|works|moved|sits|studies|stays"
    r"|settled) (?:(?:\w+ )?(?:in|to|at) )?([A-Z]\w+|next door|upstairs|downstairs"
    r"|round the corner|with me)|\b(?:a|my) (\w+) in ([A-Z]\w+)\b"
)
_COUNT = re.compile(
    r"\b(?:my|have|['\u2019]ve(?: got)?|keep|got|all|our|raised|own|of|with)"
    r" (two|three|four|five|six"
    r"|seven|eight|nine|ten|an? only|only one|one|\d+) (\w{3,}(?: \w{3,})?)\b",
    re.IGNORECASE,
)
_ONE = frozenset(("one", "a only", "an only", "only one"))
_UNITS = frozenset((
    "hours", "hour", "days", "day", "weeks", "week", "months", "month", "years", "year", "minutes",
    "euros", "pounds", "dollars", "times", "kilos", "metres", "miles", "kilometres", "degrees",
    "percent", "people", "more", "sips", "cups", "hundred", "thousand", "things", "words", "lines",
    "sentences", "jobs", "questions", "ideas", "hands", "eyes", "legs", "feet", "rooms",
))  # fmt: skip


def other_kin(text: str, facts: str, known: str) -> bool:
    """Whether a message speaks of another family than the persona's.

    Args:
        text: the message.
        facts: the persona's facts of life.
        known: the same with its traits and what was said before.
    """
    return (
        _denied(text, facts)
        or _lost(text, facts)
        or _other_twin(text, known)
        or _other_partner(text, known)
        or _other_children(text, known)
        or _other_trade(text, facts)
        or _other_place(text, facts)
        or other_count(text, facts)
    )


def _denied(text: str, facts: str) -> bool:
    """Whether one of the two has kin that the other says are none."""
    own = [found[1] for found in _OWN.finditer(text)]
    for group, denial in _DENIED.items():
        kin, denied = _WHO[group], denial.search(text)
        mine = any(map(kin.fullmatch, own))
        known_denied = (denied or mine) and denial.search(facts)
        if denied and not known_denied and _has(kin, facts):
            return True
        if known_denied and mine:
            return True
    return bool(_PAIRED.search(text) and _SINGLE.search(facts))


def _has(kin: re.Pattern[str], facts: str) -> bool:
    """Whether facts give somebody such kin: a widow is no spouse, nor who never had children."""
    without = re.sub(
        r"\b(?:no|never had|without|neither)\b[^.]*|\bdivorced?\b|\bwidow\w*", "", facts, flags=re.I
    )
    return bool(kin.search(without))


def _lost(text: str, facts: str) -> bool:
    """Whether somebody is dead in one of the two and alive in the other."""
    dead, living = _named(_DEAD, text), _named(_ALIVE, text)
    if not dead and not living:
        return False
    gone, alive = _named(_DEAD, facts), _named(_ALIVE, facts)
    return bool(dead & alive - gone) or bool(gone & living - dead)


def _named(pattern: re.Pattern[str], text: str) -> set[str]:
    return {name.lower() for found in pattern.finditer(text) for name in found.groups() if name}


def _other_twin(text: str, known: str) -> bool:
    """Whether a twin brother is spoken of where there is a twin sister, or the other way round."""
    if not (mine := {found.lower() for found in _TWIN.findall(text)}):
        return False
    theirs = {found.lower() for found in _TWIN.findall(known)}
    return bool(theirs) and not mine & theirs


def _other_partner(text: str, known: str) -> bool:
    """Whether the partner is called what the persona's is not: a husband for a wife."""
    if not (mine := {found.lower() for found in _PARTNER.findall(text)}):
        return False
    theirs = {found.lower() for found in _PARTNER.findall(known)}
    pairs = (
        {"wife", "husband"}, {"girlfriend", "boyfriend"}, {"wife", "boyfriend"},
        {"husband", "girlfriend"}, {"wife", "girlfriend"}, {"husband", "boyfriend"},
    )  # fmt: skip
    return bool(theirs) and any(pair <= mine | theirs and not mine & theirs for pair in pairs)


def _other_children(text: str, known: str) -> bool:
    """Whether a son is spoken of where there are daughters only, or the other way round."""
    mine = {
        word[0].lower()
        for word in re.findall(r"\b[Mm]y (?:\w+ )?(sons?|daughters?)\b(?!-in-law)", text)
    }
    if not mine:
        return False
    theirs = {word[0] for word in re.findall(r"\b(sons?|daughters?)\b", known.lower())}
    denied = re.search(r"\bno (?:sons|daughters)\b", known, re.IGNORECASE)
    theirs -= {denied[0].split()[1][0].lower()} if denied else set()
    return bool(theirs) and bool(mine - theirs) and not re.search(r"\b(?:children|kids)\b", known)


def _other_trade(text: str, facts: str) -> bool:
    """Whether kin work at something else than the persona's do."""
    if not (claimed := _trades(text)):
        return False
    known = _trades(facts)
    return any(
        who == whom and mine and theirs and not mine & theirs
        for who, mine in claimed
        for whom, theirs in known
    )


def _trades(text: str) -> list[tuple[str, frozenset[str]]]:
    return [(found[1].lower(), lines_of_work(found[2])) for found in _TRADE.finditer(text)]


def _other_place(text: str, facts: str) -> bool:
    """Whether kin live somewhere else than the persona's do."""
    if not (mine := _places(text)):
        return False
    theirs = _places(facts)
    return any(who in theirs and place not in facts for who, place in mine.items())


def _places(text: str) -> dict[str, str]:
    found = _PLACE.findall(text)
    return {(who or kin).lower(): place or town for who, place, kin, town in found}


def other_count(text: str, facts: str) -> bool:
    """Whether a message counts as its own more or fewer of something than the persona has."""
    if _ONLY.search(text) and (_offspring(facts) > 1 or re.search(r"\btwins\b", facts)):
        return True
    own = re.search(r"\b(?:mother|father|mum|mom|dad|parent) of\b", text, re.I) and _offspring(text)
    if own and _offspring(facts) and own != _offspring(facts):
        return True
    if not (mine := dict(_counts(text))):
        return False
    theirs = dict(_counts(facts))
    return any(what in theirs and theirs[what] != many for what, many in mine.items())


_ONLY = re.compile(r"\bmy only (?:son|daughter|child|boy|girl)\b", re.IGNORECASE)
_OFFSPRING = re.compile(
    r"\b(?:mother|father|mum|mom|dad|parent) of (one|two|three|four|five|six|seven|eight|nine"
    r"|\d+)\b"
    r"|\b(two|three|four|five|six|seven|eight|nine|\d+) (?:\w+ )?(?:sons|daughters|children|kids"
    r"|boys|girls)\b",
    re.I,
)


def _offspring(text: str) -> int:
    """Return how many children are counted in a text; 0 for none that is."""
    return sum(
        1 if "one" in found else min(find_numbers(" ".join(found)), default=0)
        for found in _OFFSPRING.findall(text)
    )


def _counts(text: str) -> list[tuple[str, int]]:
    found = []
    for many, what in _COUNT.findall(text):
        number = 1 if many.lower() in _ONE else min(find_numbers(many), default=0)
        nouns = [word.removesuffix("s") for word in what.lower().split() if word not in _UNITS]
        found += [(noun, number) for noun in nouns if number]
    return found
