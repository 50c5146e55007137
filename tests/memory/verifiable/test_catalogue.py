import random
import re

import pytest
import regex
from demonstration import demonstrate

from aloe.emoji import EMOJI
from aloe.memory.verifiable.catalogue import DIMENSIONS, find_wish
from aloe.memory.verifiable.scoring import check_wishes
from aloe.schema import sentences


def test_there_are_enough_dimensions() -> None:
    assert len(DIMENSIONS) >= 12


@pytest.mark.parametrize(
    ("dimension", "value", "good", "bad"),
    [
        ("length", "brief", "word " * 60, "word " * 61),
        ("length", "thorough", "word " * 120, "word " * 119),
        ("emoji", "some", "Fine 🙂", "Fine :)"),
        ("lists", "list", "- one\n- two", "- one only"),
        ("lists", "list", "1. one\n2. two", "In 1. and 2. place."),
        ("contractions", "formal", "The dog's bone is here.", "It's here."),
        ("contractions", "relaxed", "I don\u2019t know.", "I do not know."),
        ("spelling", "British", "The colour is fine.", "The color is fine."),
        ("greeting", "greeted", "Good morning. Sit.", "It was a good morning."),
        ("emphasis", "bold", "Take **care**.", "2 * 3 * 4"),
        ("paragraphs", "several", "One.\n\nTwo.", "One.\nTwo."),
        ("sentences", "short", "This is short. So is this.", "word " * 13 + "."),
        ("sentences", "long", "word " * 16 + ".", "word " * 16 + ". No."),
        ("question", "none", "Try it.", "Shall we try?"),
        ("hedging", "hedged", "Perhaps.", "Certainly."),
        ("emoji", "some", "Great \u2b50", "Great *"),
        ("emoji", "some", "Bom dia \U0001f1f5\U0001f1f9", "Bom dia PT"),
        ("contractions", "relaxed", "There's a way.", "There is a way."),
        ("contractions", "relaxed", "Let's start, she\u2019s here.", "Let us start."),
        ("contractions", "formal", "Sheila's and Heather's dog.", "Who's there?"),
        ("spelling", "British", "Set an organised goal.", "Set realistic goals, realism first."),
        ("spelling", "British", "The colour, literally.", "An organism grows."),
        ("spelling", "American", "Two liters of color.", "Read literature, literally."),
        ("spelling", "American", "My favorite realistic organism.", "My favourite one."),
        ("emoji", "some", "Wake up \u23f0", "Done \u2713 \u2717 \u2605 a \u2192 b \xa9 \u2122"),
        ("emoji", "some", "1\ufe0f\u20e3 Sow", "1 Sow"),
        ("emoji", "some", "Sun \u2600\ufe0f", "Sun \u2600"),
        ("emoji", "some", "Love \u2764\ufe0f", "Love \u2764, \u231a\ufe0e"),
        ("emoji", "some", "\U0001f3f3\ufe0f\u200d\U0001f308", "Section \xa7 \u2020 \u2660 \u2026"),
        ("emoji", "some", "\u261d\U0001f3fd", "\u261d \u25b6 \U0001f852"),
        (
            "lists",
            "list",
            "**1. Sow**\nIn May.\n\n**2. Water**\nAt dusk.",
            "1999. So it was.\n2001. No.",
        ),
        ("lists", "list", "**1.** Sow\n**2.** Water", "- A lone sentence."),
        ("lists", "list", "1) Sow\n2) Water", "* * *\nA day later.\n* * *"),
        (
            "lists",
            "list",
            "\u2022 Sow\n\u2022 Water",
            "\u2013 Is it you?\n\u2013 It is late.\n\u2013 So?",
        ),
        ("lists", "list", "\u2013 Sow\n\u2013 Water it.", "\u2014 Good day.\n\u2014 It is late."),
        ("lists", "list", "### 1. Sow\n### 2. Water", "\u2013 Go, she said.\n\u2013 We stay."),
        ("lists", "list", "+ Sow\n+ Water", "*Sow* now.\n*Water* then."),
        ("lists", "list", "(a) Sow\n(b) Water", "A. Smith"),
        ("lists", "list", "\u25aa Sow\n\u25aa Water", "-5 degrees\n-7 degrees"),
        ("lists", "list", "1\ufe0f\u20e3 Sow\n2\ufe0f\u20e3 Water", "Sow: 1.\nWater: 2."),
        (
            "greeting",
            "greeted",
            "Dear Anna, sow in May.",
            "Try this:\n\nDear Anna,\nCome.\nLove,\nTom",
        ),
        (
            "greeting",
            "greeted",
            "Hello,\n\nsow in May.",
            "Dear Anna,\n\nPlease come.\n\nLove,\nTom",
        ),
        ("greeting", "greeted", "Hi,\n\nsow.\n\nThank you!", "Hi,\n\nI quit.\n\nMany thanks,\nTom"),
        ("greeting", "greeted", "**Hi Ben!** Sow.", "Dear Sir or Madam, I complain."),
        ("greeting", "greeted", "Hey there", '"Hello, Ben." That is how to begin.'),
        ("greeting", "greeted", "Good morning, Ben.", "Good morning routines start early."),
        ("greeting", "greeted", "Dear friend, sow.", "Dear me, what a frost."),
        ("greeting", "greeted", '"Hello! Sow in May."', "> Dear Anna, come."),
        ("greeting", "greeted", "Hello Ben", "Hi-fi sets hum."),
        ("spelling", "American", "Color it.", "Colorado"),
        ("spelling", "American", "Your neighbor's _color_.", "The Lincoln Center in Centerville"),
        ("spelling", "American", "**Flavors** matter.", "A coloratura, a colorectal surgeon."),
        ("spelling", "British", "In Colorado, colours glow.", "The Globe Theatre"),
        ("spelling", "British", "Ten kilometres to the centre.", "Ten kilometers to the center."),
        ("spelling", "British", "Disorganised, unfavourable.", "Disorganized, unfavorable."),
        ("closing", "next step", "The next steps: sleep.", "Next time, stepwise."),
        ("example", "given", "One example of this is tea.", "Parents set an example."),
        ("example", "none", "Lead by example.", "Examples: tea, coffee."),
        ("thanks", "given", "Thanks! Any more thanks?", "Would a word of thanks be welcome?"),
        ("hedging", "plain", 'Do you like "perhaps"? Walk.', 'Perhaps. Do you like "perhaps"?'),
        ("contractions", "formal", 'Do you mind "don\'t"?', "Do you mind? It's late."),
        ("spelling", "British", 'Colours. Is "color" fine?', 'Is "colour" or "color" better?'),
        ("apology", "none", "Shall I say sorry in my replies?", "Sorry! Shall I say sorry?"),
        ("question", "asked", "## What is it?\nIt is tea. More?", "## What is it?\nIt is tea."),
        ("question", "none", "See https://x.com/?q=1 for more.", "See https://x.com/?q=1. More?"),
        ("question", "none", "See www.x.com/?a.", "Have you seen https://x.com?"),
        ("question", "none", "```js\nlet a = b ? 1 : 2;\n```\nSo.", "```js\nb ? 1 : 2\n```\nSo?"),
        ("question", "none", "Type `what?` now.", "Type `what?` now?"),
        ("question", "none", '> How are you?\nAsk "How are you?"', '"Why?" you ask. Who knows?'),
        ("question", "none", "Please tell me how you sleep.", "How do you sleep? Tell me."),
        ("question", "asked", "How is it, friend? \U0001f642", "~~~\nwhy?\n~~~"),
        ("exclamation", "none", "Use `if (a != b)` here.", "Use `if (a != b)` here!"),
        ("exclamation", "none", "If a != b, stop. ![A plan](a.png)", "If a != b, stop!"),
        ("exclamation", "none", "```sh\n#!/bin/sh\necho hi!\n", "Well! ```\necho hi\n```"),
        ("exclamation", "none", "See https://x.com/#!/a.", "See https://x.com/#!/a!"),
        ("emoji", "none", "Type ``\U0001f642``.", "Type ``\U0001f642``. \U0001f642"),
        ("numbers", "none", "See https://x.com/2 and `x = 2`.", "See https://x.com/2 twice, in 2."),
        ("emphasis", "plain", "Use `a**b**c` and 2 ** 3 ** 4.", "Use **`a`**."),
        ("emphasis", "plain", "```\ndef __init__(self):\n```", "Use __this__."),
        ("emphasis", "plain", "snake__case__name", "**Two words**"),
        ("lists", "prose", "```\n- one\n- two\n```\nSo.", "```\nx\n```\n- `one`\n- `two`"),
        ("spelling", "American", "Color it: `colour`.", "Set `color: red`."),
        ("contractions", "relaxed", "Everyone's here.", "Everyone's taste differs."),
        ("contractions", "relaxed", "Nobody\u2019s going.", "Anybody's ring will do."),
        ("contractions", "relaxed", "Don\xb4t.", "A dog\xb4s bone, `don't`."),
        ("contractions", "relaxed", "Why\u02bcs that?", "Anyone's guess is good."),
        ("contractions", "relaxed", "Something's wrong.", "Somebody's house."),
        ("hedging", "hedged", "It might rain. This might help.", "With all her might. `maybe`"),
        ("apology", "none", 'Tell her "I am sorry" and smile.', 'Sorry. Tell her "I am sorry".'),
        (
            "apology",
            "given",
            '"I am sorry to hear that."',
            "Tell her \u201cI apologise\u201d soon.",
        ),
        ("thanks", "given", "Thanks to you for asking.", "Thanks to the rain, it grows."),
        ("thanks", "none", 'No thanks to him. Say "thank you".', 'Thank you. Say "please".'),
        ("example", "none", "She set a good example. `# example`", "A good example is tea."),
        ("closing", "none", "```\n# next step\n```\nRest.", "Rest. The next step is `run`."),
    ],
)
def test_rules_measure_what_they_say(dimension: str, value: str, good: str, bad: str) -> None:
    rule = find_wish(dimension, value).kept
    assert rule(good)
    assert not rule(bad)


