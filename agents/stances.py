"""What people say they do, like, lack or dislike, and which statements exclude each other.

A stance is a few words, affirmed or denied. Two stances exclude each other if one affirms what the
other denies, in the same words or in narrower ones: somebody who keeps a parrot does not hate
birds, a vegan does not eat steak every evening, and somebody who never finished school has no
doctorate (`aloe.agents.concepts`). Hopes, the distant past, gifts and questions are not stances,
and not being able to do something tonight does not mean not being able to do it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from aloe.agents.concepts import forms, ruled_out, wider
from aloe.emoji import EMOJI
from aloe.schema import sentences

Words = frozenset[str]

_CLAUSES = re.compile(
    r"[,;:.!]\s|[.!?]\Z|\s[-\u2013\u2014]\s|\b(?:but|and|so|because|since|though|although)\b"
)
_SUBJECT = re.compile(
    r"\b(?:I|we|[Mm]y|[Oo]ur|me)\b|\bI['\u2019]|\bi(?:['\u2019]?(?:m|ve|d|ll))?\b|\bim\b|\bive\b"
)
_KIN = (
    r"(?:wife|husband|sons?|daughters?|kids?|children|twins?|brothers?|sisters?|mother|father|mum"
    r"|mom|dad|uncle|aunts?|grand\w+|niece|nephew|fianc\w+|stepson|stepdaughter|cousins?|parents"
    r"|friends?|neighbours?|boss|partner|boyfriend|girlfriend|flatmates?|colleagues?|doctor)"
)
_OTHERS = re.compile(
    rf"\A\W*(?:(?:my|our|his|her|their|the)\b (?:\w+ )?{_KIN}\b|(?:he|she|they|you|it)\b"
    r"|(?:my|our|his|her|their|the|an?) (?:\w+ ){1,2}?(?!is\b|was\b|has\b|does\b)\w{2,}s"
    r"(?:\W*\Z| (?:an?|the|my|it|me|to|for|on|at|in|up|\w+ing|every|and)\b))",
    re.IGNORECASE,
)
_ELLIPTIC = re.compile(
    r"\A\W*(?:been|lived|never|haven't|got|love|loved|hate|can't|cannot|don't|no|not an?|allergic"
    r"|afraid|scared|born|passed|aced|failed|always|still|only|had|have|keep|own|play|both|just"
    r"|used)\b",
    re.IGNORECASE,
)
_UNREAL = re.compile(
    r"(?:'d(?! an?\b)|\bwould|\bwant(?:s|ed)? (?:to|a)|\bwish\w*|\bhop(?:e|ing)|\bdream\w*|\bif\b"
    r"|\bused to|\bplan(?:ning)? to|\blearn(?:ing)?\b|\bcould|\bshould|\bmight|\bmaybe"
    r"|\bmiss(?:ed|ing)?|\bas a (?:boy|girl|child|kid)|\bbefore\W*\Z|\bonce\b|\bback then"
    r"|\bin the past|\bas if|\btry(?:ing)?|\binstead of|\bother people|\bfake|\bafraid|\bfear"
    r"|\blooking for|\bthink\w*|\bnearly|\balmost|\bunlike|\bcalled\b|\bsavings?|\bsave)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:I|we)(?: \w+ly| also| just| even)? (?:\w{2,}ed|was|were|had|went|saw|ate|drank|grew"
    r"|did|ran|swam|flew|drove|sang|rode|broke|lost|left|got|came|began|took|gave|kept|sold|bought|made|won|fell|spent)\b",
)
_RECENT = re.compile(
    r"\b(?:yesterday|today|tonight|last (?:week|night|month|sunday|saturday|friday|year|summer)"
    r"|this (?:morning|week)"
    r"|every|each|daily|always)\b",
    re.IGNORECASE,
)
_HABIT = re.compile(
    r"\b(?:every|each|daily|nightly|a day|a night|a week|always|usual|favourite|as always)\b", re.I
)
_AMOUNT = re.compile(
    r"\A\W*(?:only |just |about )?(?:an?|two|three|four|five|six|seven|eight|ten|\d+|my|some"
    r"|loads of)\b"
)
_LIKES = re.compile(
    r"\b(?:love|adore|enjoy|joy|like|for fun|happily|happiest|favourite|crazy about|fan of"
    r"|passion|fond of"
    r"|good at|great at|best|strong|passed|aced|perfect\w*|like a (?:log|baby)|born to|live for"
    r"|(?:can't|cannot) (?:live|do|be|go) without)\b",
    re.IGNORECASE,
)
_HAS = re.compile(
    r"\b(?:have|'ve|keep|own|got|raise|breed|play|run|support|follow|collect|sing|wear|fence"
    r"|train|teach)\b",
    re.IGNORECASE,
)
_GOT_RID = r"gave up|given up|stopped|quit|no longer|swore off|retired from|broke up with|sold"
_WITHOUT = re.compile(
    r"\b(?:no|not an?|not|never|without|nor|cannot|can't|can not|(?:do|does|did|have|has|am|is|are"
    rf"|was|could|wo|ca)n['\u2019]?t|{_GOT_RID}|allergic to|unable to|avoid|refuse to"
    r"|(?:bars?|keeps?|prevents?|stops?) me from|forbids?|too \w+ to|nothing|lost (?:my|his|her)"
    r"|(?:cannot|can't) stand)\b",
    re.IGNORECASE,
)
_INTOLERANT = re.compile(r"\b([\w-]+)[- ](?:intoleran\w+|allerg\w+|free)\b", re.IGNORECASE)
_AGAINST = re.compile(
    r"\b(?:hate|detest|dislike|loathe|despise|afraid of|scared of|terrified of|fear of|fear"
    r"|phobia of"
    r"|(?:can't|cannot|can not) (?:stand|bear|abide|take)|distrust|do not trust|don't trust"
    r"|do not like"
    r"|don't like|not fond of|sick of|bad at|hopeless at|failed|flunked)\b",
    re.IGNORECASE,
)
_AILING = re.compile(
    r"\b(?:hearing aid|bad|badly|poor|poorly|weak|sore|aching|hurts?|broke)\b", re.I
)
_HOPES = re.compile(
    r"\b(?:(?:want|hope|dream|wish)\w* (?:to learn|of learning|(?:of )?an?)"
    r"|learn(?:ing)?)\b(?: to)?",
    re.I,
)
_MASTERED = re.compile(
    r"\b(?:already|fluent(?:ly)?|for years|years ago|since (?:school|childhood)|every day|all day"
    r"|expert|native"
    r"|first time|licence|license|perfectly)\b|\A\W*my\b",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"\b(?:perfect\w*|strong|healthy|fine as ever|excellent|like (?:new|a baby|a log)"
    r"|never (?:better|hurt))\b",
    re.I,
)
_EMOJI = re.compile(rf"\s*(?:{EMOJI}|[\u2600-\u27bf\u2b00-\u2bff]\ufe0f?)+")
_IT = re.compile(
    r"\b(?:love|adore|enjoy|live for)(?:d|ed)?\b [\w ]{0,18}\b(?:it|them|that)\b|\bmy (?:usual"
    r"|favourite)\b",
    re.I,
)
_DRINK = re.compile(r"\bdrink(?:ing)?\b(?! \w)", re.IGNORECASE)
_FORMER = re.compile(
    r"\bused to|\bbefore\W*\Z|\bonce (?:was|had|set|bit|lived)|\b(?:was|were) once\b", re.IGNORECASE
)
_UNSEEN = re.compile(r"\b(?:want|hope|dream|wish)\w* (?:to|of) (?:see|visit|meet)\w*", re.I)
_NEVER = re.compile(r"\bnever((?: [\w'-]+){1,4})", re.IGNORECASE)
_PREPOSITION = re.compile(
    r"\b(?:with|for|to|from|about|since|before|without|than|because|when|in front)\b", re.I
)
_BORES = re.compile(r"\b(\w+) (?:bores?|annoys?|disgusts?|scares?|terrifies|frightens?) me\b", re.I)
_DENIED = re.compile(
    r"\b(no|not an?|nor|without(?: an?)?|(?:do|have|did|am|has|was|had)(?:n['\u2019]?t| not)|cannot"
    r"|can['\u2019]?t"
    rf"|(?:am|['\u2019]m|im) not|{_GOT_RID}|allergic to)"
    r"((?: (?:have|had|got|any|even|own|owned|keep|kept|like|know|known|been|a|an|the|to|my|our"
    r"|live|in|on|at|met|play|eat|drink|use|one|learn|single|real|much|trust|into|more|even))*)"
    r" ([\w'-]+)([^,;.?!]*)",
    re.IGNORECASE,
)
_NOUN_DENIED = re.compile(r"(?:no|not an?|without.*|allergic to)\Z", re.IGNORECASE)
_ABSOLUTE = re.compile(
    r"(?:\W*\b(?:at all|ever|in my life|any ?more|myself|either|or \w+|(?:years?|long"
    r"|months) ago|last year|for good))*\W*\Z",
    re.I,
)
_FOR_OTHERS = re.compile(
    r"\bfor (?:my|the|him|her|them|others|guests|you|customers|visitors|people)\b|\bserve\b|\bsell"
    r"|\bsold\b|\bwatch\w*\b|\bphoto\w*|\bbook about|\bbuy\b|\bclean\w*\b",
    re.IGNORECASE,
)
_GONE = re.compile(r"\b(?:left|lost|dropped out|skipped|missed|sent back|threw)\b", re.I)
_IMITATED = re.compile(
    r"\b(?:soy|soya|oat|almond|rice|coconut|cashew|plant(?:-based)?|vegan|veggie|vegetarian|bean"
    r"|tofu"
    r"|gluten-free|alcohol-free|lactose-free|cocoa|peanut|nut|shea|decaf|toy|stuffed|model"
    r"|buckwheat|free)"
    r"[- ](?:\w+)",
    re.IGNORECASE,
)
_SELF = re.compile(
    r"(?:\bI(?:['\u2019]m| am| have been)|\bim|\bas|\A\W*)(?: now| also| still| strictly| always"
    r"| been)*"
    r" ?(?:an? )?(?:\w+ )?([\w-]+)",
    re.IGNORECASE,
)
_STOP = frozenset((
    "the", "a", "an", "to", "of", "in", "on", "at", "for", "with", "and", "or", "i", "my", "me",
    "we", "it", "is", "am", "are", "was", "be", "been", "have", "has", "had", "do", "does", "did",
    "not", "no", "never", "this", "that", "so", "too", "very", "just", "now", "all", "any", "some",
    "more", "most", "one", "two", "three", "people", "thing", "things", "way", "time", "day",
    "days", "life", "year", "years", "lot", "bit", "kind", "home", "work", "good", "bad", "well",
    "year", "much", "ever", "even", "still", "from", "by", "as", "than", "them", "they", "he",
    "she", "his", "her", "you", "your", "will", "can", "go", "going", "get", "got", "make", "made",
    "take", "want", "like", "love", "hate", "know", "see", "think", "about", "up", "out", "off",
    "down", "over", "name", "idea", "clue", "problem", "trouble", "point", "need", "reason", "yet",
    "who", "what", "when", "where", "which", "how", "why", "anything", "nothing", "something",
    "everything", "there", "here", "if", "but", "because", "into", "own",
))  # fmt: skip


@dataclass(frozen=True)
class Stance:
    """What one clause says of its speaker, in words."""

    does: Words = frozenset()
    """Done, had or been, now or as a habit."""
    did: Words = frozenset()
    """The same at any time."""
    likes: Words = frozenset()
    """Liked, or kept, which nobody does with what they dislike."""
    without: Words = frozenset()
    """Neither done nor had."""
    mastered: Words = frozenset()
    """Done well or for long."""
    hopes: Words = frozenset()
    """Not done or had yet."""
    never: Words = frozenset()
    """Of `without`, what never was."""
    against: Words = frozenset()
    """Disliked or feared."""


def opposed(text: str, facts: str) -> bool:
    """Whether what a message says of its writer and what facts say of them exclude each other."""
    spoken = stances_of_message(text)
    known = stances_of_facts(facts)
    return any(_exclude(mine, theirs) for mine in spoken for theirs in known)


def _exclude(mine: Stance, theirs: Stance) -> bool:
    """Whether a message's stance and a fact's are not one person's."""
    return (
        _meet(mine.without, theirs.does)
        or _meet(mine.never, theirs.did)
        or _meet(mine.against, theirs.likes)
        or _meet(theirs.without, mine.does)
        or _meet(theirs.never, mine.did)
        or _meet(theirs.against, mine.likes)
        or _meet(theirs.hopes, mine.mastered)
    )


