"""What a terminal would obey rather than show, made visible.

Personas, replies, server errors and paths come from elsewhere. An escape sequence in one could set
the clipboard, move the cursor over what was said before, or turn the direction of writing, so no
character with such powers reaches a terminal, a pipe or a picture.
"""

TABLE = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},  # C0: pictures
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),  # C1, of which U+009B opens a sequence like ESC [
    **dict.fromkeys((0x061C, 0x200E, 0x200F), 0xFFFD),  # direction of writing, as the next two
    **dict.fromkeys(range(0x202A, 0x202F), 0xFFFD),
    **dict.fromkeys(range(0x2066, 0x206A), 0xFFFD),
    **dict.fromkeys((0x2028, 0x2029), 0xFFFD),  # ends of lines and paragraphs
}
"""Every such character, by code, and the picture of one cell that stands for it."""

_ESCAPES = {code: f"\\u{code:04x}" for code in TABLE if code >= 0x7F}


def show_controls(text: str) -> str:
    """Return `text` with every control character but tab and newline as a visible picture."""
    return text if text.isprintable() else text.translate(TABLE)


def encodable(text: str) -> str:
    """Return `text` without half surrogate pairs: JSON can carry them, and no file takes them."""
    return text.encode("utf-8", "replace").decode()


def escape_json(text: str) -> str:
    """Return JSON that says the same and holds no control character; C0 is escaped already."""
    return text.translate(_ESCAPES)
