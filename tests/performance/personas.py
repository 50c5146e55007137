"""What the persona pool costs: `make bench-personas`.

Four questions, measured in one run, one after the other, and written as a page when all are done:

  gate      what a candidate costs beside its embedding, at 1,000 to 100,000 personas: neighbours
            from Chroma, the exact scan, the decision, and keeping the accepted. Candidates are
            real and new, so each of them takes the exact scan too; the pool's vectors are real and
            above their number drawn so that they resemble these. The sizes take turns, so that a
            busy machine touches them alike.
  memory    what a process that opens the largest of these pools takes at most.
  original  the algorithm of the paper's code on the same embedder: for every candidate, embed the
            whole pool again and compare one by one. One candidate is measured at each size.
  growth    growing a pool with the scripted writer: how much of the time goes into embedding.

The embedder is the default one; its vectors, not its speed, are replaced in the gate's part.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from aloe.config import ModelConfig, PersonasConfig
from aloe.files.writing import replace_bytes
from aloe.memory.axes import KINDS
from aloe.memory.embedder import MiniLmEmbedder, Vectors, unit
from aloe.memory.personas import SHIPPED, as_line, read_personas
from aloe.memory.pool.gate import PersonaPool
from aloe.memory.pool.open import open_pool
from aloe.schema import Persona, digest

BATCH = 64
WARM = 4
"""Rounds of the gate that are not counted."""
ROUNDS = 30
_NUMBER = re.compile(r"number (\d+)\.$")
KINSHIP = 0.5
"""What a drawn vector takes from a real one, of its deviation from the mean."""


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


class Numbered:
    """Gives vectors made beforehand: a text ends in the number of its row."""

    name = "numbered"

    def __init__(self, path: Path) -> None:
        self._path = path

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors with these numbers; a text without one gets the first."""
        numbers = [int(found[1]) if (found := _NUMBER.search(text)) else 0 for text in texts]
        found = np.load(self._path, mmap_mode="r")[numbers]
        return np.asarray(found, dtype=np.float32)


def resembling(real: Vectors, count: int) -> Vectors:
    """Return `count` unit vectors: the real ones, then drawn ones.

    A drawn vector has the mean and the covariance of the real ones, and part of its deviation from
    the mean is that of one of them. So similarities are spread as in a pool of real texts, and
    nearly no pair is above the threshold, as in a pool that has passed the gate.
    """
    rng = np.random.default_rng(0)
    more = max(0, count - len(real))
    mean = real.mean(axis=0)
    lengths, axes = np.linalg.eigh(np.cov(real.T))
    spread = axes * np.sqrt(np.maximum(lengths, 0.0))
    kin = real[rng.integers(len(real), size=more)] - mean
    own = (rng.normal(size=kin.shape) @ spread.T).astype(np.float32)
    drawn = mean + KINSHIP * kin + (1 - KINSHIP**2) ** 0.5 * own
    return np.concatenate([real[:count], unit(drawn)])


def numbered(number: int) -> str:
    """Return a text that `Numbered` gives the vector `number`."""
    return f"I am number {number}."


def write_pool(path: Path, size: int) -> None:
    """Write `size` personas: those of the shipped pool over and over, each with its number."""
    personas = read_personas(SHIPPED)
    with path.open("w", encoding="utf-8") as file:
        for number in range(size):
            given = personas[number % len(personas)]
            texts = [f"{text} {numbered(number)}" for text in (given.profile, given.personality)]
            file.write(as_line(Persona.of(*texts, axes=given.axes, lineage=given.lineage)))


def fill(path: str, vectors: str) -> None:
    """Open a pool whose store is empty, which fills it."""
    with open_pool(Path(path), PersonasConfig(), Numbered(Path(vectors))):
        pass


