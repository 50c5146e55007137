"""Whether a small classifier can tell simulated users from people, message by message.

Users may match people in every figure of the card and still be recognised by several together, or
by what no figure counts. So a logistic regression is shown the figures and the vector of each
message and has to say who wrote it. It is always asked about users that it has not seen: all that
one of them says, in whatever conversation, lies in one fold. The area under the curve (AUC) is the
probability that it finds a simulated message more simulated than a person's.

A classifier also learns what is talked about. People who edit letters and simulated ones who cook
are told apart whatever their manner, so an AUC of different topics is too high; by the figures
alone it is less so. Where simulated users play the very people that they are compared with, which
equal ids of personas say, those alone are compared as well: every fold holds both sides of a
persona, so what belongs to the persona, such as a topic that it has, tells nothing.

Intervals come from drawing users anew with the predictions as they are, and are widened for what
that leaves out: regressions on other users would be others, and those of the folds share most of
theirs (Nadeau & Bengio, Machine Learning 52, 2003). What only a whole conversation has is not among
the figures: with it, two halves of real people looked different too often.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aloe.benchmark.user_card import DRAWS, FIGURES, SEED, Sides, pair_sides
from aloe.errors import ConfigError
from aloe.extras import needs
from aloe.intervals import LEAST_CLUSTERS
from aloe.memory.embedder import Embedder
from aloe.schema import Record, Tree

Array = npt.NDArray[np.float64]

FOLDS = 5
STRENGTH = 0.01
"""Inverse of the penalty: 400 columns, often fewer messages."""

WIDER = (1 + FOLDS / (FOLDS - 1)) ** 0.5
"""By how much an interval is widened, from the share of users that a fold leaves out."""


class Auc(Record):
    """An area under the ROC curve, 0..1: 0.5 is chance, 1 is always right. With 95% interval."""

    value: float
    low: float
    high: float
    simulated: int
    """Simulated users whose messages are told from people's."""
    people: int


class UserAuc(Record):
    """How well simulated users are told from people."""

    whole: Auc
    """By the figures and the vectors of messages."""
    figures: Auc
    """By the figures alone, which know less of topics."""
    shared: Auc | None
    """By both, of the personas on both sides alone; None if those are fewer than
    `LEAST_CLUSTERS`."""


@dataclass(frozen=True, kw_only=True)
class Messages:
    """What the classifier sees, one row a message."""

    figures: Array
    """Shape (messages, figures), NaN where a message has no such figure."""
    vectors: Array
    """Shape (messages, dimensions)."""
    simulated: npt.NDArray[np.bool_]
    """Shape (messages,): whether a simulated user wrote it."""
    users: npt.NDArray[np.str_]
    """Shape (messages,): the id of who wrote it."""


def measure_auc(simulated: Iterable[Tree], people: Iterable[Tree], embedder: Embedder) -> UserAuc:
    """Return how well a classifier tells the users of `simulated` from `people`.

    Args:
        simulated: trees of simulated users.
        people: trees of people.
        embedder: makes the vectors.

    Raises:
        ConfigError: scikit-learn is not installed, or a side has fewer users than
            `LEAST_CLUSTERS`.
    """
    check_classifier()
    sides = pair_sides(simulated, people)
    ours, theirs = ({user for user, _ in side} for side in (sides.simulated, sides.people))
    if min(len(ours), len(theirs)) < LEAST_CLUSTERS:
        raise ConfigError(
            f"a classifier needs {LEAST_CLUSTERS} users on each side; there are {len(ours)} "
            f"simulated users and {len(theirs)} people"
        )
    seen = gather_messages(sides, embedder)
    both, everybody = (np.isin(seen.users, sorted(each)) for each in (ours & theirs, ours | theirs))
    columns = np.hstack([seen.figures, seen.vectors])
    return UserAuc(
        whole=_separate(columns, seen, everybody),
        figures=_separate(seen.figures, seen, everybody),
        shared=_separate(columns, seen, both) if len(ours & theirs) >= LEAST_CLUSTERS else None,
    )


def check_classifier() -> None:
    """Make sure that there is a classifier.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ModuleNotFoundError:
        raise ConfigError(needs("--auc", "scikit-learn")) from None


def gather_messages(sides: Sides, embedder: Embedder) -> Messages:
    """Return the messages of both sides; each has the figures of a conversation of its own."""
    said = [
        (text, user, mine)
        for mine, side in ((True, sides.simulated), (False, sides.people))
        for user, talk in side
        for text in talk
    ]
    texts, users, simulated = zip(*said, strict=True)
    figures = [[measure([text]) for measure in FIGURES.values()] for text in texts]
    return Messages(
        figures=np.array(figures, dtype=np.float64),
        vectors=embedder.embed(texts).astype(np.float64),
        simulated=np.array(simulated),
        users=np.array(users),
    )


def _separate(columns: Array, seen: Messages, rows: npt.NDArray[np.bool_]) -> Auc:
    """Return how well the messages of `rows` are told apart by these columns."""
    simulated, users = seen.simulated[rows], seen.users[rows]
    scores = _predict(columns[rows], simulated, users)
    _, place = np.unique(scores, return_inverse=True)
    value = _area(place, simulated, np.ones(len(place)))
    draw = np.random.default_rng(SEED)
    drawn = [_area(place, simulated, each) for each in _draw_users(users, simulated, draw)]
    low, high = value + WIDER * (np.quantile(drawn, (0.025, 0.975)) - value)
    return Auc(
        value=value,
        low=max(0.0, float(low)),
        high=min(1.0, float(high)),
        simulated=len({*users[simulated]}),
        people=len({*users[~simulated]}),
    )


def _predict(
    columns: Array, simulated: npt.NDArray[np.bool_], users: npt.NDArray[np.str_]
) -> Array:
    """Return how simulated each message looks to a classifier that has not seen its user."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(
        SimpleImputer(keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000),
    )
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    scores: Array = cross_val_predict(
        classifier, columns, simulated, groups=users, cv=folds, method="decision_function"
    )
    return scores


def _area(place: npt.NDArray[np.intp], simulated: npt.NDArray[np.bool_], weights: Array) -> float:
    """Return the area under the curve of weighted messages by their place in order of the score.

    Messages of one place tie and count half.
    """
    ours = np.bincount(place, weights * simulated)
    theirs = np.bincount(place, weights * ~simulated)
    below = np.cumsum(theirs) - theirs / 2
    return float(ours @ below / (ours.sum() * theirs.sum()))


def _draw_users(
    users: npt.NDArray[np.str_], simulated: npt.NDArray[np.bool_], draw: np.random.Generator
) -> Iterator[Array]:
    """Yield how often each message counts when users are drawn anew, as many of each kind.

    Kinds are simulated users, people, and personas on both sides, whose messages stay together.
    """
    names, user = np.unique(users, return_inverse=True)
    ours, theirs = (np.bincount(user, side, len(names)) > 0 for side in (simulated, ~simulated))
    kinds = [np.flatnonzero(kind) for kind in (ours & ~theirs, ~ours & theirs, ours & theirs)]
    chosen = [draw.choice(kind, (DRAWS, len(kind))) for kind in kinds if len(kind)]
    for each in np.hstack(chosen):
        yield np.bincount(each, minlength=len(names))[user].astype(np.float64)
