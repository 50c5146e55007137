"""Verifiable personas: wishes about replies that a program can check exactly.

Whether a reply suits "I like warmth" is a matter of taste, and only another model can say. Whether
it has at most forty words, no emoji and a question at the end is a matter of counting. A verifiable
persona is an ordinary one whose personality states such wishes, one a sentence, and which also
carries them as data (`Persona.preferences`). So its simulated user reveals them bit by bit, its
judge is a rule, and "did the assistant adapt?" has an exact answer with no model in the loop.

Each dimension has two opposite values. The dimensions are independent: any mix of values can be
met by one reply, and `demonstration` writes such a reply, which is also the best score there is.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from aloe.memory.axes import sample
from aloe.memory.composition import compose
from aloe.schema import Lineage, Persona, derive_seed, sentences

Rule = Callable[[str], bool]

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


def _count(pattern: str, flags: int = re.IGNORECASE) -> Callable[[str], int]:
    compiled = re.compile(pattern, flags)
    return lambda text: len(compiled.findall(text))


_EMOJI = _count("[\u2600-\u27bf\U0001f300-\U0001faff]")
_LIST_LINES = _count(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)
_EXCLAMATIONS = _count("!")
_QUESTIONS = _count(r"\?")
_CONTRACTIONS = _count(
    r"\b\w+(?:n['\u2019]t|['\u2019](?:re|ve|ll|m|d))\b|\b(?:it|that|here|what)['\u2019]s\b"
)
_DIGITS = _count(r"\d")
_BRITISH = _count(
    r"\b(?:colour|favour|flavour|neighbour|centre|metre|litre|organis|realis|theatre)"
)
_AMERICAN = _count(r"\b(?:color|favor|flavor|neighbor|center|meter|liter|organiz|realiz|theater)")
_GREETING = _count(r"\A\W*(?:hello|hi|hey|good (?:morning|day|evening)|greetings|dear)\b")
_NEXT = _count(r"\bnext step\b")
_BOLD = _count(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_BREAKS = _count(r"\n\s*\n")
_HEDGES = _count(r"\b(?:perhaps|maybe|might|possibly|probably|it seems|i think)\b")
_SORRY = _count(r"\b(?:sorry|apolog\w+)\b")
_EXAMPLE = _count(r"\b(?:for example|for instance|e\.g\.)")
_THANKS = _count(r"\b(?:thank you|thanks)\b")


def _words(text: str) -> int:
    return len(re.findall(r"\w[\w'\u2019-]*", text))


def _sentence_lengths(text: str) -> list[int]:
    return [length for piece in sentences(text) if (length := _words(piece))]


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
            lambda text: _words(text) <= BRIEF,
        ),
        _wish(
            "thorough",
            f"I want replies of {THOROUGH} words or more.",
            f"That is thin: give me {THOROUGH} words at least.",
            lambda text: _words(text) >= THOROUGH,
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
            lambda text: _LIST_LINES(text) >= 2,
        ),
        _wish(
            "prose",
            "I want running text without any list.",
            "No list, please: plain running text.",
            lambda text: _LIST_LINES(text) == 0,
        ),
    ),
    "emoji": (
        _wish(
            "some",
            "I like an emoji in every reply.",
            "An emoji would have been nice.",
            lambda text: _EMOJI(text) > 0,
        ),
        _wish(
            "none",
            "I want no emoji.",
            "Leave out the emoji.",
            lambda text: _EMOJI(text) == 0,
        ),
    ),
    "exclamation": (
        _wish(
            "some",
            "I like an exclamation mark here and there.",
            "Use an exclamation mark now and then.",
            lambda text: _EXCLAMATIONS(text) > 0,
        ),
        _wish(
            "none",
            "I cannot stand exclamation marks.",
            "No exclamation marks, please.",
            lambda text: _EXCLAMATIONS(text) == 0,
        ),
    ),
    "question": (
        _wish(
            "asked",
            "I want to be asked a question back.",
            "You did not ask me anything back.",
            lambda text: _QUESTIONS(text) > 0,
        ),
        _wish(
            "none",
            "I want no questions back.",
            "Do not ask me questions back.",
            lambda text: _QUESTIONS(text) == 0,
        ),
    ),
    "contractions": (
        _wish(
            "relaxed",
            'I like contractions such as "it\'s" and "don\'t".',
            'That was stiff: write "it\'s" and "don\'t".',
            lambda text: _CONTRACTIONS(text) > 0,
        ),
        _wish(
            "formal",
            "I want every word written out, without contractions.",
            "Write the words out, no contractions.",
            lambda text: _CONTRACTIONS(text) == 0,
        ),
    ),
    "numbers": (
        _wish(
            "figures",
            "I want numbers in figures.",
            "Give me numbers, in figures.",
            lambda text: _DIGITS(text) > 0,
        ),
        _wish(
            "none",
            "I want no figures in a text.",
            "No figures in the text, please.",
            lambda text: _DIGITS(text) == 0,
        ),
    ),
    "spelling": (
        _wish(
            "British",
            'I want British spelling, such as "colour".',
            'British spelling, please: "colour", "centre".',
            lambda text: _BRITISH(text) > 0 and _AMERICAN(text) == 0,
        ),
        _wish(
            "American",
            'I want American spelling, such as "color".',
            'American spelling, please: "color", "center".',
            lambda text: _AMERICAN(text) > 0 and _BRITISH(text) == 0,
        ),
    ),
    "greeting": (
        _wish(
            "greeted",
            "I want each reply to open with a greeting.",
            "You did not greet me.",
            lambda text: _GREETING(text) > 0,
        ),
        _wish(
            "none",
            "I want no greeting at the start of a reply.",
            "Skip the greeting.",
            lambda text: _GREETING(text) == 0,
        ),
    ),
    "closing": (
        _wish(
            "next step",
            "I want to read what the next step is.",
            "And what is the next step?",
            lambda text: _NEXT(text) > 0,
        ),
        _wish(
            "none",
            "I do not want to be told a next step.",
            "Do not tell me a next step.",
            lambda text: _NEXT(text) == 0,
        ),
    ),
    "emphasis": (
        _wish(
            "bold",
            "I like the key words in bold.",
            "Put the key words in bold.",
            lambda text: _BOLD(text) > 0,
        ),
        _wish(
            "plain",
            "I want nothing in bold.",
            "Nothing in bold, please.",
            lambda text: _BOLD(text) == 0,
        ),
    ),
    "paragraphs": (
        _wish(
            "several",
            "I want a reply broken into paragraphs.",
            "Break it into paragraphs.",
            lambda text: _BREAKS(text) > 0,
        ),
        _wish(
            "one",
            "I want a reply in one block without blank lines.",
            "One block, please, no blank lines.",
            lambda text: _BREAKS(text) == 0,
        ),
    ),
    "hedging": (
        _wish(
            "hedged",
            'I want doubt shown with a word such as "perhaps".',
            'That sounds too sure: say "perhaps".',
            lambda text: _HEDGES(text) > 0,
        ),
        _wish(
            "plain",
            'I cannot stand "perhaps" and "maybe".',
            'Drop the "perhaps" and "maybe".',
            lambda text: _HEDGES(text) == 0,
        ),
    ),
    "apology": (
        _wish(
            "given",
            "I expect a reply to say sorry for my trouble.",
            "A word of sorry would be in order.",
            lambda text: _SORRY(text) > 0,
        ),
        _wish(
            "none",
            "I want no apologies.",
            "Stop apologising.",
            lambda text: _SORRY(text) == 0,
        ),
    ),
    "example": (
        _wish(
            "given",
            'I want an example, marked with "for example".',
            "Give me an example.",
            lambda text: _EXAMPLE(text) > 0,
        ),
        _wish(
            "none",
            "I want no examples.",
            "Leave the examples out.",
            lambda text: _EXAMPLE(text) == 0,
        ),
    ),
    "thanks": (
        _wish(
            "given",
            "I like to be thanked for asking.",
            "You could have thanked me for asking.",
            lambda text: _THANKS(text) > 0,
        ),
        _wish(
            "none",
            "I want no thanks for asking.",
            "No need to thank me.",
            lambda text: _THANKS(text) == 0,
        ),
    ),
}
"""Two opposite wishes by dimension."""

Preferences = Mapping[str, str]
"""Wanted value by dimension, for some of the dimensions."""


def wish(dimension: str, value: str) -> Wish:
    """Return the wish that a dimension and a value name."""
    return next(each for each in DIMENSIONS[dimension] if each.value == value)


def kept(preferences: Preferences, reply: str) -> dict[str, bool]:
    """Return for each preference whether `reply` keeps it."""
    return {name: wish(name, value).kept(reply) for name, value in preferences.items()}


def satisfaction(preferences: Preferences, reply: str) -> float:
    """Return the share of preferences that `reply` keeps, in [0, 1]; an empty reply keeps none.

    This is the exact judge of a verifiable persona: of two replies the one with the larger share
    is the better, and equal shares are a tie.
    """
    if not reply.strip():
        return 0.0
    found = kept(preferences, reply)
    return sum(found.values()) / len(found) if found else 1.0


def generate(seed: int, *, wishes: int = 4, about: Collection[str] = DIMENSIONS) -> Persona:
    """Return a verifiable persona with a composed profile and that many wishes.

    Args:
        seed: the same seed gives the same persona.
        wishes: how many of the dimensions it cares about.
        about: the dimensions that are drawn from.
    """
    rng = random.Random(derive_seed("verifiable", seed))
    dimensions = sorted(rng.sample([name for name in DIMENSIONS if name in about], wishes))
    chosen = {name: rng.choice(DIMENSIONS[name]) for name in dimensions}
    profile = compose("profile", sample("profile", Counter(), rng), rng.randrange(2**31))
    return Persona.of(
        profile.text,
        " ".join(each.trait for each in chosen.values()),
        axes=profile.axes,
        preferences={name: each.value for name, each in chosen.items()},
        lineage={
            "profile": profile.lineage,
            "personality": Lineage(origin="composed", seed=seed),
        },
    )


def revealed(persona: Persona, texts: Collection[str]) -> dict[str, str]:
    """Return the preferences that the user's messages state, as a trait or as a remark."""
    said = "\n".join(texts)
    return {
        name: value
        for name, value in persona.preferences.items()
        if (each := wish(name, value)).trait in said or each.remark in said
    }


