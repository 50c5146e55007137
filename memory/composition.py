"""Descriptions composed of sentences written for this project, without a model.

A profile is an age, a home, a job, a household or circumstance, a habit and an aim; a personality
is a disposition, a way of talking, a wish, a dislike and a quirk. The parts are in
`memory/pool/*.tsv`, labelled with what they fit: a sheep farmer does not live in a tower block, a
pupil is not seventy. With about a hundred parts for each place, two people occasionally share a
sentence but rarely two, and the near-duplicate gate rejects those who share too much.

This makes a large pool possible with only a tiny model available: plain, dry, and true to the axes,
unlike a tiny model's inventions.
"""

import random
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from aloe.memory.axes import Axes, Kind
from aloe.memory.descriptions import Description
from aloe.schema import Lineage

PARTS = Path(__file__).parent / "pool"

_PLACE_LETTER = {"city": "c", "town": "t", "village": "v"}

_AGES = (
    "I am {age}.",
    "I am {age} years old.",
    "I turned {age} this year.",
    "I am {age} and counting.",
    "My age is {age}.",
    "I have just turned {age}.",
    "I will be {next} on my next birthday.",
    "I was born {age} years ago.",
)
_HOMES = ("I live in {home}.", "My home is {home}.", "Home is {home}.", "I settled in {home}.")
_WATERSIDE = re.compile(
    r"fish|harbour|port|lagoon|island|sea|herring|lake|river|coast|stilt|croft|shipyard|whaling",
    re.IGNORECASE,
)


@cache
def read_parts(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a parts file."""
    lines = (PARTS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(tuple(line.split("\t")) for line in lines)


class Composer:
    """Composes descriptions; replaces a writer with a model."""

    async def write(
        self,
        kind: Kind,
        axes: Axes,
        examples: Sequence[Description],  # noqa: ARG002
        seed: int,
    ) -> Description:
        """Compose one description near the point `axes`."""
        return compose(kind, axes, seed)


def compose(kind: Kind, axes: Axes, seed: int) -> Description:
    """Compose one description near the point `axes`; the same arguments give the same.

    Work decides means and expertise, so of these the point is met as far as a work fits the age
    and the place.
    """
    rng = random.Random(seed)
    text, found = (_profile if kind == "profile" else _personality)(axes, rng)
    origin = Lineage(origin="composed", seed=seed)
    return Description(kind=kind, text=text, axes=found, lineage=origin)


def _profile(axes: Axes, rng: random.Random) -> tuple[str, Axes]:
    age, region, place = int(axes["age"]), str(axes["region"]), str(axes["place"])
    home = rng.choice(_homes(region, place))
    work = _work(axes, age, _PLACE_LETTER[place], bool(_WATERSIDE.search(home)), rng)
    given = {"age": str(age), "next": str(age + 1), "home": home}
    about = rng.choice((_of_age("households", age), _of_age("circumstances", age)))
    sentences = [
        rng.choice(_AGES).format(**given),
        rng.choice(_HOMES).format(**given),
        work.sentence,
        rng.choice(about),
        rng.choice(read_parts("habits"))[0],
        rng.choice(_of_age("aims", age)),
    ]
    rng.shuffle(sentences)
    found: Axes = {"age": age, "region": region, "place": place, "means": work.means}
    return " ".join(sentences), {**found, "expertise": f"{work.level}: {work.field}"}


def _homes(region: str, place: str) -> list[str]:
    """Return the homes there; a region where no such place is listed gives any of its places."""
    here = [row for row in read_parts("places") if row[0] == region]
    return [row[2] for row in here if row[1] == place] or [row[2] for row in here]


class Work(NamedTuple):
    """One row of work.tsv."""

    field: str
    level: str
    means: str
    youngest: str
    oldest: str
    places: str
    """Letters of city, town and village; `w` if it takes water nearby."""
    sentence: str


@cache
def _works() -> tuple[Work, ...]:
    return tuple(Work(*row) for row in read_parts("work"))


def _work(axes: Axes, age: int, place: str, waterside: bool, rng: random.Random) -> Work:
    """Return a work that fits age and place, and means and expertise if there is a choice."""
    rows = [row for row in _works() if int(row.youngest) <= age <= int(row.oldest)]
    rows = [row for row in rows if place in row.places and (waterside or "w" not in row.places)]
    level = str(axes["expertise"]).partition(":")[0]
    rich = [row for row in rows if row.means == axes["means"]]
    both = [row for row in rich if row.level == level]
    return rng.choice(next(each for each in (both, rich, rows) if len(each) > 1))


def _of_age(name: str, age: int) -> list[str]:
    return [row[2] for row in read_parts(name) if int(row[0]) <= age <= int(row[1])]


def _personality(axes: Axes, rng: random.Random) -> tuple[str, Axes]:
    openings = read_parts("tempers")
    asked = [row for row in openings if row[1] == axes["temper"]]
    valence, word, opening = rng.choice(asked or openings)
    talk, want, dislike = _without_shared_topic(rng)
    rest = [talk, want, dislike, rng.choice(read_parts("quirks"))[0]]
    rng.shuffle(rest)
    return " ".join([opening, *rest]), {"temper": word, "valence": valence}


def _without_shared_topic(rng: random.Random) -> list[str]:
    """Return a way of talking, a wish and a dislike, each about something else."""
    topics: set[str] = set()
    found = []
    for name in ("talk", "wants", "dislikes"):
        topic, sentence = rng.choice([row for row in read_parts(name) if row[0] not in topics])
        topics.add(topic)
        found.append(sentence)
    return found
