"""Which candidates of a turn are continued: the policy that gives a tree its shape.

A policy sees one set of siblings at a time and returns the ids of those that go on. It is chosen by
name, or comes from outside as `MODULE:FUNCTION` or an entry point of the group `aloe.expansions`;
anything of type `Expansion` will do. `beam` alone looks at a whole turn, because it compares
siblings of different branches.

A node budget cuts branches: as many go on as can still reach the last turn, one at least. Which
ones is drawn from the tree's seed, so that no policy is bent towards some kind of reply, unless
`budget_keeps` names the assistant whose branches come first. Siblings stay together as far as there
is room, since one that goes on alone can be compared with none of them by what came of it. All of
it depends on the tree alone, so who answers first changes nothing.
"""

import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from statistics import mean

from aloe.agents.guard import guarded
from aloe.config import SimulationConfig
from aloe.errors import RoleError
from aloe.plugins import load_plugin
from aloe.ranking import beaten
from aloe.schema import AssistantNode, Verdict, derive_seed
from aloe.wording import visible

Expansion = Callable[[Sequence[AssistantNode], Sequence[Verdict], random.Random], list[str]]
"""Takes the siblings that can be continued, the verdicts on them and a random source of its own,
and returns the ids of those to continue."""


@dataclass(frozen=True, kw_only=True)
class Siblings:
    """The answers to one user message."""

    user: str
    candidates: Sequence[AssistantNode]
    verdicts: Sequence[Verdict]
    reacts_to: str | None = None
    """Who wrote the reply before that message; None before the first reply."""


def sample(
    candidates: Sequence[AssistantNode], _verdicts: Sequence[Verdict], rng: random.Random
) -> list[str]:
    """Continue one candidate at random, as the paper does (section 3)."""
    return [rng.choice(candidates).id]


def preferred(
    candidates: Sequence[AssistantNode], verdicts: Sequence[Verdict], rng: random.Random
) -> list[str]:
    """Continue the candidate that beats most others, one at random among equals."""
    order = beaten(verdicts)
    wins = {each.id: len(order.get(each.id, ())) for each in candidates}
    best = max(wins.values())
    return [rng.choice([node for node, won in wins.items() if won == best])]


def both(
    candidates: Sequence[AssistantNode], _verdicts: Sequence[Verdict], _rng: random.Random
) -> list[str]:
    """Continue every candidate."""
    return [candidate.id for candidate in candidates]


def disagreement(
    candidates: Sequence[AssistantNode], verdicts: Sequence[Verdict], rng: random.Random
) -> list[str]:
    """Continue all candidates that the judge is divided about, one at random if there are none.

    Divided means that it abstains, or that its votes differ.
    """
    divided = {
        node
        for verdict in verdicts
        if verdict.outcome == "abstain" or len({vote.choice for vote in verdict.votes}) > 1
        for node in (verdict.first, verdict.second)
    }
    chosen = [each.id for each in candidates if each.id in divided]
    return chosen or sample(candidates, verdicts, rng)


EXPANSIONS: dict[str, Expansion] = {
    "sample": sample,
    "preferred": preferred,
    "both": both,
    "disagreement": disagreement,
}


@cache
def find_expansion(name: str) -> Expansion:
    """Return the policy of one set of siblings that `name` names.

    Raises:
        ConfigError: `MODULE:FUNCTION` or the entry point cannot be found.
    """
    if name in EXPANSIONS:
        return EXPANSIONS[name]
    found: Expansion = load_plugin("expansions", name)
    return partial(_on_copies, found)


def _on_copies(
    policy: Expansion,
    candidates: Sequence[AssistantNode],
    verdicts: Sequence[Verdict],
    rng: random.Random,
) -> list[str]:
    """Return what a policy of the user's chooses, which can change nothing of the tree."""
    return policy(deepcopy(candidates), deepcopy(verdicts), rng)


def check_expansion(config: SimulationConfig) -> None:
    """Make sure that the policy of `config` can be found.

    Raises:
        ConfigError: it cannot.
    """
    if config.expansion != "beam":
        find_expansion(config.expansion)


