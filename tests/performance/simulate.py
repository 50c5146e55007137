"""What a simulation costs beside the model: `make bench-simulate`.

The same 5-call turn (user, inducer, two assistants in parallel, judge in one order) in five ways,
taking turns, each in a process of its own against the bundled load server:

  floor      the agents' own prompts sent by bare asyncio + aiohttp (`floor.py`)
  aloe       the program as it is, one process: LangGraph, lean client, call log, run folder on
             disk, and the check of what users said, which embeds their sentences
  unchecked  the same with `check_ledger = false`
  workers    as `aloe` with two processes; starting the second is part of the time
  stock      as `aloe`, with ChatOpenAI in place of the lean client

The digest of the transcripts is compared, so all did the same work. Then 1,000 and 10,000 trees
without latency, for what memory does; then a few trees on the embedded model, bare and as they
are, for tokens per second and the share of prompts that its cache served; last, what the limits of
a server cost a call that they do not hold up.

Wall times are medians over the rounds; machines are noisy, so read ratios. The page is
written when all is done.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aloe import config as settings
from aloe.calls.budget import Budget
from aloe.calls.event import appending
from aloe.calls.log import CallLog
from aloe.config import Config, LimitsConfig
from aloe.files.writing import replace_text
from aloe.graphs.batch import RunProgress, grow_all
from aloe.graphs.context import open_models
from aloe.graphs.plan import plan_trees
from aloe.loop import make_runner
from aloe.memory.personas import SHIPPED, as_line, read_personas
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.models.limits import Limiter
from tests.performance.floor import ONE_ORDER, combined, digest_of, run_floor
from tests.performance.load_server import ceiling

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "performance" / "simulate.md"
VARIANTS = ("floor", "aloe", "unchecked", "workers", "stock")
LABELS = {
    "floor": "floor: bare asyncio + aiohttp",
    "aloe": "aloe, one process, defaults",
    "unchecked": "the same without the check of what users said",
    "workers": "aloe, two processes",
    "stock": "aloe with ChatOpenAI",
}
EMBEDDED = "local:smollm2-135m"
SAMPLE = 0.5
"""Seconds between two looks at a child's memory."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of one variant."""

    variant: str
    model: str
    trees: int
    turns: int
    in_flight: int
    personas: str
    """File with the personas, as many as are needed."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run took."""

    wall: float
    """Seconds."""
    cpu: float
    """Milliseconds of user and system time for each call, worker processes included."""
    disk: float
    """KB in the run folder for each tree; 0 without one."""
    calls: int
    read: int
    """Tokens of prompts."""
    cached: int
    """Of these, those that the server had in its cache."""
    wrote: int
    digest: str
    resident: float = 0.0
    """Peak MB of all its processes, shared pages counted once (PSS)."""
    rss: float = 0.0
    """Peak MB of all its processes, shared pages counted in each (RSS)."""


def make_settings(task: Trial) -> Config:
    """Return the settings of the comparison."""
    options = {"disable_streaming": True} if task.variant == "stock" else {}
    model: dict[str, Any] = {"model": task.model, "options": options}
    models = dict.fromkeys(("user", "inducer", "judge", "writer"), model)
    if task.model == EMBEDDED:  # which is slow, and rambles
        models["user"], model = {**model, "max_tokens": 40}, {**model, "max_tokens": 60}
    assistants = [{"name": "hinted", "hint": True, **model}, {"name": "plain", **model}]
    simulation = {
        "trees": task.trees,
        "turns": task.turns,
        "concurrency": task.in_flight,
        "check_ledger": task.variant != "unchecked",
        "workers": 2 if task.variant == "workers" else 1,
    }
    raw = {
        "models": {**models, "assistants": assistants},
        "simulation": simulation,
        "judge": {"rules": False, **({} if task.model == EMBEDDED else {"use": ONE_ORDER})},
    }
    return settings.validate(Config, raw, source="benchmark")


