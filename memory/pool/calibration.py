"""The threshold, from labelled pairs instead of a guess.

`memory/pool/pairs.jsonl` holds pairs that a person labelled: one person told twice in other words
(`same`), or two people (`different`), among them hard ones: the same trade in the same country, a
temper and its opposite. A threshold errs in two ways. It lets a near-copy in, which then counts
twice in everything that is measured; or it refuses somebody new, which costs one more candidate.
The threshold chosen is the lowest that refuses no more than `MAX_REFUSED` of the pairs labelled
`different`; what it misses is then what it is, and the table says so, for profiles and
personalities apart.

Embeddings see topics better than negations: "I want lists" and "I hate lists" look alike. So for
personalities no threshold is without error, and a low one would refuse just the contrasts that a
pool is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aloe.errors import InputError
from aloe.files.records import read_records
from aloe.memory.axes import KINDS, Kind
from aloe.memory.embedder import Embedder

PAIRS = Path(__file__).parent / "pairs.jsonl"

MAX_REFUSED = 0.05
"""Share of different people that the gate may take for the same."""


@dataclass(frozen=True, kw_only=True)
class LabelledPair:
    """Two descriptions and a person's word on whether they describe one and the same."""

    kind: Kind
    same: bool
    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class Errors:
    """What a threshold does to the labelled pairs of one kind."""

    threshold: float
    kind: Kind
    missed: int
    """Pairs labelled `same` under the threshold: near-copies that would be let in."""
    same: int
    refused: int
    """Pairs labelled `different` that reach it: new descriptions that would be refused."""
    different: int


def read_pairs(path: Path = PAIRS) -> list[LabelledPair]:
    """Return labelled pairs: lines of `kind`, `label` (same, different), `first`, `second`.

    Raises:
        InputError: a line is broken (with its number), or a kind lacks one of the labels.
    """
    pairs = []
    for place, raw in read_records(path):
        try:
            same = {"same": True, "different": False}[raw["label"]]
            kind = KINDS[KINDS.index(raw["kind"])]
            pairs.append(
                LabelledPair(kind=kind, same=same, first=raw["first"], second=raw["second"])
            )
        except (ValueError, KeyError, TypeError):
            wanted = '{"kind", "label": "same" or "different", "first", "second"}'
            raise place.error(f"is not a labelled pair {wanted}") from None
    for kind in {pair.kind for pair in pairs}:
        if len({pair.same for pair in pairs if pair.kind == kind}) < 2:
            raise InputError(path, f"the {kind} pairs need both labels")
    if not pairs:
        raise InputError(path, "there are no pairs here")
    return pairs


def similarities(pairs: Sequence[LabelledPair], embedder: Embedder) -> npt.NDArray[np.float32]:
    """Return the cosine similarity of each pair."""
    first = embedder.embed([pair.first for pair in pairs])
    second = embedder.embed([pair.second for pair in pairs])
    found: npt.NDArray[np.float32] = np.einsum("ij,ij->i", first, second)
    return found


def errors_at(
    threshold: float, kind: Kind, pairs: Sequence[LabelledPair], similar: npt.NDArray[np.float32]
) -> Errors:
    """Return what `threshold` does to the pairs of `kind`."""
    reached = {
        label: [
            bool(value >= threshold)
            for pair, value in zip(pairs, similar, strict=True)
            if pair.kind == kind and pair.same is label
        ]
        for label in (True, False)
    }
    return Errors(
        threshold=threshold,
        kind=kind,
        missed=reached[True].count(False),
        same=len(reached[True]),
        refused=reached[False].count(True),
        different=len(reached[False]),
    )


def calibrated(pairs: Sequence[LabelledPair], similar: npt.NDArray[np.float32]) -> float:
    """Return the lowest threshold, in steps of 0.01, that refuses few enough different people."""
    different = np.sort([s for p, s in zip(pairs, similar, strict=True) if not p.same])
    for threshold in (round(0.01 * step, 2) for step in range(101)):
        if np.mean(different >= threshold) <= MAX_REFUSED:
            return threshold
    return 1.0
