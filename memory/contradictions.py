"""What one person cannot claim at the same time, judging by the words.

Two texts that are fine separately can describe an impossible person: she in one and he in the
other, two ages, "I live alone" and "my wife decides", someone who never learned to drive and drives
a bus. Mutually exclusive claims are written as pairs of patterns. That finds only what a pattern
can find, but costs no call.
"""

import re
from functools import lru_cache

from aloe.memory.verifiable.negation import read_lead
from aloe.schema import sentences

_YEARS = r"(?:[ -]years?[ -](?:old|of age)\b)"
_NO_AGE = (
    r"(?![\w%]|[.,:]\d|-(?!years?\b)| ?(?:%|hours?|minutes?|seconds?|days?|weeks?|months?|km|miles?"
    r"|met(?:er|re)s?|kilo\w*|kg|pounds?|stone|cm|percent|per cent|pages?|steps?|times|points?"
    rf"|in (?:19|20)\d\d)\b|(?!{_YEARS})[ -]years?\b)"
)
"""What may not follow a number that is an age."""
_NOT_YET = "".join(
    rf"(?<!\b{word} )"
    for word in ("when", "until", "till", "before", "once", "if", "while", "time", "like", "think")
)
_AGE = re.compile(
    rf"(?i:{_NOT_YET}\bI(?: am|['\u2019]m)|\band am)(?: now| already| only| just)* (\d\d){_NO_AGE}"
    rf"|\bI(?: have|['\u2019]ve)?(?: just| recently| only)? turned (\d\d){_NO_AGE}"
    rf"|\bI(?: am|['\u2019]m) (?:an? (?:(?!(?:of|with|to|and|an?)\b)\w+ ){{0,2}}?)?(\d\d){_YEARS}"
    rf"|\bI(?: am|['\u2019]m) [A-Z]\w+(?: [A-Z]\w+)?, (\d\d){_NO_AGE}"
    rf"|\b[Mm]y age is (\d\d){_NO_AGE}|\A\W*(\d\d){_YEARS}"
)
_AGE_OF_ANOTHER = re.compile(
    rf"\b(?:He|She|They) (?:is|are)(?: now| already| only)? (\d\d){_YEARS}"
)
"""The age of whom a text in the third person is about."""
_OPENING = re.compile(r"(I|My|We|Our|He|His|She|Her|They|Their)\b")

_KIN = (
    r"(?:mother|father|mum|mom|dad|parents|wife|husband|partner|son|daughter|child|children|kid"
    r"|brother|sister|twin|uncle|aunt|cousin|niece|nephew|grand\w+|friend|girlfriend|boyfriend"
    r"|neighbou?r|boss|colleague|flatmate|roommate|family)s?"
)
_ANOTHER = re.compile(
    rf"\W*(?:(?:My|Our) (?:\w+ ){{0,2}}?{_KIN}|He|She|They|His|Her|Their)\b"
    r"(?!.*\b(?:I|me|we|us)\b)",
    re.IGNORECASE | re.DOTALL,
)
"""How a sentence begins that is about somebody else."""
_SPEAKER = re.compile(r"\b(?:I|my)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?\n]+\s")

_WITHIN = r"(?:(?!\b(?:and|but|where|who|which)\b)[^,.!?;:\n])*,?"
"""Words of one clause."""
_MATES = r"\bwith (?:my|two|three|four|five|six)\b"
_PETS = r"(?! (?:\w+ ){0,2}?(?:cats?|dogs?|birds?|hens?|goats?|rabbits?|pets?|books|plants)\b)"
_GARDEN = r"(?:(?:the|a|my|our) )?(?:\w+ )?(?:garden|allotment|orchard|yard|shed|kitchen)"

_LIKE = r"\b(?:like|love|enjoy|want|prefer) (?P<which>\w+ )?"
_DISLIKE = r"\b(?:hate|dislike|detest|lose patience with) (?P<which>\w+ )?"