def choose_frontier(
    config: SimulationConfig,
    tree: str,
    turn: int,
    level: Sequence[Siblings],
    nodes: int,
) -> list[str]:
    """Return which candidates of `turn` are continued; empty replies never are.

    Args:
        config: names the policy and the budget.
        tree: id of the tree, from which all chances derive.
        turn: the turn just played, from 1.
        level: all sets of siblings of that turn.
        nodes: size of the tree so far.

    Raises:
        RoleError: a policy from outside fails, or names a node that cannot be continued.
    """
    width = max((len(siblings.candidates) for siblings in level), default=0)
    usable = [
        replace(each, candidates=[c for c in each.candidates if visible(c.content)])
        for each in level
    ]
    usable = [each for each in usable if each.candidates]
    if config.expansion == "beam" and turn > config.both_turns:
        chosen = beam(usable, config.beam_width, random.Random(derive_seed("beam", tree, turn)))
    else:
        name = "both" if turn <= config.both_turns else config.expansion
        chosen = [node for each in usable for node in _choose(name, tree, each)]
    going_on = [
        replace(each, candidates=[c for c in each.candidates if c.id in chosen]) for each in usable
    ]
    return _cut_to_budget(config, tree, turn, going_on, nodes, width)


def _choose(name: str, tree: str, siblings: Siblings) -> list[str]:
    rng = random.Random(derive_seed("expand", tree, siblings.user))
    policy = find_expansion(name)
    with guarded(f"expansion '{name}'", tree):
        chosen = set(policy(siblings.candidates, siblings.verdicts, rng))
    known = [candidate.id for candidate in siblings.candidates]
    if not chosen <= set(known):
        raise RoleError(
            f"expansion '{name}' returned a node that is not among the candidates in tree {tree}"
        )
    return [node for node in known if node in chosen]


def beam(level: Sequence[Siblings], width: int, rng: random.Random) -> list[str]:
    """Continue the `width` best candidates of a turn, whatever branch they are on.

    Best is who wins most of its comparisons; then by mean margin, then by chance.
    """
    found = [(c.id, siblings.verdicts) for siblings in level for c in siblings.candidates]
    chance = {node: rng.random() for node, _ in found}
    ranked = sorted(found, key=lambda pair: (*_score(*pair), chance[pair[0]]), reverse=True)
    best = {node for node, _ in ranked[:width]}
    return [node for node, _ in found if node in best]


def _score(node: str, verdicts: Sequence[Verdict]) -> tuple[float, float]:
    """Return wins less losses of `node` against its siblings, and its mean margin."""
    order = beaten(verdicts)
    won = order.get(node, set())
    balance = [(other in won) - (node in order[other]) for other in order if other != node]
    mine = [verdict for verdict in verdicts if node in (verdict.first, verdict.second)]
    margins = [v.margin if v.first == node else -v.margin for v in mine if v.margin is not None]
    return mean(balance or [0]), mean(margins or [0.0])


def _cut_to_budget(
    config: SimulationConfig,
    tree: str,
    turn: int,
    level: Sequence[Siblings],
    nodes: int,
    width: int,
) -> list[str]:
    """Return as many as can reach the last turn within the budget, at least one.

    Args:
        config: has the budget, and what it keeps first.
        tree: id of the tree.
        turn: the turn just played.
        level: what is to go on.
        nodes: size of the tree so far.
        width: most candidates of a message.
    """
    groups = [[candidate.id for candidate in each.candidates] for each in level]
    chosen = [node for group in groups for node in group]
    if config.node_budget is None or not chosen:
        return chosen
    left, exchange = config.node_budget - nodes, 1 + width
    room = max(left // (exchange * (config.turns - turn)), int(left >= exchange))
    first = {c.id for s in level if s.reacts_to == config.budget_keeps for c in s.candidates}
    kept: set[str] = set()
    rng = random.Random(derive_seed("budget", tree, turn))
    drawn = rng.sample(groups, len(groups))
    for group in sorted(drawn, key=first.isdisjoint):
        if len(kept) + len(group) <= room:
            kept.update(group)
    rest = [node for node in chosen if node not in kept]
    for part in ([n for n in rest if n in first], [n for n in rest if n not in first]):
        kept.update(rng.sample(part, min(room - len(kept), len(part))))
    return [node for node in chosen if node in kept]
