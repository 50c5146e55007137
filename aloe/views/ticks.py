"""Ticks for the wishes that a reply keeps, and crosses for those that it does not."""

from collections.abc import Iterable

from rich.text import Text

from aloe.views.wishes import CheckedWish

UNTOLD = "In brackets: what the user had not told by then."
"""What brackets around a tick mean."""


def draw_ticks(checked: Iterable[CheckedWish]) -> Text:
    """Return a line of ticks and crosses, empty where nothing was checked."""
    return Text("  ").join(_draw_tick(wish) for wish in checked)


def _draw_tick(wish: CheckedWish) -> Text:
    mark = f"{'✓' if wish.kept else '✗'} {wish.name}"
    colour = "green" if wish.kept else "red"
    return Text(mark, colour) if wish.told else Text(f"({mark})", f"{colour} dim")
