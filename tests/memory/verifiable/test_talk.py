from collections.abc import Callable
from typing import get_args

import pytest

from aloe.config import Phrases
from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.manners import ASIDES, Manner, find_manners
from aloe.memory.verifiable.phrases import find_remarks, find_stated, find_traits
from aloe.memory.verifiable.talk import find_revealed, remark_on, say_again, state_wish

HALVES: tuple[Phrases, ...] = get_args(Phrases)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("voice", [state_wish, remark_on, say_again])
def test_no_words_are_said_twice_and_all_of_them_state_the_wish(
    voice: Callable[..., str], half: Phrases
) -> None:
    said: list[str] = []
    for seed in range(24):  # turns of the longest suite
        words = voice("emoji", "none", half, "\n".join(said), seed)
        assert words not in "\n".join(said)
        assert find_stated(words) == {"emoji": "none"}
        said.append(words)
    own = find_traits("emoji", "none", half) + find_remarks("emoji", "none", half)
    assert all(any(phrase in words for phrase in own) for words in said)


def test_the_halves_share_no_words() -> None:
    for manner in get_args(Manner):
        train, test = (set(find_manners(manner, half)) for half in HALVES)
        assert not train & test
        assert min(len(train), len(test)) >= 6


def test_what_is_said_beside_wishes_states_none() -> None:
    assert len(ASIDES) > 20
    openings = [text for half in HALVES for text in find_manners("again", half)]
    assert find_stated(" ".join([*ASIDES, *openings])) == {}


def test_a_wish_is_revealed_in_whatever_words_but_not_by_its_opposite() -> None:
    persona = generate(11, wishes=6)
    for half in HALVES:
        texts = [find_remarks(*wish, half)[-1] for wish in persona.preferences.items()]
        assert find_revealed(persona, texts) == persona.preferences
        assert find_revealed(persona, texts[:2]).keys() == set(list(persona.preferences)[:2])
    persona = persona.model_copy(update={"preferences": {"emoji": "some"}})
    assert find_revealed(persona, [find_traits("emoji", "none", "train")[0]]) == {}
