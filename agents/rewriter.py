"""Rewrites a reply by rule until it keeps the wishes that the user has stated.

A model of 135M parameters hardly ever writes a greeting, a bold word and no question in one reply
because it was asked to, so its samples alone hold few good examples to learn from. This rewriter
is an honest way round: it reads the wishes from what the user said, and nothing else, and edits
the model's own reply with small fixed means. What it writes is marked with its agent's name and
counted apart.

Every wish has a few edits. A broken wish is mended by the edit after which most wishes are kept,
so edits that undo each other lose, and no order among the wishes has to be found by hand.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping

from aloe.emoji import EMOJI
from aloe.memory.verifiable.catalogue import BRIEF, DIMENSIONS, Wishes
from aloe.memory.verifiable.forms import GREETING, drop_marks
from aloe.memory.verifiable.scoring import check_wishes
from aloe.schema import sentences

Edits = Callable[[str], Iterator[str]]
"""Yields versions of a text; equally good ones are drawn from by chance."""

REACHABLE = frozenset(DIMENSIONS) - {"length", "sentences", "spelling"}
"""Dimensions of which edits can serve both values; the others need other content."""

PASSES = 3
"""Rounds over the broken wishes; one is nearly always enough."""


def rewrite(reply: str, wishes: Wishes, seed: int) -> str:
    """Return `reply` edited so that it keeps as many of `wishes` as edits can reach.

    Args:
        reply: any text; one that keeps all wishes, or is empty, comes back as it is.
        wishes: wanted value by dimension.
        seed: the same seed gives the same words.
    """
    rng = random.Random(seed)
    text = reply.strip()
    if not text:
        return reply
    for _ in range(PASSES):
        broken = [name for name, fine in check_wishes(wishes, text).items() if not fine]
        if not broken:
            break
        for name in broken:
            text = _mended(text, name, wishes, rng)
    return text


def _mended(text: str, name: str, wishes: Wishes, rng: random.Random) -> str:
    edits = EDITS.get((name, wishes[name]))
    versions = [version for version in edits(text) if version.strip()] if edits else []
    rng.shuffle(versions)
    return max([text, *versions], key=lambda version: sum(check_wishes(wishes, version).values()))


def _append(*phrases: str) -> Edits:
    return lambda text: (f"{text.rstrip()} {phrase}" for phrase in phrases)


_GREETED = re.compile(r"\A(?:hello|hi)(?: there)?[.,!]\s+", re.IGNORECASE)


def _open_with(*phrases: str) -> Edits:
    """Put a phrase at the start, behind a greeting if there is one."""

    def edits(text: str) -> Iterator[str]:
        greeting = match[0] if (match := _GREETED.match(text)) else ""
        for phrase in phrases:
            yield f"{greeting}{phrase} {text[len(greeting) :]}"

    return edits


def _drop(matching: str) -> Edits:
    """Leave out the sentences that match."""
    pattern = re.compile(matching, re.IGNORECASE)

    def edits(text: str) -> Iterator[str]:
        yield _over_sentences(text, lambda each: "" if pattern.search(each) else each)

    return edits


def _replace(pattern: str, replacement: str) -> Edits:
    compiled = re.compile(pattern, re.IGNORECASE)

    def edits(text: str) -> Iterator[str]:
        yield _tidy(compiled.sub(replacement, text))

    return edits


def _swap(words: Mapping[str, str]) -> Edits:
    """Replace whole words, keeping a capital at their start."""
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE)

    def swapped(match: re.Match[str]) -> str:
        new = words[match[0].lower().replace("\u2019", "'")]
        return new[0].upper() + new[1:] if match[0][0].isupper() else new

    def edits(text: str) -> Iterator[str]:
        yield pattern.sub(swapped, text.replace("\u2019", "'"))

    return edits


def _either(*several: Edits) -> Edits:
    return lambda text: (version for edits in several for version in edits(text))


def _over_sentences(text: str, change: Callable[[str], str]) -> str:
    """Change every sentence, keeping the lines they stand in."""
    lines = [" ".join(filter(None, map(change, sentences(line)))) for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _tidy(text: str) -> str:
    """Mend the blanks and the capital that a deletion leaves behind."""
    text = re.sub(r"[ \t]+([.,;:!?])", r"\1", re.sub(r"[ \t]{2,}", " ", text))
    text = re.sub(r"(\A|[.!?]\s+)[,;]\s*", r"\1", text).strip()
    return re.sub(r"(\A|[.!?]\s+)([a-z])", lambda m: m[1] + m[2].upper(), text)


def _shorten(text: str) -> Iterator[str]:
    """Keep the first and the last sentences, as many as fit."""
    pieces = list(sentences(text))
    while len(pieces) > 1 and len(" ".join(pieces).split()) > BRIEF:
        pieces.pop(len(pieces) // 2)
    words = " ".join(pieces).split()
    yield " ".join(words) if len(words) <= BRIEF else " ".join(words[: BRIEF - 10]) + "."


def _listed(text: str) -> Iterator[str]:
    pieces = [*filter(None, map(drop_marks, sentences(drop_marks(text))))]
    if len(pieces) == 1:
        pieces = re.split(r",\s+|\s+and\s+", pieces[0], maxsplit=1)
    yield "\n".join(f"- {piece}" for piece in pieces)


def _bold(text: str) -> Iterator[str]:
    """Put one of the longest words in bold."""
    for word in sorted(set(re.findall(r"[A-Za-z]{4,}", text)), key=lambda w: (-len(w), w))[:3]:
        yield re.sub(rf"\b{word}\b", f"**{word}**", text, count=1)


def _paragraphs(text: str) -> Iterator[str]:
    if "\n" in text:
        yield re.sub(r"\n+", "\n\n", text)
    pieces = sentences(text)
    if half := len(pieces) // 2:
        yield " ".join(pieces[:half]) + "\n\n" + " ".join(pieces[half:])


_HEDGE = r"\b(?:perhaps|maybe|possibly|probably|it seems|i think)\b,?"


def _unhedged(text: str) -> Iterator[str]:
    sure = re.sub(r"\bmight\b", "can", text, flags=re.IGNORECASE)
    yield _tidy(re.sub(_HEDGE, "", sure, flags=re.IGNORECASE))


_SHORT_FORMS = {
    "do not": "don't",
    "does not": "doesn't",
    "is not": "isn't",
    "cannot": "can't",
    "it is": "it's",
    "that is": "that's",
    "you are": "you're",
    "i am": "i'm",
    "you will": "you'll",
}
_LONG_FORMS = {
    **{short: long for long, short in _SHORT_FORMS.items()},
    "i'm": "I am",
    "i've": "I have",
    "i'll": "I will",
    "i'd": "I would",
    "you've": "you have",
    "you'd": "you would",
    "we're": "we are",
    "we've": "we have",
    "we'll": "we will",
    "they're": "they are",
    "they've": "they have",
    "they'll": "they will",
    "he'll": "he will",
    "she'll": "she will",
    "it'll": "it will",
    "here's": "here is",
    "what's": "what is",
    "let's": "let us",
    "there's": "there is",
    "he's": "he is",
    "she's": "she is",
    "who's": "who is",
    "where's": "where is",
    "how's": "how is",
    "when's": "when is",
    "won't": "will not",
    "didn't": "did not",
    "wasn't": "was not",
    "aren't": "are not",
    "weren't": "were not",
    "hasn't": "has not",
    "haven't": "have not",
    "hadn't": "had not",
    "couldn't": "could not",
    "wouldn't": "would not",
    "shouldn't": "should not",
}
_NUMBER_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMERALS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS, 2)}

EDITS: dict[tuple[str, str], Edits] = {
    ("length", "brief"): _shorten,
    ("lists", "list"): _listed,
    ("lists", "prose"): lambda text: iter([drop_marks(text)]),
    ("emoji", "some"): _append("🙂", "🌱", "👍", "😊"),
    ("emoji", "none"): _replace(EMOJI, ""),
    ("exclamation", "some"): _append("Good luck!", "You can do it!"),
    ("exclamation", "none"): _replace("!+", "."),
    ("question", "asked"): _append("Does that help?", "What do you think?"),
    ("question", "none"): _either(_drop(r"\?"), _replace(r"\?+", ".")),
    ("contractions", "relaxed"): _either(
        _swap(_SHORT_FORMS), _append("It's worth a try.", "You'll manage.", "Don't worry.")
    ),
    ("contractions", "formal"): _either(
        _swap(_LONG_FORMS), _drop(r"\w(?:n['\u2019]t|['\u2019](?:re|ve|ll|m|d|s))\b")
    ),
    ("numbers", "figures"): _either(
        _swap(_NUMERALS), _append("Give it 10 minutes a day.", "Take 5 minutes for it.")
    ),
    ("numbers", "none"): _either(
        _swap({figure: word for word, figure in _NUMERALS.items()}),
        _replace(r"^\s*\d+[.)]\s+|\s*\d[\d.,:%]*", ""),
        _drop(r"\d"),
    ),
    ("greeting", "greeted"): _open_with("Hello.", "Hi there.", "Hello there."),
    ("greeting", "none"): _either(
        _replace(rf"{GREETING}(?: there)?\b[,.!]*\s*", ""), _drop(GREETING)
    ),
    ("closing", "next step"): _append(
        "The next step is to begin.",
        "The next step is to try it once.",
        "The next step is to make a plan.",
    ),
    ("closing", "none"): _drop(r"\bnext step\b"),
    ("emphasis", "bold"): _bold,
    ("emphasis", "plain"): _replace(r"\*\*|__", ""),
    ("paragraphs", "several"): _paragraphs,
    ("paragraphs", "one"): lambda text: iter([re.sub(r"\n\s*\n", "\n", text)]),
    ("hedging", "hedged"): _append("Perhaps that is enough.", "Maybe that is a start."),
    ("hedging", "plain"): _unhedged,
    ("apology", "given"): _open_with("Sorry for the trouble.", "I am sorry to hear that."),
    ("apology", "none"): _drop(r"\b(?:sorry|apolog\w+)\b"),
    ("example", "given"): _append(
        "For example, start with an easy part.", "For example, ask a friend to help."
    ),
    ("example", "none"): _either(
        _replace(r"\b(?:for example|for instance|e\.g\.),?", ""), _drop(r"\bexamples?\b")
    ),
    ("thanks", "given"): _open_with("Thank you for asking.", "Thanks for asking."),
    ("thanks", "none"): _drop(r"\b(?:thank you|thanks)\b"),
}
"""Edits by dimension and value; a value that is not here cannot be served."""
