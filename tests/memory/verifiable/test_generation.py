from aloe.memory.verifiable.catalogue import DIMENSIONS, find_wish
from aloe.memory.verifiable.generation import generate


def test_personas_carry_their_wishes_as_text_and_as_data() -> None:
    seen: set[str] = set()
    for seed in range(60):
        persona = generate(seed, wishes=5)
        traits = [fact.text for fact in persona.facts if fact.kind == "trait"]
        assert traits == [find_wish(n, v).trait for n, v in persona.preferences.items()]
        assert len(persona.preferences) == 5
        seen |= set(persona.preferences)
    assert seen == set(DIMENSIONS)
    assert generate(3) == generate(3)
    assert generate(3) != generate(4)
