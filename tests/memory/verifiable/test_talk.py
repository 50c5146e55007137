import pytest
from demonstration import demonstrate

from aloe.memory.verifiable.catalogue import DIMENSIONS, find_wish
from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.memory.verifiable.talk import find_revealed, react


def test_wishes_come_to_light_bit_by_bit() -> None:
    persona = generate(11, wishes=6)
    said: list[str] = []
    known = []
    reply = None
    for _ in range(12):
        words = react(persona, said, reply)
        if not words:
            break
        said.append(words)
        known.append(len(find_revealed(persona, said)))
        reply = demonstrate(find_revealed(persona, said))
    assert known == [1, 2, 3, 4, 5, 6]
    assert find_revealed(persona, said) == persona.preferences
    assert measure_satisfaction(persona.preferences, reply or "") == 1.0


def test_a_broken_wish_is_remarked_on_even_if_known() -> None:
    persona = generate(11, wishes=6)
    everything = [find_wish(n, v).trait for n, v in persona.preferences.items()]
    name, value = next(iter(persona.preferences.items()))
    other = next(w.value for w in DIMENSIONS[name] if w.value != value)
    spoiled = demonstrate({**persona.preferences, name: other})
    assert react(persona, everything, spoiled) == find_wish(name, value).remark
    assert measure_satisfaction(persona.preferences, spoiled) == pytest.approx(5 / 6)
