"""What models say, made safe for a terminal.

A reply may hold escape sequences that move the cursor, rename the window or hide what follows, and
marks that turn the direction of writing around. They are shown as signs instead of obeyed.
"""

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
"""Every control character but tab and line break, and what overrides the direction of writing."""

DELETE = 0x7F
PICTURES = 0x2400
"""Where the signs for control characters begin."""


def show_controls(text: str) -> str:
    """Return a text with a visible sign in place of each control character."""
    return _CONTROLS.sub(_sign, text.replace("\r\n", "\n"))


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(PICTURES + code)
    return "\u2421" if code == DELETE else f"<U+{code:04X}>"
