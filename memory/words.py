"""What carries the meaning of a sentence, on its surface: words, names, numbers, negation.

The disclosure checker compares what a user said with the persona, and a reply with what has not
been said yet. Embeddings show that two sentences are about the same thing; they do not distinguish
"I am 34" from "I am 52", or "I like lists" from "I hate lists". Those differences lie in a few
words, so they are found by rule: content words without their endings, capitalised names inside a
sentence, numbers in digits or in words, and whether the sentence denies something.
"""

import re
from functools import lru_cache

from aloe.schema import sentences

_STOP = frozenset((
    "a", "about", "after", "again", "all", "also", "always", "am", "an", "and", "any", "anything",
    "are", "as", "at", "be", "because", "been", "before", "being", "both", "but", "by", "can",
    "could", "did", "do", "does", "doing", "don", "down", "each", "else", "even", "ever", "every",
    "few", "for", "from", "get", "go", "going", "good", "got", "had", "has", "have", "having", "he",
    "her", "here", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "know",
    "last", "let", "like", "ll", "lot", "m", "make", "many", "may", "me", "might", "more", "most",
    "much", "must", "my", "need", "no", "not", "nothing", "now", "of", "off", "on", "one", "only",
    "or", "other", "our", "out", "over", "own", "people", "re", "really", "s", "say", "see", "she",
    "should", "since", "so", "some", "someone", "something", "still", "such", "t", "take", "tell",
    "than", "that", "the", "their", "them", "then", "there", "these", "they", "thing", "this",
    "those", "time", "to", "too", "try", "two", "under", "until", "up", "us", "use", "ve", "very",
    "want", "was", "way", "we", "well", "were", "what", "when", "where", "which", "while", "who",
    "why", "will", "with", "without", "would", "yes", "yet", "you", "your",
))  # fmt: skip
_ENDINGS = ("ing", "ies", "ied", "es", "ed", "s", "e", "y")
_NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_CALENDAR = frozenset((
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
    "Saturday", "Sunday",
))  # fmt: skip
_DENIAL = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|without|cannot|hate|hates|dislike|dislikes"
    r"|detest|avoid|refuse)\b|n't\b",
    re.IGNORECASE,
)


def compile_any(*patterns: str) -> re.Pattern[str]:
    """Return a pattern that finds any of these, in capitals or not."""
    return re.compile("|".join(patterns), re.IGNORECASE)


@lru_cache(maxsize=4096)
def find_content_words(text: str) -> frozenset[str]:
    """Return the words that carry meaning, in lower case and without their usual endings."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    return frozenset(_stem(word) for word in words if word not in _STOP and len(word) > 2)


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word.removesuffix(ending)
    return word


@lru_cache(maxsize=4096)
def find_names(text: str) -> frozenset[str]:
    """Return capitalised words inside sentences; days and months are not names."""
    inner = [word for piece in sentences(text) for word in re.findall(r"[^\W\d_]+", piece)[1:]]
    return frozenset(
        word for word in inner if word[0].isupper() and len(word) > 2 and word not in _CALENDAR
    )


def find_numbers(text: str) -> frozenset[int]:
    """Return the numbers in a text, in digits or, from two to twelve, in words."""
    digits = (int(found) for found in re.findall(r"\d{1,6}", text))
    spelt = (_NUMBERS[w] for w in re.findall(r"[a-z]+", text.lower()) if w in _NUMBERS)
    return frozenset((*digits, *spelt))


def denies(text: str) -> bool:
    """Whether a text says no to something."""
    return bool(_DENIAL.search(text))


def is_about_speaker(text: str) -> bool:
    """Whether a text speaks of the speaker: in the first person, and not as a question."""
    first = re.search(r"\b(?:I|my|me|mine|myself|we|our|us)\b", text, re.IGNORECASE)
    second = re.search(r"\b(?:you|your)\b", text, re.IGNORECASE)
    return not text.rstrip().endswith("?") and bool(first or not second)
