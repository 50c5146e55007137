"""No text of a model reaches for the terminal that shows it."""

import unicodedata

import pytest

from aloe.views.controls import show_controls


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Grüße, 世界 \U0001f600\n\tindented", "plain, Grüße, 世界 \U0001f600\n\tindented"),
        ("\x1b[2Jgone", "␛[2Jgone"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x9b31m", "<U+009B>31m"),
        ("a\x08\x7f", "a␈␡"),
        ("over\rwritten", "over␍written"),
        ("line\r\nline", "line\nline"),
        ("\u202eevil\u2066", "<U+202E>evil<U+2066>"),
    ],
)
def test_controls_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert show_controls(text) == shown


def test_no_control_character_is_left_out() -> None:
    every = [chr(code) for code in range(0x300)]
    controls = [char for char in every if unicodedata.category(char) == "Cc"]
    left = [char for char in controls if char in show_controls(char)]
    assert left == ["\t", "\n"]
