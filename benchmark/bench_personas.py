"""What the persona pool costs: `make bench-personas`.

Three questions, measured in one process, one after the other, and written as a Markdown table:

  gate      what a candidate costs beside its embedding, at 1,000 to 100,000 personas: neighbours
            from Chroma, the exact scan, the decision, and keeping the accepted. Vectors are real
            ones of the shipped pool, and above its size mixtures of three of them with noise.
            The sizes take turns, so that a busy machine touches them alike.
  original  the algorithm of the paper's code on the same embedder: for every candidate, embed the
            whole pool again and compare one by one. One candidate is measured at each size.
  growth    growing a pool with the scripted writer: how much of the time goes into embedding.

The embedder is the default one; its vectors, not its speed, are replaced in the gate's part.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aloe.config import ModelConfig, PersonasConfig
from aloe.schema import digest
from memory.axes import KINDS
from memory.embedder import MiniLmEmbedder, Vectors, unit
from memory.personas import SHIPPED, read_personas
from memory.pool import PersonaPool, open_pool

BATCH = 64
ROUNDS = 12
NOISE = 0.25
"""Length of the noise in a mixture, relative to the mixture."""


class Timed:
    """The default embedder with a clock."""

    def __init__(self) -> None:
        self.seconds, self.texts = 0.0, 0
        self._embedder = MiniLmEmbedder()
        self.name = self._embedder.name

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors, and count what they cost."""
        clock = time.perf_counter()
        found = self._embedder.embed(texts)
        self.seconds += time.perf_counter() - clock
        self.texts += len(texts)
        return found


class Prepared:
    """Gives vectors made beforehand; a text is its number."""

    name = "prepared"

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors with these numbers."""
        rows = [int(text) if text.isdigit() else 0 for text in texts]
        return self._vectors[rows]


def mixtures(real: Vectors, count: int) -> Vectors:
    """Return `count` unit vectors: the real ones, then mixtures of three of them with noise."""
    rng = np.random.default_rng(0)
    more = max(0, count - len(real))
    weights = rng.dirichlet([1, 1, 1], size=more)
    picked = real[rng.integers(len(real), size=(more, 3))]
    mixed = unit(np.einsum("ij,ijk->ik", weights, picked))
    mixed += NOISE * unit(rng.normal(size=mixed.shape))
    return np.concatenate([real[:count], unit(mixed)])


def filled(pool: PersonaPool, size: int) -> None:
    """Put the first `size` vectors into the store of profiles."""
    for start in range(0, size, 2000):
        numbers = range(start, min(start + 2000, size))
        rows = pool.embedder.embed([str(n) for n in numbers])
        pool.indexes["profile"].add(
            {digest(str(n)): row for n, row in zip(numbers, rows, strict=True)}
        )


def one_round(pool: PersonaPool, numbers: Sequence[int]) -> tuple[float, float]:
    """Return the seconds to decide a candidate, and to keep an accepted one."""
    texts = [str(number) for number in numbers]
    clock = time.perf_counter()
    fates = pool.gate("profile", texts)
    decided = time.perf_counter()
    kept = [digest(text) for text, fate in zip(texts, fates, strict=True) if fate.accepted]
    held = pool._held["profile"]
    pool.indexes["profile"].add({each: held.pop(each) for each in kept})
    stored = time.perf_counter()
    return (decided - clock) / len(texts), (stored - decided) / max(len(kept), 1)


def measure_gate(sizes: Sequence[int], real: Vectors, folder: Path) -> list[dict[str, Any]]:
    """Return the gate's cost at each size; the pools are open together and take turns."""
    from contextlib import ExitStack

    top = max(sizes)
    vectors = mixtures(real, top + BATCH * (ROUNDS + 2))
    embedder = Prepared(vectors)
    times: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    rows = []
    with ExitStack() as stack:
        pools = {}
        for size in sorted(sizes):
            path = folder / f"{size}.jsonl"
            pools[size] = stack.enter_context(open_pool(path, PersonasConfig(), embedder))
            filled(pools[size], size)
        for turn in range(ROUNDS + 2):
            first = top + turn * BATCH
            for size, pool in pools.items():
                seconds = one_round(pool, range(first, first + BATCH))
                if turn >= 2:
                    times[size].append(seconds)
        for size in sizes:
            decide, store = (
                [1000 * each for each in parts] for parts in zip(*times[size], strict=True)
            )
            both = [one + other for one, other in zip(decide, store, strict=True)]
            rows.append(
                {
                    "personas": size,
                    "decide_ms": round(statistics.median(decide), 3),
                    "store_ms": round(statistics.median(store), 3),
                    "gate_ms": round(statistics.median(both), 3),
                    "low_ms": round(min(both), 3),
                    "high_ms": round(max(both), 3),
                }
            )
    return rows