def next_words(persona: Persona, texts: Collection[str], reply: str | None) -> str:
    """Return what the user says about replies now: this is how wishes come to light.

    A wish that `reply` breaks comes first, as a remark, whether it was said before or not; then
    the wishes not yet said, one a message, in the persona's order. Nothing is left to say once
    all are said and kept.

    Args:
        persona: a verifiable persona.
        texts: the user's messages so far.
        reply: what the user reacts to; None opens the conversation.
    """
    unsaid = [name for name in persona.preferences if name not in revealed(persona, texts)]
    if reply is not None:
        broken = [name for name, fine in kept(persona.preferences, reply).items() if not fine]
        if broken:
            name = next((each for each in broken if each in unsaid), broken[0])
            return wish(name, persona.preferences[name]).remark
    return wish(unsaid[0], persona.preferences[unsaid[0]]).trait if unsaid else ""


def demonstration(preferences: Preferences) -> str:
    """Return a reply that keeps all of `preferences`; elsewhere it shows nothing special."""
    wanted = {name: preferences.get(name, pair[1].value) for name, pair in DIMENSIONS.items()}
    wanted["sentences"] = preferences.get("sentences", "short")
    wanted["length"] = preferences.get("length", "brief")
    clauses = [text for (name, value), text in _CLAUSES.items() if wanted[name] == value]
    least = THOROUGH if wanted["length"] == "thorough" else 2 * LONG
    while _words(" ".join(clauses)) < least:
        clauses.append(_FILLER)
    lines = (
        _long_lines(clauses, wanted)
        if wanted["sentences"] == "long"
        else _short_lines(clauses, wanted)
    )
    if wanted["lists"] == "list":
        lines = [f"- {line}" for line in lines]
    apart = "\n\n" if wanted["paragraphs"] == "several" else "\n"
    return apart.join(lines)


