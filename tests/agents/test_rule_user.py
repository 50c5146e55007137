import asyncio
import random
from typing import Any, get_args

import pytest
from builders import assistant
from demonstration import demonstrate
from learners import WISHES, cases

from aloe.agents.rule_user import BACK_TO, QUESTIONS, RuleUser
from aloe.config import Disclosing, Phrases, UserConfig
from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.manners import find_manners
from aloe.memory.verifiable.phrases import find_questions, find_remarks, find_stated, find_traits
from aloe.memory.verifiable.talk import find_revealed
from aloe.schema import Node, UserNode, sentences

PERSONA = cases()[0].persona
FIRST = next(iter(WISHES.items()))
HELP = "Walk to the harbour first. Then take the small path up the hill, and rest at the top."


def speak(path: list[Node], **config: Any) -> UserNode:
    user = RuleUser(config=UserConfig(**config))
    return asyncio.run(user.speak(PERSONA, "t", path))


def talk(*replies: str, **config: Any) -> list[UserNode]:
    """Return what the user says to replies, and before them."""
    path: list[Node] = []
    for reply in replies:
        message = speak(path, **config)
        path += [message, assistant(reply, message)]
    return [*(node for node in path if isinstance(node, UserNode)), speak(path, **config)]


def test_opens_with_a_fact_and_the_first_wish() -> None:
    node = speak([])
    assert node.parent is None
    assert (node.turn, node.agent) == (1, "rule")
    assert any(fact.text in node.content for fact in PERSONA.facts if fact.kind == "fact")
    assert find_stated(node.content) == {"emoji": "some"}
    assert node.content.endswith("?")
    assert [each.why for each in node.told] == ["scheduled", "scheduled"]
    assert node.told[1].about == "emoji"


def test_voices_one_more_wish_a_turn_to_who_learns() -> None:
    path: list[Node] = []
    for turn in range(1, len(WISHES) + 1):
        message = speak(path)
        said = [node.content for node in path[::2]] + [message.content]
        learnt = find_revealed(PERSONA, said)
        assert len(learnt) == turn
        path += [message, assistant(demonstrate(learnt), message)]
    assert find_stated(speak(path).content) == {}


def test_insists_on_what_is_broken_again_and_never_in_the_same_words() -> None:
    said = talk(*[demonstrate({})] * 24)
    assert len(find_revealed(PERSONA, [node.content for node in said])) == len(WISHES)
    assert all("emoji" in find_stated(node.content) for node in said[len(WISHES) :])
    pieces = [piece for node in said for piece in sentences(node.content)]
    assert len(set(pieces)) == len(pieces)
    assert BACK_TO in said[len(QUESTIONS)].content


@pytest.mark.parametrize("half", get_args(Phrases))
@pytest.mark.parametrize("disclosure", get_args(Disclosing))
def test_speaks_with_the_phrases_of_one_half(half: Phrases, disclosure: Disclosing) -> None:
    (other,) = set(get_args(Phrases)) - {half}
    foreign = [
        text
        for wish in WISHES.items()
        for find in (find_traits, find_remarks)
        for text in find(*wish, other)
    ]
    said = talk(*[demonstrate({})] * 9, phrases=half, disclosure=disclosure, complains=0.9)
    assert any(find_stated(node.content) for node in said)
    assert not any(text in node.content for node in said for text in foreign)


def test_an_answer_states_the_wish_and_a_shrug_or_repetition_says_what_it_is() -> None:
    about, _ = FIRST
    question, foreign = (f"{HELP} {find_questions(each, 'train')[0]}" for each in (about, "lists"))
    _, told, again, shrug = talk(question, question, foreign, disclosure="reticent")
    assert find_stated(told.content) == dict([FIRST])
    assert (told.asked, again.asked, shrug.asked) == ("told", "again", "indifferent")
    assert find_stated(again.content) == dict([FIRST])
    assert any(opening in again.content for opening in find_manners("again", "train"))
    assert any(text in shrug.content for text in find_manners("indifferent", "train"))
    assert again.told == shrug.told[1:] == again.told


@pytest.mark.parametrize("disclosure", get_args(Disclosing))
def test_it_states_what_was_put_on_the_table_and_nothing_else(disclosure: Disclosing) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        asked = [rng.choice(list(DIMENSIONS)) for _ in range(8)]
        replies = [
            f"{demonstrate(dict(rng.sample(list(WISHES.items()), 5)))} "
            f"{find_questions(name, 'test')[seed % 6]}"
            for name in asked
        ]
        on_table: set[str] = set()
        for node in talk(*replies, disclosure=disclosure, complains=0.5, volunteers=0.3):
            new = {each.about for each in node.told if each.about in WISHES}
            stated = find_stated(node.content)
            assert new <= stated.keys() <= new | on_table
            assert stated.items() <= WISHES.items()
            on_table |= new


def test_after_replies_that_only_ask_it_asks_for_the_answer_and_nothing_else() -> None:
    question = find_questions("lists", "train")[0]
    *_, pressed = talk(question, question, disclosure="answering")
    assert any(text in pressed.content for text in find_manners("presses", "train"))
    assert not any(text in pressed.content for text in QUESTIONS)
    *_, content = talk(question, f"{HELP} {question}", disclosure="answering")
    assert content.asked == "indifferent"
