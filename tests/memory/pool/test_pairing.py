import random

import pytest

from aloe.memory.axes import Kind
from aloe.memory.descriptions import Description
from aloe.memory.pool.pairing import find_conflicts, pair_descriptions
from aloe.schema import Lineage

LIFE = "I am 30. I live alone in Crete. I never learned to drive."


def described(kind: Kind, text: str) -> Description:
    return Description(kind=kind, text=text, axes={}, lineage=Lineage(origin="seed"))


@pytest.mark.parametrize(
    ("profile", "personality", "topics"),
    [
        (LIFE, "I like lists.", ()),
        (LIFE, "I ask my wife first. I like lists.", ()),
        ("I have never been married. I sail.", "I ask my wife first.", ("marriage",)),
        ("He is 40. He sails.", "She talks fast. She jokes.", ("pronouns",)),
        ("She is 40. She sails.", "She talks fast. She jokes.", ()),
        ("He is 40. He sails.", "Talks fast. Jokes a lot.", ()),
        ("I am 40. I sail.", "He talks fast.", ("pronouns",)),
        (LIFE, "I like lists. I hate lists.", ("lists",)),
        (LIFE, "I love jokes. I do not like jokes.", ("jokes",)),
        (LIFE, "I enjoy emoji. I want no emoji near me.", ("emoji",)),
        (LIFE, "I hate lists. I don\u2019t want lists.", ()),
        (LIFE, "I do not shout and like jokes.", ()),
        (LIFE, "I like lists. I skip lists that bore me.", ()),
        (LIFE, "I talk as I drive a bus and I drive fast.", ("driving",)),
        ("I am 30. I sail.", "I turned 50 and tire easily.", ("age",)),
    ],
)
def test_contradictions_are_named(profile: str, personality: str, topics: tuple[str, ...]) -> None:
    assert find_conflicts(profile, personality) == topics


def test_pairs_use_each_text_once_and_never_contradict() -> None:
    profiles = [described("profile", f"He is {age}. He sails.") for age in range(20, 26)]
    profiles += [described("profile", f"She is {age}. She sails.") for age in range(20, 26)]
    personalities = [
        described("personality", f"{who} talks of {n}.") for who in ("He", "She") for n in "abcd"
    ]
    pairs = pair_descriptions(profiles, personalities, random.Random(1))
    assert len(pairs) == 8
    assert len({p.text for p, _ in pairs}) == len({t.text for _, t in pairs}) == 8
    assert all(p.text.split()[0] == t.text.split()[0] for p, t in pairs)
