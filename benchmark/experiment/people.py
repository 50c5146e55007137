"""Who is trained on, who is selected on, and who is tested on.

Two things are kept apart. Lives: personas whose profiles are near-copies form a cluster, and a
cluster goes to one side as a whole. The smallest clusters go to the test, the next to validation:
a large one would count there as a single user, since it is clusters that intervals draw. Wishes:
some pairs of wishes are reserved for the test, others for validation. Nobody in training has both
wishes of any of them, and everybody in the test (in validation) has of one of its own, so a model
that has merely learnt which wishes go together cannot do well there, and validation says so before
the test.

Users of test and validation speak a half of the phrases that training does not hear. Their personas
are worded in it too, so the ceiling, which is told the persona, hears no sentence of training.

Of each two opposite values one is what a reply shows by itself (no emoji, no list), the other has
to be brought about. Everybody has as many wishes of the one kind as of the other, so replies that
suit nobody in particular keep about half of anybody's wishes, and what persons differ in by chance
does not drown what replies differ in.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations, count, islice
from math import comb
from typing import Literal

from aloe.agents.rewriter import REACHABLE
from aloe.benchmark.case import Case
from aloe.clusters import find_clusters
from aloe.config import ExperimentConfig
from aloe.errors import ConfigError
from aloe.memory.embedder import Embedder
from aloe.memory.splitting import find_close_pairs
from aloe.memory.verifiable.catalogue import DIMENSIONS, Wishes
from aloe.memory.verifiable.generation import draw_preferences, generate, reword
from aloe.number_format import counted
from aloe.schema import Persona, derive_seed, digest

Part = Literal["train", "validation", "test"]

Wanted = tuple[str, str]
"""A wish: dimension and value."""
Pair = frozenset[Wanted]

SPARE = 4
"""Personas drawn for each one needed: many fit neither side, or come in the wrong cluster."""


@dataclass(frozen=True, kw_only=True)
class People:
    """The personas of an experiment."""

    parts: Mapping[Part, tuple[Persona, ...]]
    clusters: Mapping[str, str]
    """Label of the life by persona id; lives that share it are near-copies."""
    reserved: Mapping[Part, frozenset[Pair]]
    """Pairs of wishes that nobody in training has, by the part of which everybody has one."""

    def cases(self, part: Part, turns: int) -> list[Case]:
        """Return one benchmark case for each persona of a part."""
        return [
            Case.model_validate(
                {
                    "suite": f"proof-{part}",
                    "persona": persona,
                    "why": f"held out for {part}",
                    "profile": self.clusters[persona.id],
                    "personality": digest(sorted(persona.preferences.items())),
                    "turns": turns,
                }
            )
            for persona in self.parts[part]
        ]


def draw_people(
    config: ExperimentConfig, seed: int, threshold: float, embedder: Embedder
) -> People:
    """Draw and split the personas.

    Args:
        config: how many, and of how many wishes.
        seed: the same seed gives the same people.
        threshold: cosine similarity from which two lives are near-copies.
        embedder: what makes the vectors.

    Raises:
        ConfigError: too few can be found that fit.
    """
    rng = random.Random(derive_seed("proof", seed))
    dimensions = choose_dimensions(config)
    pairs = reserve_pairs(config.reserved, dimensions, rng)
    half = (len(pairs) + 1) // 2
    reserved: dict[Part, frozenset[Pair]] = {
        "test": frozenset(pairs[:half]),
        "validation": frozenset(pairs[half:]),
        "train": frozenset(),
    }
    needed: dict[Part, int] = {
        "test": config.test,
        "validation": config.validation,
        "train": config.train,
    }
    drawn = list(islice(candidates(config.wishes, dimensions, seed), SPARE * sum(needed.values())))
    vectors = embedder.embed([persona.profile for persona in drawn])
    groups = find_clusters(len(drawn), find_close_pairs({"profile": vectors}, threshold))
    rng.shuffle(groups)
    lives = {f"life {number}": [drawn[row] for row in rows] for number, rows in enumerate(groups)}
    parts: dict[Part, list[Persona]] = {}
    labels: dict[str, str] = {}
    for part, wanted in needed.items():
        fitting = {
            life: [p for p in members if find_part(p, reserved) == part]
            for life, members in lives.items()
        }
        taken = take_evenly(fitting, wanted, key=lambda life: len(lives[life]))
        chosen = [(p if part == "train" else reword(p, "test"), life)
                  for life, members in taken.items() for p in members]  # fmt: skip
        rng.shuffle(chosen)  # whoever evens the wishes out is much unlike the one before
        parts[part] = [persona for persona, _ in chosen]
        labels |= {persona.id: life for persona, life in chosen}
        for life in taken:
            del lives[life]
    for part, personas in parts.items():
        if len(personas) < needed[part]:
            raise ConfigError(
                f"experiment.{part} asks for {counted(needed[part], 'persona')} and only "
                f"{len(personas)} fit; ask for fewer, or change experiment.reserved or "
                "experiment.wishes"
            )
    return People(
        parts={part: tuple(personas) for part, personas in parts.items()},
        clusters=labels,
        reserved=reserved,
    )


def take_evenly(
    lives: Mapping[str, Sequence[Persona]], wanted: int, key: Callable[[str], int]
) -> dict[str, list[Persona]]:
    """Return that many personas by life, fewer if there are no more.

    Args:
        lives: who may be taken, by life; once a life is begun it is used up.
        wanted: how many.
        key: the lives for which it is smallest come first; of those, the one whose members want
            what fewest of the others want, so that no wish is much commoner than its opposite.
    """
    left = {life: members for life, members in lives.items() if members}
    balance = Counter[str]()
    found: dict[str, list[Persona]] = {}

    def rank(life: str) -> tuple[int, int]:
        wishes = [wish for each in left[life] for wish in each.preferences.items()]
        return key(life), sum(balance[name] * _side(name, value) for name, value in wishes)

    while left and wanted > sum(map(len, found.values())):
        life = min(left, key=rank)
        found[life] = list(left.pop(life))[: wanted - sum(map(len, found.values()))]
        for persona in found[life]:
            balance.update({n: _side(n, value) for n, value in persona.preferences.items()})
    return found


def _side(name: str, value: str) -> int:
    """Return 1 for what has to be brought about in a reply, -1 for its opposite."""
    return 1 if value == DIMENSIONS[name][0].value else -1


def choose_dimensions(config: ExperimentConfig) -> frozenset[str]:
    """Return the dimensions of the wishes.

    Raises:
        ConfigError: there are too few, or edits cannot serve one.
    """
    if unknown := sorted(set(config.dimensions) - REACHABLE):
        raise ConfigError(
            f"experiment.dimensions: edits cannot serve {', '.join(unknown)}; there are "
            f"{', '.join(sorted(REACHABLE))}"
        )
    dimensions = frozenset(config.dimensions) or REACHABLE
    if len(dimensions) <= config.wishes:
        raise ConfigError(
            f"experiment.dimensions: {len(dimensions)} are too few for {config.wishes} wishes that "
            "differ from user to user"
        )
    return dimensions


def candidates(wishes: int, dimensions: Set[str], seed: int) -> Iterator[Persona]:
    """Yield personas with different wishes about these dimensions until there are no others."""
    seen: set[Pair] = set()
    assignments = comb(wishes, wishes // 2) * (1 + wishes % 2)
    everybody = comb(len(dimensions), wishes) * assignments
    for number in count():
        if len(seen) == everybody:
            return
        drawn = derive_seed("proof", seed, number)
        preferences = draw_preferences(drawn, wishes=wishes, about=dimensions)
        wanted = frozenset(preferences.items())
        if balanced(preferences) and wanted not in seen:
            seen.add(wanted)
            yield generate(drawn, wishes=wishes, about=dimensions)


def balanced(wishes: Wishes) -> bool:
    """Whether half of the wishes (of an odd number, all but one) are of each kind."""
    return abs(sum(_side(name, value) for name, value in wishes.items())) <= 1


def reserve_pairs(share: float, dimensions: Set[str], rng: random.Random) -> list[Pair]:
    """Return that share of all pairs of wishes of different dimensions.

    All wishes are in as many of them as can be, and in as many of the first few. A wish of more
    reserved pairs than its opposite would be common in the test and rare in training: a model that
    learnt which is the commoner of the two would do worse than one that learnt nothing.
    """
    wishes = [(name, each.value) for name in sorted(dimensions) for each in DIMENSIONS[name]]
    pairs = [frozenset(two) for two in combinations(wishes, 2) if two[0][0] != two[1][0]]
    left, used, found = rng.sample(pairs, len(pairs)), Counter[Wanted](), list[Pair]()
    while len(found) < round(share * len(pairs)):
        least = min(left, key=lambda pair: sorted((used[wish] for wish in pair), reverse=True))
        left.remove(least)
        found.append(least)
        used.update(least)
    return found


def find_part(persona: Persona, reserved: Mapping[Part, frozenset[Pair]]) -> Part:
    """Return the part for which a persona may be taken."""
    for part in ("test", "validation"):
        if holds(persona, reserved[part]):
            return part
    return "train"


def holds(persona: Persona, pairs: frozenset[Pair]) -> bool:
    """Whether a persona has both wishes of one of the `pairs`."""
    return any(frozenset(two) in pairs for two in combinations(persona.preferences.items(), 2))
