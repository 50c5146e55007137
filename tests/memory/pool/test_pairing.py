import random

import pytest

from aloe.memory.axes import Kind
from aloe.memory.descriptions import Description
from aloe.memory.pool.pairing import find_conflicts, name_conflicts, pair_descriptions
from aloe.schema import Lineage

LIFE = "I am 30. I live alone in Crete. I never learned to drive."

TEMPER = "I want plain answers."


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
        ("I am 40. I sail.", "He talks fast.", ()),
        ("She is 40. She sails. He cooks.", "I talk fast.", ()),
        ("She is 40. She sails.", "They talk fast.", ("pronouns",)),
        (LIFE, "I like lists. I hate lists.", ("lists",)),
        (LIFE, "I love jokes. I do not like jokes.", ("jokes",)),
        (LIFE, "I enjoy emoji. I want no emoji near me.", ("emoji",)),
        (LIFE, "I hate lists. I don\u2019t want lists.", ()),
        (LIFE, "I do not shout and like jokes.", ()),
        (LIFE, "I like lists. I skip lists that bore me.", ()),
        (LIFE, "I talk as I drive a bus and I drive fast.", ("driving",)),
        ("I am 30. I sail.", "I turned 50 and tire easily.", ("age",)),
        ("I am 26. I have no children. I cook with my grandmother.", TEMPER, ()),
        ("I am 45. My son is 12 years old. I sail.", TEMPER, ()),
        ("I am 41. My house is 90 years old.", TEMPER, ()),
        ("I am 41. I'm 10 minutes from the sea and 12 years sober.", TEMPER, ()),
        ("I am 41. I am restoring a 20 year old car with a 70-year-old friend.", TEMPER, ()),
        ("I am 41. I will stop when I am 65. I feel like I am 90.", TEMPER, ()),
        ("I live in Porto. I play cards with my neighbours. I live alone.", TEMPER, ()),
        ("I live alone. I share recipes with my neighbours.", TEMPER, ()),
        ("I live by myself with books. I live in Porto with my two cats.", TEMPER, ()),
        ("I am retired. I work in my garden every morning.", TEMPER, ()),
        ("I drive a bus. My daughter has her driving test on Friday.", TEMPER, ()),
        ("I drive a bus. I help my son before his driving test.", TEMPER, ()),
        ("I use a wheelchair. My sister trains for a marathon.", TEMPER, ()),
        ("I left school at 14. My daughter is a surgeon.", TEMPER, ()),
        ("I am single. I am fond of my husband-to-be.", TEMPER, ()),
        ("78 years old. I sail. I am 41.", TEMPER, ("age",)),
        ("I am 41. I\u2019ve just turned 45.", TEMPER, ("age",)),
        ("I am a retired 67 year old teacher. I am 41 years old.", TEMPER, ("age",)),
        ("I am a 34-year-old nurse. I live in Porto and am 41.", TEMPER, ("age",)),
        ("I am Ana, 34. I turned 50 this year.", TEMPER, ("age",)),
        ("My age is 34. I turned 50 this year.", TEMPER, ("age",)),
        ("He is 40 years old. He sails.", "He is now 50 years old.", ("age",)),
        ("I have no children. My grandson sleeps on the sofa.", TEMPER, ("children",)),
        ("I am childless. I cook for my sons.", TEMPER, ("children",)),
        ("I live alone. I live in a flat in Porto with my sister.", TEMPER, ("household",)),
        ("I live alone. I share one telephone with my whole family.", TEMPER, ("household",)),
        ("I am retired. I work in a bakery at night.", TEMPER, ("work",)),
        ("I use a wheelchair. My wife and I run every marathon.", TEMPER, ("walking",)),
        ("I am preparing for a driving test. I deliver meals on a scooter.", TEMPER, ("driving",)),
    ],
)
def test_contradictions_are_named(profile: str, personality: str, topics: tuple[str, ...]) -> None:
    assert find_conflicts(profile, personality) == topics


def test_what_is_known_to_contradict_each_other_is_not_looked_at_again() -> None:
    men = [described("profile", f"He is {age}. He sails.") for age in (20, 30)]
    women = [described("personality", f"She talks of {n}.") for n in "ab"]
    tried = {each.id for each in (*men, *women)}
    new = described("personality", "He talks of c."), described("profile", "She is 40. She sails.")
    pairs = pair_descriptions(
        [*men, new[1]], [*women, new[0]], random.Random(1), tried=frozenset(tried)
    )
    assert pairs[0] == (men[0], new[0])
    assert pairs[1][0] == new[1]
    assert pairs[1][1] in women
    calm = [described("personality", "I like lists."), described("personality", "I am calm.")]
    assert not pair_descriptions(men, calm, random.Random(1), tried={*tried, *(c.id for c in calm)})
    assert name_conflicts(men, [*women, described("personality", "She is 50 years old.")]) == [
        "pronouns"
    ]


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
