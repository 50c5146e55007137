import pytest

from aloe.wording import same_text, visible

ALIKE = {
    "composed or not": ("Caf\u00e9 cr\u00e8me", "Cafe\u0301 cre\u0300me"),
    "ligature": ("the \ufb01rst", "the first"),
    "full width": ("\uff21\uff22\uff23", "ABC"),
    "non-breaking blank": ("10\u00a0km", "10 km"),
    "ideographic blank": ("\u4f60\u3000\u597d", "\u4f60 \u597d"),
    "line breaks": ("One.\r\n\r\nTwo. ", "One. Two."),
    "zero width": ("a\u200bb\u2060c", "abc"),
    "byte-order mark": ("\ufeffYes.", "Yes."),
    "soft hyphen": ("co\u00adoperate", "cooperate"),
    "direction mark": ("\u200eYes.\u200f", "Yes."),
    "ellipsis": ("Well\u2026", "Well..."),
    "a mark split off its letter": ("e\u200b\u0301", "\u00e9"),
}

UNLIKE = {
    "case": ("yes.", "Yes."),
    "punctuation": ("Yes.", "Yes!"),
    "quotation marks": ('"Yes"', "\u201cYes\u201d"),
    "apostrophe": ("don't", "don\u2019t"),
    "accent": ("resume", "r\u00e9sum\u00e9"),
    "look-alike letter": ("a", "\u0430"),
    "emoji": ("Yes \U0001f600", "Yes"),
}


@pytest.mark.parametrize("pair", ALIKE.values(), ids=ALIKE)
def test_what_a_reader_cannot_tell_apart_is_the_same(pair: tuple[str, str]) -> None:
    assert pair[0] != pair[1]
    assert same_text(*pair)


@pytest.mark.parametrize("pair", UNLIKE.values(), ids=UNLIKE)
def test_what_a_reader_sees_is_a_difference(pair: tuple[str, str]) -> None:
    assert not same_text(*pair)


@pytest.mark.parametrize("text", ["", " \n", "\u00a0", "\u200b\ufeff", "\x00", "\u200d"])
def test_a_text_that_shows_nothing_is_empty(text: str) -> None:
    assert visible(text) == ""
