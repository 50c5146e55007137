"""Long lists of phrases: found wherever the plain alternation is."""

import random
import re

import pytest

from aloe.agents.phrases import CASES, any_of

LISTS = [
    (r"\blet me\b|\bhere you\b", r"\A\W*sure\b", r"\(kept \w+"),
    (r"\b(?:good|well) done\b|\bI(?:'m| am) here\b", r"\b(?:so )?glad\b|\ba?men\b"),
    (r"\bx*yes\b|\b[kK]ept|\bk{2}|\b\w+ done\b|\b(?:a|(?:b|c)d)e\b", r"\]|[|)]k|[^\]|]\|s"),
    (r"为您|\bsorry\b|\b(?i:kept) it", r"\A(?:s|i)\b|\b(?-i:S)ure\b|\bit(?!s)"),
    (r"\b(?:k|s)?i\b|\b(?:see|(?:is|it)?)k|zz",),
]
PIECES = (
    "let me here you sure (kept it well done so good I'm I am glad men amen yes xyes Kept kk ade "
    "cde be ] | ) |k a|s 为您 sorry SURE s i Its it K\u0130 \u017f \u212aept ki si see k zz"
)


@pytest.mark.parametrize("phrases", LISTS)
def test_it_is_found_where_the_plain_list_is(phrases: tuple[str, ...]) -> None:
    fast, plain = any_of(*phrases), re.compile("|".join(phrases), re.IGNORECASE)
    draw = random.Random(7)
    texts = ["".join(draw.choices([*PIECES.split(), " ", " ", "."], k=6)) for _ in range(2000)]
    found = [bool(plain.search(text)) for text in texts]
    assert [bool(fast.search(text)) for text in texts] == found
    assert any(found)


def test_a_letter_stands_for_all_that_python_takes_for_it() -> None:
    characters = [chr(code) for code in range(0x3000)]
    for letter, same in CASES.items():
        pattern = re.compile(letter, re.IGNORECASE)
        assert set(filter(pattern.fullmatch, characters)) == set(same)