def _meet(denied: Words, affirmed: Words) -> bool:
    """Whether one of the words affirmed is one of those denied, or of their kind."""
    return bool(denied) and not all(denied.isdisjoint(wider(word)) for word in affirmed)


@lru_cache(maxsize=1024)
def stances_of_facts(facts: str) -> tuple[Stance, ...]:
    """Return the stances of a persona's statements, one a clause."""
    pieces = [clause for piece in sentences(facts) for clause in _CLAUSES.split(piece)]
    return tuple(filter(None, (_of_fact(clause) for clause in pieces if clause)))


def _of_fact(clause: str) -> Stance | None:
    others = _OTHERS.search(clause)
    if others and not others[0].lower().startswith(("you",)):
        kin = _words(others[0]) if re.match(r"\W*(?:my|our)\b", others[0], re.I) else frozenset()
        return Stance(does=kin)
    if found := _AGAINST.search(clause):
        return Stance(against=_words(clause[found.end() :]))
    if found := _AILING.search(clause):
        near = clause[: found.start()].split()[-2:] + clause[found.end() :].split()[:2]
        return Stance(does=_words(clause), against=_words(f"{found[0]} {' '.join(near)}"))
    if found := _HOPES.search(clause):
        return Stance(hopes=_words(clause[found.end() :]))
    if found := _UNSEEN.search(clause):
        return Stance(never=_words(clause[found.end() :]))
    intolerant = frozenset(found.lower() for found in _INTOLERANT.findall(clause))
    if found := _WITHOUT.search(clause):
        words = _words(_DRINK.sub("alcohol", clause[found.end() :]))
        never = (
            words if re.search("never|not? (?:ever|once)|allergic", found[0], re.I) else frozenset()
        )
        return Stance(without=words | intolerant, never=never)
    words = _words(clause)
    if _UNREAL.search(clause):
        return Stance(did=words) if _FORMER.search(clause) else None
    kept = words if _LIKES.search(clause) or _HAS.search(clause) else frozenset()
    excluded = ruled_out(words) | intolerant
    return Stance(does=words, likes=kept, without=excluded, never=excluded)


