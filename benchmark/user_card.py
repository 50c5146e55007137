"""How simulated users write, beside people: a card of figures that any text has.

Nothing here knows a persona, because people's dialogues come without one; both sides are measured
by the same rules on the words alone, and on as many messages: every conversation is cut to the same
number, and one that has fewer is left out, or its length would look like manner. A tree counts with
one of its longest paths. A word that no dictionary has is a typo or a rare word. What varies is the
person, so the conversations of one are averaged before anything else, and intervals come from
drawing people anew. The rules for politeness, statements about oneself and unknown words are for
English. An interval is not adjusted for there being several figures: of twenty that do not differ
one will look as if it did.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
import numpy.typing as npt

from aloe.agents.disclosing import texts_of_user
from aloe.agents.languages import english_words
from aloe.errors import ConfigError
from aloe.intervals import LEAST_CLUSTERS
from aloe.schema import Record, Tree, derive_seed, sentences

DRAWS = 2000
SEED = 0
"""Equal trees give equal folds and intervals."""
VARIETY_WORDS = 50
"""Words at the beginning of a user's part in which the different ones are counted."""
LETTERS = 4
"""Letters from which a word is looked up."""

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_POLITE = re.compile(
    r"\b(?:please|pls|plz|thanks?|thank you|thx|sorry|excuse me|appreciate|grateful|could you"
    r"|would you|kindly)\b",
    re.IGNORECASE,
)
_ONESELF = re.compile(
    r"\b(?:I(?:['\u2019]?m| am|['\u2019]?ve| have| was| live| work| like| love| hate| prefer"
    r"| used to| never| always)|my)\b",
    re.IGNORECASE,  # people write "i'm" and "im"
)
_ENDINGS = {
    "s": ("",), "es": ("", "e"), "ies": ("y",), "ied": ("y",), "ed": ("", "e"), "ing": ("", "e"),
    "ly": ("", "le"), "ily": ("y",), "er": ("", "e"), "est": ("", "e"), "ier": ("y",),
}  # fmt: skip
"""Endings of English words, and what stood in their place."""

Said = Sequence[str]
"""The messages of one user in one conversation, in order."""
PeopleHalf = Literal["develop", "test"]
"""Settings are chosen on the one half of the people and reported on the other."""


class Mean(Record):
    """A mean over people, with its 95% interval."""

    value: float | None
    """None where nobody has the figure."""
    low: float | None
    high: float | None
    """None with fewer than `LEAST_CLUSTERS` people."""
    count: int
    """People who have the figure."""


class Beside(Record):
    """One figure of simulated users, beside people's."""

    simulated: Mean
    people: Mean
    difference: Mean
    """Simulated minus people's; its count is the smaller of the two."""

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference excludes 0."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and not low <= 0 <= high


class UserCard(Record):
    """How simulated users write, beside people."""

    simulated: int
    """Conversations of simulated users that were read."""
    people: int
    """Conversations of people."""
    turns: int
    """Messages of each conversation that were read, from the first."""
    simulated_left_out: int = 0
    """Conversations of simulated users that have fewer messages."""
    people_left_out: int = 0
    """Conversations of people that have fewer."""
    figures: dict[str, Beside]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What users say, by conversation, each with the id of who says it."""

    simulated: list[tuple[str, Said]]
    people: list[tuple[str, Said]]
    turns: int
    """Messages that are left of each conversation, from the first."""
    left_out: tuple[int, int]
    """Conversations of simulated users and of people that have fewer messages."""


def keep_half(trees: Iterable[Tree], half: PeopleHalf) -> Iterator[Tree]:
    """Yield the trees of one half: the id of the persona decides, whatever else is there."""
    for tree in trees:
        if (derive_seed("half", tree.persona.id) % 2 == 0) == (half == "develop"):
            yield tree


def pair_sides(simulated: Iterable[Tree], people: Iterable[Tree]) -> Sides:
    """Return what both sides say, every conversation cut to the same number of messages.

    Conversations with fewer are left out. Trees in which nobody says anything are passed over.

    Raises:
        ConfigError: nobody says anything on one side.
    """
    ours, theirs = (_sayings(each) for each in (simulated, people))
    for side, whose in ((ours, "simulated users"), (theirs, "people")):
        if not side:
            raise ConfigError(f"there is no message of {whose} to compare")
    turns = _choose_turns(ours, theirs)
    cut = [
        [(person, said[:turns]) for person, said in side if len(said) >= turns]
        for side in (ours, theirs)
    ]
    left_out = len(ours) - len(cut[0]), len(theirs) - len(cut[1])
    return Sides(simulated=cut[0], people=cut[1], turns=turns, left_out=left_out)


def _choose_turns(*sides: Sequence[tuple[str, Said]]) -> int:
    """Return to how many messages conversations are cut, so that most can be compared.

    That is this number times the people who say as many, on the side with fewer of them; fewer
    than `LEAST_CLUSTERS` people only where there are no more.
    """
    longest: list[dict[str, int]] = []
    for side in sides:
        most: dict[str, int] = {}
        for person, said in side:
            most[person] = max(most.get(person, 0), len(said))
        longest.append(most)

    def worth(turns: int) -> tuple[bool, int]:
        people = min(sum(most >= turns for most in each.values()) for each in longest)
        return people >= LEAST_CLUSTERS, turns * people

    return max(range(1, min(max(each.values()) for each in longest) + 1), key=worth)


def measure_users(simulated: Iterable[Tree], people: Iterable[Tree]) -> UserCard:
    """Return the card of the users who speak in `simulated`; equal trees give equal intervals.

    Args:
        simulated: trees of simulated users.
        people: trees of people.
    """
    sides = pair_sides(simulated, people)
    figures = {}
    for name, measure in FIGURES.items():
        ours, theirs = (_by_person(side, measure) for side in (sides.simulated, sides.people))
        figures[name] = _beside(ours, theirs, np.random.default_rng(SEED))
    return UserCard(
        simulated=len(sides.simulated),
        people=len(sides.people),
        turns=sides.turns,
        simulated_left_out=sides.left_out[0],
        people_left_out=sides.left_out[1],
        figures=figures,
    )


def _sayings(trees: Iterable[Tree]) -> list[tuple[str, Said]]:
    """Return who says what, of trees in which somebody says anything."""
    return [(tree.persona.id, said) for tree in trees if (said := words_of(tree))]


def words_of(tree: Tree) -> list[str]:
    """Return what the user says on the first of the tree's longest paths."""
    last = max(tree.users, key=lambda node: node.turn, default=None)
    path = tree.path(last.id) if last else []
    return texts_of_user(path)


