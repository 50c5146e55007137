"""Whether the embedder can tell the people of a file apart, judged by the file itself.

The threshold was calibrated on short English texts in the first person. In another language, or in
tables that differ in a few values, two strangers may well be as similar as near-copies are in those
texts, and a gate at that threshold would refuse nearly everybody as a copy of the first.

A near-copy has an original or two; a stranger is like nobody. So some texts are drawn at random,
and of each it is counted how many others reach the threshold, its nearest not included, which may
be its original. Where that is more than `LOOKALIKES` on average, the threshold says nothing about
these texts. Of 200 strangers, that many lookalikes mean that some 0.6 % of all pairs reach it,
enough to lose two of three in a file of a thousand.

Texts that cannot be told apart are compared by their words alone.
"""

import random
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aloe.memory.axes import KINDS, Kind
from aloe.memory.embedder import Vectors, unit
from aloe.memory.splitting import KindVectors
from aloe.schema import Persona, digest
from aloe.wording import visible

SAMPLE = 200
"""Texts that are compared with one another."""
FEWEST = 6
"""Of fewer texts nothing can be said: most of them may be copies."""
LOOKALIKES = 0.5
"""Others that reach the threshold beside the nearest, per text, up to which it can be used."""

PLURALS: dict[Kind, str] = {"profile": "profiles", "personality": "personalities"}


@dataclass(frozen=True, kw_only=True)
class Blur:
    """What shows that an embedder cannot tell texts apart at a threshold."""

    kind: Kind
    threshold: float
    share: float
    """Share of random pairs that reach the threshold, in [0, 1]."""
    median: float
    """Median similarity of random pairs."""

    def describe(self, instead: str) -> str:
        """Return a line that says so, and what is done `instead` with copies word for word."""
        return (
            f"the embedder cannot tell these {PLURALS[self.kind]} apart: {self.share:.1%} of "
            f"random pairs reach the threshold {self.threshold} (median similarity "
            f"{self.median:.2f}), so only copies word for word {instead}; calibrate another "
            "threshold or name another embedder"
        )


def find_blur(kind: Kind, texts: Sequence[str], vectors: Vectors, threshold: float) -> Blur | None:
    """Return what shows that `threshold` says nothing about these texts; None if it can be used.

    Args:
        kind: what they describe.
        texts: as they are in a file; one that is there twice counts once.
        vectors: one row a text.
        threshold: cosine similarity from which two count as near-copies.
    """
    rows = list({text: row for row, text in enumerate(texts)}.values())
    if len(rows) < FEWEST:
        return None
    drawn = vectors[random.Random(0).sample(rows, min(SAMPLE, len(rows)))]
    similarities = (drawn @ drawn.T)[~np.eye(len(drawn), dtype=bool)].reshape(len(drawn), -1)
    reached = similarities >= threshold
    if np.maximum(reached.sum(axis=1) - 1, 0).mean() <= LOOKALIKES:
        return None
    return Blur(
        kind=kind,
        threshold=threshold,
        share=float(reached.mean()),
        median=float(np.median(similarities)),
    )


def find_blurs(
    personas: Sequence[Persona], vectors: KindVectors, threshold: float, *, named: bool
) -> list[Blur]:
    """Return a blur for each kind of text of `personas` that `threshold` says nothing about.

    One that somebody `named` for the occasion is taken at their word.
    """
    if named:
        return []
    found = (
        find_blur(kind, [getattr(each, kind) for each in personas], vectors[kind], threshold)
        for kind in KINDS
    )
    return [blur for blur in found if blur]


def words_alone(text: str) -> str:
    """Return what two copies word for word share: no case, punctuation or white space."""
    folded = visible(text).casefold()
    return "".join(mark for mark in folded if unicodedata.category(mark)[0] not in "PZ")


def replace_blurred(
    blurs: Iterable[Blur], personas: Sequence[Persona], vectors: KindVectors
) -> dict[Kind, Vectors]:
    """Return vectors that are alike for copies word for word alone, in each kind with a blur.

    All others point in directions of their own; the cosines of these spread by 0.05 around 0.
    """
    scattered = {
        blur.kind: np.stack([_direction(getattr(each, blur.kind)) for each in personas])
        for blur in blurs
    }
    return {**vectors, **scattered}


def _direction(text: str) -> Vectors:
    chance = np.random.default_rng(int(digest(words_alone(text)), 16))
    (direction,) = unit(chance.standard_normal((1, 384)))
    return np.asarray(direction)
