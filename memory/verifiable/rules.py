"""What the catalogue's rules look for in a reply, and how they look.

What a reply says is looked at, and not what stands in its code or in addresses; how long it is and
how it is set goes by the whole.
"""

import re
from collections.abc import Callable

from aloe.emoji import EMOJI
from aloe.memory.questions import find_questions_in
from aloe.memory.unsaid import drop_quoted, drop_unsaid
from aloe.memory.verifiable.asking import drop_questions_about
from aloe.memory.verifiable.forms import CONTRACTION, drop_marks
from aloe.sentences import sentences_of_markdown

Rule = Callable[[str], bool]

SHORT, LONG = 12, 16
"""Most words of a short sentence; fewest words, on average, of long ones."""


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


PICTURE = _pattern(EMOJI)
EXCLAMATION = _pattern(r"!(?![=\[])")
SHORT_FORM = _pattern(CONTRACTION)
DIGIT = _pattern(r"\d")
NEXT = _pattern(r"\bnext steps?\b")
BOLD = _pattern(r"\*\*(?!\s)[^*\n]+(?<!\s)\*\*|(?<!\w)__(?!\s)[^_\n]+(?<!\s)__(?!\w)")
_MARK = _pattern(r"[?\uff1f\u061f]")
_BREAK = _pattern(r"\n\s*\n")
HEDGE = _pattern(
    r"\b(?:perhaps|maybe|possibly|probably|it seems|i think"
    r"|(?<!\bmy )(?<!\bhis )(?<!\bher )(?<!\bour )(?<!\btheir )might)\b"
)
SORRY = _pattern(r"\b(?:sorry|apolog\w+)\b")
EXAMPLE = _pattern(
    r"(?<!set an )(?<!set a good )(?<!set the )(?<!by )\bexamples?\b|\bfor instance\b|\be\.g\."
)
THANKS = _pattern(r"\b(?:thank you|(?<!no )thanks(?! to (?!you\b)))\b")


def has(pattern: re.Pattern[str]) -> Rule:
    """Return the rule that a reply says something."""
    return lambda text: bool(pattern.search(drop_unsaid(text)))


def lacks(pattern: re.Pattern[str]) -> Rule:
    """Return the rule that a reply does not say something."""
    return lambda text: not pattern.search(drop_unsaid(text))


def asks(text: str) -> bool:
    """Whether a reply asks the user something, with a question mark.

    Headings and what it quotes do not, nor does "tell me", which is also how one gives advice.
    """
    return any(_MARK.search(each) for each in find_questions_in(drop_unsaid(text)))


def apart(dimension: str, rule: Rule) -> Rule:
    """Apply a rule to what a reply says apart from its questions about the dimension.

    A question names the words of a wish without doing what is wished.
    """
    return lambda text: rule(drop_questions_about(dimension, text))


def own_words(rule: Rule) -> Rule:
    """Apply a rule to what a reply says itself: whoever quotes an apology makes none."""
    return lambda text: rule(drop_quoted(text))


def count_words(text: str) -> int:
    """Return how many words a text has, as the rules count them."""
    return len(re.findall(r"\w[\w'\u2019-]*", text))


def has_break(text: str) -> bool:
    """Whether there is a blank line within; at an end nobody sees one, or learns it."""
    return bool(_BREAK.search(text.strip()))


def _sentence_lengths(text: str) -> list[int]:
    """Return the words of each sentence; marks of list items are none, and emphasis ends one."""
    plain = drop_marks(text).replace("\u201d", '"')
    return [length for piece in sentences_of_markdown(plain) if (length := count_words(piece))]


def has_short_sentences(text: str) -> bool:
    """Whether no sentence is longer than a short one."""
    return max(_sentence_lengths(text), default=0) <= SHORT


def has_long_sentences(text: str) -> bool:
    """Whether sentences are long on average."""
    lengths = _sentence_lengths(text)
    return bool(lengths) and sum(lengths) / len(lengths) >= LONG