_CLAIMS: dict[str, tuple[str, str]] = {
    "household": (
        r"\b(?:(?:I|and) live|living) (?:all )?(?:alone|by myself|on my own)\b"
        r"(?! (?:but|except|apart|save|with)\b)",
        rf"\bI live\b{_WITHIN} {_MATES}{_PETS}"
        rf"|\bI share\b{_WITHIN} {_MATES}(?! (?:\w+ )?(?:neighbou?r|friend|colleague|reader)s?\b)",
    ),
    "marriage": (
        r"\bI (?:have )?never (?:been )?married\b|\bI am single\b(?!-)",
        r"\bmy (?:wife|husband)\b(?!-)",
    ),
    "children": (
        r"\bI have no (?:children|kids)\b|\bI am childless\b",
        r"\bmy (?:grand)?(?:sons?|daughters?|child|children|kids?)\b",
    ),
    "work": (
        r"\bI (?:am|have been) (?:unemployed|out of work)\b|\bI (?:am )?retired\b",
        r"\bI work (?:for|as (?!an? volunteer))\b"
        rf"|\bI work (?:at|in)\b(?! (?:{_GARDEN}|it|silence)\b)"
        r"|\bmy boss\b(?! (?:from|was|used)\b)",
    ),
    "driving": (
        r"\bI never learned to drive\b"
        r"|(?<!\bhis )(?<!\bher )(?<!\btheir )(?<!['\u2019]s )\bdriving test\b",
        r"\bI (?:drive|haul)\b(?! (?:\w+ ){1,2}(?:mad|crazy)\b| a hard bargain\b)"
        r"|\bI deliver\b(?![^.!?]*\b(?:bike|bicycle|foot)\b)|\bsell my car\b",
    ),
    "walking": (
        r"\bI use a wheelchair\b|\bI have used a wheelchair\b",
        r"\bI (?:run up|walk|climb|dance|patrol|ride|race|lift) |\bon foot\b|\bmarathon\b"
        r"|\bfire crew\b|\btower crane\b|\bsquash\b",
    ),
    "schooling": (
        r"\bI left school at\b|\bI never went to school\b",
        r"\blast year of school\b|\bdegree\b|\bthesis\b|\bI (?:teach|taught|tutor)\b"
        r"|\bsurgeon\b|\bdental\b|\bclinic\b|\bwhat to study\b|\barchitects\b|\bexam results\b",
    ),
    "swimming": (r"\bI cannot swim\b", r"\bI (?:swim|dive)\b|\bto swim\b"),
    "the sea": (
        r"\bI have never seen the sea\b",
        r"\bseaw\w+|\bat sea\b|\bship'?s?\b|\bfishing\b|\bharbour\b|\bport\b|\blagoon\b"
        r"|\bisland\b|\bcoast\b|\bferr(?:y|ies)\b|\bpier\b|\bshrimp\b",
    ),
    "upbringing": (
        r"\bI was raised in an orphanage\b",
        r"\bmy (?:parents|grandmother|twin|mother|father|aunts|sister|brother|cousin)\b",
    ),
    "study": (
        r"\bI cannot decide what to study\b",
        r"\bdegree\b|\bthesis\b|\bI am training to be\b|\bapprentice\b",
    ),
    "wage": (
        r"\bI have been looking for paid work\b|\bearn no wage\b|\buntil my pension\b|\bretire",
        r"\bmy boss\b|\bpromotion\b|\bleave my job\b|\bmy salary\b",
    ),
    "sleep": (r"\bI get up four times a night\b", r"\bI sleep like\b"),
    "alphabet": (r"\bcannot read music\b", r"\bchoir|\baccordion\b|\bcello\b|\bviolin\b|\bpiano\b"),
    "smoking": (r"\bI (?:have )?never smoked?\b", r"\bI smoke\b"),
    "alcohol": (
        r"\bI (?:do not|don't|never) drink\b",
        r"\bI (?:brew|drink) (?:\w+ )?(?:beer|wine|whisky)\b",
    ),
    "meat": (
        r"\bI am (?:a )?vegetarian\b|\bI eat no meat\b",
        r"\bI (?:eat|grill|hunt|butcher) (?:\w+ )?(?:meat|beef|pork|deer)\b",
    ),
    "reading": (
        r"\bI (?:cannot|can't|never learned to) read\b",
        r"\bI read (?:novels|books|newspapers|every)\b",
    ),
    "speech": (
        r"\bI (?:cannot|can't) speak\b|\bI am mute\b",
        r"\bI talk (?:loudly|without)\b|\bI shout\b",
    ),
    "patience": (
        r"\bI am patient\b|\bI never lose patience\b",
        r"\bI am impatient\b|\bI lose patience\b",
    ),
    "long answers": (_LIKE + r"long (?:answers|replies)", _DISLIKE + r"long (?:answers|replies)"),
    "lists": (_LIKE + r"(?:lists|bullet)", _DISLIKE + r"(?:lists|bullet)"),
    "emoji": (_LIKE + r"emoji", _DISLIKE + r"emoji"),
    "jokes": (_LIKE + r"(?:jokes|humou?r)", _DISLIKE + r"(?:jokes|humou?r)"),
}
"""By topic, two claims of which one person can make only one.

A liking that is denied, as in "I do not like jokes" or "I want no jokes", claims the other side.
"""

