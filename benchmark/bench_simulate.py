"""What a simulation costs beside the model: `make bench-simulate`.

Three ways of the same 5-call turn (user, inducer, two assistants in parallel, judge in one order),
each in a process of its own, taking turns, against the bundled load server:

  floor  the agents' own prompts sent by bare asyncio + aiohttp, no LangGraph, no LangChain, no log
  aloe   the program as it is: LangGraph, lean client, call log and run folder on disk
  stock  the same with ChatOpenAI in place of the lean client

The digest of the transcripts is compared, so all did the same work. The check of the ledger is
off: it embeds every user sentence, which is no orchestration and would hide it. Wall times are
medians over the rounds; machines are noisy, so read ratios.
"""

import argparse
import asyncio
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import aiohttp

from agents.assistant import AssistantAgent
from agents.inducer import Inducer, _marks, _schema
from agents.judge import Comparison, PreferenceJudge, decide
from agents.user import UserAgent
from aloe import config as settings
from aloe.calls import CallLog
from aloe.config import Config
from aloe.loop import runner
from aloe.models import Message, Model
from aloe.schema import (
    AssistantNode,
    Disclosure,
    Persona,
    Tree,
    UserNode,
    Verdict,
    derived_seed,
    sentences,
)
from graphs.expansion import Siblings, frontier
from graphs.run import Planned, Progress, make_context, open_models, plan
from graphs.tree import SimulationContext, grow_tree
from memory.personas import SHIPPED, read_personas
from memory.trees import RunFolder

Nodes = list[UserNode | AssistantNode]


class OneOrderJudge(PreferenceJudge):
    """Asks in one order only, as the comparison wants it."""

    async def compare(self, asked: Comparison) -> Verdict:
        """Compare two replies in the order in which they come."""
        vote = await self._vote(self.questions[0], asked, "first-second")
        outcome, margin = decide((vote,), self.min_margin, {None: 1.0})
        return asked.verdict(outcome, (vote,), margin=margin)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of one variant."""

    wall: float
    cpu_per_call: float
    """Milliseconds of user and system time, of this process."""
    rss: float
    """Peak resident memory in MB."""
    disk_per_tree: float
    """KB in the run folder for each tree; 0 without one."""
    calls: int
    digest: str


def make_settings(url: str, variant: str, trees: int, turns: int) -> Config:
    """Return the settings of the comparison."""
    options = {"disable_streaming": True} if variant == "stock" else {}
    model = {"model": f"openai:m@{url}", "options": options}
    assistants = [{"name": "hinted", "hint": True, **model}, {"name": "plain", **model}]
    models = dict.fromkeys(("user", "inducer", "judge", "writer"), model)
    return settings.validated(
        Config,
        {
            "models": {**models, "assistants": assistants},
            "simulation": {
                "trees": trees,
                "turns": turns,
                "concurrency": trees,
                "check_ledger": False,
            },
        },
        source="benchmark",
    )


async def run_aloe(config: Config, personas: list[Persona], folder: RunFolder) -> tuple[int, str]:
    """Run the program's own path; return calls and digest."""
    models = open_models(config)
    with folder.writing(config), folder.events.open("a", encoding="utf-8") as events:
        calls = CallLog(events)
        context = _context(config, models, calls)
        names = {name: model.name for name, model in models.items()}
        progress = Progress(wanted=config.simulation.trees)
        digests: dict[str, str] = {}

        async def grow(each: Planned) -> None:
            tree = await grow_tree(each.persona, each.seed, names, context)
            folder.append(tree)
            progress.add(tree)
            digests[tree.id] = _digest(list(tree.nodes))

        await asyncio.gather(*(grow(each) for each in plan(personas, config.simulation.trees, 0)))
    return calls.totals.calls, _combined(digests)


def _context(config: Config, models: dict[str, Model], calls: CallLog) -> SimulationContext:
    made = make_context(config, models, calls)
    judge = OneOrderJudge(model=models["judge"], calls=calls, min_margin=config.judge.min_margin)
    return replace(made, judge=judge)


