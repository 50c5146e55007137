"""Run many trees: bounded concurrency, append as finished, resume, count failures.

Each tree is its own graph run, never one graph over all personas: a graph's supersteps are
barriers, and one failure would end them all. Workers take trees from one plan, so the number in
flight is the number of workers and memory does not depend on the number of trees. A tree whose
calls fail permanently is set aside with its reason and the run continues; a refused key or a
missing model stops it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from aloe.calls.event import read_events
from aloe.calls.expected import ExpectedCalls
from aloe.calls.log import CallLog
from aloe.config import Config
from aloe.errors import CallError
from aloe.graphs.concurrency import width_of, work_through
from aloe.graphs.context import FinishedExchange, OnExchange, ignore_exchange
from aloe.graphs.engine import open_engine
from aloe.graphs.plan import PlannedTree
from aloe.memory.disclosure_tally import Tally
from aloe.memory.run_folder import RunFolder
from aloe.models.open import Model
from aloe.schema import SPOILING, Node, Tree, Verdict
from aloe.tracebacks import cause_of, traceback_of

T = TypeVar("T")


@dataclass(kw_only=True)
class RunProgress:
    """How far a run is; changed in place while it goes on."""

    wanted: int
    finished_before: int = 0
    finished: int = 0
    running: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Reason by tree set aside."""
    traces: dict[str, str] = field(default_factory=dict)
    """Traceback of the user's code by tree set aside, where that is what failed."""
    cause: BaseException | None = None
    """What the user's code raised, if the first tree was set aside for that in this process."""
    nodes: int = 0
    turns: int = 0
    """User messages among them."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Verdicts by outcome, over what was added in this process to trees that are finished."""
    ledger: Tally = field(default_factory=Tally)
    """What the disclosure checker found in them."""
    severity: Counter[str] = field(default_factory=Counter)
    """User messages in them that were `repaired`, stayed `blemished` or `spoiled` what follows."""

    roles: frozenset[str] = frozenset()
    """Names of the custom roles of the run."""
    silent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Empty replies of theirs in these trees, by (role, "empty"), as `Totals.outcomes` counts those
    of models: a role need not ask one."""

    spoiled: int = 0
    """Trees in which the simulated user spoiled a conversation."""

    growing: dict[str, dict[str, FinishedExchange]] = field(default_factory=dict)
    """Exchanges of trees that are not finished, by tree and message: a tree that a worker died
    over tells of them again. They are not among the figures above."""
    on_exchange: OnExchange = ignore_exchange
    """Called with each of them."""
    expected: ExpectedCalls | None = None
    """Calls that the run still takes; None if nobody forecast them."""

    def add_exchange(self, exchange: FinishedExchange) -> None:
        """Record an exchange of a tree that is still growing."""
        known = self.growing.setdefault(exchange.tree, {})
        if self.expected and exchange.nodes[0].id not in known:
            self.expected.end_exchange(exchange.tree)
        known[exchange.nodes[0].id] = exchange
        self.on_exchange(exchange)

    def so_far(self) -> "RunProgress":
        """Return the figures with those of the exchanges in trees that are not finished."""
        exchanges = [each for found in self.growing.values() for each in found.values()]
        whole = replace(
            self,
            outcomes=self.outcomes.copy(),
            ledger=deepcopy(self.ledger),
            severity=self.severity.copy(),
            silent=self.silent.copy(),
        )
        for each in exchanges:
            whole._count(each.nodes)
            whole.outcomes.update(verdict.outcome for verdict in each.verdicts)
            whole.ledger.add_nodes(each.nodes)
            whole.severity.update(_find_severities(each.nodes))
        return whole

    def end(self, tree: str) -> None:
        """Record that a tree is finished, or set aside."""
        self.growing.pop(tree, None)
        if self.expected:
            self.expected.end(tree)

    def add(self, tree: Tree, start: Tree | None = None) -> None:
        """Count a finished tree, and what it has beside what it began with.

        Args:
            tree: the tree.
            start: the tree as it began; None: with nothing.
        """
        self.end(tree.id)
        self.finished += 1
        known = start.by_id if start else {}
        judged = {_pair_of(verdict) for verdict in start.verdicts} if start else set()
        new = [node for node in tree.nodes if node.id not in known]
        self._count(new)
        self.outcomes.update(v.outcome for v in tree.verdicts if _pair_of(v) not in judged)
        self.ledger.add_nodes(new)
        self.severity.update(_find_severities(new))
        self.spoiled += "spoiled" in _find_severities(tree.nodes)

    def _count(self, nodes: Sequence[Node]) -> None:
        self.nodes += len(nodes)
        self.turns += sum(node.role == "user" for node in nodes)
        mute = (node.agent for node in nodes if not node.content and node.agent in self.roles)
        self.silent.update((agent, "empty") for agent in mute)


def _pair_of(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.node, verdict.first, verdict.second


def _find_severities(nodes: Iterable[Node]) -> Iterator[str]:
    """Yield how bad it is, for each user message in which the simulator erred."""
    for node in nodes:
        if node.role == "user" and node.faults:
            yield "spoiled" if SPOILING & set(node.faults) else "blemished"
        elif node.role == "user" and node.repaired:
            yield "repaired"


async def grow_all(
    wanted: Sequence[PlannedTree],
    config: Config,
    folder: RunFolder,
    models: dict[str, Model],
    calls: CallLog,
    progress: RunProgress,
    on_change: Callable[[], None] = lambda: None,
) -> None:
    """Grow those of the trees in `wanted` that `folder` does not hold yet.

    Args:
        wanted: the plan of the run.
        config: settings of the run.
        folder: where finished trees go; it must be held for writing.
        models: by agent name, from `open_models`.
        calls: the log that every call passes.
        progress: counted up while the run goes on.
        on_change: called whenever `progress` changed.

    Raises:
        ModelError: a model is refused or gone; what is finished is kept.
        BudgetError: the budget is spent; what is finished is kept.
        StoreError: the folder cannot be written any more; what is finished is kept.
    """
    progress.roles = frozenset(config.roles)
    by_id = {each.tree: each for each in wanted}
    names = {name: model.name for name, model in models.items()}

    def take(exchange: FinishedExchange) -> None:
        begun = by_id[exchange.tree].begin(config, names)
        folder.growing.add(begun, exchange.nodes, exchange.verdicts)
        progress.add_exchange(exchange)

    engine_opened = open_engine(config, models, calls, trees=len(wanted), on_exchange=take)
    async with engine_opened as engine:
        await finish_trees(
            by_id,
            engine.grow,
            folder,
            engine,
            progress,
            on_change,
            width=width_of(config),
            start_of=lambda planned: planned.start,
        )


class Replayer(Protocol):
    """What answers calls from earlier events, such as a `CallLog`."""

    def remember(self, lines: Iterable[dict[str, Any]]) -> None:
        """Take earlier events."""


async def finish_trees(
    wanted: Mapping[str, T],
    make: Callable[[T], Awaitable[Tree]],
    folder: RunFolder,
    calls: Replayer,
    progress: RunProgress,
    on_change: Callable[[], None],
    *,
    width: int,
    start_of: Callable[[T], Tree | None] = lambda _: None,
) -> None:
    """Make those of the trees in `wanted`, by id, that `folder` does not hold yet.

    A finished tree is appended at once. One whose calls fail for good is set aside. Calls that an
    interrupted run had answered are not made again. What `start_of` returns of a tree was there
    before, and is not counted as made.

    Raises:
        ModelError: a model is refused or gone; what is finished is kept.
        StoreError: the folder cannot be written any more; what is finished is kept.
    """
    done = folder.finished()
    todo = {tree: each for tree, each in wanted.items() if tree not in done}
    progress.finished_before = len(wanted) - len(todo)
    calls.remember(event for event in read_events(folder.events) if event["tree"] in todo)

    async def work(item: tuple[str, T]) -> None:
        tree, each = item
        progress.running += 1
        on_change()
        try:
            made = await make(each)
            folder.append(made)
            progress.add(made, start_of(each))
        except CallError as error:
            progress.end(tree)
            if not progress.failures:
                progress.cause = cause_of(error)
            progress.failures[tree] = str(error)
            if trace := traceback_of(error):
                progress.traces[tree] = trace
                folder.log_trace(tree, trace)
        finally:
            progress.running -= 1
            on_change()

    await work_through(todo.items(), min(width, len(todo)), work)
    folder.sort(list(wanted))
