"""Which label rows are made from: the judge's, that by return (`aloe.memory.returns`), or both.

Labels by people (`aloe.training.people`) are verdicts already when rows are made from them.

An exporter reads verdicts. To make rows from labels by return it is given the same tree with other
verdicts, so every format has them, and so has every custom exporter. Three formats hold more of a
return than who won: SFT rows follow the path of highest return, a step's reward is its return, and
GRPO rows bring what a policy would learn from the replies that are there.

Nothing follows the last turn of a tree, and little its uncontinued replies, so labels by return
alone teach nothing about late turns. `mixed` takes the judge's label where there was no looking
ahead.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import wraps
from statistics import fmean, stdev
from typing import Any, Literal

from aloe.errors import ConfigError
from aloe.flaws import MIND_READING
from aloe.memory.label_agreement import LabelAgreement
from aloe.schema import Tree, Verdict
from aloe.training.export import ROWS, Row, Rows, Skipped
from aloe.training.usable import count_uncompared, without_markup
from aloe.verdict import NOT_CONTINUED, ROUNDING

Label = Literal["judge", "return", "mixed", "people"]
LABELS: tuple[Label, ...] = ("judge", "return", "mixed", "people")
LOOKING_AHEAD: tuple[Label, ...] = ("return", "mixed")

BY_BOTH = "by return where both replies were continued as deep, and else the judge's"

NOT_AS_DEEP = "not as deep"
"""The reason where one of two replies was continued deeper than the other."""
BESIDE_RETURNS = "judge's label beside returns"
"""The reason where a reward would be a share among siblings whose rewards are returns."""

BLIND = frozenset((
    NOT_CONTINUED, NOT_AS_DEEP, "no level below", MIND_READING, "reply without a level",
))  # fmt: skip
"""Reasons of a comparison by return that could not look ahead. Of two replies only one has to be
without a level; whether the judge's label of them can be learnt, `is_usable` decides."""

NO_LABEL = "no label by return"
"""The reason where a comparison was never relabelled."""
OFF_PATH = "off the path of highest return"
"""The reason where SFT does not follow a talk."""

COMPARING = frozenset(ROWS) - {"grpo"}
"""Formats whose rows are made of comparisons."""


def check_label(name: str) -> None:
    """Make sure that there is such a label.

    Raises:
        ConfigError: there is none.
    """
    if name not in LABELS:
        raise ConfigError(f"label: '{name}' is none of {', '.join(LABELS)}")


def label_rows(row_format: str, make: Rows, label: Label) -> Rows:
    """Return an exporter that makes its rows from this label.

    Args:
        row_format: name of one of our formats; any other is a custom one.
        make: what makes the rows from the verdicts of a tree.
        label: whose label.
    """
    chosen = _choose_rows(row_format, make, label)
    if row_format not in COMPARING or label == "people":  # `take_people` counts for itself
        return chosen

    @wraps(make)
    def rows(tree: Tree, skipped: Skipped) -> Iterable[Row]:
        count_uncompared(tree, skipped)
        return chosen(tree, skipped)

    return rows


def _choose_rows(row_format: str, make: Rows, label: Label) -> Rows:
    if label not in LOOKING_AHEAD:
        return make
    ours: dict[str, Rows] = {"sft": _sft_rows, "step": _step_rows, "grpo": _grpo_rows}
    by_return = ours.get(row_format) or _by_return(make)
    if label == "return":
        return by_return

    @wraps(make)
    def mixed(tree: Tree, skipped: Skipped) -> Iterable[Row]:
        return by_return(_fill_in(tree), skipped)

    return mixed


def check_relabelled(trees: Iterable[Tree], label: Label, where: str) -> None:
    """Make sure that trees have the label that is asked for.

    Raises:
        ConfigError: none of their comparisons has.
    """
    if label in LOOKING_AHEAD and not any(v.by_return for tree in trees for v in tree.verdicts):
        raise ConfigError(explain_missing(where))