@lru_cache(maxsize=1024)
def stances_of_message(text: str) -> tuple[Stance, ...]:
    """Return the stances of a message, one a clause; what is asked has none."""
    text = _EMOJI.sub(". ", text)
    said = " ".join(piece for piece in map(_before_question, sentences(text)) if piece)
    clauses = [each for each in _CLAUSES.split(_IMITATED.sub(" ", said)) if each]
    found = [*map(_of_clause, clauses)]
    for clause, after in pairwise(clauses):
        if _IT.search(after) and not _WITHOUT.search(clause) and not _UNREAL.search(clause):
            words = _words(clause)
            found.append(Stance(does=words, did=words, likes=words))
    return tuple(filter(None, found))


def _before_question(piece: str) -> str:
    """Return a sentence, or what stands before its last comma if it asks."""
    return (
        f"{piece.rpartition(',')[0]}."
        if piece.endswith("?") and "," in piece
        else ("" if piece.endswith("?") else piece)
    )


def _of_clause(clause: str | None) -> Stance | None:
    if not clause or _OTHERS.search(clause):
        return None
    own = _SUBJECT.search(clause)
    if not own and not _ELLIPTIC.search(clause) and not _AMOUNT.search(clause):
        return None
    if _UNREAL.search(clause):
        return None
    dear = re.search(r"\b(?:can't|cannot) (?:live|do|be|go) without\b(.*)", clause, re.I)
    if dear:
        return Stance(does=_words(dear[1]), did=_words(dear[1]), likes=_words(dear[1]))
    if found := _AGAINST.search(clause):
        return Stance(against=_first(clause[found.end() :]))
    if found := _BORES.search(clause):
        return Stance(against=_words(found[1]))
    if _WITHOUT.search(clause):
        denied = _denied(clause)
        ever = re.search(r"\b(?:never|ever)\b", clause, re.IGNORECASE)
        return Stance(without=denied, never=denied if ever else frozenset())
    if _FOR_OTHERS.search(clause) or _GONE.search(clause):
        return None
    return _affirmed(clause, bool(own))