def measure_memory(size: int, real: Vectors, folder: Path) -> dict[str, Any]:
    """Return the memory of a process that holds a pool of `size` personas, opened from disk.

    A child measures it, so that nothing of this process counts.
    """
    import subprocess
    import sys

    path = folder / "memory.jsonl"
    personas = read_personas(SHIPPED)
    texts = ("profile", "personality")
    with path.open("w", encoding="utf-8") as file:
        for number in range(size):
            raw = json.loads(personas[number % len(personas)].model_dump_json(exclude_none=True))
            for kind in texts:
                raw[kind] += f" I am number {number}."
            raw.pop("id"), raw.pop("facts")
            file.write(json.dumps(raw, ensure_ascii=False) + "\n")
    np.save(folder / "vectors.npy", mixtures(real, size))
    code = "from benchmark.bench_personas import hold; import sys; hold(*sys.argv[1:])"
    out = subprocess.run(
        [sys.executable, "-c", code, str(path), str(folder / "vectors.npy"), str(size)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    return found


def hold(path: str, vectors: str, size: str) -> None:
    """Build the store of a pool of `size`, then open it again in a child and report its memory."""
    config = PersonasConfig()

    class Numbered:
        name = "prepared"

        def embed(self, texts: Sequence[str]) -> Vectors:
            given = np.load(vectors, mmap_mode="r")
            numbers = [int(t.rstrip(".").rpartition(" ")[2]) if len(t) > 1 else 0 for t in texts]
            return np.asarray(given[numbers], dtype=np.float32)

    child = os.fork()
    if child == 0:
        with open_pool(Path(path), config, Numbered()):
            pass
        os._exit(0)
    os.waitpid(child, 0)
    clock = time.perf_counter()
    with open_pool(Path(path), config, Numbered()) as pool:
        opened = time.perf_counter() - clock
        for kind in KINDS:
            pool.gate(kind, [f"I am number {n}." for n in range(BATCH)])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            json.dumps({"personas": int(size), "peak_mib": round(peak), "open_s": round(opened, 1)})
        )


def measure_original(sizes: Sequence[int], texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return what one candidate costs the paper's algorithm, and what it costs ours."""
    embedder = MiniLmEmbedder()
    embedder.embed(["."])
    candidate = texts[-1]
    rows = []
    for size in sizes:
        clock = time.perf_counter()
        for text in texts[:size]:
            one, other = embedder.embed([candidate]), embedder.embed([text])
            float((one @ other.T)[0, 0])
        theirs = time.perf_counter() - clock
        clock = time.perf_counter()
        for _ in range(20):
            embedder.embed([candidate])
        rows.append(
            {
                "personas": size,
                "original_s": round(theirs, 2),
                "embedding_ms": round(1000 * (time.perf_counter() - clock) / 20, 2),
            }
        )
    return rows


def measure_growth(target: int, folder: Path) -> dict[str, Any]:
    """Grow a pool with the scripted writer and return where the time went."""
    from agents.writer import PersonaWriter
    from aloe.calls import CallLog
    from aloe.loop import runner
    from aloe.models import open_model
    from graphs.pool import PoolContext, Progress, grow_pool
    from memory.descriptions import read_seeds
    from memory.growth import GrowthLog

    embedder = Timed()
    embedder.embed(["."])
    config = PersonasConfig(target=target, batch=BATCH)
    seeds = read_seeds(None)
    texts = {kind: [seed.text for seed in given] for kind, given in seeds.items()}
    path = folder / "growth.jsonl"
    with (
        open_pool(path, config, embedder, seeds=texts) as pool,
        pool.files.events.open("w", encoding="utf-8") as events,
    ):
        model = open_model(ModelConfig(model="scripted:agents.scripted_writer:reply"))
        log = GrowthLog(pool.files.growth, config.window)
        context = PoolContext(
            pool=pool,
            writer=PersonaWriter(model=model, calls=CallLog(events)),
            seeds=seeds,
            log=log,
            config=config,
            seed=0,
            progress=Progress(target=target, found=0, size=0),
        )
        embedder.seconds = 0.0
        clock = time.perf_counter()
        with runner() as loop:
            ended = loop.run(grow_pool(context))
        seconds = time.perf_counter() - clock
        return {
            "personas": len(pool),
            "ended": ended,
            "candidates": log.judged,
            "accepted": log.accepted,
            "seconds": round(seconds, 1),
            "embedding_share": round(embedder.seconds / seconds, 3),
            "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


def markdown(found: dict[str, Any]) -> str:
    """Return the figures as a page."""
    gate = {row["personas"]: row for row in found["gate"]}
    least, most = min(gate), max(gate)
    ratio = gate[most]["gate_ms"] / gate[least]["gate_ms"]
    lines = [
        "# Persona pool: what it costs",
        "",
        f"`make bench-personas`, {found['machine']}. One run, parts one after the other; the sizes",
        f"of the gate take turns. Batches of {BATCH}, medians of {ROUNDS}.",
        "",
        "## The gate, beside the embedding",
        "",
        "| personas | decide, ms | keep, ms | both, ms (lowest to highest) |",
        "|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {n:,} | {r['decide_ms']:.2f} | {r['store_ms']:.2f} "
        f"| {r['gate_ms']:.2f} ({r['low_ms']:.2f} to {r['high_ms']:.2f}) |"
        for n, r in sorted(gate.items())
    ]
    lines += ["", f"{most:,} against {least:,}: **{ratio:.2f} times** (aim: at most 1.5).", ""]
    lines += ["## Against the original algorithm, same embedder", ""]
    lines += ["| personas | original, s a candidate | ours, ms a candidate | times |"]
    lines += ["|---:|---:|---:|---:|"]
    for row in found["original"]:
        near = min(gate, key=lambda size: abs(size - row["personas"]))
        ours = row["embedding_ms"] + gate[near]["gate_ms"]
        times = 1000 * row["original_s"] / ours
        lines.append(
            f"| {row['personas']:,} | {row['original_s']:.2f} | {ours:.1f} | {times:,.0f} |"
        )
    growth, memory = found["growth"], found["memory"]
    lines += [
        "",
        f"Ours is one embedding ({found['original'][-1]['embedding_ms']:.1f} ms) and the gate at "
        "the nearest size above.",
        "",
        "## Growing with the scripted writer",
        "",
        f"{growth['personas']:,} personas from {growth['candidates']:,} candidates in "
        f"{growth['seconds']:.0f} s; embedding took **{growth['embedding_share']:.0%}** of it "
        f"(aim: over 80 %).",
        "",
        "## Memory",
        "",
        f"Opening a pool of {memory['personas']:,} personas from disk and gating a batch peaks at "
        f"**{memory['peak_mib']:,} MiB** (aim: under 1,024); opening takes {memory['open_s']} s.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--original", type=int, nargs="+", default=[100, 1000, 3310])
    parser.add_argument("--growth", type=int, default=3310)
    parser.add_argument("--out", type=Path, default=Path("docs/performance/personas.md"))
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-personas-"))
    try:
        texts = [persona.profile for persona in read_personas(SHIPPED)]
        found: dict[str, Any] = {
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
            f"{platform.python_version()}"
        }
        found["growth"] = _said("growth", measure_growth(given.growth, folder))
        real = MiniLmEmbedder().embed(texts)
        found["gate"] = _said("gate", measure_gate(given.sizes, real, folder))
        found["original"] = _said("original", measure_original(given.original, texts))
        found["memory"] = _said("memory", measure_memory(max(given.sizes), real, folder))
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(markdown(found), encoding="utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _said(name: str, found: Any) -> Any:
    print(name, json.dumps(found), flush=True)
    return found


if __name__ == "__main__":
    main()