_CLAUSES = {
    ("greeting", "greeted"): "hello there",
    ("thanks", "given"): "thanks for asking",
    ("apology", "given"): "sorry for the trouble",
    ("hedging", "hedged"): "perhaps that works",
    ("example", "given"): "for example start early",
    ("numbers", "figures"): "plan 20 minutes",
    ("contractions", "relaxed"): "it's easy",
    ("emphasis", "bold"): "take **water** along",
    ("spelling", "British"): "pick a colour",
    ("spelling", "American"): "pick a color",
    ("closing", "next step"): "the next step is small",
    ("emoji", "some"): "smile 🙂",
}
"""A few words that show a value; the first must stay the first."""
_FILLER = "go slowly and keep to one thing at a time"


def _long_lines(clauses: list[str], wanted: Preferences) -> list[str]:
    half = len(clauses) // 2
    marks = (
        "!" if wanted["exclamation"] == "some" else ".",
        "?" if wanted["question"] == "asked" else ".",
    )
    halves = (", and ".join(clauses[:half]), ", and ".join(clauses[half:]))
    return [_capital(text) + mark for text, mark in zip(halves, marks, strict=True)]


def _short_lines(clauses: list[str], wanted: Preferences) -> list[str]:
    lines = [_capital(clause) + "." for clause in clauses]
    lines += ["Well done!"] if wanted["exclamation"] == "some" else []
    return lines + (["Does that help?"] if wanted["question"] == "asked" else [])


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
