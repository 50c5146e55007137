import re
from pathlib import Path

import pytest

from aloe.errors import InputError
from aloe.memory.contradictions import exclude_each_other, find_ages, find_contradictions
from aloe.memory.verifiable.catalogue import DIMENSIONS, find_wish
from aloe.memory.verifiable.phrases import (
    PHRASES,
    find_questions,
    find_remarks,
    find_stated,
    find_traits,
    read_phrases,
)
from aloe.memory.verifiable.scoring import check_wishes
from aloe.memory.words import is_about_speaker
from aloe.schema import sentences

WISHES = [(name, wish.value) for name, pair in DIMENSIONS.items() for wish in pair]
FILLER = "I mend nets for a living."

LIMITS = {
    ("length", "brief"): "60|sixty",
    ("length", "thorough"): "120|hundred and twenty",
    ("sentences", "short"): "12|twelve|twelfth",
    ("sentences", "long"): "16|sixteen",
    ("closing", "next step"): "next step",
    ("closing", "none"): "next step",
}
"""What a phrase has to name, because the rule counts or looks for just that."""

LIVES = (
    "I am 17. I live alone. I am single. I have no children. I am out of work. I use a wheelchair. "
    "I never learned to drive. I left school at thirteen. I cannot swim. I never learned to read.",
    "I am 80. I share a flat with my wife. My son is grown. I work at a port. I drive a lorry. "
    "I walk a lot. I teach chess. I swim. My mother is alive. I read novels. I sing in a choir.",
)
"""What people say of themselves, each the opposite of the other."""

QUIET = {
    "sentences": "short", "emoji": "none", "exclamation": "none", "contractions": "formal",
    "numbers": "none", "lists": "prose", "greeting": "none", "closing": "none",
    "emphasis": "plain", "paragraphs": "one", "hedging": "plain", "apology": "none",
    "example": "none", "thanks": "none",
}  # fmt: skip
"""Wishes that a question keeps if it does nothing but ask."""


def stating() -> list[tuple[str, str, str]]:
    """Return every phrase that states a wish, with its dimension and value."""
    found = [(key, text) for key, texts in read_phrases().items() for text in texts]
    return [(text, key.dimension, key.value) for key, text in found if key.value]


@pytest.mark.parametrize("half", ["train", "test"])
def test_every_wish_and_dimension_has_a_dozen_phrases(half: str) -> None:
    for name, value in WISHES:
        assert len(find_traits(name, value, half)) >= 6
        assert len(find_remarks(name, value, half)) >= 6
        assert len(find_questions(name, half)) >= 6


def test_training_hears_every_request_of_a_wish_in_every_template() -> None:
    for name, value in WISHES:
        assert len(find_traits(name, value, "train")) == 6 + 18 * 9
        assert len(find_remarks(name, value, "train")) == 6 + 16 * 9
    assert "I'd like you to use bullet points." in find_traits("lists", "list", "train")
    assert "You forgot to use bullet points." in find_remarks("lists", "list", "train")


def test_the_catalogues_own_sentences_belong_to_the_train_half() -> None:
    for name, value in WISHES:
        wish = find_wish(name, value)
        assert find_traits(name, value, "train")[0] == wish.trait
        assert find_remarks(name, value, "train")[0] == wish.remark


def test_no_phrase_is_part_of_another_of_any_kind_or_half() -> None:
    everything = [text.casefold() for texts in read_phrases().values() for text in texts]
    assert len(everything) == len(set(everything)) >= 1020
    joined = "\n".join(everything)
    assert [text for text in everything if joined.count(text) > 1] == []


def test_a_phrase_is_one_sentence_of_its_kind() -> None:
    for key, texts in read_phrases().items():
        for text in texts:
            assert sentences(text) == (text,)
            assert key.kind != "traits" or is_about_speaker(text), text
            assert key.kind != "questions" or text.endswith("?"), text


def test_a_phrase_says_nothing_of_the_users_life() -> None:
    """A bus driver, a pupil and a widow may all say it."""
    for text, *_ in stating():
        assert not find_ages(text), text
        assert not find_contradictions(text), text
        assert not any(exclude_each_other(text, life) for life in LIVES), text


def test_a_phrase_names_what_its_rule_counts() -> None:
    for text, *wish in stating():
        assert re.search(LIMITS.get(tuple(wish), ""), text, re.IGNORECASE), text


