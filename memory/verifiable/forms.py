"""Forms that the rules look for in a reply and that take more than one pattern to tell.

A line that begins with a dash is an item, a line of dialogue, or a sentence with a dash; "Dear"
greets a reader or opens a letter that the reader asked for; "Color" is a word or part of a name.
What a list looks like to a reader counts, however its marks are set.
"""

import re

from aloe.memory.unsaid import drop_blocks, drop_unsaid

_BULLET = r"[-*+\u2022\u2023\u2043\u2219\u25aa\u25ab\u25b8\u25ba\u25cb\u25cf\u25e6\u00b7]"
_DASH = r"[\u2012-\u2015]"
_NUMBER = r"\(?\d{1,3}[.)]|\(?(?:[a-z]|[ivx]{2,4})\)|[0-9]\ufe0f?\u20e3"
_MARK = re.compile(
    rf"^[^\S\n]*(?:>[^\S\n]*)*(?P<head>\#{{1,6}}[^\S\n]+)?"
    rf"(?:(?P<dash>{_DASH})[^\S\n]+|{_BULLET}[^\S\n]+"
    rf"|(?P<open>[*_]{{0,3}})(?:{_NUMBER})(?:(?P<close>[*_]{{1,3}})[^\S\n]*|[^\S\n]+))"
    r"(?=[^\n]*[^\s*_-])",
    re.MULTILINE | re.IGNORECASE,
)
"""The mark of a list item, in bold or not, with something behind it: "* * *" is none."""

_SPEECH = re.compile(
    r"\b(?:said|says|asked|asks|replied|answered|whispered|shouted|cried|muttered)\b"
    r"|(?-i:\bI\b)|[\"\u201c\u201d]"
    r"|\A(?:hello|hi|hey|good (?:morning|day|evening)|yes|no|oh|ah|well|thanks|really)\b(?! \w)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?\u2026][\"'\u201d\u2019)*_]*\s*\Z")
_LONG_DASH = "\u2014\u2015"


def count_items(text: str) -> int:
    """Return how many lines of a text are items of a list; of dialogue, none."""
    marks = [*_MARK.finditer(text)]
    dashed = [(each["dash"], _line(text, each)) for each in marks if each["dash"]]
    return len(marks) - (len(dashed) if _is_dialogue(dashed) else 0)


def _line(text: str, mark: re.Match[str]) -> str:
    return text[mark.end() :].partition("\n")[0]


def _is_dialogue(lines: list[tuple[str, str]]) -> bool:
    """Whether lines, each with its dash, are spoken.

    Some ask and others answer, or one says who spoke, or a sentence follows a long dash.
    """
    asking = sum("?" in line for _, line in lines)
    return 0 < asking < len(lines) or any(
        _SPEECH.search(line) or (dash in _LONG_DASH and _SENTENCE.search(line))
        for dash, line in lines
    )


def has_list(text: str) -> bool:
    """Whether a text has two items or more: one alone is a sentence with a mark before it."""
    return count_items(drop_blocks(text)) > 1


def drop_marks(text: str) -> str:
    """Return a text without the marks of its items, one behind another included."""
    while (shorter := _MARK.sub(_without, text)) != text:
        text = shorter
    return text


def _without(mark: re.Match[str]) -> str:
    """Return what stays of a mark: a heading's, and emphasis that goes on behind it."""
    opened, closed = mark["open"] or "", mark["close"] or ""
    return (mark["head"] or "") + ("" if opened and closed else opened or closed)


_APOSTROPHE = "['\u2019\u2018\u00b4\u02bc]"
CONTRACTION = (
    rf"\b\w+(?:n{_APOSTROPHE}t|{_APOSTROPHE}(?:re|ve|ll|m|d))\b"
    r"|\b(?:it|that|this|here|what|there|let|he|she|who|where|how|when|why"
    rf"|(?:every|some|any|no)thing){_APOSTROPHE}s\b"
    rf"|\b(?:every|some|any|no)(?:one|body){_APOSTROPHE}s (?:an?|the|here|there|not|in|at|on|been"
    r"|got|so|too|very|always|already|still|just|also|ready|welcome|different|allowed|(?!morning"
    r"|evening|clothing|building|wedding|king|ring|feeling|thing)\w+ing)\b"
)
"""Pattern of a contraction. "Everyone's" is one only before what cannot be someone's."""