def check_rewards(
    trees: Iterable[Tree], row_format: str, label: Label, *, restrained: bool = False
) -> None:
    """Make sure that the rewards of step rows are on one scale: shares, or returns of ratings.

    Raises:
        ConfigError: they would be on two.
    """
    if row_format != "step" or label not in LOOKING_AHEAD:
        return
    if not any(v.by_return and v.by_return.levels == "rated" for t in trees for v in t.verdicts):
        return
    why = "in rows of step, for the returns of these trees are made of given ratings, on any scale"
    if label == "mixed":
        raise ConfigError(
            f"label: mixed puts shares in [0, 1] beside returns {why}; take return or judge"
        )
    if restrained:
        raise ConfigError(f"--restraint puts rewards of 0 and 1 beside returns {why}; leave it out")


def explain_missing(where: str) -> str:
    """Return what to do about trees without labels by return."""
    return f"{where} has no labels by return; make them with `aloe relabel DIR --by return`"


def render_agreement(trees: Iterable[Tree], label: Label) -> str:
    """Return a dataset card's section, in Markdown, on where its labels come from."""
    if label == "people":
        return (
            "What is preferred is what most of the people preferred who labelled a pair, blind.\n"
        )
    found = LabelAgreement()
    for tree in trees:
        found.add(tree)
    if not found.labelled:
        return "What is preferred is what the judge preferred.\n"
    by = {"judge": "the judge's", "return": "by return"}.get(label, BY_BOTH)
    lines = [
        f"Labels are {by}. Labels by return say which of two replies led to the better",
        f"conversation ({found.basis}).",
        f"They decide {found.decided} of {found.comparisons} comparisons; the judge prefers the "
        f"same reply in {found.same}",
        f"of the {found.both} that both decide, and the other in {found.turned}.",
    ]
    if found.undecided:
        reasons = ", ".join(f"{count} {why}" for why, count in found.undecided.most_common())
        lines.append(f"Not decided by return: {reasons}.")
    for each in found.questions:
        lines += [
            "",
            f"- Turn {each.turn}, return higher by {each.difference:.2f} (judge: {each.judged}):",
            f"  - user: {_quoted(each.message)}",
            f"  - question: {_quoted(each.asked)}",
            f"  - instead of: {_quoted(each.instead)}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a message as one line of code, which Markdown does not read."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _fill_in(tree: Tree) -> Tree:
    """Return the tree with the judge's label where a comparison could not look ahead."""
    found = []
    for verdict in tree.verdicts:
        label = verdict.by_return
        if label and label.reason in BLIND:
            reason = "abstain" if verdict.outcome == "abstain" else None
            changes = {"outcome": verdict.outcome, "reason": reason, "returns": None}
            label = label.model_copy(update=changes)
        found.append(verdict.model_copy(update={"by_return": label}))
    return tree.model_copy(update={"verdicts": tuple(found)})


def _by_return(make: Rows) -> Rows:
    @wraps(make)
    def rows(tree: Tree, skipped: Skipped) -> Iterable[Row]:
        return make(_take_returns(tree, tree.verdicts, skipped), skipped)

    return rows


def _take_returns(tree: Tree, verdicts: Iterable[Verdict], skipped: Skipped) -> Tree:
    """Return the tree with verdicts by return only; those that do not decide are counted.

    One that took the judge's label (`_fill_in`) has no returns and keeps how sure the judge was;
    it has no margin, since margins of the others are differences of returns.
    """
    found = []
    for verdict in verdicts:
        label = verdict.by_return
        if label is None or label.reason:
            skipped[NO_LABEL if label is None else label.reason or ""] += 1
            continue
        changes: dict[str, Any] = {"outcome": label.outcome, "margin": label.difference}
        if label.returns:
            changes |= {"votes": (), "confidence": None}
        found.append(verdict.model_copy(update=changes))
    return tree.model_copy(update={"verdicts": tuple(found)})


def _sft_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield the best reply of each turn on the path of highest return, where it was told apart."""
    path = _find_best_path(tree)
    kept = [verdict for verdict in tree.verdicts if verdict.node in path]
    if off := len(tree.verdicts) - len(kept):
        skipped[OFF_PATH] += off
    yield from ROWS["sft"](_take_returns(tree, kept, skipped), skipped)


def _step_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield step rows of the replies told apart from a sibling, with the return as reward.

    Where returns tell none of a message's replies apart, the reward is the share of siblings that
    the judge ranks below. So all replies to a message have rewards of one kind; what would need the
    other is counted.
    """
    groups = _find_returns(tree)
    deep = [v for v in tree.verdicts if not _has_returns(v) or v.first in groups[v.node]]
    told = {v.node for v in deep if _has_returns(v) and not _is_open(v)}
    kept = [v for v in deep if v.node not in told or _has_returns(v) or _is_open(v)]
    for reason, before, after in ((NOT_AS_DEEP, tree.verdicts, deep), (BESIDE_RETURNS, deep, kept)):
        if lost := len(before) - len(after):
            skipped[reason] += lost
    for row in ROWS["step"](_take_returns(tree, kept, skipped), skipped):
        user, reply = (row["nodes"][part] for part in ("user", "completion"))
        yield {**row, "reward": groups[user][reply] if user in told else row["reward"]}


def _has_returns(verdict: Verdict) -> bool:
    return bool(verdict.by_return and verdict.by_return.returns)


def _is_open(verdict: Verdict) -> bool:
    """Return whether a comparison has no winner by its label, the judge's where that was taken."""
    return not verdict.by_return or verdict.by_return.outcome not in ("first", "second")


@without_markup
def _grpo_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield GRPO rows with the replies whose returns can be compared, and their advantages.

    An advantage is a return minus the mean of its siblings' and its own, in their standard
    deviations; 0 where they are equal but for rounding.
    """
    returns = _find_returns(tree)
    for row in ROWS["grpo"](tree, skipped):
        group = returns.get(row["nodes"]["user"], {})
        replies = [tree.by_id[reply].content for reply in group]
        yield {**row, "replies": replies, "advantages": _find_advantages([*group.values()])}


def _find_advantages(values: Sequence[float]) -> list[float]:
    """Return how far each value is from the mean, in standard deviations."""
    if not values or max(values) - min(values) <= ROUNDING:
        return [0.0] * len(values)
    return [(value - fmean(values)) / stdev(values) for value in values]


def _find_returns(tree: Tree) -> Mapping[str, dict[str, float]]:
    """Return returns that can be held against each other, by user message and reply.

    Labels compare replies that were continued as deep, so those that no chain of comparisons links
    are of different depths. Of a message's replies the largest group counts, the first of equal
    ones.
    """
    groups: dict[str, list[dict[str, float]]] = {}
    for verdict in tree.verdicts:
        if verdict.by_return and verdict.by_return.returns:
            pair = dict(
                zip((verdict.first, verdict.second), verdict.by_return.returns, strict=True)
            )
            held = groups.setdefault(verdict.node, [])
            linked = [group for group in held if group.keys() & pair.keys()]
            joined = {key: value for group in [*linked, pair] for key, value in group.items()}
            apart = [group for group in held if not group.keys() & pair.keys()]
            groups[verdict.node] = [*apart, joined]
    order = {node.id: place for place, node in enumerate(tree.nodes)}
    return {
        user: max(held, key=lambda group: (len(group), -min(order[reply] for reply in group)))
        for user, held in groups.items()
    }


def _find_best_path(tree: Tree) -> set[str]:
    """Return the user messages that follow no reply which a sibling's return exceeds."""
    worse = {
        reply
        for group in _find_returns(tree).values()
        for reply, value in group.items()
        if value < max(group.values()) - ROUNDING
    }
    found: set[str] = set()
    for node in tree.nodes:  # parents stand before their children
        above = tree.by_id[node.parent].parent if node.parent else None
        if node.role == "user" and (above is None or above in found) and node.parent not in worse:
            found.add(node.id)
    return found
