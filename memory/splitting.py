"""Train, validation and test personas that do not leak into each other.

Splitting rows at random puts two near-copies on both sides. Here personas that are closer than the
threshold, in profile or personality, form a cluster (directly or through others), and a cluster
goes to one side as a whole. Then every test and validation persona is compared directly with every
training persona, and any that is too close is rejected; this also covers training personas from
elsewhere.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from aloe.clusters import find_clusters
from aloe.errors import ConfigError
from aloe.files.writing import replace_text
from aloe.memory.axes import KINDS, Kind
from aloe.memory.embedder import Vectors
from aloe.memory.personas import as_lines
from aloe.schema import Persona

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)

KindVectors = Mapping[Kind, Vectors]
"""One row a persona, by kind."""

BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Split:
    """Who is where, as positions in the list of personas."""

    rows: dict[Part, list[int]]
    clusters: int
    largest: int
    """Personas in the largest cluster."""
    refused: dict[int, float]
    """Similarity to the nearest training persona, by the row of a persona taken out."""


def check_threshold(threshold: float) -> None:
    """Make sure that a similarity can separate personas who are close from others.

    Raises:
        ConfigError: it is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"threshold {threshold}: give a similarity above 0 and up to 1")


def find_close_pairs(vectors: KindVectors, threshold: float) -> list[tuple[int, int]]:
    """Return the pairs of rows that are close in at least one kind; compares all with all.

    Args:
        vectors: what to compare.
        threshold: cosine similarity in (0, 1] from which two rows count as close.

    Raises:
        ConfigError: the threshold is none.
    """
    check_threshold(threshold)
    count = len(next(iter(vectors.values())))
    found = []
    for start in range(0, count, BLOCK):
        near = np.zeros((min(BLOCK, count - start), count - start), dtype=bool)
        for rows in vectors.values():
            near |= rows[start : start + BLOCK] @ rows[start:].T >= threshold
        for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True):
            found.append((start + int(i), start + int(j)))
    return found


def find_nearest_similarity(vectors: KindVectors, others: KindVectors) -> Vectors:
    """Return for each row its greatest similarity, in any kind, to a row of `others`."""
    count = len(next(iter(vectors.values())))
    best = np.full(count, -1.0, dtype=np.float32)
    if not len(next(iter(others.values()))):
        return best
    for kind in KINDS:
        for start in range(0, count, BLOCK):
            block = vectors[kind][start : start + BLOCK] @ others[kind].T
            part = slice(start, start + BLOCK)
            best[part] = np.maximum(best[part], block.max(axis=1))
    return best


def split(
    personas: Sequence[Persona],
    vectors: KindVectors,
    shares: Mapping[Part, float],
    threshold: float,
    seed: int,
    *,
    against: KindVectors | None = None,
) -> Split:
    """Split personas by cluster and refuse what is too close to training.

    Large clusters are placed first and each goes where most is missing, so the shares are met as
    closely as the clusters allow.

    Args:
        personas: what to split.
        vectors: their vectors.
        shares: wanted share of each part; they are scaled to add up to one.
        threshold: cosine similarity in (0, 1] from which two personas count as close.
        seed: order in which clusters of the same size are placed.
        against: vectors of further training personas, which are not part of the split.

    Raises:
        ConfigError: the threshold is none.
    """
    groups = find_clusters(len(personas), find_close_pairs(vectors, threshold))
    random.Random(seed).shuffle(groups)
    groups.sort(key=len, reverse=True)
    rows: dict[Part, list[int]] = {part: [] for part in PARTS}
    total = sum(shares.values())
    for group in groups:
        wanted = {p: shares[p] / total * len(personas) - len(rows[p]) for p in PARTS}
        rows[max(PARTS, key=lambda part: wanted[part])].extend(group)
    refused = _too_close(rows, vectors, threshold, against)
    kept = {part: sorted(set(rows[part]) - refused.keys()) for part in PARTS}
    return Split(
        rows=kept, clusters=len(groups), largest=len(groups[0]) if groups else 0, refused=refused
    )


def _too_close(
    rows: Mapping[Part, list[int]],
    vectors: KindVectors,
    threshold: float,
    against: KindVectors | None,
) -> dict[int, float]:
    held_out = rows["validation"] + rows["test"]
    mine = {kind: vectors[kind][held_out] for kind in KINDS}
    train = {
        kind: np.concatenate([vectors[kind][rows["train"]], *([against[kind]] if against else [])])
        for kind in KINDS
    }
    near = find_nearest_similarity(mine, train)
    return {r: float(s) for r, s in zip(held_out, near, strict=True) if s >= threshold}


def check_filled(done: Split, shares: Mapping[Part, float], threshold: float) -> None:
    """Make sure that every part that was asked for holds somebody.

    Raises:
        ConfigError: one is empty.
    """
    if empty := [part for part, rows in done.rows.items() if shares[part] and not rows]:
        count = sum(map(len, done.rows.values())) + len(done.refused)
        raise ConfigError(
            f"no persona is left for {' and '.join(empty)}: at similarity {threshold} the largest "
            f"cluster holds {done.largest} of {count} and {len(done.refused)} are too "
            "close to training; raise --threshold"
        )


def write_parts(folder: Path, personas: Sequence[Persona], done: Split) -> None:
    """Write train.jsonl, validation.jsonl and test.jsonl into `folder`.

    Raises:
        StoreError: they cannot be written.
    """
    for part, rows in done.rows.items():
        replace_text(folder / f"{part}.jsonl", as_lines(personas[row] for row in rows))