_PATTERNS = {
    topic: tuple(re.compile(claim, re.IGNORECASE) for claim in claims)
    for topic, claims in _CLAIMS.items()
}


def find_contradictions(*texts: str) -> tuple[str, ...]:
    """Return the topics on which texts, all of one person, contradict themselves or each other."""
    made = frozenset[tuple[str, int]]().union(*map(_find_claims, texts))
    found = [topic for topic in _CLAIMS if {(topic, 0), (topic, 1)} <= made]
    if len(frozenset[int]().union(*map(find_ages, texts))) > 1:
        found.append("age")
    return tuple(found)


@lru_cache(maxsize=2**14)
def _find_claims(text: str) -> frozenset[tuple[str, int]]:
    """Return topic and side of the claims in a text; a description is held against many others."""
    return frozenset((topic, side) for topic in _PATTERNS for side in _find_sides(topic, text))


def _find_sides(topic: str, text: str) -> set[int]:
    """Return which sides of a topic a text claims."""
    return {
        1 - side if _is_denied(match, text) else side
        for side, claim in enumerate(_PATTERNS[topic])
        for match in claim.finditer(text)
        if not _is_of_another(match, text)
    }


def _is_of_another(claim: re.Match[str], text: str) -> bool:
    """Whether the sentence is about somebody else up to a claim that does not name the speaker."""
    if _SPEAKER.search(claim[0]):
        return False
    before = _SENTENCE_END.split(text[: claim.start()])[-1]
    return bool(_ANOTHER.match(before))


def _is_denied(liking: re.Match[str], text: str) -> bool:
    """Whether a claim is a liking, and its own words or those before it deny it."""
    if "which" not in liking.re.groupindex:
        return False
    if (liking["which"] or "").strip().lower() == "no":
        return True
    before = " ".join(text[: liking.start()].lower().replace("\u2019", "'").split())
    # As a sentence of its own: what stands before "and" denies nothing behind it.
    return read_lead(f"{before} ", f"i {liking[0].lower()}") != "states"


@lru_cache(maxsize=8192)
def find_persons(text: str) -> frozenset[str]:
    """Return who the sentences are about: of `I`, `he`, `she`, `they`.

    A text in the first person may well speak of others, so there only `I` counts.
    """
    openings = {match[1] for piece in sentences(text) if (match := _OPENING.match(piece))}
    groups = {
        "I": {"I", "My", "We", "Our"},
        "he": {"He", "His"},
        "she": {"She", "Her"},
        "they": {"They", "Their"},
    }
    found = frozenset(who for who, words in groups.items() if words & openings)
    return frozenset({"I"}) if "I" in found else found


@lru_cache(maxsize=8192)
def find_ages(text: str) -> frozenset[int]:
    """Return the ages that the person gives as theirs, and nobody else's."""
    persons = find_persons(text)
    told = [_AGE, _AGE_OF_ANOTHER] if len(persons) == 1 and "I" not in persons else [_AGE]
    matches = (match for pattern in told for match in pattern.finditer(text))
    return frozenset(int(next(filter(None, match.groups()))) for match in matches)


def exclude_each_other(text: str, fact: str) -> bool:
    """Whether one person cannot say both, though either alone."""
    mine, theirs = find_ages(text), find_ages(fact)
    if len(mine) == len(theirs) == 1 and mine != theirs:
        return True
    told = _find_claims(fact)
    return any(
        (topic, 1 - side) not in told and _find_sides(topic, text) == {1 - side}
        for topic, side in told
    )