GREETING = (
    r"\A[^\w>`]*(?:(?:hello|hi|hey|greetings)\b(?!-\w)"
    r"|good (?:morning|day|afternoon|evening)\b(?=\s*(?:\Z|\n|[^\w\s-])| \w+[,.!:]"
    r"| (?-i:[A-Z])| (?:there|to|everyone|everybody|all|again|and|dear|my|friends?)\b)"
    r"|dear\b(?!-\w| (?:me|oh|dear|god|lord|heavens?)\b))"
)
"""Pattern of the words that greet, at the start of a reply."""
_GREETING = re.compile(GREETING, re.IGNORECASE)
_QUOTATION = re.compile(
    r"\A[^\w\"\u201c\u201e\u00ab]*"
    r"(?:\"[^\"]*\"|[\u201c\u201e\u00ab][^\u201d\u201c\u00bb]*[\u201d\u201c\u00bb])"
)
_SALUTATION = re.compile(
    rf"{GREETING}(?:[^\n.!?]|\b(?:Mr|Mrs|Ms|Dr|Prof)\.){{0,50}}[,:]?[*_]*[^\S\n]*\n", re.IGNORECASE
)
_TO_ANOTHER = re.compile(
    r"\A\W*dear[^\S\n]+(?:\[|sir\b|madam\b|(?:mr|mrs|ms|dr|prof)\b|(?:\w+ ){0,2}(?:manager"
    r"|committee|team|editor|customer service|professor|landlord)\b)",
    re.IGNORECASE,
)
_SIGNED = re.compile(
    r"^\W*(?:yours?(?: (?:sincerely|faithfully|truly))?|sincerely(?: yours)?|respectfully"
    r"|(?:(?:with )?(?:kind|kindest|best|warm|warmest) )?(?:regards|wishes)"
    r"|(?:with )?(?:much )?love|best|cheers|warmly|(?:many )?(?:thanks|thank you)(?=\W*\n\W*\w))"
    r"\b[^\w\n]*$",
    re.IGNORECASE | re.MULTILINE,
)


def greets(text: str) -> bool:
    """Whether a reply opens with a greeting of its reader.

    "Dear Anna," does, unless it belongs to a letter that the reply holds: one to somebody whom
    only a letter addresses ("Dear Sir"), one that is signed, or one in quotation marks. Thanks at
    the very end sign nothing: they are for the reader.
    """
    if not _GREETING.match(text):
        return False
    if (quoted := _QUOTATION.match(text)) and re.search(r"\w", text[quoted.end() :]):
        return False
    signed = _SALUTATION.match(text) and _SIGNED.search(text)
    return not signed and not _TO_ANOTHER.match(text)


_OUR = r"s|ed|ing|ings"
_ISE = r"(?:e[sdr]?|ers|ing|able|ations?|ational)"


def _spelt(our: str, re_: str, se: str) -> re.Pattern[str]:
    """Return a pattern of whole words: with `our` or `or`, with `re` or `er`, with `s` or `z`."""
    middle = re_.removesuffix("e")
    words = (
        rf"(?:dis|multi|un|re)?col{our}(?:{_OUR}|ful(?:ly)?|less|ists?|blind|fast|i[sz]e[sd]?)?",
        rf"(?:dis|un)?fav{our}(?:{_OUR}|abl[ey]|ites?|itism)?",
        rf"flav{our}(?:{_OUR}|ful|less|some)?",
        rf"neighb{our}(?:{_OUR}|ly|liness|hoods?)?",
        rf"cent{re_}(?:s|pieces?)?|cent{middle}(?:ed|ing)",
        rf"(?:kilo|centi|milli)?met{re_}s?|(?:centi|milli)?lit{re_}s?|(?:amphi)?theat{re_}s?",
        rf"(?:dis|re|un)?organi{se}{_ISE}|reali{se}{_ISE}",
    )
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])", re.IGNORECASE)


_BRITISH = _spelt("our", "re", "s")
_AMERICAN = _spelt("or", "er", "z")
_BEGINS = re.compile(r"(?:\A|\n|[.!?:\u2026]\W*\s)[^\w\n]*(?:\d+[.)]\s*)?[^\w\n]*\Z")


def _finds(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a word is there that is no name: small, or with a capital that its place asks for."""
    return any(
        found[0][0].islower()
        or found[0].isupper()
        or _BEGINS.search(text, max(0, found.start() - 20), found.start())
        for found in pattern.finditer(text)
    )


def is_british(text: str) -> bool:
    """Whether words are spelt the British way, and none the American."""
    text = drop_unsaid(text)
    return _finds(_BRITISH, text) and not _finds(_AMERICAN, text)


def is_american(text: str) -> bool:
    """Whether words are spelt the American way, and none the British."""
    text = drop_unsaid(text)
    return _finds(_AMERICAN, text) and not _finds(_BRITISH, text)
