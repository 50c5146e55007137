import random
from typing import get_args

import pytest

from aloe.agents.rewriter import EDITS, REACHABLE, rewrite
from aloe.config import Phrases
from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.phrases import find_all_stated, find_remarks, find_traits
from aloe.memory.verifiable.scoring import check_wishes, measure_satisfaction

REPLIES = (
    "Hey there! It's great that you don't mind. Have you tried walking? Walk 20 minutes.\n\n"
    "For example, you might sit. Thanks! The next step is rest. Sorry. **Bold** words 😊",
    "Gardening is a wonderful hobby. You can plant tomatoes in spring and water them daily.",
    "- Start small.\n- Ask a neighbour.\n- Perhaps wait a week.",
    "You could ask the neighbours for help with the roof. " * 9,
)


def mixes(count: int) -> list[dict[str, str]]:
    rng = random.Random(5)
    dimensions = sorted(REACHABLE)
    return [
        {name: rng.choice(DIMENSIONS[name]).value for name in rng.sample(dimensions, 6)}
        for _ in range(count)
    ]


@pytest.mark.parametrize("reply", REPLIES)
def test_nearly_every_mix_of_reachable_wishes_is_kept(reply: str) -> None:
    wanted = mixes(300)
    met = [
        measure_satisfaction(each, rewrite(reply, each, seed)) for seed, each in enumerate(wanted)
    ]
    assert sum(met) / len(met) > 0.97
    before = [measure_satisfaction(each, reply) for each in wanted]
    assert all(after >= share for after, share in zip(met, before, strict=True))


@pytest.mark.parametrize(("name", "value"), [each for each in EDITS if each[0] != "length"])
def test_one_wish_alone_is_kept(name: str, value: str) -> None:
    other = next(each.value for each in DIMENSIONS[name] if each.value != value)
    breaking = rewrite(REPLIES[1], {name: other}, 1)
    assert check_wishes({name: value}, rewrite(breaking, {name: value}, 2)) == {name: True}


@pytest.mark.parametrize(
    ("name", "value", "reply"),
    [
        (
            "emoji",
            "none",
            "1\ufe0f\u20e3 Sow \u23f0 and \u2600\ufe0f\n\U0001f468\u200d\U0001f33e water \u2713",
        ),
        ("emoji", "none", "\U0001f1e6\U0001f1f9 \u2764\ufe0f\u200d\U0001f525 \u261d\U0001f3fd sow"),
        ("lists", "prose", "**1. Sow**\nIn May.\n**2.** Water\n(c) 3) Wait\n\u2013 Rest"),
        ("lists", "prose", "> - 1. Sow\n> - 2. Water\n### 3. Wait\n\u2014 Rest"),
        ("lists", "list", "\u2014 Is it you?\n\u2014 It is. \U0001f642"),
        ("lists", "list", "**1. Sow in May.** Water it. \u2713"),
        ("greeting", "none", "Dear Anna, sow in May."),
        ("greeting", "none", "**Good afternoon, Ben!** Sow in May."),
        ("greeting", "none", "Hello there! Hi Ben. Sow in May."),
        ("greeting", "greeted", "Dear Anna,\n\nPlease come.\n\nLove,\nTom"),
        ("greeting", "greeted", '"Hello, Ben." That is how to begin.'),
    ],
)
def test_whatever_form_breaks_a_wish_is_mended(name: str, value: str, reply: str) -> None:
    assert check_wishes({name: value}, reply) == {name: False}
    assert check_wishes({name: value}, rewrite(reply, {name: value}, 0)) == {name: True}


def test_marks_go_and_emphasis_stays() -> None:
    reply = "**1. Sow**\n**2.** Water\n1.**Wait**"
    assert rewrite(reply, {"lists": "prose"}, 0) == "**Sow**\nWater\n**Wait**"


def test_a_reply_that_keeps_all_wishes_is_left_alone() -> None:
    assert rewrite(REPLIES[1], {"emoji": "none", "question": "none"}, 1) == REPLIES[1]


def test_a_single_sentence_is_not_broken_into_paragraphs_that_nobody_sees() -> None:
    reply = "You can plant tomatoes in spring."
    assert rewrite(reply, {"paragraphs": "several"}, 0) == reply


def test_the_same_seed_gives_the_same_words_and_others_vary() -> None:
    wanted = {"question": "asked"}
    written = [rewrite(REPLIES[1], wanted, seed) for seed in range(9)]
    assert written == [rewrite(REPLIES[1], wanted, seed) for seed in range(9)]
    assert len(set(written)) > 1


def test_an_empty_reply_stays_empty() -> None:
    assert rewrite("", {"emoji": "some"}, 1) == ""


def test_only_what_the_user_stated_is_known_and_the_latest_counts() -> None:
    for half in get_args(Phrases):
        for said in (*find_traits("emoji", "some", half), *find_remarks("emoji", "some", half)):
            assert find_all_stated([f"I keep three hens. {said} What now?"]) == {"emoji": "some"}
    assert find_all_stated(["I want no emoji.", "An emoji would have been nice."]) == {
        "emoji": "some"
    }
    assert find_all_stated(["I keep three hens."]) == {}
