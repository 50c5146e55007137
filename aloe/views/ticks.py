"""Ticks for the wishes that a reply keeps, and crosses for those that it does not."""

from collections.abc import Mapping

from rich.text import Text


def draw_ticks(checked: Mapping[str, bool]) -> Text:
    """Return a line of ticks and crosses, empty where nothing was checked."""
    return Text.assemble(
        *(
            (f"{'✓' if kept else '✗'} {name}  ", "green" if kept else "red")
            for name, kept in checked.items()
        )
    )