def test_emoji_are_what_unicode_shows_as_pictures() -> None:
    """The signs of the basic plane exactly; beyond it a few that no font has may count too."""
    one, pictures = re.compile(EMOJI), regex.compile(r"[\p{Emoji_Presentation}--\p{RI}]", regex.V1)
    others = regex.compile(r"[\p{Emoji}--[0-9#*]--\p{RI}]", regex.V1)
    for sign in map(chr, [*range(0xD800), *range(0xE000, 0x20000)]):
        shown = bool(pictures.match(sign))
        assert shown == bool(one.match(sign)) or (sign > "\U0001f2ff" and not shown), hex(ord(sign))
        assert not others.match(sign) or one.fullmatch(f"{sign}\ufe0f"), hex(ord(sign))


def test_a_traits_sentence_is_one_fact() -> None:
    for pair in DIMENSIONS.values():
        for each in pair:
            assert sentences(each.trait) == (each.trait,)


def draw_preferences(count: int) -> list[dict[str, str]]:
    rng = random.Random(4)
    return [{n: rng.choice(pair).value for n, pair in DIMENSIONS.items()} for _ in range(count)]


def test_any_mix_can_be_kept_and_its_opposite_is_then_broken() -> None:
    """That one reply keeps any mix of values is what makes the dimensions independent."""
    for wanted in draw_preferences(400):
        reply = demonstrate(wanted)
        assert [name for name, fine in check_wishes(wanted, reply).items() if not fine] == [], reply
        other = {
            name: next(each.value for each in DIMENSIONS[name] if each.value != value)
            for name, value in wanted.items()
        }
        assert not any(check_wishes(other, reply).values()), reply


@pytest.mark.parametrize("name", DIMENSIONS)
def test_one_wish_changes_one_verdict(name: str) -> None:
    one, other = ({n: p[1].value for n, p in DIMENSIONS.items()} for _ in range(2))
    one |= {"sentences": "short", "length": "brief"}
    other = {**one, name: next(w.value for w in DIMENSIONS[name] if w.value != one[name])}
    verdict = check_wishes(one, demonstrate(other))
    assert [each for each, fine in verdict.items() if not fine] == [name]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("tone", "warm", "no wish about 'tone'; there are length, "),
     ("emoji", "never", "emoji is 'some' or 'none', not 'never'")],
)  # fmt: skip
def test_a_wish_that_is_none_is_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        find_wish(name, value)
