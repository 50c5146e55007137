"""Every text of a page can be read: contrast computed from the stylesheet, by day and by night."""

import re
from itertools import product

import pytest

from aloe.page import TEMPLATES

CSS = (TEMPLATES / "page.css").read_text(encoding="utf-8")
DAY, NIGHT = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
)

TEXT = ("ink", "dim", "link")
"""Colours of any text."""
GROUNDS = ("paper", "box", "user")
"""What any text may stand on."""
PAIRS = [
    *product(TEXT, GROUNDS),
    *product(("good", "bad"), ("paper", "box")),
    *product(("ink", "dim", "good"), ("good-box",)),
    *product(("ink", "dim", "bad"), ("bad-box",)),
    ("mark-ink", "mark"),
]
SHAPES = [(f"c{number}", "paper") for number in range(6)] + [("edge", "paper"), ("good", "paper")]


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Return the ratio that WCAG 2 defines, from 1 to 21."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [DAY, NIGHT], ids=["day", "night"])
def test_texts_and_shapes_have_the_contrast_of_wcag_aa(theme: dict[str, str]) -> None:
    colours = DAY | theme
    texts = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in PAIRS}
    shapes = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in SHAPES}
    assert {pair: ratio for pair, ratio in texts.items() if ratio < 4.5} == {}
    assert {pair: ratio for pair, ratio in shapes.items() if ratio < 3} == {}


def test_the_measure_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_both_themes_name_the_same_colours_and_no_rule_goes_past_them() -> None:
    assert DAY.keys() == NIGHT.keys()
    rules = CSS[CSS.index("* { box-sizing") :]
    assert set(re.findall(r"var\(--([\w-]+)\)", rules)) <= DAY.keys() | {"level"}
    assert re.findall(r"#[0-9a-f]{3,8}\b", rules) == []
    assert "opacity:" not in rules.replace("fill-opacity:", "")  # it would spoil what is computed
    grounds = set(re.findall(r"background: var\(--([\w-]+)\)", rules))
    assert grounds <= {ground for _, ground in PAIRS} | {"line"}
    inks = set(re.findall(r"(?:^|[ {;])color: var\(--([\w-]+)\)", rules))
    assert inks <= {ink for ink, _ in PAIRS}
