"""When two texts are the same to a reader.

A preference is about what a reader sees. The same words in another Unicode form, with different
white space, or with invisible characters are the same text, and a text of such characters alone is
empty. Letter case, punctuation and the shape of quotation marks are visible, so they count as a
difference.
"""

import unicodedata

UNSEEN = {"Cc", "Cf"}
"""Unicode categories of what shows nothing: control and format characters."""


def same_text(one: str, other: str) -> bool:
    """Return whether two texts differ in Unicode form (NFKC), white space and the unseen only."""
    return visible(one) == visible(other)


def visible(text: str) -> str:
    """Return what a reader sees of `text`, without white space, in the form NFKC."""
    for unseen in {c for c in set(text) if unicodedata.category(c) in UNSEEN}:
        text = text.replace(unseen, "")
    return unicodedata.normalize("NFKC", "".join(text.split()))