def measure(task: Trial) -> Measured:
    """Run one variant in this process."""
    config, personas = make_settings(task), read_personas(Path(task.personas))
    models = open_models(config)  # starts an embedded server, whose loading is not measured
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "run")
        clock, cpu = time.perf_counter(), _cpu()
        todo = list(plan_trees(personas, task.trees, config.seed))
        if task.variant == "floor":
            floor, digest = asyncio.run(run_floor(config, todo))
            calls, read, cached, wrote = floor.calls, floor.read, floor.cached, floor.wrote
        else:
            progress = RunProgress(wanted=task.trees)
            with make_runner() as loop, folder.writing(config), appending(folder.events) as events:
                log = CallLog(events)
                loop.run(grow_all(todo, config, folder, models, log, progress))
            total = log.totals
            calls, read, cached = total.calls, total.input_tokens, total.cached_tokens
            wrote = total.output_tokens
        wall, cpu = time.perf_counter() - clock, _cpu() - cpu
        if task.variant != "floor":
            trees = read_trees(folder.path)
            digest = combined({tree.id: digest_of(tree.nodes) for tree in trees})
        disk = sum(file.stat().st_size for file in Path(place).rglob("*.*"))
    return Measured(
        wall=round(wall, 2),
        cpu=round(1000 * cpu / calls, 3),
        disk=round(disk / 1000 / task.trees, 1),
        calls=calls,
        read=read,
        cached=cached,
        wrote=wrote,
        digest=digest,
    )


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def in_child(task: Trial) -> Measured:
    """Run one variant in a process of its own, and watch its memory."""
    command = [
        sys.executable,
        "-m",
        "tests.performance.simulate",
        "--task",
        json.dumps(asdict(task)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        resident = rss = 0.0
        while child.poll() is None:
            sizes = [_memory(pid) for pid in (child.pid, *_children(child.pid))]
            resident = max(resident, sum(size[0] for size in sizes))
            rss = max(rss, sum(size[1] for size in sizes))
            time.sleep(SAMPLE)
        assert child.stdout is not None
        said = child.stdout.read()
    if child.returncode:
        raise SystemExit(f"{task.variant} failed")
    found = json.loads(said.splitlines()[-1])
    measured = Measured(**{**found, "resident": round(resident), "rss": round(rss)})
    print(task.variant, measured, file=sys.stderr, flush=True)
    return measured


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _memory(pid: int) -> tuple[float, float]:
    """Return PSS and RSS of a process in MB; 0 of one that has ended."""
    found = {"Pss": 0.0, "Rss": 0.0}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in found:
                found[name] = int(rest.split()[0]) / 1024
    return found["Pss"], found["Rss"]


@contextmanager
def load_server(latency: float) -> Iterator[str]:
    """Run the load server in a process of its own; yield its base URL."""
    command = [
        sys.executable,
        "-m",
        "tests.performance.load_server",
        "--latency",
        str(latency),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        finally:
            server.terminate()


def compare(given: argparse.Namespace, personas: str) -> str:
    """Run all variants in turn; return a section of the page."""
    trees, turns, latency = given.trees, given.turns, given.latency
    found: dict[str, list[Measured]] = {variant: [] for variant in VARIANTS}
    with load_server(0.0) as url:
        most = _ceiling(url)
    with load_server(latency) as url:
        for round_ in range(given.rounds):
            for variant in VARIANTS if round_ == 0 else VARIANTS[:-1]:
                task = Trial(
                    variant=variant,
                    model=f"openai:m@{url}",
                    trees=trees,
                    turns=turns,
                    in_flight=trees,
                    personas=personas,
                )
                found[variant].append(in_child(task))
    digests = {each.digest for runs in found.values() for each in runs}
    if len(digests) > 1:
        raise SystemExit(f"transcripts differ: {found}")
    floor = _median(found["floor"], "wall")
    lines = [
        f"{trees} trees in flight, {turns} turns, {latency * 1000:.0f} ms latency, "
        f"{found['floor'][0].calls} calls; latency alone adds up to "
        f"{4 * turns * latency:.1f} s. Medians of {given.rounds} rounds, ChatOpenAI in the first "
        f"only. All transcripts have the digest {digests.pop()}. The load server itself can answer "
        f"{most:,.0f} calls a second from a bare client over 128 connections; the floor makes "
        f"{found['floor'][0].calls / floor:,.0f}.",
        "",
        "| | wall s | x floor | CPU ms/call | resident MB | RSS MB | disk KB/tree |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant, runs in found.items():
        wall = _median(runs, "wall")
        lines.append(
            f"| {LABELS[variant]} | {wall:.1f} | {wall / floor:.2f} | {_median(runs, 'cpu'):.2f} | "
            f"{_median(runs, 'resident'):.0f} | {_median(runs, 'rss'):.0f} | "
            f"{_median(runs, 'disk'):.0f} |"
        )
    lines += [
        "",
        "Resident is a variant's peak over all its processes, with shared pages counted once "
        "(PSS); RSS counts them in each process.",
    ]
    return "\n".join(lines)


def _ceiling(url: str) -> float:
    with make_runner() as loop:
        return loop.run(ceiling(url, connections=128, seconds=3.0))


def _median(runs: Sequence[Measured], name: str) -> float:
    return float(statistics.median(getattr(each, name) for each in runs))


def stream(given: argparse.Namespace, personas: str) -> str:
    """Grow many trees and many more; return a section of the page."""
    lines = [
        "Memory as trees stream through one process: one turn each, no latency, 128 in flight.",
        "",
        "| trees | calls | wall s | trees/s | resident MB | disk KB/tree |",
        "|---|---|---|---|---|---|",
    ]
    for trees in (given.stream // 10, given.stream):
        with load_server(0.0) as url:
            task = Trial(
                variant="aloe",
                model=f"openai:m@{url}",
                trees=trees,
                turns=1,
                in_flight=128,
                personas=personas,
            )
            run = in_child(task)
        lines.append(
            f"| {trees:,} | {run.calls:,} | {run.wall:.1f} | {trees / run.wall:.0f} | "
            f"{run.resident:.0f} | {run.disk:.1f} |"
        )
    return "\n".join(lines)


def embedded(given: argparse.Namespace, personas: str) -> str:
    """Run on the embedded model, bare and as it is; return a section of the page."""
    found: dict[str, list[Measured]] = {"floor": [], "aloe": []}
    for _ in range(given.embedded):
        for variant, runs in found.items():
            task = Trial(
                variant=variant, model=EMBEDDED, trees=4, turns=6, in_flight=4, personas=personas
            )
            runs.append(in_child(task))
    rates = {
        variant: statistics.median(run.wrote / run.wall for run in runs)
        for variant, runs in found.items()
    }
    lines = [
        "Four trees of six turns on the embedded 135M model, all at once, the judge in both "
        f"orders, each variant with its own server; median of {given.embedded}. The simulation "
        "retries unusable replies, so it makes a few more calls.",
        "",
        "| | calls | wall s | tokens written/s | relative to bare client | prompts from cache |",
        "|---|---|---|---|---|---|",
    ]
    for variant, label in (("floor", "bare client"), ("aloe", "simulation")):
        runs = found[variant]
        cached = sum(run.cached for run in runs) / sum(run.read for run in runs)
        lines.append(
            f"| {label} | {runs[-1].calls} | {_median(runs, 'wall'):.1f} | {rates[variant]:.1f} | "
            f"{rates[variant] / rates['floor']:.0%} | {cached:.0%} |"
        )
    return "\n".join(lines)


def unhindered(calls: int = 5000, rounds: int = 5) -> str:
    """Let calls through limits that hold up none of them; return a section of the page."""

    async def run() -> float:
        settings = LimitsConfig(concurrency=64, tokens_per_minute=10**12)
        limits, budget = Limiter("http://here", settings), Budget()
        clock = time.process_time()
        for _ in range(calls):
            visit = await limits.enter()
            await budget.admit()
            limits.heard({"x-ratelimit-limit-requests": "1e9"})
            limits.answered(visit, 500, 100.0)
            budget.settle()
        return (time.process_time() - clock) / calls

    took = statistics.median(asyncio.run(run()) for _ in range(rounds))
    return (
        "With caps and a budget in force, passing a call that nothing delays costs "
        f"**{1000 * took:.3f} ms** of CPU (goal: at most 0.05); median of {rounds} rounds of "
        f"{calls:,} calls."
    )


def page(sections: dict[str, str]) -> str:
    """Return the page."""
    machine = f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), " + (
        f"Python {platform.python_version()}"
    )
    head = (
        "# What a simulation costs apart from the model\n\n"
        f"Written by `make bench-simulate` on {machine}. Five calls a turn: user, inducer, two "
        "assistants in parallel, judge in one order. Each variant runs in its own processes and "
        "writes call log and run folder as in any run, and holds what users said against their "
        "personas, unless the table says otherwise.\n\n"
    )
    return head + "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items()) + "\n"


def main() -> None:
    """Run everything and write the page, or one variant for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--trees", type=int, default=128)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stream", type=int, default=10_000, help="trees, and a tenth of them")
    parser.add_argument("--embedded", type=int, default=1, help="rounds; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(asdict(measure(Trial(**json.loads(given.task))))))
        return
    with tempfile.TemporaryDirectory() as place:
        personas = Path(place) / "personas.jsonl"
        chosen = read_personas(SHIPPED)[: given.trees]
        personas.write_text("".join(map(as_line, chosen)), encoding="utf-8")
        sections = {"Five variants": compare(given, str(personas))}
        if given.stream:
            sections["Many trees"] = stream(given, str(personas))
        if given.embedded:
            sections["The embedded model"] = embedded(given, str(personas))
    sections["Limits"] = unhindered()
    replace_text(given.out, page(sections))
    print(given.out)


if __name__ == "__main__":
    main()
