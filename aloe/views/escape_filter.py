"""The last thing that a line of a Textual screen passes: control characters are made visible."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from aloe.control_characters import show_controls


class EscapeFilter(LineFilter):
    """Shows what a terminal would obey."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Return the segments of a line with control characters made visible."""
        return [
            Segment(text if control else show_controls(text), style, control)
            for text, style, control in segments
        ]
