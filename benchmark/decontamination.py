"""Whether the benchmark's users are absent from the shipped pool.

A model trained on the pool must not have met the users it is tested on. So every profile and
personality of the suites is compared with all of the pool and the seeds, using the embedder and
threshold of the pool's own gate. That takes 6,900 vectors, about a minute, too long for every test
run; so the findings are stored beside the suites with the hashes of both sides, and the tests check
the hashes and the closest pairs. After changing either side, run

    python -m aloe.benchmark.decontamination

Wishes of verifiable users are excluded: they are deliberately drawn from the same seventeen
dimensions, and what is held out is the combination (`benchmark/suites/DATASHEET.md`).
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from aloe.benchmark.cases import SUITES, SUITES_FOLDER, load_cases
from aloe.config import Config
from aloe.memory.axes import KINDS, Kind
from aloe.memory.descriptions import SEED_FILES, SEEDS, read_seeds
from aloe.memory.embedder import Embedder, MiniLmEmbedder
from aloe.memory.personas import SHIPPED, read_personas
from aloe.schema import Persona, Record

FOUND = SUITES_FOLDER / "decontamination.json"


class NearestText(Record):
    """A text of the suites and the nearest one of the pool."""

    held_out: str
    nearest: str
    similarity: float
    """Cosine in [-1, 1], rounded to three decimals."""


class Decontamination(Record):
    """What a full comparison found, and of what."""

    embedder: str
    threshold: float
    """Cosine from which two texts count as near-duplicates: the gate's."""
    known: str
    """SHA-256 of the pool and the seeds."""
    held_out: str
    """SHA-256 of the suites' lives and personalities."""
    neighbours: dict[Kind, tuple[NearestText, ...]]
    """By kind, closest first."""


def sha256(*paths: Path) -> str:
    """Return the hash of the contents of `paths`, in that order."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()


def known_hash() -> str:
    """Return the hash of the shipped pool and seeds."""
    return sha256(SHIPPED, *(SEEDS / name for name in SEED_FILES.values()))


def held_out_hash() -> str:
    """Return the hash of the suites' lives and personalities."""
    return sha256(*(SUITES_FOLDER / name for name in SEED_FILES.values()))


def held_out() -> dict[Kind, list[str]]:
    """Return all lives and all free-text personalities of the shipped suites."""
    personas = [persona for name in SUITES for persona in _personas(name)]
    return {
        "profile": _distinct(persona.profile for persona in personas),
        "personality": _distinct(p.personality for p in personas if not p.preferences),
    }


def known() -> dict[Kind, list[str]]:
    """Return all lives and personalities of the shipped pool and seeds."""
    pool, seeds = read_personas(SHIPPED), read_seeds(None)
    return {
        kind: _distinct(
            [*(getattr(persona, kind) for persona in pool), *(seed.text for seed in seeds[kind])]
        )
        for kind in KINDS
    }


def neighbours(held_out: list[str], known: list[str], embedder: Embedder) -> list[NearestText]:
    """Return for each held-out text the nearest known one, closest first."""
    similarity = embedder.embed(held_out) @ embedder.embed(known).T
    found = [
        NearestText(
            held_out=text, nearest=known[row.argmax()], similarity=round(float(row.max()), 3)
        )
        for text, row in zip(held_out, similarity, strict=True)
    ]
    return sorted(found, key=lambda each: -each.similarity)


def _personas(suite: str) -> list[Persona]:
    cases = load_cases(suite)
    return [
        persona
        for case in cases
        for persona in (case.persona, *([case.flip.persona] if case.flip else []))
    ]


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def main() -> None:
    """Compare all with all, say what is closest, and write it down."""
    embedder, mine, theirs = MiniLmEmbedder(), held_out(), known()
    found = Decontamination(
        embedder=embedder.name,
        threshold=Config().personas.threshold,
        known=known_hash(),
        held_out=held_out_hash(),
        neighbours={kind: tuple(neighbours(mine[kind], theirs[kind], embedder)) for kind in KINDS},
    )
    FOUND.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for kind, rows in found.neighbours.items():
        print(f"{kind}: {len(rows)} texts against {len(theirs[kind])}, threshold {found.threshold}")
        for each in rows[:3]:
            print(f"  {each.similarity:.3f}  {each.held_out[:60]} | {each.nearest[:60]}")


if __name__ == "__main__":
    main()
