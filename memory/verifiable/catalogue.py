"""What verifiable personas may wish of replies: rules that a program checks exactly.

Whether a reply suits "I like warmth" is a matter of taste, and only another model can say. Whether
it has at most sixty words, no emoji and a question at the end is a matter of counting. A verifiable
persona is an ordinary one whose personality states such wishes, one a sentence, and which also
carries them as data (`Persona.preferences`). So its simulated user reveals them bit by bit, its
judge is a rule, and "did the assistant adapt?" has an exact answer with no model in the loop.

Each dimension has two opposite values. The dimensions are independent: any mix of values can be
met by one reply, as the tests show.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aloe.emoji import EMOJI
from aloe.memory.verifiable.asking import drop_questions_about
from aloe.memory.verifiable.forms import drop_marks, greets, has_list, is_american, is_british
from aloe.sentences import sentences_of_markdown

Rule = Callable[[str], bool]

Wishes = Mapping[str, str]
"""Wanted value by dimension, for some of the dimensions."""

BRIEF, THOROUGH = 60, 120
"""Most words of a brief reply, fewest of a thorough one."""
SHORT, LONG = 12, 16
"""Most words of a short sentence; fewest words, on average, of long ones."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One value of one dimension."""

    value: str
    trait: str
    """How the persona states it."""
    remark: str
    """What its user says when a reply breaks it."""
    kept: Rule
    """Whether a reply keeps it."""


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_EMOJI = _pattern(EMOJI)
_EXCLAMATION = _pattern("!")
_QUESTION = _pattern(r"\?")
_CONTRACTION = _pattern(
    r"\b\w+(?:n['\u2019]t|['\u2019](?:re|ve|ll|m|d))\b"
    r"|\b(?:it|that|here|what|there|let|he|she|who|where|how|when)['\u2019]s\b"
)
_DIGIT = _pattern(r"\d")
_NEXT = _pattern(r"\bnext steps?\b")
_BOLD = _pattern(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_BREAK = _pattern(r"\n\s*\n")
_HEDGE = _pattern(r"\b(?:perhaps|maybe|might|possibly|probably|it seems|i think)\b")
_SORRY = _pattern(r"\b(?:sorry|apolog\w+)\b")
_EXAMPLE = _pattern(r"(?<!set an )(?<!set the )(?<!by )\bexamples?\b|\bfor instance\b|\be\.g\.")
_THANKS = _pattern(r"\b(?:thank you|thanks)\b")


def _has(pattern: re.Pattern[str]) -> Rule:
    return lambda text: bool(pattern.search(text))


def _lacks(pattern: re.Pattern[str]) -> Rule:
    return lambda text: not pattern.search(text)


def _apart(dimension: str, rule: Rule) -> Rule:
    """Apply a rule to what a reply says apart from its questions about the dimension.

    A question names the words of a wish without doing what is wished.
    """
    return lambda text: rule(drop_questions_about(dimension, text))


def count_words(text: str) -> int:
    """Return how many words a text has, as the rules count them."""
    return len(re.findall(r"\w[\w'\u2019-]*", text))


def _has_break(text: str) -> bool:
    """Whether there is a blank line within; at an end nobody sees one, or learns it."""
    return bool(_BREAK.search(text.strip()))


def _sentence_lengths(text: str) -> list[int]:
    """Return the words of each sentence; marks of list items are none, and emphasis ends one."""
    plain = drop_marks(text).replace("\u201d", '"')
    return [length for piece in sentences_of_markdown(plain) if (length := count_words(piece))]


def _short_sentences(text: str) -> bool:
    return max(_sentence_lengths(text), default=0) <= SHORT


def _long_sentences(text: str) -> bool:
    lengths = _sentence_lengths(text)
    return bool(lengths) and sum(lengths) / len(lengths) >= LONG


def _wish(value: str, trait: str, remark: str, kept: Rule) -> Wish:
    return Wish(value=value, trait=trait, remark=remark, kept=kept)


DIMENSIONS: dict[str, tuple[Wish, Wish]] = {
    "length": (
        _wish(
            "brief",
            f"I read no reply of more than {BRIEF} words.",
            f"Too long for me: {BRIEF} words are the limit.",
            lambda text: count_words(text) <= BRIEF,
        ),
        _wish(
            "thorough",
            f"I want replies of {THOROUGH} words or more.",
            f"That is thin: give me {THOROUGH} words at least.",
            lambda text: count_words(text) >= THOROUGH,
        ),
    ),
    "sentences": (
        _wish(
            "short",
            f"I want sentences of {SHORT} words at most.",
            f"Those sentences are long: {SHORT} words at most, please.",
            _short_sentences,
        ),
        _wish(
            "long",
            f"I like flowing sentences of {LONG} words and more.",
            f"That was choppy: I like sentences of {LONG} words and more.",
            _long_sentences,
        ),
    ),
    "lists": (
        _wish(
            "list",
            "I want the points of a reply as a list.",
            "Put the points in a list, please.",
            has_list,
        ),
        _wish(
            "prose",
            "I want running text without any list.",
            "No list, please: plain running text.",
            lambda text: not has_list(text),
        ),
    ),
    "emoji": (
        _wish(
            "some",
            "I like an emoji in every reply.",
            "An emoji would have been nice.",
            _has(_EMOJI),
        ),
        _wish("none", "I want no emoji.", "Leave out the emoji.", _lacks(_EMOJI)),
    ),
    "exclamation": (
        _wish(
            "some",
            "I like an exclamation mark here and there.",
            "Use an exclamation mark now and then.",
            _has(_EXCLAMATION),
        ),
        _wish(
            "none",
            "I cannot stand exclamation marks.",
            "No exclamation marks, please.",
            _lacks(_EXCLAMATION),
        ),
    ),
    "question": (
        _wish(
            "asked",
            "I want to be asked a question back.",
            "You did not ask me anything back.",
            _has(_QUESTION),
        ),
        _wish(
            "none", "I want no questions back.", "Do not ask me questions back.", _lacks(_QUESTION)
        ),
    ),
    "contractions": (
        _wish(
            "relaxed",
            'I like contractions such as "it\'s" and "don\'t".',
            'That was stiff: write "it\'s" and "don\'t".',
            _apart("contractions", _has(_CONTRACTION)),
        ),
        _wish(
            "formal",
            "I want every word written out, without contractions.",
            "Write the words out, no contractions.",
            _apart("contractions", _lacks(_CONTRACTION)),
        ),
    ),
    "numbers": (
        _wish(
            "figures", "I want numbers in figures.", "Give me numbers, in figures.", _has(_DIGIT)
        ),
        _wish(
            "none",
            "I want no figures in a text.",
            "No figures in the text, please.",
            _lacks(_DIGIT),
        ),
    ),
    "spelling": (
        _wish(
            "British",
            'I want British spelling, such as "colour".',
            'British spelling, please: "colour", "centre".',
            _apart("spelling", is_british),
        ),
        _wish(
            "American",
            'I want American spelling, such as "color".',
            'American spelling, please: "color", "center".',
            _apart("spelling", is_american),
        ),
    ),
    "greeting": (
        _wish(
            "greeted",
            "I want each reply to open with a greeting.",
            "You did not greet me.",
            greets,
        ),
        _wish(
            "none",
            "I want no greeting at the start of a reply.",
            "Skip the greeting.",
            lambda text: not greets(text),
        ),
    ),
    "closing": (
        _wish(
            "next step",
            "I want to read what the next step is.",
            "And what is the next step?",
            _apart("closing", _has(_NEXT)),
        ),
        _wish(
            "none",
            "I do not want to be told a next step.",
            "Do not tell me a next step.",
            _apart("closing", _lacks(_NEXT)),
        ),
    ),
    "emphasis": (
        _wish("bold", "I like the key words in bold.", "Put the key words in bold.", _has(_BOLD)),
        _wish("plain", "I want nothing in bold.", "Nothing in bold, please.", _lacks(_BOLD)),
    ),
    "paragraphs": (
        _wish(
            "several",
            "I want a reply broken into paragraphs.",
            "Break it into paragraphs.",
            _has_break,
        ),
        _wish(
            "one",
            "I want a reply in one block without blank lines.",
            "One block, please, no blank lines.",
            lambda text: not _has_break(text),
        ),
    ),
    "hedging": (
        _wish(
            "hedged",
            'I want doubt shown with a word such as "perhaps".',
            'That sounds too sure: say "perhaps".',
            _apart("hedging", _has(_HEDGE)),
        ),
        _wish(
            "plain",
            'I cannot stand "perhaps" and "maybe".',
            'Drop the "perhaps" and "maybe".',
            _apart("hedging", _lacks(_HEDGE)),
        ),
    ),
    "apology": (
        _wish(
            "given",
            "I expect a reply to say sorry for my trouble.",
            "A word of sorry would be in order.",
            _apart("apology", _has(_SORRY)),
        ),
        _wish(
            "none", "I want no apologies.", "Stop apologising.", _apart("apology", _lacks(_SORRY))
        ),
    ),
    "example": (
        _wish(
            "given",
            "I want an example.",
            "Give me an example.",
            _apart("example", _has(_EXAMPLE)),
        ),
        _wish(
            "none",
            "I want no examples.",
            "Leave the examples out.",
            _apart("example", _lacks(_EXAMPLE)),
        ),
    ),
    "thanks": (
        _wish(
            "given",
            "I like to be thanked for asking.",
            "You could have thanked me for asking.",
            _apart("thanks", _has(_THANKS)),
        ),
        _wish(
            "none",
            "I want no thanks for asking.",
            "No need to thank me.",
            _apart("thanks", _lacks(_THANKS)),
        ),
    ),
}
"""Two opposite wishes by dimension."""


def find_wish(dimension: str, value: str) -> Wish:
    """Return the wish that a dimension and a value name.

    Raises:
        ValueError: there is none.
    """
    if dimension not in DIMENSIONS:
        raise ValueError(f"there is no wish about '{dimension}'; there are {', '.join(DIMENSIONS)}")
    for each in DIMENSIONS[dimension]:
        if each.value == value:
            return each
    offered = " or ".join(f"'{each.value}'" for each in DIMENSIONS[dimension])
    raise ValueError(f"{dimension} is {offered}, not '{value}'")


def find_opposite(dimension: str, value: str) -> str:
    """Return the other value of a dimension."""
    return next(each.value for each in DIMENSIONS[dimension] if each.value != value)
