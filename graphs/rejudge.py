"""Judge stored trees again, with another judge, criterion or threshold; nothing is regenerated.

The conversations do not change, so any difference is due to the judge. Trees are processed as in
`aloe.graphs.batch`, resumable and with failures set aside.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from aloe.agents.judge import Comparison, Judge
from aloe.agents.panel import make_judge
from aloe.agents.schedule import compare_all
from aloe.calls.log import CallLog
from aloe.calls.together import ask_each
from aloe.config import Config, Schedule
from aloe.errors import ConfigError, StoreError
from aloe.graphs.batch import RunProgress, finish_trees
from aloe.graphs.concurrency import width_of
from aloe.judge_names import is_judge
from aloe.labels import LABELS, append_labels, fit_labels, read_labels
from aloe.memory.returns import keep_returns
from aloe.memory.run_folder import RunFolder, folder_of, read_trees
from aloe.memory.run_inputs import find_changed
from aloe.models.open import Model
from aloe.schema import AssistantNode, Outcome, Tree, UserNode, Verdict

Flips = Counter[tuple[Outcome, Outcome]]
"""Comparisons by (old outcome, new outcome)."""


async def rejudge(
    config: Config,
    trees: Sequence[Tree],
    folder: RunFolder,
    models: Mapping[str, Model],
    calls: CallLog,
    progress: RunProgress,
    on_change: Callable[[], None] = lambda: None,
) -> None:
    """Judge the trees that `folder` does not hold yet; the folder must be held for writing.

    Args:
        config: settings of the new run.
        trees: what is judged again.
        folder: where judged trees go.
        models: those of the judges, by agent name.
        calls: the log that every call passes.
        progress: counted up while the run goes on.
        on_change: called whenever `progress` changed.

    Raises:
        ModelError: a model is refused or gone; what is finished is kept.
        StoreError: the folder cannot be written any more; what is finished is kept.
    """
    judge = make_judge(config, models, calls)
    names = {name: model.name for name, model in models.items()}

    make = partial(
        judge_tree,
        judge=judge,
        schedule=config.judge.schedule,
        at_once=calls.batches is not None,
    )

    async def judged(tree: Tree) -> Tree:
        return replace_verdicts(tree, await make(tree), names)

    by_id = {tree.id: tree for tree in trees}
    width = width_of(config)
    await finish_trees(
        by_id,
        judged,
        folder,
        calls,
        progress,
        on_change,
        width=width,
        start_of=lambda tree: tree.model_copy(update={"verdicts": ()}),
    )


async def judge_tree(
    tree: Tree, judge: Judge, schedule: Schedule, *, at_once: bool = False
) -> list[Verdict]:
    """Return the verdicts on all replies in `tree`, as if it had grown under this judge.

    `at_once` asks about all of them together.

    Raises:
        ModelError: the judge's model is refused or gone.
        CallError: a call failed for good.
    """
    asks = [
        partial(_judge_replies, tree, user, judge, schedule, at_once=at_once) for user in tree.users
    ]
    return [each for found in await ask_each(asks, at_once=at_once) for each in found]


async def _judge_replies(
    tree: Tree, user: UserNode, judge: Judge, schedule: Schedule, *, at_once: bool
) -> list[Verdict]:
    path = tuple(tree.path(user.id)[:-1])
    replies = [node for node in tree.children(user.id) if isinstance(node, AssistantNode)]

    async def compare(first: AssistantNode, second: AssistantNode) -> Verdict:
        return await judge.compare(
            Comparison(
                persona=tree.played(user.id),
                tree=tree.id,
                path=path,
                user=user,
                first=first,
                second=second,
            )
        )

    return await compare_all(replies, compare, schedule, at_once=at_once)


def check_comparable(trees: Iterable[Tree]) -> None:
    """Make sure that some message has several replies.

    Raises:
        ConfigError: none has, so there is nothing to judge.
    """
    for tree in trees:
        if any(len(tree.children(user.id)) > 1 for user in tree.users):
            return
    raise ConfigError(
        "the trees hold no two replies to one message, so there is nothing to judge; name a run of "
        "`aloe simulate`"
    )


def check_same(trees: Sequence[Tree], folder: RunFolder) -> None:
    """Make sure that what `folder` holds already are judgements of these very trees.

    Raises:
        StoreError: it holds others under the same ids.
    """
    given = {tree.id: tree for tree in trees}
    for held in read_trees(folder.path) if folder.trees.exists() else ():
        tree = given.get(held.id)
        if tree is None or held.nodes != tree.nodes:
            raise StoreError(
                f"{folder.path} holds judgements of other trees (tree {held.id}); "
                "name another folder"
            )


def keep_hashes(
    run: RunFolder, players: Iterable[str], judges: Mapping[str, str]
) -> dict[str, str]:
    """Return the hashes of models and code of a judged run: as of `run` for what made its trees.

    Args:
        run: where the trees come from.
        players: the model strings of all that are no judges, and the names of own code.
        judges: hash of the files of each judge's model that is here, by model string, and of the
            judge's own code.

    Raises:
        ConfigError: a judge has the name of a model that made the trees, whose files changed since.
        InputError: what is written about the models of `run` is broken.
    """
    held = run.read_models()
    kept = {name: held[name] for name in players if name in held}
    if changed := find_changed(kept, judges):
        raise ConfigError(
            f"{changed[0]} played in {run.path} and its files have changed since; copy it to a "
            "place of its own and name that with --judge"
        )
    return dict(sorted({**kept, **judges}.items()))


def replace_verdicts(tree: Tree, verdicts: Sequence[Verdict], judges: Mapping[str, str]) -> Tree:
    """Return `tree` with these verdicts and judges; labels by return stay if they still hold."""
    others = {n: model for n, model in tree.models.items() if not is_judge(n)}
    kept = tuple(keep_returns(tree.verdicts, verdicts))
    return tree.model_copy(update={"verdicts": kept, "models": {**others, **judges}})


def carry_labels(run: Path, folder: RunFolder, trees: Sequence[Tree]) -> tuple[int, int]:
    """Write people's labels of a run beside judgements of its trees, as far as they still fit.

    Args:
        run: run folder, or a file of trees; labels are looked for in or beside it.
        folder: where the judged trees are; a label that is there already stays.
        trees: the judged trees.

    Returns:
        How many labels have a place there, and how many are about pairs not compared any more.

    Raises:
        InputError: a label is broken (with its line).
        StoreError: the file cannot be written.
    """
    labels = read_labels(folder_of(run) / LABELS)
    known = {tree.id for tree in trees}
    fitting = list(fit_labels(labels, trees))
    there = {(each.rater, each.pair) for each in read_labels(folder.path / LABELS)}
    if new := [each for each in fitting if (each.rater, each.pair) not in there]:
        append_labels(folder.path / LABELS, new)
    return len(fitting), sum(each.tree in known for each in labels) - len(fitting)


def count_returns(before: Sequence[Tree], after: Sequence[Tree]) -> tuple[int, int]:
    """Return how many labels by return of `before` are in `after`, and how many are lost."""
    known = {tree.id for tree in after}
    had, kept = (
        sum(verdict.by_return is not None for tree in trees for verdict in tree.verdicts)
        for trees in ([tree for tree in before if tree.id in known], after)
    )
    return kept, had - kept


def count_flips(before: Sequence[Tree], after: Sequence[Tree]) -> Flips:
    """Count how the outcomes of `before` changed in `after`, over the pairs that both compared.

    Pairs about which no judge was asked, replies that are alike or empty, say nothing about judges
    and are left out.
    """
    return Counter(
        _outcomes(old, new) for old, new in _compared_twice(before, after) if old.votes or new.votes
    )


def count_unasked(before: Sequence[Tree], after: Sequence[Tree]) -> int:
    """Count the pairs of both that `count_flips` leaves out: nobody was asked about them."""
    return sum(not (old.votes or new.votes) for old, new in _compared_twice(before, after))


def _compared_twice(
    before: Sequence[Tree], after: Sequence[Tree]
) -> Iterator[tuple[Verdict, Verdict]]:
    """Yield the verdicts on each pair that both compared, the old one and the new one."""
    judged = {tree.id: tree for tree in after}
    for tree in before:
        if again := judged.get(tree.id):
            found = {frozenset((v.first, v.second)): v for v in again.verdicts}
            for old in tree.verdicts:
                if new := found.get(frozenset((old.first, old.second))):
                    yield old, new


def _outcomes(old: Verdict, new: Verdict) -> tuple[Outcome, Outcome]:
    """Return both outcomes, of the replies in the order of the old verdict."""
    swapped: dict[Outcome, Outcome] = {"first": "second", "second": "first"}
    same_way = old.first == new.first
    return old.outcome, new.outcome if same_way else swapped.get(new.outcome, new.outcome)
