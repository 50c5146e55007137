"""What of a message a person says in their own name.

People hand over texts to be translated or mended, and tell what others say. Such texts are longer
than a sentence, so they are looked for in the whole message: what stands in quotation marks, in
code, after a colon or a greeting in the middle is somebody's text up to its end, whatever it says.
A sentence that is somebody's according to itself ("No emojis, my boss says.") goes as a whole, and
so does one that asks for agreement ("Lists help, don't they?").
"""

import re
from collections.abc import Iterator
from functools import cache

from aloe.memory.verifiable.phrases import read_stating, straighten
from aloe.memory.verifiable.plain_speech import HIDDEN, is_opening
from aloe.sentences import sentences

_QUOTED = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?<!\w)`[^`\n]+`(?!\w)|^[ \t]*>[^\n]*"
    r"|(?<![\w\"])[\"\u201c\u201d\u201e].*?(?:[\"\u201c\u201d]|\Z)|[\u00ab\u2039].*?(?:[\u00bb\u203a]|\Z)"
    r"|(?<![\w'\u2019])['\u2018](?=\w)(?:[^'\u2019]|['\u2019](?=\w)){1,600}['\u2019](?!\w)",
    re.DOTALL | re.MULTILINE,
)
_COLON = re.compile(
    rf"(?<!\d):(?=\s|\Z|[*_\"'\u201c\u2018\u00ab{HIDDEN}])|(?<=[^\W\d]):(?=[^\W\d])"
    r"|\s[-\u2013\u2014]+[ \t]*\n"
)
_SMILEY = re.compile(r":\w+:")
_A_TEXT = (
    r"(?:this|these|(?:the )?following|below|my (?:\w+ )?(?:text|e-?mail|letter|note|essay|message"
    r"|draft|post|sentence|reply|answer))"
)
_HANDED = re.compile(
    r"(?:\b(?:translate|proof-?read|correct|fix|rephrase|reword|rewrite|edit|polish|check|improve"
    rf"|paraphrase|shorten|summari[sz]e) [^\n]{{0,40}}?{_A_TEXT}\b"
    r"|\bwhat (?:does|do) (?:this|these) mean"
    rf"|\bis {_A_TEXT} (?:\w+ ){{0,2}}?(?:ok|okay|polite|correct|right|rude|fine|good|clear)\b)"
    r"[^\n]{0,40}\n"
    r"|\A\s*dear [^\n]{1,30},\s*\n"
    r"|(?<=\n)[ \t]*(?:dear|hi|hello|hey)(?-i: [A-Z]\w+)[^\n]{0,30}\n",
    re.IGNORECASE | re.MULTILINE,
)
"""Where a text begins that somebody hands over: what follows."""

_WHO = (
    r"(?:(?:he|she|they|everyone|everybody|someone|somebody|people)\b|(?:(?:my|our|the|his|her"
    r"|their|your|an?) (?:[\w'-]+ )?[\w'-]+)"
    r"|(?-i:(?!(?:You|We|It|Who|What|That|Nobody|Please|Never)\b)[A-Z][\w-]+))"
)
_SAYS = (
    r"(?:(?:say|tell|ask|claim|insist|shout|yell|warn|demand|state|believe|reckon|suggest|advise"
    r"|complain|declare|write|think)s|said|told|wrote|thought|replied"
    r"|(?:ask|claim|insist|answer|shout|yell|warn|demand|text|email|e-mail|suggest|complain)ed"
    r"|(?:state|believe|advise|declare)d|puts? it)\b"
)
_SAY = r"(?:say|tell|ask|claim|insist|demand|write|think|believe|suggest|advise)\b"
_OFTEN = r"(?:(?:always|often|never|once|just|also|has|have|had|both|all) )*"
_WHO_SAYS = (
    rf"(?:{_WHO} {_OFTEN}(?:(?:keeps?|kept) (?:say|tell|ask|insist|writ)ing\b|{_SAYS}"
    rf"|(?:used to|likes? to|would) {_SAY})"
    rf"|(?:they|people|(?:my|our|the|his|her|their|some|many) (?:\w+ )?\w+s) {_OFTEN}{_SAY})"
)
_REPORTED = re.compile(
    rf"\A(?:(?:and|but|so|yesterday|today|also),? )?{_WHO_SAYS}"
    rf"|(?:[,;(\u2013\u2014]|\s-+\s)\s*(?:(?:or|as|so|at least) )*"
    rf"(?:{_WHO_SAYS}|{_SAYS} {_WHO})"
    r"|\bso (?:i|we)(?:'m| am| was|'ve been| have been|'re| are)? (?:told|hear|heard|read)\b"
    rf"|\b(?:is|was|'s) what {_WHO_SAYS}|\b(?:according to|in the words of|to quote) ",
    re.IGNORECASE,
)
"""Who says a sentence, before it or after it."""
_TAG = re.compile(
    r",\s*(?:(?:do|does|did|is|are|was|were|has|have|had|should|must)(?:n't| not)?"
    r" (?:i|you|he|she|it|we|they|that|there)(?: think| agree| find| say)?|right|correct|eh|huh)"
    r"\s*\?+\s*\Z",
    re.IGNORECASE,
)
"""What asks to agree with the sentence before it."""


def split_own(text: str) -> Iterator[tuple[str, str]]:
    """Yield each sentence of a message, and what of it is in the person's own name.

    What is somebody else's is `HIDDEN`, character by character; sentences without anything else are
    left out.
    """
    own, at = _hide(text), 0
    for sentence in sentences(text):
        start = text.index(sentence, at)
        at = start + len(sentence)
        said = own[start:at]
        if said.strip(HIDDEN + " .!?\"'") and not _is_reported(said):
            yield sentence, said


def _is_reported(sentence: str) -> bool:
    straight = re.sub("[\u2018\u2019]", "'", sentence)
    return bool(_REPORTED.search(straight) or _TAG.search(straight))


def _hide(text: str) -> str:
    """Return a text as long as `text` in which what people quote or hand over is hidden."""
    own = _QUOTED.sub(lambda found: found[0] if _mentions(found[0]) else _blank(found[0]), text)
    own = _SMILEY.sub(lambda found: _blank(found[0]).replace(HIDDEN, " "), own)
    colons = (found.end() for found in _COLON.finditer(own))
    colon = next((end for end in colons if not _leads_on(own[max(0, end - 200) : end])), len(own))
    handed = _HANDED.search(own)
    end = min(colon, handed.end() if handed else colon)
    return own[:end] + _blank(own[end:])


def _blank(text: str) -> str:
    return HIDDEN * len(text)


def _mentions(quotation: str) -> bool:
    """Whether a quotation is one of the words that people name in wishes, as "don't"."""
    return _plain(quotation) in _quoted_in_phrases()


def _leads_on(text: str) -> bool:
    """Whether the colon at the end of a text stands in a sentence of one's own."""
    head = _plain(re.split(r"(?<=[.!?])\s+|\n", text.rstrip())[-1])
    return is_opening(head) or head.endswith(_colons_in_phrases())


@cache
def _quoted_in_phrases() -> frozenset[str]:
    return frozenset(
        _plain(each) for text in read_stating() for each in re.findall('"[^"]*"', text)
    )


@cache
def _colons_in_phrases() -> tuple[str, ...]:
    return tuple(text[: text.index(":") + 1] for text in read_stating() if ":" in text)


def _plain(text: str) -> str:
    return re.sub(r"[.,!?]+(?=\"\Z)", "", straighten(text))