def test_a_phrase_states_its_own_wish_and_no_other() -> None:
    for text, name, value in stating():
        wish = {name: value}
        assert find_stated(text) == wish
        assert find_stated(f"{FILLER} {text} What now?") == wish
        assert find_stated(f"{FILLER}\n{text.upper()}".replace("'", "\u2019")) == wish


def test_two_phrases_in_one_message_state_two_wishes() -> None:
    phrases = stating()
    for (one, *first), (other, *second) in zip(phrases, phrases[101:], strict=False):
        if first[0] != second[0]:
            assert find_stated(f"{one} {other}") == dict([first, second])


def test_the_last_of_two_opposite_wishes_counts() -> None:
    brief, thorough = (find_traits("length", value, "test")[0] for value in ("brief", "thorough"))
    assert find_stated(f"{thorough} No, wait: {brief}") == {"length": "brief"}
    assert find_stated(f"{brief} No, wait: {thorough}") == {"length": "thorough"}


@pytest.mark.parametrize(
    ("said", "stated"),
    [
        ("Don't give me an example.", {"example": "none"}),
        ("So please do not ever\ngive me an example.", {"example": "none"}),
        ("Don't leave out the emoji.", {"emoji": "some"}),
        ("Never skip the greeting.", {"greeting": "greeted"}),
        ("Do not put the points in a list, please.", {"lists": "prose"}),
        ("Don't break it into paragraphs. Give me an example.",
         {"paragraphs": "one", "example": "given"}),
        ("Don't forget to give me an example.", {"example": "given"}),
        ("Can't you give me an example.", {"example": "given"}),
        ("Why don't you give me an example.", {"example": "given"}),
        ("You never give me an example.", {"example": "given"}),
        ("No, give me an example.", {"example": "given"}),
        ("I don't get it, so give me an example.", {"example": "given"}),
        ("I'd rather you didn\u2019t give me an example.", {}),
        ("You needn't give me an example.", {}),
        ("I'm not a teenager and I want no emoji.", {"emoji": "none"}),
        ("I never said that I want no emoji.", {}),
        ("It is not true that I want no emoji.", {}),
        ("My teachers don't give me an example.", {}),
        ("Don't be vague and give me an example.", {}),
        ("Don't cut it to 60 words. Do not chop those sentences up, twelve words tops.", {}),
    ],
)  # fmt: skip
def test_a_phrase_that_is_denied_is_not_its_wish(said: str, stated: dict[str, str]) -> None:
    assert find_stated(said) == stated


def test_other_talk_states_nothing() -> None:
    questions = [text for key, texts in read_phrases().items() if not key.value for text in texts]
    for text in (FILLER, "I want no dog.", "What is the next thing to do?", *questions):
        assert find_stated(text) == {}


def test_a_question_keeps_the_rules_of_other_dimensions() -> None:
    """So an assistant may ask whatever its user wishes, unless it wants no questions."""
    for name in DIMENSIONS:
        for text in (*find_questions(name, "train"), *find_questions(name, "test")):
            broken = {each for each, kept in check_wishes(QUIET, text).items() if not kept}
            assert broken <= {name}, text
            spelt = [wish.value for wish in DIMENSIONS["spelling"] if wish.kept(text)]
            assert name == "spelling" or spelt == [], text


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[length]", "[length", "is not valid TOML"),
        ('"Emoji, yes or no?",', "", "has 5 of the 6 phrases that emoji.questions.test takes"),
        (
            "[thanks.none]",
            "[thanks.never]",
            "has 1 of the 6 phrases that thanks.none.traits.train takes",
        ),
        ("Ditch the emoji, I'm begging you.", "Where's my emoji?", "twice or inside another"),
        ("Ditch the emoji, I'm begging you.", "No emoji", "twice or inside another: 'no emoji'"),
        ('"use an emoji"', '"add an emoji"', "twice or inside another"),
        ("Ditch the emoji, I'm begging you.", "No :-)!", "fewer than 8 letters: 'no :-)!'"),
        ('"show an example"', '"give me an example"', "inside another: 'give me an example.'"),
        ("Mind showing me", "Mind you, give me", "the other half, signs aside: 'give me"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    text = PHRASES.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "phrases.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(problem)):
        read_phrases(path)


@pytest.mark.parametrize(
    "text",
    [
        "Don't just tell me, give me an example, I always say.",
        "Would you be so kind as to illustrate it with an example?",
    ],
)
def test_what_users_of_earlier_versions_said_is_understood(text: str) -> None:
    assert find_stated(f"{FILLER} {text}") == {"example": "given"}
    assert text not in {each for each, *_ in stating()}
