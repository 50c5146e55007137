"""Ranges of figures as people read them."""

from collections.abc import Callable
from math import ceil


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


def say_time(seconds: float) -> str:
    """Return a length of time, rounded up."""
    if seconds < 90:
        return f"{ceil(seconds)} s"
    minutes = ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def dollars(low: float | None, high: float | None) -> str | None:
    """Return a range of US dollars; None if an end of it is not known."""
    if low is None or high is None:
        return None
    return span(low, high, "${:,.2f}".format)
