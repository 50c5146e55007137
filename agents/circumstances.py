"""Age, sex, work and home: what a message reveals about its writer, compared with the persona.

Each takes one of a few values, so two different values mean two people. Only explicit statements
about the present count: everybody was nineteen once. What the persona leaves open is not a fault
here (see `aloe.agents.persona_faults.invents`).
"""

import re
from collections.abc import Iterator

from aloe.agents.concepts import lines_of_work
from aloe.memory.words import find_numbers
from aloe.schema import sentences

_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip
_UNITS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9,
}  # fmt: skip
_TEENS = {
    "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_SPELT = re.compile(
    rf"\b(?:({'|'.join(_TENS)})(?:[- ]({'|'.join(_UNITS)}))?|({'|'.join(_TEENS)}))\b", re.I
)
_AGES = re.compile(
    r"\b(?:I am|I'm|im|at|turned|aged?)(?: only| just| now| already)?,? (\d{2})\b(?! ?(?:%|km"
    r"|hours|minutes|days|weeks|euros|pounds|am|pm|:|degrees|metres|over|[.,]\d))"
    r"|\b(\d{2})[- ]years?[- ]old\b|(?:\A|, |\. )(\d{2})\b(?=[.,] |\Z)|\band (\d{2})\b(?=[.,])"
    r"|\bâge, (\d{2}) ans\b|\btengo (\d{2}) años\b|\bich bin (\d{2})\b|\bj'ai (\d{2}) ans\b",
    re.IGNORECASE,
)
_NOW = (
    r"(?:am|have|go|can|still|do|don't|cannot|can't|need|want|get|feel|sleep|know|live|work|run"
    r"|should|could|must|ought)"
)
_OWN_AGE = re.compile(
    r"\b(?:I am|I'm|im)(?: only| just| now| already| almost| nearly| about to turn"
    r"| like)? (\d{2})\b"
    r"(?! ?(?:%|km|hours?|minutes?|mins|days?|weeks?|months?|pages?|euros?|pounds?|kg|kilos?|cm"
    r"|per|degrees|miles|metres|of\b"
    r"|th\b|am\b|pm\b|[.,:]\d|late|floors?|times|points|in\b))"
    r"|\b(?:girl|boy|woman|man|lad|lass|kid) of (\d{2})\b"
    rf"|\bat (\d{{2}})\b,? (?:I(?:'m| {_NOW})\b|my\b|you\b|u\b|one\b|it\b)"
    rf"|\bage,? (?:of )?(\d{{2}})\b"
    r"|\b(?:as|I'm|I am|im) an? (\d{2})[- ]year|\bI(?:'m| am)? turn(?:ing|ed)? (\d{2})\b"
    r"|\bmy (\d{2})(?:th|st|nd|rd) birthday"
    r"|\bmon âge, (\d{2}) ans\b|\btengo (\d{2}) años\b|\bich bin (\d{2}) jahre\b"
    r"|\A\W*(\d{2}) years old\b",
    re.IGNORECASE,
)
_BORN = re.compile(r"\b(?:I was )?born in (19\d\d|20[01]\d)\b", re.IGNORECASE)
_DECADE = re.compile(
    rf"\b(?:I'm|I am|im|still|well|being|now) in (?:my )(?:early |mid |mid-"
    rf"|late )?({'|'.join(t[:-1] for t in _TENS)})ies\b",
    re.IGNORECASE,
)
_STAGES = (
    (r"\b(?:I'm|I am|im|as) (?:just |only |still )?an? (?:teen(?:ager)?|schoolboy|schoolgirl|high"
     r"[- ]school\w*)\b|\b(?:I'm|I am|im) (?:still )?in (?:high school|middle school|\w+ grade)\b"
     r"|\bmy parents won't let me\b", 12, 20),
    (
        r"\b(?:I'm|I am|as) an? (?:old[- ]age )?pensioner\b|\bmy (?:great-)?grand(?:children|kids"
        r"|sons?|daughters?)\b"
     r"|\bI draw my pension\b|\bmy old[- ]age pension\b", 38, 110),
    (r"\b(?:I'm|I am|as) an? (?:first[- ]year|freshman|undergraduate)\b", 16, 30),
)  # fmt: skip
"""What is said at some ages only: a pattern, and from what age to what age."""
YEARS = range(2024, 2031)
"""In which it may be that somebody says when they were born."""