def _affirmed(clause: str, own: bool) -> Stance | None:
    habit = bool(_HABIT.search(clause))
    if not own and not habit and not _ELLIPTIC.search(clause):
        return None
    words = _words(clause)
    past = bool(_PAST.search(clause)) or bool(
        re.match(r"\W*(?:been|lived|had|born)\b", clause, re.I)
    )
    now = words if not past or _RECENT.search(clause) else frozenset[str]()
    mastered = words if _MASTERED.search(clause) else frozenset[str]()
    kept = now if _LIKES.search(clause) or (_HAS.search(clause) and own) else frozenset[str]()
    selves = frozenset(found.lower() for found in _SELF.findall(clause))
    without = ruled_out(selves & words) if own else frozenset[str]()
    return Stance(does=now, did=words, likes=kept, without=without, mastered=mastered)


def _denied(clause: str) -> Words:
    """Return what a clause denies as such, and not for tonight or in one respect."""
    found: set[str] = set()
    for said in _NEVER.findall(clause):
        found |= _words(_PREPOSITION.split(said)[0])
    for marker, fillers, word, rest in _DENIED.findall(clause):
        if _NOUN_DENIED.match(marker) or re.search(r"\bany\b", fillers) or _ABSOLUTE.match(rest):
            found |= _words(f"{fillers} {word}")
    return frozenset(found)


def _first(text: str) -> Words:
    """Return the words up to the first that carries meaning."""
    words = [word for word in re.findall(r"[^\W\d_][\w'-]*", text.lower()) if word not in _STOP]
    return frozenset(_words(" ".join(words[:2])))


def _words(text: str) -> Words:
    """Return the words that carry meaning, as they stand and in the singular."""
    found = re.findall(r"[^\W\d_][\w-]*", text.lower())
    kept = (word for word in found if word not in _STOP and len(word) > 2)
    return frozenset[str]().union(*map(forms, kept))
