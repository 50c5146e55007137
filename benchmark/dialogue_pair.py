"""A user's dialogue with one model beside the same user's dialogue with another.

Chosen by rule, so that nobody picks the nicest: the one whose average AL rose by the median; among
equals one in which a question brought something.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median_high, median_low

from rich.console import Group
from rich.text import Text

from aloe.benchmark.folder import Bench
from aloe.benchmark.reply_levels import mean_level
from aloe.benchmark.scores import ReplyScores
from aloe.memory.run_folder import read_trees
from aloe.memory.wish_checks import check_replies
from aloe.schema import AssistantNode, Tree, UserNode
from aloe.views.folding import Pairs, Table, said
from aloe.views.tellings import REASONS, describe_matter
from aloe.views.ticks import UNTOLD, draw_ticks

SHOWN = 3
"""Turns of a dialogue that are drawn at most."""
LONGEST = 300
"""Characters of a reply that are drawn at most; the ticks are about all of it."""


def measure_changes(
    before: Iterable[ReplyScores], after: Iterable[ReplyScores]
) -> dict[str, float]:
    """Return by how much the average AL of each dialogue rose, by the dialogue's id.

    Dialogues that one side lacks, or in which no reply was rated by all judges, are left out.
    """
    old, new = _measure_levels(before), _measure_levels(after)
    return {id_: new[id_] - old[id_] for id_ in new if id_ in old}


def rank_changes(changes: Mapping[str, float]) -> list[str]:
    """Return the dialogues' ids, those that rose least first."""
    return sorted(changes, key=lambda id_: (changes[id_], id_))


def _measure_levels(rows: Iterable[ReplyScores]) -> dict[str, float]:
    replies: dict[str, list[ReplyScores]] = {}
    for row in rows:
        replies.setdefault(row.dialogue, []).append(row)
    levels = {id_: mean_level(each) for id_, each in replies.items()}
    return {id_: level for id_, level in levels.items() if level is not None}


@dataclass(frozen=True, kw_only=True)
class DialoguePair:
    """Two dialogues with one user, drawn side by side with ticks where a program can check."""

    names: tuple[str, str]
    """Of the models."""
    trees: tuple[Tree, Tree]
    turns: int
    """That count; what is asked after them is no part of the dialogue."""

    @classmethod
    def find(cls, names: tuple[str, str], before: Bench, after: Bench) -> "DialoguePair | None":
        """Return the pair whose AL rose by the median; None if no pair is whole."""
        rows = before.own_rows, after.own_rows
        broken = {row.dialogue for each in rows for row in each if not row.reply}
        every = measure_changes(*rows)
        changes = {id_: change for id_, change in every.items() if id_ not in broken}
        if not changes:
            return None
        typical = _find_typical(changes)
        ended = [tree for tree in read_trees(after.path) if tree.id in typical]
        other = min(ended, key=lambda tree: (_find_answer(tree) is None, typical.index(tree.id)))
        one = next(tree for tree in read_trees(before.path) if tree.id == other.id)
        turns = sum(row.dialogue == other.id for row in rows[1])
        return cls(names=names, trees=(one, other), turns=turns)

    def __rich__(self) -> Group:
        """Draw who the user is, and the turns that show most."""
        persona = self.trees[0].persona
        life, wants = (
            [fact.text for fact in persona.facts if fact.kind == kind] for kind in ("fact", "trait")
        )
        head = [
            (Text("who", "dim"), said(" ".join(life[:2]))),
            (Text("wants", "dim"), said(" ".join(wants))),
        ]
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(width=len("turn 10"))
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        table.add_row(Text(), *(Text(name, "bold") for name in self.names))
        for turn in self.choose_turns():
            messages = [_find_turn(tree, turn) for tree in self.trees]
            table.add_row(Text(f"turn {turn}", "dim"), *(_draw_user(t, u) for t, u, _ in messages))
            table.add_row(Text(), *(_draw_reply(t, reply) for t, _, reply in messages))
        return Group(Pairs(head), Text(), table, Text(UNTOLD, "dim"))

    def choose_turns(self) -> list[int]:
        """Return the turns to draw: a question that brought something, its answer, and the last.

        Where no question brought anything: the first, the last, and one in the middle.
        """
        answer, middle = _find_answer(self.trees[1]), (self.turns + 1) // 2
        chosen = {1, middle, self.turns} if answer is None else {answer - 1, answer, self.turns}
        return sorted(turn for turn in chosen if 1 <= turn <= self.turns)[:SHOWN]


def _find_typical(changes: Mapping[str, float]) -> list[str]:
    """Return the dialogues whose rise is the median, or one of the two beside it, best first."""
    middle = {median_low(changes.values()), median_high(changes.values())}
    return [id_ for id_ in reversed(rank_changes(changes)) if changes[id_] in middle]


def _find_answer(tree: Tree) -> int | None:
    """Return the first turn in which the user tells what it was asked for."""
    asked = (user.turn for user in tree.users if any(told.why == "asked" for told in user.told))
    return next(asked, None)


def _find_turn(tree: Tree, turn: int) -> tuple[Tree, UserNode, AssistantNode]:
    user = next(user for user in tree.users if user.turn == turn)
    reply = next(reply for reply in tree.replies if reply.turn == turn)
    return tree, user, reply


def _draw_user(tree: Tree, user: UserNode) -> Group:
    """Return a message, and what the replies had to do with what it tells."""
    why = [
        Text(f"({REASONS[told.why]}: {describe_matter(tree, told, user)})", "dim")
        for told in user.told
        if told.why != "scheduled"
    ]
    return Group(said(user.content, "italic"), *why)


def _draw_reply(tree: Tree, reply: AssistantNode) -> Group:
    ticks = draw_ticks(check_replies(tree).checked.get(reply.id, ()))
    return Group(said(_cut(reply.content)), ticks, Text())


def _cut(text: str) -> str:
    """Return a text of a few lines; one that is longer ends at a word, and says so."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST].rsplit(maxsplit=1)[0]} [...]"
