import pytest

from aloe.memory.axes import KINDS, Axes, Kind
from aloe.memory.descriptions import Description, read_seeds
from aloe.memory.validation import find_reasons
from aloe.schema import Lineage

GOOD = "I am 30. I keep bees in a village in Crete. I want to sell honey to hotels."
CALM = "I stay level when plans collapse. I talk in full paragraphs."


def refused(text: str, kind: Kind = "profile", axes: Axes | None = None) -> set[str]:
    origin = Lineage(origin="grown")
    return set(find_reasons(Description(kind=kind, text=text, axes=axes or {}, lineage=origin)))


def test_sound_descriptions_pass() -> None:
    assert refused(GOOD, axes={"age": 30}) == set()
    assert refused(CALM, "personality") == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_seed_passes(kind: Kind) -> None:
    assert {
        seed.text: find_reasons(seed) for seed in read_seeds(None)[kind] if find_reasons(seed)
    } == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Sure, here are some facts. " + GOOD, "preamble"),
        ("As an AI I have no age. " + GOOD, "preamble"),
        ("1. I am 30.\n2. I keep bees in a village.\n3. I sell honey to hotels.", "list_marker"),
        ("I am 30. I keep **bees**. " + GOOD, "list_marker"),
        ("I live in a village in Crete with my bees and a very old dog.", "too_few_facts"),
        (GOOD + " I walk. I swim far. I run. I cook. I read. I sew. I dig.", "too_many_facts"),
        ("I am 30. I sail. I cook.", "too_short"),
        (GOOD + " I own" + " one more boat and" * 40 + " a dog.", "too_long"),
        ("I keep bees in Crete. I keep my bees in Crete. I am 30 and sell honey.", "repetition"),
        (GOOD + " Do I like it?", "not_a_statement"),
        ("Ich bin dreissig. Meine Bienen leben auf der Insel. Honig mag ich.", "language"),
        ("Мне тридцать лет. Я держу пчёл на Крите. Я продаю мёд в гостиницы города.", "language"),
        ("He is 30 years old. She keeps bees in Crete. He sells honey to the hotels.", "pronouns"),
        (GOOD + " I turned 44 last year.", "contradiction"),
        (GOOD + " I never learned to drive. I drive a bus.", "contradiction"),
        (GOOD + " I met Taylor Swift in town.", "public_figure"),
        (GOOD + " I am very stubborn.", "personality_in_profile"),
    ],
)  # fmt: skip
def test_each_rule_refuses_what_it_is_for(text: str, reason: str) -> None:
    assert reason in refused(text)


def test_a_life_has_no_place_in_a_personality() -> None:
    for life in ("I am 44.", "I work as a nurse.", "I obey my boss."):
        assert "life_in_personality" in refused(f"{CALM} {life}", "personality")


def test_another_age_than_asked_for_is_off_the_brief() -> None:
    assert "off_brief" in refused(GOOD, axes={"age": 71})
    assert "off_brief" not in refused(GOOD.replace("I am 30.", "I own a boat."), axes={"age": 71})
