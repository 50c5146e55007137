"""The threshold, from labelled pairs instead of a guess.

`memory/pool/pairs.jsonl` holds pairs labelled by a person: paraphrases of one person (`same`), or
two people (`different`), including hard ones: the same trade in the same country, a personality and
its opposite. A threshold errs in two ways. It lets in a near-copy, which then counts twice in
everything that is measured; or it rejects somebody new, which costs one more candidate. The
threshold chosen is the lowest that rejects no more than `MAX_REFUSED` of the pairs labelled
`different`; the table shows what it then misses, for profiles and personalities separately.

Embeddings capture topics better than negation: "I want lists" and "I hate lists" look alike. So no
threshold for personalities is free of errors, and a low one would reject the very contrasts a pool
is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from aloe.errors import InputError
from aloe.files.records import read_records
from aloe.memory.axes import Kind
from aloe.memory.embedder import Embedder

PAIRS = Path(__file__).parent / "pairs.jsonl"

MAX_REFUSED = 0.05
"""Share of different people that the gate may take for the same."""


class LabelledPair(BaseModel):
    """Two descriptions and a person's word on whether they describe one and the same."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    label: Literal["same", "different"]
    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class ThresholdErrors:
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
            pairs.append(LabelledPair.model_validate(raw))
        except ValidationError:
            wanted = '{"kind", "label": "same" or "different", "first", "second"}'
            raise place.error(f"is not a labelled pair {wanted}") from None
    for kind in {pair.kind for pair in pairs}:
        if len({pair.label for pair in pairs if pair.kind == kind}) < 2:
            raise InputError(path, f"the {kind} pairs need both labels")
    if not pairs:
        raise InputError(path, "there are no pairs here")
    return pairs


def measure_similarities(
    pairs: Sequence[LabelledPair], embedder: Embedder
) -> npt.NDArray[np.float32]:
    """Return the cosine similarity of each pair."""
    first = embedder.embed([pair.first for pair in pairs])
    second = embedder.embed([pair.second for pair in pairs])
    found: npt.NDArray[np.float32] = np.einsum("ij,ij->i", first, second)
    return found


def count_errors(
    threshold: float, kind: Kind, pairs: Sequence[LabelledPair], similar: npt.NDArray[np.float32]
) -> ThresholdErrors:
    """Return what `threshold` does to the pairs of `kind`."""
    same, different = (
        [
            bool(value >= threshold)
            for pair, value in zip(pairs, similar, strict=True)
            if pair.kind == kind and pair.label == label
        ]
        for label in ("same", "different")
    )
    return ThresholdErrors(
        threshold=threshold,
        kind=kind,
        missed=same.count(False),
        same=len(same),
        refused=different.count(True),
        different=len(different),
    )


def calibrate(pairs: Sequence[LabelledPair], similar: npt.NDArray[np.float32]) -> float:
    """Return the lowest threshold, in steps of 0.01, that refuses few enough different people."""
    different = np.sort([s for p, s in zip(pairs, similar, strict=True) if p.label == "different"])
    for threshold in (round(0.01 * step, 2) for step in range(101)):
        if np.mean(different >= threshold) <= MAX_REFUSED:
            return threshold
    return 1.0
