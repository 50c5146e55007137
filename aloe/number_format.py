"""Figures as text: no sign before a zero, a dash where there is no figure, counts with a noun."""

import re
from collections.abc import Callable
from math import ceil


def format_number(value: float | None, form: str = "{:.3f}") -> str:
    """Return a number as text.

    Args:
        value: None stands for an undefined figure, `-`.
        form: for `str.format`, such as `{:+.0%}`; a number that it rounds to zero gets no sign.
    """
    if value is None:
        return "-"
    text = form.format(value)
    return text if text.strip("+-0.,%") else text.lstrip("+-")


def counted(number: int, noun: str) -> str:
    """Return how many there are of something: `1 tree`, `3 trees`, `2 replies`, `2 wishes`."""
    if number != 1:
        noun = re.sub(r"(?<![aeiou])y$", "ie", re.sub(r"(s|x|ch|sh)$", r"\1e", noun)) + "s"
    return f"{number:,} {noun}"


def duration(seconds: float) -> str:
    """Return a length of time as a person says it, rounded up: `42 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{ceil(seconds)} s"
    minutes = ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def to_go(seconds: float | None) -> str:
    """Say how long the rest takes; empty if that is not known, or nothing is left."""
    return f"about {duration(seconds)} to go" if seconds else ""


def span(low: float, high: float, text: Callable[[float], str]) -> str:
    """Return a range, each end in the words of `text`; once if both read the same."""
    first, last = text(low), text(high)
    return first if first == last else f"{first} to {last}"


def say_count(number: float) -> str:
    """Return a number, large ones rounded."""
    for size, unit in ((1e9, " billion"), (1e6, " million")):
        if number >= 10 * size:
            return f"{number / size:,.0f}{unit}"
    return f"{number:,.0f}"


def say_cost(cost: float | None, form: str = "${:.2f}") -> str:
    """Return US dollars as a person reads them; None stands for a price that is not known."""
    return "unknown (no price given)" if cost is None else form.format(cost)


def dollars(low: float | None, high: float | None) -> str | None:
    """Return a range of US dollars; None if an end of it is not known."""
    if low is None or high is None:
        return None
    return span(low, high, "${:,.2f}".format)
