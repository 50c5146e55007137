"""What makes a description unusable, one simple rule per reason.

Writers fail in known ways: they open with "Sure, here are", number their lines, repeat the example
they were shown, put a personality into a profile or a job into a personality, drift into another
language or name a celebrity. A candidate is rejected with its reasons, which are recorded and
counted, so that a writer can be judged by its mistakes. No rule needs a model.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from aloe.errors import ConfigError
from aloe.memory.axes import Kind
from aloe.memory.contradictions import find_ages, find_contradictions, find_persons
from aloe.memory.descriptions import Description
from aloe.plugins import describe_error
from aloe.schema import sentences

Reason = Literal[
    "empty", "preamble", "list_marker", "too_few_facts", "too_many_facts", "too_short", "too_long",
    "repetition", "not_a_statement", "language", "pronouns", "contradiction", "off_brief",
    "public_figure", "personality_in_profile", "life_in_personality", "call_failed",
    "duplicate",
]  # fmt: skip
"""Why a candidate was refused. The model's server is to blame for `call_failed`, and `duplicate`
comes from the gate; the rest are found here."""

FACTS: dict[Kind, tuple[int, int]] = {"profile": (3, 9), "personality": (2, 8)}
"""Fewest and most sentences."""
WORDS: dict[Kind, tuple[int, int]] = {"profile": (12, 130), "personality": (8, 130)}
"""Fewest and most words."""
ENGLISH_SHARE = 0.2
"""Smallest share of everyday English words in a text in English."""

_PREAMBLE = re.compile(
    r"^\W*(?:sure|certainly|of course|okay|here (?:are|is)|below (?:are|is)|as an? ai)\b"
    r"|\b(?:profile|personality|persona|facts?|example)s? ?\d*:|\b(?:AI|language model|chatbot)\b",
    re.IGNORECASE,
)
_MARKER = re.compile(r"(?:^|\n)\s*(?:[-*•#>]|\d+[.)]|[a-z]\))\s|\*\*|\[[^\]]*\]|<[^>]*>")
_PERSONALITY_WORDS = (
    "impatient", "patient", "stubborn", "cheerful", "shy", "blunt", "sarcastic", "anxious",
    "grumpy", "kind", "friendly", "empathetic", "optimistic", "pessimistic", "outgoing",
    "introverted", "extroverted", "arrogant", "gentle", "moody", "suspicious", "proud",
    "ambitious", "humorous", "charismatic", "disciplined", "articulate", "adventurous",
)  # fmt: skip
_PERSONALITY = re.compile(
    r"\b(?:I|he|she|they) (?:am|is|are|feel|get|can be|tend to be)(?: \w+)? (?:a )?(?:very )?(?:"
    + "|".join(_PERSONALITY_WORDS)
    + r")\b|\b(?:personality|temperament|my temper|by nature)\b",
    re.IGNORECASE,
)
_LIFE = re.compile(
    r"\bI (?:am|turned) \d{2}\b|\byears? old\b"
    r"|\bI (?:live|was born|grew up|work|study) (?:in|at|for|as)\b"
    r"|\bI am an? \w+(?:er|or|ist|ian|nurse|cook|clerk) (?:at|in|for)\b"
    r"|\bmy (?:wife|husband|son|daughter|children|kids|job|boss|salary|rent)\b"
    r"|\b(?:he|she|they) works? (?:as|at|for)\b",
    re.IGNORECASE,
)
PUBLIC_FIGURES = (
    "Barack Obama", "Donald Trump", "Joe Biden", "Hillary Clinton", "Vladimir Putin",
    "Xi Jinping", "Elon Musk", "Bill Gates", "Steve Jobs", "Mark Zuckerberg", "Jeff Bezos",
    "Taylor Swift", "Oprah Winfrey", "Lionel Messi", "Cristiano Ronaldo", "Serena Williams",
    "LeBron James", "Michael Jordan", "Tom Cruise", "Brad Pitt", "Angelina Jolie", "Emma Watson",
    "Malala Yousafzai", "Greta Thunberg", "Albert Einstein", "Isaac Newton", "Marie Curie",
    "Nelson Mandela", "Mahatma Gandhi", "Martin Luther King", "Mother Teresa",
    "William Shakespeare", "Jane Austen", "Stephen King", "Adolf Hitler", "Winston Churchill",
    "Queen Elizabeth", "Pope Francis", "Dalai Lama", "Angela Merkel", "Narendra Modi", "Beyoncé",
    "J.K. Rowling",
)  # fmt: skip
"""Real people who may not turn up in a description; far from complete."""

_PUBLIC_FIGURES = re.compile("|".join(map(re.escape, PUBLIC_FIGURES)))
_EVERYDAY = frozenset((
    "a", "about", "after", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been",
    "but", "by", "can", "do", "for", "from", "get", "go", "had", "has", "have", "he", "her",
    "his", "how", "i", "if", "in", "into", "is", "it", "its", "like", "me", "more", "most", "my",
    "never", "no", "not", "of", "on", "one", "or", "our", "out", "she", "so", "some", "that",
    "the", "their", "them", "they", "this", "to", "too", "up", "us", "want", "was", "we", "were",
    "what", "when", "which", "who", "with", "without", "work", "you", "your",
))  # fmt: skip


def find_reasons(description: Description) -> tuple[Reason, ...]:
    """Return everything that is wrong with a description by itself; empty is good."""
    text, kind = description.text, description.kind
    if not text:
        return ("empty",)
    pieces = sentences(text)
    found = {
        "preamble": bool(_PREAMBLE.search(text)),
        "list_marker": bool(_MARKER.search(text)),
        "too_few_facts": len(pieces) < FACTS[kind][0],
        "too_many_facts": len(pieces) > FACTS[kind][1],
        "too_short": len(text.split()) < WORDS[kind][0],
        "too_long": len(text.split()) > WORDS[kind][1],
        "repetition": any(repeats(piece, pieces[:i]) for i, piece in enumerate(pieces)),
        "not_a_statement": any(
            piece[-1] not in '.!"' or len(piece.split()) < 2 for piece in pieces
        ),
        "language": not is_english(text),
        "pronouns": len(find_persons(text)) > 1,
        "contradiction": bool(find_contradictions(text)),
        "off_brief": is_off_brief(description),
        "public_figure": bool(_PUBLIC_FIGURES.search(text)),
        "personality_in_profile": kind == "profile" and bool(_PERSONALITY.search(text)),
        "life_in_personality": kind == "personality" and bool(_LIFE.search(text)),
    }
    return tuple(reason for reason, wrong in found.items() if wrong)  # type: ignore[misc]


Validator = Callable[[Description], str | None]
"""A custom rule: returns why a description is refused, None if it may stay."""


def find_custom_reasons(
    description: Description, validators: Mapping[str, Validator]
) -> tuple[str, ...]:
    """Return why custom rules, by name, refuse a description.

    Raises:
        ConfigError: one of them fails (with file and line).
    """
    found = []
    for name, validator in validators.items():
        try:
            found.append(validator(description))
        except Exception as error:
            raise ConfigError(f"validator '{name}' failed: {describe_error(error)}") from None
    return tuple(str(reason) for reason in found if reason)


def repeats(piece: str, earlier: Sequence[str]) -> bool:
    """Whether a sentence says nearly the same words as one of the earlier."""
    bag = _bag(piece)
    return any(
        len(bag & other) >= 0.75 * max(min(len(bag), len(other)), 1) for other in map(_bag, earlier)
    )


@lru_cache(maxsize=8192)
def _bag(piece: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", piece.lower())) - {"i", "my", "a", "the"}


def is_english(text: str) -> bool:
    """Whether a text is in Latin letters and holds enough everyday English words."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    letters = "".join(words)
    foreign = sum(ord(letter) > 0x24F for letter in letters)
    everyday = sum(word in _EVERYDAY for word in words)
    return bool(words) and foreign <= 0.05 * len(letters) and everyday >= ENGLISH_SHARE * len(words)


def is_off_brief(description: Description) -> bool:
    """Whether the text states another age than the one asked for."""
    stated, asked = find_ages(description.text), description.axes.get("age")
    return bool(stated) and isinstance(asked, int) and asked not in stated