class Floor:
    """The same conversations with nothing between the prompts and the socket."""

    def __init__(self, config: Config, url: str, session: aiohttp.ClientSession) -> None:
        self.calls = 0
        self._config, self._url, self._session = config, url, session
        models = open_models(config)
        made = _context(config, models, CallLog())
        self._user: UserAgent = made.user
        self._inducer: Inducer = made.inducer
        self._assistants: tuple[AssistantAgent, ...] = made.assistants
        self._judge = cast(PreferenceJudge, made.judge)

    async def post(self, role: str, messages: Sequence[Message], **arguments: Any) -> Any:
        """Send one request; return its first choice."""
        self.calls += 1
        model = self._config.models.by_role()[role]
        sampling = {"temperature": model.temperature, "max_tokens": model.max_tokens}
        body = {
            "model": "m",
            "messages": [{"role": r, "content": text} for r, text in messages],
            **sampling,
            **arguments,
        }
        async with self._session.post(f"{self._url}/chat/completions", json=body) as response:
            return (await response.json())["choices"][0]

    async def converse(self, each: Planned) -> str:
        """Play one tree; return the digest of its nodes."""
        tree, persona = Tree.id_for(each.persona, each.seed), each.persona
        path: Nodes = []
        nodes: Nodes = []
        revealed: list[Disclosure] = []
        for turn in range(1, self._config.simulation.turns + 1):
            parent = path[-1].id if path else None
            seed = derived_seed("user", tree, parent, 0)
            asked = self._user._messages(persona, tree, path, None)
            said = (await self.post("user", asked, seed=seed))["message"]["content"]
            user = UserNode.of(parent, said, tree=tree, turn=turn)
            revealed += await self._induce(tree, user)
            candidates = await asyncio.gather(
                *(self._answer(agent, tree, path, user, revealed) for agent in self._assistants)
            )
            verdict = await self._compare(persona, tree, path, user, candidates)
            nodes += [user, *candidates]
            level = [Siblings(user=user.id, candidates=list(candidates), verdicts=[verdict])]
            chosen = frontier(self._config.simulation, tree, turn, level, len(nodes))
            path += [user, next(c for c in candidates if c.id == chosen[0])]
        return _digest(nodes)

    async def _induce(self, tree: str, user: UserNode) -> list[Disclosure]:
        said = sentences(user.content)
        numbered = "\n".join(f"{i}. {text}" for i, text in enumerate(said, 1))
        shape = {"name": "answer", "schema": _schema(len(said))}
        choice = await self.post(
            "inducer",
            self._inducer.prompt.render(sentences=numbered),
            seed=derived_seed("inducer", tree, user.id),
            response_format={"type": "json_schema", "json_schema": shape},
        )
        marks = _marks(choice["message"]["content"]) or {}
        return [Disclosure(quote=t) for i, t in enumerate(said, 1) if marks.get(str(i)) == "user"]

    async def _answer(
        self,
        agent: AssistantAgent,
        tree: str,
        path: Nodes,
        user: UserNode,
        revealed: Sequence[Disclosure],
    ) -> AssistantNode:
        hint = " ".join(d.quote for d in revealed) if agent.hinted and revealed else None
        seed = derived_seed(agent.name, tree, user.id, 0)
        choice = await self.post(agent.name, agent._messages(path, user, hint), seed=seed)
        text = choice["message"]["content"]
        return AssistantNode.of(user.id, text, agent=agent.name, turn=user.turn, hint=hint)

    async def _compare(
        self,
        persona: Persona,
        tree: str,
        path: Nodes,
        user: UserNode,
        candidates: Sequence[AssistantNode],
    ) -> Verdict:
        from agents.transcript import as_text

        first, second = candidates
        messages = self._judge.questions[0].prompt.render(
            persona=f"{persona.profile} {persona.personality}",
            history=as_text(path),
            message=user.content,
            a=first.content,
            b=second.content,
        )
        seed = derived_seed("judge", tree, first.id, second.id, "first-second")
        await self.post("judge", messages, seed=seed, logprobs=True, top_logprobs=20)
        return Verdict(node=user.id, first=first.id, second=second.id, votes=(), outcome="tie")


