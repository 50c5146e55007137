"""Replies that keep any mix of wishes: proof that the dimensions are independent.

Such a reply is also the best score there is.
"""

from aloe.memory.verifiable.catalogue import DIMENSIONS, THOROUGH, Wishes
from aloe.memory.verifiable.rules import LONG, count_words

_CLAUSES = {
    ("greeting", "greeted"): "hello there",
    ("closing", "next step"): "the next step is small",
    ("thanks", "given"): "thanks for asking",
    ("apology", "given"): "sorry for the trouble",
    ("hedging", "hedged"): "perhaps that works",
    ("example", "given"): "for example start early",
    ("numbers", "figures"): "plan 20 minutes",
    ("contractions", "relaxed"): "it's easy",
    ("emphasis", "bold"): "take **water** along",
    ("spelling", "British"): "pick a colour",
    ("spelling", "American"): "pick a color",
    ("emoji", "some"): "smile 🙂",
}
"""A few words that show a value; a greeting opens the reply, and a next step is not asked for."""
_FILLER = "go slowly and keep to one thing at a time"


def demonstrate(preferences: Wishes) -> str:
    """Return a reply that keeps all of `preferences`; elsewhere it shows nothing special."""
    wanted = {name: preferences.get(name, pair[1].value) for name, pair in DIMENSIONS.items()}
    wanted["sentences"] = preferences.get("sentences", "short")
    wanted["length"] = preferences.get("length", "brief")
    clauses = [text for (name, value), text in _CLAUSES.items() if wanted[name] == value]
    least = THOROUGH if wanted["length"] == "thorough" else 2 * LONG
    while count_words(" ".join(clauses)) < least:
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


def _long_lines(clauses: list[str], wanted: Wishes) -> list[str]:
    half = len(clauses) // 2
    marks = (
        "!" if wanted["exclamation"] == "some" else ".",
        "?" if wanted["question"] == "asked" else ".",
    )
    halves = (", and ".join(clauses[:half]), ", and ".join(clauses[half:]))
    return [_capital(text) + mark for text, mark in zip(halves, marks, strict=True)]


def _short_lines(clauses: list[str], wanted: Wishes) -> list[str]:
    lines = [_capital(clause) + "." for clause in clauses]
    lines += ["Well done!"] if wanted["exclamation"] == "some" else []
    return lines + (["Does that help?"] if wanted["question"] == "asked" else [])


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
