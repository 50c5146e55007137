from aloe.memory.verifiable.catalogue import DIMENSIONS, find_wish
from aloe.memory.verifiable.generation import draw_preferences, generate, reword
from aloe.memory.verifiable.phrases import find_stated


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


def test_what_is_drawn_without_a_life_is_what_the_persona_wishes() -> None:
    for seed in range(60):
        given = {"wishes": 3, "about": ("emoji", "lists", "thanks", "example")}
        assert draw_preferences(seed, **given) == generate(seed, **given).preferences  # type: ignore[arg-type]


def test_other_words_leave_life_and_wishes_as_they_are() -> None:
    persona = generate(5)
    worded = reword(persona, "test")
    assert worded.personality != persona.personality
    assert find_stated(worded.personality) == worded.preferences == persona.preferences
    assert (worded.profile, worded.axes) == (persona.profile, persona.axes)
    assert reword(persona, "test") == worded