_SEXES = (
    re.compile(
        r"\b(?:as|I'm|I am|im|being|only) an? (?:\w+ )?(?:woman|girl|mother|mum|mom|widow"
        r"|grandmother|stepmother"
        r"|housewife|nun|daughter|lady|mother-in-law)\b|\bI(?:'m| am) \w* ?pregnant\b"
        r"|\bI gave birth\b"
        r"|\b(?:a|the) mother of \w+",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:as|I'm|I am|im|being|only) an? (?:\w+ )?(?:man|guy|bloke|father|dad|widower"
        r"|grandfather|stepfather"
        r"|bachelor|monk|lad|gentleman)\b|\b(?:a|the) father of \w+|\bmy beard\b|\bmy prostate\b",
        re.IGNORECASE,
    ),
)
_SEX_OF_PERSONA = (
    re.compile(
        r"\ba (?:widow|woman|nun|midwife|waitress|actress|housewife|seamstress"
        r"|mother|grandmother)\b|\bI gave birth\b|\bpregnant\b", re.I),
    re.compile(
        r"\ba (?:widower|man|monk|priest|father|grandfather|fisherman|policeman"
        r"|postman|fireman|waiter)\b", re.I),
)  # fmt: skip

_CLAIMED_WORK = re.compile(
    r"\b(?:I|we)(?:['\u2019]ve| have)?(?: also| now| still| just| only)?"
    r" (?:(?:(?:run|own|manage|opened|inherited) (?:an?|the|my own|our own)|have (?:my|our) own)"
    r"|work(?:ed|ing)? (?:[\w:]+ ){0,4}?(?:as|at|in|for)"
    r"(?: an?| the| my)?|practi[sc]e|trained as an?|teach|drive (?:a|the)|studied|study)"
    r"((?: [\w-]+){1,4})"
    r"|\b(?:I['\u2019]m|I am|im|we are)(?: also| just| only| really)? an? ((?:[\w-]+ ){0,2}?[\w-]+)"
    r"(?=[,.;!]| (?:by|in|at|and|so|from|who|with|for|of|now|here|too)\b|\Z)"
    r"|\b[Aa]s an? (?:retired |former |practising |trained |fellow )?([\w-]+)(?: (?:myself|I))?\b"
    r"|\b(?:my|our) (?:own |last |next |first )?(patients|pupils|bakery|restaurant|clinic|parish"
    r"|salon|congregation"
    r"|platoon|classroom|law firm|fields|cows|taxi|crew|surgery|operating theatre)\b"
    r"|\b(?:hours|shifts?|days?|nights?|all day|job|work|career) (?:long )?(?:at|in) (?:the|an?"
    r"|my) ([\w-]+)",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(r"\A(?:My|Our) (?!job|work|shop)|\b(?:never|no|not|cannot)\b")
_NO_WORK = re.compile(
    r"\b(?:bad|good|terrible|great|poor|slow|lousy|decent|want|would|if|like|dream|future|hobby"
    r"|amateur"
    r"|lapsed|not|(?:do|can|should|could|may|shall|did|must) (?:I|we))\b|['\u2019]d\b",
    re.IGNORECASE,
)

_HOME = re.compile(
    r"\b(?:(?:I|we) live (?:[a-z]+ ){0,4}?in|(?:I'm|we're) living in"
    r"|born(?: and raised)? in|raised in|(?:I )?grew up in|I(?:'m| am) from"
    r"|vivo sol[ao] en|vivo en|j'habite à|ich wohne in) (?:the )?([^\W\d_]{3,})",
    re.IGNORECASE,
)
_NAMED_HOME = re.compile(
    r"\b(?:[Hh]ere in|[Ww]here I live,?(?: in)?|(?:[Mm]y|[Oo]ur) (?:\w+ )?(?:flat|house|home"
    r"|village|street|apartment"
    r"|cottage|garden|farm|neighbou?rs|town|place|hometown)(?: (?:back|here|out|is))? in"
    r"|I moved (?:back |here )?to"
    r"|[Bb]ack home in|life in) (?:the )?([A-Z][^\W\d_]{2,})|\b([A-Z][^\W\d_]{2,}), where I live\b"
    r"|\b(?:here )?in ([^\W\d_]{3,}),? where [iI] live\b"
)
_NAMED_PLACE = re.compile(r"\b(?:in|from|near|above|off|of) [A-Z][\w-]{2,}")
_NO_PLACE = frozenset((
    "flat", "house", "room", "caravan", "boat", "small", "big", "old", "village", "town", "city",
    "fear",
))  # fmt: skip
_DWELLING = re.compile(
    r"\b(?:(?:I|we) live (?:alone )?(?:on|in) (?:an? |the |my )?(?:[\w-]+ ){0,2}?|(?:my|our"
    r"|on an?|in an?) (?:\w+ )?)"
    r"(caravan|boat|houseboat|flat|apartment|monastery|castle|tent|mansion|villa|penthouse"
    r"|bungalow|cottage|skyscraper"
    r"|farm|tower block|tall building|lighthouse|convent)\b",
    re.IGNORECASE,
)
_HOMES = (
    frozenset(("flat", "apartment", "penthouse", "skyscraper", "tower block", "tall building")),
    frozenset(("boat", "houseboat")),
    frozenset(("cottage", "bungalow", "villa", "farm")),
)
"""Dwellings that one and the same may be called."""
_HOUR = re.compile(
    r"\b(get up|wake up|wake|rise|go to bed|start work|finish work|start|finish) at (\d{1,2}"
    r"|[a-z]+)\b",
    re.I,
)
_FIELD = re.compile(
    r"\b(?:stud(?:y|ied|ying)|(?:degree|student|phd|doctorate|diploma) (?:in"
    r"|of)) (?:\w+ )?(medicine|law|history|physics|biology|chemistry|engineering|economics"
    r"|art|music|philosophy|psychology|nursing|architecture|statistics|maths|mathematics"
    r"|literature|computer|theology"
    r"|geography|linguistics|business|dentistry|pharmacy|politics|drama|design|botany|geology"
    r"|astronomy|sociology)\b",
    re.IGNORECASE,
)


def other_circumstances(text: str, facts: str, known: str) -> bool:
    """Whether age, sex, work or home of who writes `text` are others than the persona's.

    Args:
        text: the message.
        facts: the persona's facts of life.
        known: the same with its traits and what was said before.
    """
    return (
        _other_age(text, facts)
        or _other_sex(text, facts)
        or _other_work(text, facts, known)
        or _other_home(text, facts, known)
        or _other_hours(text, facts)
        or _other_field(text, facts)
    )


def _digits(text: str) -> str:
    """Return a text with the numbers of ages in digits."""

    def number(found: re.Match[str]) -> str:
        tens, unit, teen = (each.lower() if each else None for each in found.groups())
        return str(_TEENS[teen] if teen else _TENS[tens or ""] + _UNITS.get(unit or "", 0))

    return _SPELT.sub(number, text)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield from what to what age somebody is who says `text`."""
    yield from ((int(a), int(a)) for ages in _OWN_AGE.findall(_digits(text)) for a in ages if a)
    yield from ((YEARS[0] - int(y) - 1, YEARS[-1] - int(y)) for y in _BORN.findall(text))
    for stem in _DECADE.findall(text):
        decade = _TENS[f"{stem.lower()}y"]
        yield decade, decade + 9
    yield from ((low, high) for said, low, high in _STAGES if re.search(said, text, re.I))


def _other_age(text: str, facts: str) -> bool:
    if not (spans := list(_spans(text))):
        return False
    ages = {int(age) for found in _AGES.findall(_digits(facts)) for age in found if age}
    return bool(ages) and not any(low - 1 <= age <= high + 1 for age in ages for low, high in spans)


def _other_sex(text: str, facts: str) -> bool:
    if "?" in text:
        text = " ".join(
            piece for piece in sentences(text) if not piece.endswith("?") or "," in piece
        )
    return any(
        spoken.search(text) and known.search(facts) and not _SEX_OF_PERSONA[side].search(facts)
        for side, (spoken, known) in enumerate(zip(_SEXES, _SEX_OF_PERSONA[::-1], strict=True))
    )


def _other_work(text: str, facts: str, known: str) -> bool:
    """Whether work is claimed of another line than all that is known of the persona."""
    claims = [each for each in _CLAIMED_WORK.finditer(text) if lines_of_work(each[0])]
    if not claims or not lines_of_work(_own_clauses(facts)):
        return False
    known = f"{_own_clauses(facts)} {known.removeprefix(facts)}"
    for found in claims:
        around = text[max(0, found.start() - 15) : found.end()]
        other = not lines_of_work(found[0]) & lines_of_work(known)
        if other and not _NO_WORK.search(around):
            return True
    return False


def _own_clauses(facts: str) -> str:
    """Return the statements that are of the person and deny nothing."""
    return " ".join(piece for piece in sentences(facts) if not _OF_OTHERS.search(piece))


def _other_home(text: str, facts: str, known: str) -> bool:
    """Whether a home is named that is not the persona's, which is known."""
    named = _HOME.findall(text) + [
        place for found in _NAMED_HOME.findall(text) for place in found if place
    ]
    new = [place.lower() for place in named if place.lower() not in _NO_PLACE]
    if any(place not in known.lower() for place in new) and (
        _HOME.search(facts) or _NAMED_PLACE.search(facts)
    ):
        return True
    if not (mine := _found(_DWELLING, text)):
        return False
    theirs, alike = _found(_DWELLING, facts), mine.union(*(g for g in _HOMES if g & mine))
    return bool(theirs) and not alike & theirs


def _found(pattern: re.Pattern[str], text: str) -> set[str]:
    return {found.lower() for found in pattern.findall(text)}


def _other_hours(text: str, facts: str) -> bool:
    """Whether somebody gets up, or the like, at another hour than the persona."""
    if not (mine := _hours(text)):
        return False
    theirs = _hours(facts)
    return any(what in theirs and abs(theirs[what] - hour) > 1 for what, hour in mine.items())


def _hours(text: str) -> dict[str, int]:
    found = _HOUR.findall(text)
    return {what.lower(): min(find_numbers(hour), default=1) for what, hour in found}


def _other_field(text: str, facts: str) -> bool:
    """Whether another subject is studied than the persona's."""
    if not (mine := _found(_FIELD, text)):
        return False
    theirs = _found(_FIELD, facts)
    return bool(theirs) and not mine & theirs