def _words(said: Said) -> list[str]:
    return [word for text in said for word in _WORD.findall(text)]


def _share(found: Iterable[bool]) -> float | None:
    each = list(found)
    return fmean(each) if each else None


def measure_variety(said: Said) -> float | None:
    """Return the share of different words among the first; None of a user who says fewer."""
    first = [word.lower() for word in _words(said)][:VARIETY_WORDS]
    return len(set(first)) / VARIETY_WORDS if len(first) == VARIETY_WORDS else None


def measure_front_loading(said: Said) -> float | None:
    """Return how many times as long as the others the first message is; None without others."""
    first, *others = (len(_words([text])) for text in said)
    return first / fmean(others) if any(others) else None


def measure_unknown(said: Said) -> float | None:
    """Return the share of words in small letters that no dictionary has; names are left out."""
    return _share(not _is_known(w) for w in _words(said) if w.islower() and len(w) >= LETTERS)


def find_disclosure(said: Said) -> float | None:
    """Return the turn, from 1, of the first statement about oneself; None if there is none."""
    turns = (turn for turn, text in enumerate(said, 1) if _tells(text))
    return next(map(float, turns), None)


def _tells(text: str) -> bool:
    return any(_ONESELF.search(each) for each in sentences(text) if not each.endswith("?"))


def _is_known(word: str) -> bool:
    known, plain = english_words(), word.replace("\u2019", "'").partition("'")[0]
    return plain in known or any(form in known for form in _plain_forms(plain))


def _plain_forms(word: str) -> Iterator[str]:
    """Yield what a word may be without its ending, a doubled letter before it made single."""
    for ending, before in _ENDINGS.items():
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            yield from (stem + letters for letters in before)
            if len(stem) > 2 and stem[-1] == stem[-2]:
                yield stem[:-1]


def asks(message: str) -> bool:
    """Whether a sentence of a message is a question."""
    return any(each.rstrip("\"'*_ )").endswith("?") for each in sentences(message))


FIGURES: Mapping[str, Callable[[Said], float | None]] = {
    "words per message": lambda said: fmean(len(_words([text])) for text in said),
    "messages that ask": lambda said: _share(asks(text) for text in said),
    "polite messages": lambda said: _share(bool(_POLITE.search(text)) for text in said),
    "first message, times the others": measure_front_loading,
    f"different words of the first {VARIETY_WORDS}": measure_variety,
    "words no dictionary has": measure_unknown,
    "turn of the first statement about oneself": find_disclosure,
    "who tell anything about themselves": lambda said: float(find_disclosure(said) is not None),
}
"""What is measured of one conversation; None where it has no such figure."""

SHARES = frozenset(FIGURES) - {
    "words per message",
    "first message, times the others",
    "turn of the first statement about oneself",
}
"""Those within 0..1."""


def _by_person(
    side: Iterable[tuple[str, Said]], measure: Callable[[Said], float | None]
) -> npt.NDArray[np.float64]:
    """Return the figure of each person who has it, averaged over that person's conversations."""
    found: dict[str, list[float]] = {}
    for person, said in side:
        if (value := measure(said)) is not None:
            found.setdefault(person, []).append(value)
    return np.array([fmean(values) for values in found.values()])


def _beside(
    ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], draw: np.random.Generator
) -> Beside:
    drawn = [_drawn(side, draw) for side in (ours, theirs)]
    whole = len(ours) > 0 and len(theirs) > 0
    gap = float(ours.mean() - theirs.mean()) if whole else None
    return Beside(
        simulated=_mean(_average(ours), drawn[0], len(ours)),
        people=_mean(_average(theirs), drawn[1], len(theirs)),
        difference=_mean(gap, drawn[0] - drawn[1], min(len(ours), len(theirs))),
    )


def _average(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _drawn(values: npt.NDArray[np.float64], draw: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the means of people drawn anew, with replacement; NaN where they are too few."""
    if len(values) < LEAST_CLUSTERS:
        return np.full(DRAWS, np.nan)
    means: npt.NDArray[np.float64] = draw.choice(values, (DRAWS, len(values))).mean(axis=1)
    return means


def _mean(value: float | None, drawn: npt.NDArray[np.float64], count: int) -> Mean:
    if value is None or np.isnan(drawn).any():
        return Mean(value=value, low=None, high=None, count=count)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Mean(value=value, low=float(low), high=float(high), count=count)
