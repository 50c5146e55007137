"""Attributes of a description, and how growth is steered to what is missing.

Left to itself, a model writes what it likes best: thirty-four-year-olds with degrees. So every
candidate is requested at a point drawn from the axes, and the draw favours what the pool lacks: a
value's probability is its shortfall from a target mix. The mix below says what to cover, not what
the world is like; old, poor and difficult people have a larger share than in a census, because a
model that never met them cannot be tested on them.

Axes record what was requested. Only the age is checked against the text, and corrected by it.
"""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Literal, get_args

Kind = Literal["profile", "personality"]
"""The two descriptions that make a persona."""
KINDS: tuple[Kind, ...] = get_args(Kind)

Axes = dict[str, str | int]
Cell = tuple[str, str]
"""An axis and one of its values, such as ("age", "60-74")."""

AGE_BANDS = {"16-24": (16, 24), "25-39": (25, 39), "40-59": (40, 59), "60-74": (60, 74)} | {
    "75-90": (75, 90)
}

REGIONS = (
    "North America", "Central America", "Caribbean", "South America",
    "Northern Europe", "Western Europe", "Southern Europe", "Eastern Europe",
    "North Africa", "West Africa", "Central Africa", "East Africa", "Southern Africa",
    "Middle East", "Central Asia", "South Asia", "Southeast Asia", "East Asia", "Oceania",
)  # fmt: skip

PERSONALITY_WORDS = {
    "difficult": (
        "anxious", "arrogant", "bitter", "blunt", "bossy", "contrary", "cynical", "demanding",
        "distrustful", "easily bored", "gloomy", "hot-tempered", "impatient", "jealous", "moody",
        "nitpicking", "pushy", "restless", "sarcastic", "scatterbrained", "secretive",
        "short-tempered", "stubborn", "sulky", "suspicious", "touchy", "vain", "whining",
    ),
    "neutral": (
        "absent-minded", "bookish", "cautious", "competitive", "dreamy", "dry", "exact", "formal",
        "frugal", "impulsive", "literal-minded", "methodical", "nosy", "private", "proud", "quiet",
        "reserved", "sceptical", "shy", "talkative", "thrifty", "undecided",
    ),
    "pleasant": (
        "calm", "cheerful", "considerate", "curious", "easy-going", "encouraging", "forgiving",
        "generous", "gentle", "grateful", "helpful", "humble", "loyal", "modest", "open-minded",
        "patient", "playful", "tactful", "tolerant", "warm", "witty",
    ),
}  # fmt: skip
"""Words for a disposition by how pleasant it is to talk with."""

FIELDS = (
    "baking", "beekeeping", "bicycle repair", "bookkeeping", "bus driving", "carpentry",
    "chess", "childcare", "coffee growing", "computer networks", "cooking", "dairy farming",
    "dressmaking", "electrical wiring", "family law", "first aid", "fishing", "gardening",
    "glassmaking", "goat herding", "hairdressing", "history", "house painting", "insurance",
    "language teaching", "librarianship", "mathematics", "midwifery", "mining", "motor repair",
    "nursing", "pharmacy", "phone repair", "photography", "plumbing", "pottery", "programming",
    "rice growing", "sailing", "shopkeeping", "singing", "solar panels", "statistics",
    "surveying", "tailoring", "taxi driving", "tourism", "translation", "violin making",
    "weaving", "welding", "wildlife", "yoga",
)  # fmt: skip
"""Fields of knowledge that a brief may ask for."""

MIX: dict[Kind, dict[str, dict[str, float]]] = {
    "profile": {
        "age": {"16-24": 0.17, "25-39": 0.26, "40-59": 0.27, "60-74": 0.18, "75-90": 0.12},
        "region": {region: 1 / len(REGIONS) for region in REGIONS},
        "place": {"city": 0.45, "town": 0.25, "village": 0.30},
        "means": {"poor": 0.27, "modest": 0.40, "comfortable": 0.23, "wealthy": 0.10},
        "expertise": {"novice": 0.35, "intermediate": 0.30, "expert": 0.35},
    },
    "personality": {"valence": {"difficult": 0.40, "neutral": 0.30, "pleasant": 0.30}},
}
"""Share of each value that the pool is steered to, by axis."""

EXPLORE = 0.02
"""Weight of a value that is not short of anything, so that no value is ever shut out."""


def find_cells(axes: Mapping[str, str | int]) -> list[Cell]:
    """Return the cells that a description falls into; values outside of the mix are left out."""
    found = []
    for kind_mix in MIX.values():
        for axis, shares in kind_mix.items():
            value = _cell_value(axis, axes.get(axis))
            if value in shares:
                found.append((axis, value))
    return found


def _cell_value(axis: str, value: str | int | None) -> str:
    if axis == "age" and isinstance(value, int):
        return next((b for b, (low, high) in AGE_BANDS.items() if low <= value <= high), "")
    if axis == "expertise" and isinstance(value, str):
        return value.partition(":")[0]
    return str(value)


def sample_cells(kind: Kind, counts: Counter[Cell], rng: random.Random) -> dict[str, str]:
    """Draw one value of each axis of `kind`, favouring those that `counts` is short of."""
    drawn = {}
    for axis, shares in MIX[kind].items():
        total = sum(counts[axis, value] for value in shares) + 1
        weights = [
            max(share * total - counts[axis, value], 0.0) + EXPLORE * share
            for value, share in shares.items()
        ]
        drawn[axis] = rng.choices(list(shares), weights)[0]
    return drawn


def sample(kind: Kind, counts: Counter[Cell], rng: random.Random) -> Axes:
    """Draw the coordinates of one candidate: cells, filled in with an age, a field, a word."""
    drawn = sample_cells(kind, counts, rng)
    if kind == "personality":
        return {"temper": rng.choice(PERSONALITY_WORDS[drawn["valence"]]), **drawn}
    low, high = AGE_BANDS[drawn["age"]]
    level = drawn["expertise"]
    return {**drawn, "age": rng.randint(low, high), "expertise": f"{level}: {rng.choice(FIELDS)}"}
