"""Growing the persona pool: one LangGraph state machine.

    START -> expand -> write -> validate -> gate -> admit -> END
               ^                                      |
               +------- until the target or the end --+

A round asks for profiles and personalities separately, at points of the axes where the pool is
thin. Those that pass the rules and the near-duplicate gate wait for a match, and a pair that does
not contradict itself is admitted as a persona. Rounds are deliberate barriers: the gate must decide
candidates one after the other, and a round's texts are embedded together. Everything in a round is
derived from the seed and the candidates' numbers, never from which call came back first. All calls
of a round run inside one node: a graph task for each would cost more than the gate.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple, cast

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from aloe.agents.writer import Writer
from aloe.config import PersonasConfig
from aloe.errors import CallError, TransientCallError
from aloe.graphs.concurrency import work_through
from aloe.graphs.steps import UNHURRIED
from aloe.memory.axes import KINDS, Kind, sample
from aloe.memory.descriptions import Description, join
from aloe.memory.pool.gate import Fate, PersonaPool
from aloe.memory.pool.growth import GrowthLog, Outcome, read_waiting, write_waiting
from aloe.memory.pool.pairing import name_conflicts, pair_descriptions
from aloe.memory.validation import Validator, find_custom_reasons, find_reasons
from aloe.schema import Lineage, Persona, derive_seed

WRITTEN_BATCH = 4
"""Candidates of one round, where settings name no number."""

EXAMPLES_STAY = 16
"""Candidates that are shown the same examples."""

Ended = Literal["target", "saturated", "unmatched"]


class Task(NamedTuple):
    """One candidate to be written."""

    number: int
    kind: Kind


class Draft(NamedTuple):
    """One candidate, written."""

    number: int
    description: Description
    problems: tuple[str, ...]
    """Each a `aloe.memory.validation.Reason`, or what a custom rule says."""


class PoolState(TypedDict):
    """What goes from node to node; a round overwrites all but `waiting` and `tried`."""

    tasks: list[Task]
    drafts: list[Draft]
    waiting: list[Description]
    """Accepted by the gate and still without a mate."""
    tried: frozenset[str]
    """Ids of those that contradict all the others of them."""


@dataclass(frozen=True, kw_only=True)
class PoolContext:
    """What the nodes work with."""

    pool: PersonaPool
    writer: Writer
    seeds: dict[Kind, list[Description]]
    log: GrowthLog
    config: PersonasConfig
    seed: int
    progress: "GrowthProgress"
    validators: Mapping[str, Validator] = field(default_factory=dict)
    """Custom rules by name."""


@dataclass(kw_only=True)
class GrowthProgress:
    """How far a growth is; changed in place while it goes on."""

    target: int
    found: int
    """Personas that were there at the start."""
    size: int
    waiting: int = 0
    """Accepted descriptions of which no persona is made yet."""
    barren: int = 0
    """Candidates since both kinds wait and no persona was made of them."""
    conflicts: list[str] = field(default_factory=list)
    """What those that wait contradict each other about, where growth ends because of that."""
    on_change: Callable[[], None] = field(default=lambda: None, repr=False)
    newest: Persona | None = None


def expand(state: PoolState, runtime: Runtime[PoolContext]) -> dict[str, Any]:
    """Plan a round: how many of each kind, numbered from where the log stands."""
    context = runtime.context
    missing = context.config.target - len(context.pool)
    need = {k: missing - sum(d.kind == k for d in state["waiting"]) for k in KINDS}
    kinds = _share_out(need, context.config.batch or WRITTEN_BATCH)
    first = context.log.next_number
    return {"tasks": [Task(first + i, kind) for i, kind in enumerate(kinds)]}


def _share_out(need: dict[Kind, int], places: int) -> list[Kind]:
    """Return a kind for each place, the kind that lacks most first; both where neither lacks."""
    left = {kind: max(count, 0) for kind, count in need.items()}
    if not any(left.values()):
        left = dict.fromkeys(left, 1)
    kinds: list[Kind] = []
    for _ in range(max(places, 1)):
        kind = max(left, key=lambda each: left[each])
        kinds.append(kind)
        left[kind] -= 1
    return kinds


async def write(state: PoolState, runtime: Runtime[PoolContext]) -> dict[str, Any]:
    """Write all candidates of the round at once."""
    tasks, drafts = state["tasks"], dict[int, Draft]()

    async def one(task: Task) -> None:
        drafts[task.number] = await _draft(runtime.context, *task)

    await work_through(tasks, len(tasks), one)
    return {"drafts": [drafts[task.number] for task in tasks]}


async def _draft(context: PoolContext, number: int, kind: Kind) -> Draft:
    """Write one candidate; a call that fails for good is a refused candidate."""
    rng = random.Random(derive_seed(context.seed, "candidate", kind, number))
    axes = sample(kind, context.pool.cells, rng)
    examples = _examples(context, kind, number)
    try:
        written = await context.writer.write(kind, axes, examples, rng.randrange(2**31))
    except TransientCallError:
        raise
    except CallError:
        lost = Description(kind=kind, text="", axes=axes, lineage=Lineage(origin="grown"))
        return Draft(number, lost, ("call_failed",))
    return Draft(number, written, ())


def _examples(context: PoolContext, kind: Kind, number: int) -> list[Description]:
    """Return seeds to show; they stay a while, so that a server's prefix cache holds."""
    rng = random.Random(derive_seed(context.seed, "examples", kind, number // EXAMPLES_STAY))
    seeds = context.seeds[kind]
    return rng.sample(seeds, min(context.config.examples, len(seeds)))


def validate(state: PoolState, runtime: Runtime[PoolContext]) -> dict[str, Any]:
    """Find what is wrong with each candidate by itself; custom rules see sound ones."""
    rules = runtime.context.validators

    def problems(draft: Draft) -> tuple[str, ...]:
        given = draft.description
        return draft.problems or find_reasons(given) or find_custom_reasons(given, rules)

    return {"drafts": [draft._replace(problems=problems(draft)) for draft in state["drafts"]]}


async def gate(state: PoolState, runtime: Runtime[PoolContext]) -> dict[str, Any]:
    """Keep near-copies out, and write down what became of every candidate of the round."""
    context = runtime.context
    outcomes = [
        Outcome.of(d.number, d.description, d.problems) for d in state["drafts"] if d.problems
    ]
    waiting = list(state["waiting"])
    for kind in KINDS:
        sound = [d for d in state["drafts"] if not d.problems and d.description.kind == kind]
        texts = [draft.description.text for draft in sound]
        fates = await asyncio.to_thread(context.pool.gate, kind, texts) if texts else []
        for draft, fate in zip(sound, fates, strict=True):
            outcomes.append(_judge(draft, fate))
            if fate.accepted:
                similarity = fate.nearest.similarity if fate.nearest else None
                waiting.append(draft.description.near(similarity))
    context.log.write(sorted(outcomes, key=lambda outcome: outcome.number))
    context.progress.on_change()
    return {"waiting": waiting}


def _judge(draft: Draft, fate: Fate) -> Outcome:
    nearest = fate.nearest
    given = draft.description.near(nearest.similarity if nearest else None)
    outcome = Outcome.of(draft.number, given, () if fate.accepted else ("duplicate",))
    return outcome.model_copy(update={"nearest": nearest.id if nearest else None})


async def admit(state: PoolState, runtime: Runtime[PoolContext]) -> dict[str, Any]:
    """Join what fits together and put it into the pool."""
    context = runtime.context
    waiting = {kind: [d for d in state["waiting"] if d.kind == kind] for kind in KINDS}
    rng = random.Random(derive_seed(context.seed, "pair", context.log.next_number))
    both = waiting["profile"], waiting["personality"]
    pairs = pair_descriptions(*both, rng, tried=state["tried"])
    pairs = pairs[: context.config.target - len(context.pool)]
    personas = [join(*pair) for pair in pairs]
    await asyncio.to_thread(context.pool.admit, personas)
    used = {id(description) for pair in pairs for description in pair}
    left = [d for d in state["waiting"] if id(d) not in used]
    await asyncio.to_thread(write_waiting, context.pool.files.waiting, left)
    progress = context.progress
    progress.waiting = len(left)
    progress.size = len(context.pool)
    progress.newest = personas[-1] if personas else progress.newest
    apart = not personas and all(waiting.values())
    progress.barren = progress.barren + len(state["tasks"]) if apart else 0
    if find_end_reason(context) == "unmatched":
        progress.conflicts = name_conflicts(*both)
    progress.on_change()
    return {"waiting": left, "tried": frozenset(each.id for each in left)}


def take_up(pool: PersonaPool) -> list[Description]:
    """Return what an earlier growth left waiting, as far as it is still new.

    After a kill some of it may be in the pool; on a shared store, near-copies of it.
    """
    left = read_waiting(pool.files.waiting)
    found = []
    for kind in KINDS:
        there = [each for each in left if each.kind == kind]
        fates = pool.gate(kind, [each.text for each in there]) if there else []
        found += [each for each, fate in zip(there, fates, strict=True) if fate.accepted]
    return found


def find_end_reason(context: PoolContext) -> Ended | None:
    """Return why growth ends at this state of the pool, None if it goes on."""
    if len(context.pool) >= context.config.target:
        return "target"
    acceptance = context.log.acceptance
    if acceptance is not None and acceptance < context.config.min_acceptance:
        return "saturated"
    return "unmatched" if context.progress.barren >= context.config.window else None


def go_on(_state: PoolState, runtime: Runtime[PoolContext]) -> str:
    """Go on with another round, or end."""
    return END if find_end_reason(runtime.context) else "expand"


@cache
def pool_graph() -> Any:
    """Return the compiled state machine."""
    return (
        StateGraph(PoolState, context_schema=PoolContext)
        .add_node("expand", expand)
        .add_node("write", write)
        .add_node("validate", validate)
        .add_node("gate", gate)
        .add_node("admit", admit)
        .add_edge(START, "expand")
        .add_edge("expand", "write")
        .add_edge("write", "validate")
        .add_edge("validate", "gate")
        .add_edge("gate", "admit")
        .add_conditional_edges("admit", go_on, ["expand", END])
        .compile(name="pool")
    )


async def grow_pool(context: PoolContext) -> Ended:
    """Grow the pool until it has its target size, or brings no more that is new or fits.

    Raises:
        ModelError: the writer's model is refused or gone.
        TransientCallError: the writer's server failed in every try.
        StoreError: the pool cannot be written.
    """
    if reason := find_end_reason(context):
        return reason
    waiting = await asyncio.to_thread(take_up, context.pool)
    context.progress.waiting = len(waiting)
    start = PoolState(tasks=[], drafts=[], waiting=waiting, tried=frozenset())
    # Every round admits, or fills a window after which growth is saturated or unmatched: it ends.
    await pool_graph().ainvoke(start, UNHURRIED, context=context)
    return cast(Ended, find_end_reason(context))
