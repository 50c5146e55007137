"""What verifiable personas may wish of replies: rules that a program checks exactly.

Whether a reply suits "I like warmth" is a matter of taste, and only another model can say. Whether
it has at most sixty words, no emoji and a question at the end is a matter of counting. A verifiable
persona is an ordinary one whose personality states such wishes, one a sentence, and which also
carries them as data (`Persona.preferences`). So its simulated user reveals them bit by bit, its
judge is a rule, and "did the assistant adapt?" has an exact answer with no model in the loop.

Each dimension has two opposite values. The dimensions are independent: any mix of values can be
met by one reply, as the tests show.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aloe.memory.verifiable.forms import greets, has_list, is_american, is_british
from aloe.memory.verifiable.rules import (
    BOLD,
    DIGIT,
    EXAMPLE,
    EXCLAMATION,
    HEDGE,
    LONG,
    NEXT,
    PICTURE,
    SHORT,
    SHORT_FORM,
    SORRY,
    THANKS,
    Rule,
    apart,
    asks,
    count_words,
    has,
    has_break,
    has_long_sentences,
    has_short_sentences,
    lacks,
    own_words,
)

Wishes = Mapping[str, str]
"""Wanted value by dimension, for some of the dimensions."""

BRIEF, THOROUGH = 60, 120
"""Most words of a brief reply, fewest of a thorough one."""


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
            has_short_sentences,
        ),
        _wish(
            "long",
            f"I like flowing sentences of {LONG} words and more.",
            f"That was choppy: I like sentences of {LONG} words and more.",
            has_long_sentences,
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
            has(PICTURE),
        ),
        _wish("none", "I want no emoji.", "Leave out the emoji.", lacks(PICTURE)),
    ),
    "exclamation": (
        _wish(
            "some",
            "I like an exclamation mark here and there.",
            "Use an exclamation mark now and then.",
            has(EXCLAMATION),
        ),
        _wish(
            "none",
            "I cannot stand exclamation marks.",
            "No exclamation marks, please.",
            lacks(EXCLAMATION),
        ),
    ),
    "question": (
        _wish(
            "asked",
            "I want to be asked a question back.",
            "You did not ask me anything back.",
            asks,
        ),
        _wish(
            "none",
            "I want no questions back.",
            "Do not ask me questions back.",
            lambda text: not asks(text),
        ),
    ),
    "contractions": (
        _wish(
            "relaxed",
            'I like contractions such as "it\'s" and "don\'t".',
            'That was stiff: write "it\'s" and "don\'t".',
            apart("contractions", has(SHORT_FORM)),
        ),
        _wish(
            "formal",
            "I want every word written out, without contractions.",
            "Write the words out, no contractions.",
            apart("contractions", lacks(SHORT_FORM)),
        ),
    ),
    "numbers": (
        _wish("figures", "I want numbers in figures.", "Give me numbers, in figures.", has(DIGIT)),
        _wish(
            "none",
            "I want no figures in a text.",
            "No figures in the text, please.",
            lacks(DIGIT),
        ),
    ),
    "spelling": (
        _wish(
            "British",
            'I want British spelling, such as "colour".',
            'British spelling, please: "colour", "centre".',
            apart("spelling", is_british),
        ),
        _wish(
            "American",
            'I want American spelling, such as "color".',
            'American spelling, please: "color", "center".',
            apart("spelling", is_american),
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
            apart("closing", has(NEXT)),
        ),
        _wish(
            "none",
            "I do not want to be told a next step.",
            "Do not tell me a next step.",
            apart("closing", lacks(NEXT)),
        ),
    ),
    "emphasis": (
        _wish("bold", "I like the key words in bold.", "Put the key words in bold.", has(BOLD)),
        _wish("plain", "I want nothing in bold.", "Nothing in bold, please.", lacks(BOLD)),
    ),
    "paragraphs": (
        _wish(
            "several",
            "I want a reply broken into paragraphs.",
            "Break it into paragraphs.",
            has_break,
        ),
        _wish(
            "one",
            "I want a reply in one block without blank lines.",
            "One block, please, no blank lines.",
            lambda text: not has_break(text),
        ),
    ),
    "hedging": (
        _wish(
            "hedged",
            'I want doubt shown with a word such as "perhaps".',
            'That sounds too sure: say "perhaps".',
            apart("hedging", has(HEDGE)),
        ),
        _wish(
            "plain",
            'I cannot stand "perhaps" and "maybe".',
            'Drop the "perhaps" and "maybe".',
            apart("hedging", lacks(HEDGE)),
        ),
    ),
    "apology": (
        _wish(
            "given",
            "I expect a reply to say sorry for my trouble.",
            "A word of sorry would be in order.",
            apart("apology", own_words(has(SORRY))),
        ),
        _wish(
            "none",
            "I want no apologies.",
            "Stop apologising.",
            apart("apology", own_words(lacks(SORRY))),
        ),
    ),
    "example": (
        _wish(
            "given",
            "I want an example.",
            "Give me an example.",
            apart("example", has(EXAMPLE)),
        ),
        _wish(
            "none",
            "I want no examples.",
            "Leave the examples out.",
            apart("example", lacks(EXAMPLE)),
        ),
    ),
    "thanks": (
        _wish(
            "given",
            "I like to be thanked for asking.",
            "You could have thanked me for asking.",
            apart("thanks", own_words(has(THANKS))),
        ),
        _wish(
            "none",
            "I want no thanks for asking.",
            "No need to thank me.",
            apart("thanks", own_words(lacks(THANKS))),
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