def hold(path: str, vectors: str) -> None:
    """Open a pool, gate a batch of each kind and print what that took of memory and time.

    The peak is VmHWM: what getrusage gives a child begins with its parent's.
    """
    clock = time.perf_counter()
    with open_pool(Path(path), PersonasConfig(), Numbered(Path(vectors))) as pool:
        opened = time.perf_counter() - clock
        for kind in KINDS:
            pool.gate(kind, [numbered(n) for n in range(BATCH)])
        status = Path("/proc/self/status").read_text()
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        found = {"personas": len(pool), "peak_mib": int(peak) // 1024, "open_s": round(opened, 1)}
        print(json.dumps(found))


def in_child(function: str, *arguments: Path) -> str:
    """Call a function of this module in a process of its own; return what it prints."""
    code = f"import sys; from {__spec__.name} import {function} as f; f(*sys.argv[1:])"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def one_round(pool: PersonaPool, numbers: Sequence[int]) -> tuple[float, float]:
    """Return the milliseconds to decide a candidate, and to keep an accepted one."""
    texts = [numbered(number) for number in numbers]
    clock = time.perf_counter()
    fates = pool.gate("profile", texts)
    decided = time.perf_counter()
    kept = [digest(text) for text, fate in zip(texts, fates, strict=True) if fate.accepted]
    held = pool._held["profile"]
    pool.indexes["profile"].add({each: held.pop(each) for each in kept})
    stored = time.perf_counter()
    return 1000 * (decided - clock) / len(texts), 1000 * (stored - decided) / max(len(kept), 1)


def measure_gate(sizes: Sequence[int], vectors: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the gate's cost at each size; the pools are open together and take turns."""
    times: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        pools = {
            size: stack.enter_context(
                open_pool(folder / f"{size}.jsonl", PersonasConfig(), Numbered(vectors))
            )
            for size in sizes
        }
        for turn in range(WARM + ROUNDS):
            first = max(sizes) + turn * BATCH
            for size, pool in pools.items():
                milliseconds = one_round(pool, range(first, first + BATCH))
                if turn >= WARM:
                    times[size].append(milliseconds)
    rows = []
    for size, spent in times.items():
        decide, store = zip(*spent, strict=True)
        both = [one + other for one, other in spent]
        low, _, high = statistics.quantiles(both, n=4)
        figures = {
            "decide_ms": statistics.median(decide),
            "store_ms": statistics.median(store),
            "gate_ms": statistics.median(both),
            "low_ms": low,
            "high_ms": high,
        }
        rows.append({"personas": size, **{k: round(v, 3) for k, v in figures.items()}})
    return rows


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
    from aloe.agents.writer import PersonaWriter
    from aloe.calls.log import CallLog
    from aloe.graphs.pool import GrowthProgress, PoolContext, grow_pool
    from aloe.loop import make_runner
    from aloe.memory.descriptions import read_seeds
    from aloe.memory.pool.growth import GrowthLog
    from aloe.models.open import open_model

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
        model = open_model(ModelConfig(model="scripted:aloe.agents.scripted_writer:reply"))
        log = GrowthLog(pool.files.growth, config.window)
        context = PoolContext(
            pool=pool,
            writer=PersonaWriter(model=model, calls=CallLog(events)),
            seeds=seeds,
            log=log,
            config=config,
            seed=0,
            progress=GrowthProgress(target=target, found=0, size=0),
        )
        embedder.seconds = 0.0
        clock = time.perf_counter()
        with make_runner() as loop:
            ended = loop.run(grow_pool(context))
        seconds = time.perf_counter() - clock
        return {
            "personas": len(pool),
            "ended": ended,
            "candidates": log.judged,
            "accepted": log.accepted,
            "seconds": round(seconds, 1),
            "embedding_share": round(embedder.seconds / seconds, 3),
        }


def markdown(found: dict[str, Any]) -> str:
    """Return the figures as a page."""
    gate = {row["personas"]: row for row in found["gate"]}
    least, most = gate[min(gate)], gate[max(gate)]
    lines = [
        "# What the persona pool costs",
        "",
        f"Written by `make bench-personas` on {found['machine']}. One run, one section after the",
        "other; the gate's pool sizes alternate.",
        "",
        "## The gate, without the embedding",
        "",
        "Neighbours from Chroma, the exact scan, the decision, and storing what is accepted.",
        f"Medians of {ROUNDS} batches of {BATCH}. Candidates are profiles from the shipped pool,",
        "the same at every size and nearly all new. The pool consists of the other profiles and,",
        "beyond their number, vectors drawn with their mean and covariance, each partly similar to",
        "one of them.",
        "",
        "| personas | decide, ms | keep, ms | both, ms (quartiles) |",
        "|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {n:,} | {r['decide_ms']:.2f} | {r['store_ms']:.2f} "
        f"| {r['gate_ms']:.2f} ({r['low_ms']:.2f} to {r['high_ms']:.2f}) |"
        for n, r in sorted(gate.items())
    ]
    lines += [
        "",
        f"{max(gate):,} against {min(gate):,}: **{most['gate_ms'] / least['gate_ms']:.2f} times** "
        f"(goal: at most 1.5); the decision alone "
        f"{most['decide_ms'] / least['decide_ms']:.2f} times.",
        "",
        "## Compared with the original algorithm, same embedder",
        "",
        "The paper's code embeds the whole pool and the candidate again for every comparison. One",
        "candidate was measured at each size; ours needs one embedding "
        f"({found['original'][-1]['embedding_ms']:.1f} ms) plus the gate at the",
        "nearest size above.",
        "",
        "| personas | original, s/candidate | ours, ms/candidate | times |",
        "|---:|---:|---:|---:|",
    ]
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
        "## Growth with the scripted writer",
        "",
        f"{growth['personas']:,} personas from {growth['candidates']:,} candidates in "
        f"{growth['seconds']:.0f} s; embedding took",
        f"**{growth['embedding_share']:.0%}** of it (goal: over 80 %).",
        "",
        "## Memory",
        "",
        f"A process that opens a pool of {memory['personas']:,} personas from disk and gates one",
        f"batch of each kind peaks at **{memory['peak_mib']:,} MiB** (goal: under 1,024). Opening",
        f"takes {memory['open_s']} s.",
        "",
        "## The threshold",
        "",
        "0.71; [personas](../personas.md#the-threshold-is-calibrated) gives both error rates.",
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
        vectors = folder / "vectors.npy"
        real = MiniLmEmbedder().embed(texts)
        pool, candidates = np.split(real, [-(WARM + ROUNDS) * BATCH])
        np.save(vectors, np.concatenate([resembling(pool, max(given.sizes)), candidates]))
        for size in given.sizes:
            write_pool(folder / f"{size}.jsonl", size)
            in_child("fill", folder / f"{size}.jsonl", vectors)
        largest = in_child("hold", folder / f"{max(given.sizes)}.jsonl", vectors)
        found["memory"] = _said("memory", json.loads(largest))
        found["gate"] = _said("gate", measure_gate(given.sizes, vectors, folder))
        found["original"] = _said("original", measure_original(given.original, texts))
        replace_bytes(given.out, markdown(found).encode("utf-8"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _said(name: str, found: Any) -> Any:
    print(name, json.dumps(found), flush=True)
    return found


if __name__ == "__main__":
    main()
