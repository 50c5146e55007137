"""What can be said about a pool: size, coverage, contradictions, nearest pairs, saturation.

Everything is counted from the personas, their vectors and the growth log. The nearest pairs are
exact (all pairs compared), because an approximate answer would hide the very thing it should find.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aloe.memory.axes import KINDS, MIX, Kind, find_cells
from aloe.memory.embedder import Embedder, Vectors, made_by
from aloe.memory.imports import as_descriptions
from aloe.memory.pool.growth import Outcome
from aloe.memory.pool.pairing import find_conflicts
from aloe.memory.splitting import KindVectors, find_close_pairs
from aloe.memory.validation import find_reasons
from aloe.schema import Persona, digest

CURVE_POINTS = 10


@dataclass(frozen=True, kw_only=True)
class NearPair:
    """Two personas and how similar their descriptions of one kind are."""

    kind: Kind
    first: Persona
    second: Persona
    similarity: float


@dataclass(frozen=True, kw_only=True)
class CellCoverage:
    """How many personas fall into one cell of the axes."""

    axis: str
    value: str
    count: int
    share: float
    """Share of the personas that have this axis, in [0, 1]."""
    target: float
    """Share that growth aims at."""


@dataclass(frozen=True, kw_only=True)
class PoolReport:
    """What can be said about a pool."""

    figures: dict[str, Any]
    contradictory: int
    """Personas that contradict themselves."""
    coverage: list[CellCoverage]
    nearest: list[NearPair]
    saturation: list[tuple[int, float]]
    """Candidates so far and the accepted share of the stretch up to there."""


def measure_pool(
    personas: Sequence[Persona], vectors: KindVectors, outcomes: Sequence[Outcome], count: int
) -> PoolReport:
    """Return the report on a pool, with the `count` nearest pairs of each kind."""
    return PoolReport(
        figures=summarise(personas),
        contradictory=len(find_contradictory(personas)),
        coverage=measure_coverage(personas),
        nearest=find_nearest_pairs(personas, vectors, count),
        saturation=measure_saturation(outcomes),
    )


def gather_vectors(
    personas: Sequence[Persona], embedder: Embedder, stored: Mapping[Kind, Mapping[str, Vectors]]
) -> dict[Kind, Vectors]:
    """Return one row a persona, by kind, embedding only what is not in `stored` (by text id).

    Of a store whose vectors the embedder would make otherwise nothing is taken beside new ones.
    """
    found: dict[Kind, Vectors] = {}
    for kind in KINDS:
        texts = {digest(text): text for p in personas for text in [str(getattr(p, kind))]}
        known = dict(stored.get(kind, {}))
        missing = [each for each in texts if each not in known]
        probe = max(texts.keys() & known.keys(), key=lambda each: len(texts[each]), default=None)
        if missing and probe and not made_by(embedder, texts[probe], known[probe]):
            known, missing = {}, list(texts)
        if missing:
            made = embedder.embed([texts[each] for each in missing])
            known |= dict(zip(missing, made, strict=True))
        found[kind] = np.stack([known[digest(getattr(p, kind))] for p in personas])
    return found


def find_nearest_pairs(
    personas: Sequence[Persona], vectors: KindVectors, count: int
) -> list[NearPair]:
    """Return the `count` most similar pairs of each kind, most similar first; one text is no pair.

    Every row gives its nearest row, so a pair may be missing here only if both of its personas
    have someone nearer still.
    """
    found = []
    for kind in KINDS:
        best: dict[tuple[int, int], float] = {}
        rows = vectors[kind]
        texts = np.array([digest(getattr(p, kind)) for p in personas])
        for start in range(0, len(rows), 512):
            block = rows[start : start + 512] @ rows.T
            block[texts[start : start + 512, None] == texts[None, :]] = -1.0
            for i, j in enumerate(block.argmax(axis=1)):
                one, other = sorted((start + i, int(j)))
                best[one, other] = float(block[i, j])
        top = sorted(best.items(), key=lambda item: -item[1])[:count]
        found += [
            NearPair(kind=kind, first=personas[i], second=personas[j], similarity=s)
            for (i, j), s in top
            if s > -1.0
        ]
    return found


def find_duplicates(
    personas: Sequence[Persona], vectors: KindVectors, threshold: float
) -> list[NearPair]:
    """Return every pair of descriptions that reaches `threshold`: an exact all-pairs check.

    Descriptions that are equal are one, as a life or a temper may be given to several people; only
    somebody with both texts of another is a copy, and makes a pair of profiles with the first.

    Raises:
        ConfigError: the threshold is not in (0, 1].
    """
    found = _find_copies(personas)
    for kind in KINDS:
        first_with: dict[str, int] = {}
        for row, persona in enumerate(personas):
            first_with.setdefault(digest(getattr(persona, kind)), row)
        rows = list(first_with.values())
        texts = vectors[kind][rows]
        found += [
            NearPair(
                kind=kind,
                first=personas[rows[one]],
                second=personas[rows[other]],
                similarity=float(texts[one] @ texts[other]),
            )
            for one, other in find_close_pairs({kind: texts}, threshold)
        ]
    return found


def _find_copies(personas: Sequence[Persona]) -> list[NearPair]:
    """Return whoever has both texts of somebody before them, with the first who has them."""
    first_with: dict[tuple[str, str], Persona] = {}
    pairs = [(first_with.setdefault((p.profile, p.personality), p), p) for p in personas]
    return [
        NearPair(kind="profile", first=first, second=persona, similarity=1.0)
        for first, persona in pairs
        if first is not persona
    ]


def measure_coverage(personas: Sequence[Persona]) -> list[CellCoverage]:
    """Return how every cell of the target mix is filled."""
    counts = Counter(cell for persona in personas for cell in find_cells(persona.axes))
    rows = []
    for shares in MIX.values():
        for axis, values in shares.items():
            total = sum(counts[axis, value] for value in values)
            for value, target in values.items():
                here = counts[axis, value]
                share = here / total if total else 0.0
                rows.append(
                    CellCoverage(axis=axis, value=value, count=here, share=share, target=target)
                )
    return rows


def find_contradictory(personas: Sequence[Persona]) -> dict[str, tuple[str, ...]]:
    """Return what personas contradict themselves about, by persona id."""
    found = {p.id: find_conflicts(p.profile, p.personality) for p in personas}
    return {each: topics for each, topics in found.items() if topics}


def count_broken_rules(personas: Sequence[Persona]) -> Counter[str]:
    """Return how many descriptions break which rule of `aloe.memory.validation`."""
    found: Counter[str] = Counter()
    for persona in personas:
        texts = {kind: getattr(persona, kind) for kind in KINDS}
        for kind, description in as_descriptions(texts).items():
            found.update(f"{kind}: {reason}" for reason in find_reasons(description))
    return found


def measure_saturation(outcomes: Sequence[Outcome]) -> list[tuple[int, float]]:
    """Return (candidates so far, accepted share of the stretch up to there) in ten stretches."""
    step = max(1, -(-len(outcomes) // CURVE_POINTS))
    stretches = [outcomes[i : i + step] for i in range(0, len(outcomes), step)]
    return [
        (min((i + 1) * step, len(outcomes)), sum(not o.reasons for o in part) / len(part))
        for i, part in enumerate(stretches)
    ]


def count_origins(personas: Sequence[Persona]) -> dict[str, int]:
    """Return how many descriptions come from where, and with which model."""
    found: Counter[str] = Counter()
    for persona in personas:
        for kind in KINDS:
            origin = persona.lineage.get(kind)
            name = origin.origin if origin else "unknown"
            by = f" by {origin.model}" if origin and origin.model else ""
            found[name + by] += 1
    return dict(found)


def summarise(personas: Sequence[Persona]) -> dict[str, Any]:
    """Return the plain figures of a pool."""
    facts = [len(p.facts) for p in personas]
    words = [len(p.text.split()) for p in personas]
    return {
        "personas": len(personas),
        "profiles": len({p.profile for p in personas}),
        "personalities": len({p.personality for p in personas}),
        "facts": sum(facts),
        "distinct_facts": len({f.id for p in personas for f in p.facts}),
        "facts_mean": round(float(np.mean(facts)), 2),
        "words_mean": round(float(np.mean(words)), 1),
        "verifiable": sum(bool(p.preferences) for p in personas),
        "origins": count_origins(personas),
    }
