"""Where a text occurs in a tree."""

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from aloe.schema import Tree

AROUND = 40
"""Characters shown before and after a hit."""


def hits(tree: "Tree", text: str) -> list[Text]:
    """Return a line for each message of `tree`, and for its persona, that holds `text`."""
    persona = tree.persona
    places = [("persona", persona.text)]
    places += [(f"{n.id[:6]} {n.turn} {n.agent}", n.content) for n in tree.nodes]
    return [
        Text.assemble((f"{tree.id[:6]} {place} ", "dim"), _snippet(words, text))
        for place, words in places
        if text.casefold() in words.casefold()
    ]


def _snippet(words: str, text: str) -> Text:
    words = " ".join(words.split())
    at = max(0, words.casefold().find(text.casefold()))
    start, end = max(0, at - AROUND), at + len(text) + AROUND
    snippet = Text(
        ("…" if start else "") + words[start:end] + ("…" if end < len(words) else ""),
    )
    snippet.highlight_words([text], "reverse bold", case_sensitive=False)
    return snippet