async def run_floor(config: Config, personas: list[Persona], url: str) -> tuple[int, str]:
    """Run the floor; return calls and digest."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        floor = Floor(config, url, session)
        todo = list(plan(personas, config.simulation.trees, 0))
        digests = await asyncio.gather(*(floor.converse(each) for each in todo))
    by_tree = {Tree.id_for(e.persona, e.seed): d for e, d in zip(todo, digests, strict=True)}
    return floor.calls, _combined(by_tree)


def _digest(nodes: Nodes) -> str:
    said = [(node.role, node.content) for node in nodes]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _combined(by_tree: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(by_tree.items())).encode()).hexdigest()[:12]


def measure(variant: str, url: str, trees: int, turns: int) -> Measured:
    """Run one variant in this process."""
    personas = read_personas(SHIPPED)[:trees]
    config = make_settings(url, variant, trees, turns)
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "run")
        cpu, clock = time.process_time(), time.perf_counter()
        if variant == "floor":
            calls, digest = asyncio.run(run_floor(config, personas, url))
        else:
            with runner() as loop:
                calls, digest = loop.run(run_aloe(config, personas, folder))
        wall, cpu = time.perf_counter() - clock, time.process_time() - cpu
        written = (
            sum(f.stat().st_size for f in folder.path.glob("*")) if folder.path.exists() else 0
        )
    return Measured(
        wall=round(wall, 2),
        cpu_per_call=round(1000 * cpu / calls, 2),
        rss=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0),
        disk_per_tree=round(written / 1000 / trees, 1),
        calls=calls,
        digest=digest,
    )


def compare(variants: Sequence[str], rounds: int, latency: float, trees: int, turns: int) -> str:
    """Run all variants in turn and return a Markdown table of medians."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmark.load_server", "--latency", str(latency)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    found: dict[str, list[Measured]] = {variant: [] for variant in variants}
    try:
        for _ in range(rounds):
            for variant in variants:
                found[variant].append(_in_child(variant, url, trees, turns))
                print(variant, found[variant][-1], file=sys.stderr, flush=True)
    finally:
        server.terminate()
        server.wait()
    return _table(found, latency, trees, turns)


def _in_child(variant: str, url: str, trees: int, turns: int) -> Measured:
    command = [sys.executable, "-m", "benchmark.bench_simulate", "--variant", variant, "--url", url]
    sizes = ["--trees", str(trees), "--turns", str(turns)]
    done = subprocess.run([*command, *sizes], check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _table(found: dict[str, list[Measured]], latency: float, trees: int, turns: int) -> str:
    digests = {each.digest for runs in found.values() for each in runs}
    floor = statistics.median(each.wall for each in found["floor"])
    lines = [
        f"{trees} trees in flight, {turns} turns, {latency * 1000:.0f} ms latency; "
        f"ideal {4 * turns * latency:.1f} s; digests {'equal' if len(digests) == 1 else 'DIFFER'}.",
        "",
        "| | wall s | x floor | CPU ms/call | peak MB | disk KB/tree | calls | rounds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for variant, runs in found.items():
        wall = statistics.median(each.wall for each in runs)
        cpu = statistics.median(each.cpu_per_call for each in runs)
        last = runs[-1]
        lines.append(
            f"| {variant} | {wall:.1f} | {wall / floor:.2f} | {cpu:.2f} | {last.rss:.0f} | "
            f"{last.disk_per_tree:.0f} | {last.calls} | {len(runs)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the comparison, or one variant for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=("floor", "aloe", "stock"))
    parser.add_argument("--url")
    parser.add_argument("--trees", type=int, default=128)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.variant:
        print(json.dumps(vars(measure(given.variant, given.url, given.trees, given.turns))))
    else:
        variants = ("floor", "aloe", "stock")
        print(compare(variants, given.rounds, given.latency, given.trees, given.turns))


if __name__ == "__main__":
    main()
