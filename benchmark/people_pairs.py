"""Comparisons that people made, as a judge's gold: imported scores, `aloe chat`, `aloe label`.

The better reply is the one that most of those prefer who were asked about the pair; where there is
no such majority, or it is for a tie, nobody can be right and the pair is left out, which is
counted. People differ, so two more figures stand beside the accuracy: how often the judge agrees
with a single person, over the same pairs, and how often two people agree with each other. That one
is over all pairs that people were asked about: on those with a majority people agree more than
elsewhere, and two always. Pairs on one message share replies and are one cluster. Those of one
person are not taken together, so intervals are too narrow where few people made many choices.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

from aloe.agents.judge import Comparison
from aloe.benchmark.agreement import clustered_share, krippendorff_alpha
from aloe.errors import InputError
from aloe.files.records import read_records
from aloe.labels import LABELS, SEEN, Label, pair_id, read_labels
from aloe.memory.run_folder import folder_of, read_trees
from aloe.passport import PeopleChoices, Share
from aloe.schema import Tree, Verdict, digest
from aloe.verdict import is_human

Answers = dict[str, str]
"""What each person said of a pair, by name: `first`, `second` or `tie`."""


@dataclass(frozen=True, kw_only=True)
class PeoplePair:
    """Two replies to one message, of which people prefer one."""

    tree: Tree
    verdict: Verdict
    """Which replies, in which order; whoever gave it."""
    answers: Answers
    better_is_first: bool
    mirror: ClassVar[None] = None

    @cached_property
    def id(self) -> str:
        """Content hash."""
        return pair_id(self.tree.id, self.verdict)

    @property
    def group(self) -> str:
        """What pairs that are not independent have in common: the message."""
        return self.verdict.node

    @property
    def kind(self) -> str:
        """How far the conversation had come."""
        return f"turn {self.tree.by_id[self.verdict.node].turn}"

    @property
    def better(self) -> str:
        """The reply that people prefer."""
        return self._content(self.verdict.first if self.better_is_first else self.verdict.second)

    @property
    def worse(self) -> str:
        """The other one."""
        return self._content(self.verdict.second if self.better_is_first else self.verdict.first)

    @cached_property
    def comparison(self) -> Comparison:
        """The pair as a judge is asked about it."""
        return self.compared(*map(self._content, (self.verdict.first, self.verdict.second)))

    def compared(self, first: str, second: str) -> Comparison:
        """Return a comparison of any two replies to this pair's message."""
        tree, node = self.tree, self.verdict.node
        return Comparison.between(
            tree.path(node), first, second, persona=tree.played(node), tree=tree.id
        )

    def _content(self, reply: str) -> str:
        return self.tree.by_id[reply].content


@dataclass(frozen=True, kw_only=True)
class PeopleGold:
    """The pairs of a file of which most people prefer one reply, and who those people are."""

    pairs: list[PeoplePair]
    choices: PeopleChoices


@dataclass
class _Asked:
    """A pair that people were asked about."""

    tree: Tree
    verdict: Verdict
    answers: Answers = field(default_factory=dict)


def holds_choices(path: Path) -> bool:
    """Return whether a path is a run folder, or a file of trees or of labels."""
    if path.is_dir():
        return True
    first: Any = next((record for _, record in read_records(path)), None)
    known = ({"nodes", "verdicts"}, {"pair", "rater", "answer"})
    return isinstance(first, dict) and any(keys <= first.keys() for keys in known)


def read_people(path: Path) -> PeopleGold:
    """Return the pairs that people agree on.

    Args:
        path: a run folder, its trees and labels; a file of trees; or a file of labels, which lies
            beside the trees.

    Raises:
        InputError: there are none, or a line is broken (with its number).
    """
    folder = folder_of(path)
    is_sheet = path.is_file() and path.name == LABELS
    trees = list(read_trees(folder if is_sheet else path))
    sheet = folder / LABELS if path.is_dir() or is_sheet else None
    labels = [each for each in read_labels(sheet) if each.rater != SEEN] if sheet else []
    asked = _collect(trees, labels)
    if not any(each.answers for each in asked):
        judges = sorted({v.judge for t in trees for each in t.verdicts for v in each.votes})
        said = f"its judges are {', '.join(judges[:3])}" if judges else "nobody compared anything"
        raise InputError(path, f"holds no choice of a person ({said}); `aloe label` asks people")
    pairs = [pair for each in asked if (pair := _agreed(each))]
    if not pairs:
        raise InputError(path, "there is no pair in which most people prefer the same reply")
    people, made = _count_choices(pairs)
    choices = PeopleChoices(
        people=people,
        choices=made,
        left_out=len(asked) - len(pairs),
        ceiling=_count_alike(asked),
        alpha=krippendorff_alpha([list(each.answers.values()) for each in asked]),
    )
    return PeopleGold(pairs=pairs, choices=choices)


def pick_people(gold: PeopleGold, limit: int) -> PeopleGold:
    """Return up to `limit` pairs, drawn the same way every time."""
    drawn = sorted(gold.pairs, key=lambda pair: digest("some", pair.id))[:limit]
    people, made = _count_choices(drawn)
    choices = gold.choices.model_copy(update={"people": people, "choices": made})
    return PeopleGold(pairs=drawn, choices=choices)


def _collect(trees: Iterable[Tree], labels: Iterable[Label]) -> list[_Asked]:
    found: dict[tuple[str, frozenset[str]], _Asked] = {}
    for tree in trees:
        for verdict in tree.verdicts:
            asked = found.setdefault(_key(tree.id, verdict), _Asked(tree, verdict))
            for vote in verdict.votes:
                if is_human(vote.judge) and vote.choice:
                    asked.answers[vote.judge] = _as_in(asked.verdict, verdict, vote.choice)
    for label in labels:
        labelled = found.get(_key(label.tree, label))
        if labelled and label.answer != "skip":
            answer = _as_in(labelled.verdict, label, label.answer)
            labelled.answers[label.rater] = answer
    return [each for each in found.values() if each.answers and _differ(each)]


def _key(tree: str, pair: Verdict | Label) -> tuple[str, frozenset[str]]:
    return tree, frozenset((pair.node, pair.first, pair.second))


def _as_in(known: Verdict, other: Verdict | Label, answer: str) -> str:
    """Return an answer about `other` as one about `known`, the same pair perhaps turned round."""
    if known.first == other.first or answer == "tie":
        return answer
    return {"first": "second", "second": "first"}[answer]


def _differ(asked: _Asked) -> bool:
    one, other = (asked.tree.by_id[r].content for r in (asked.verdict.first, asked.verdict.second))
    return bool(one and other) and one != other


def _agreed(asked: _Asked) -> PeoplePair | None:
    """Return a pair with what most people prefer; None if they do not."""
    if not (best := _majority(asked.answers)):
        return None
    return PeoplePair(
        tree=asked.tree,
        verdict=asked.verdict,
        answers=asked.answers,
        better_is_first=best == "first",
    )


def _count_choices(pairs: Sequence[PeoplePair]) -> tuple[int, int]:
    """Return how many people made how many choices about some pairs."""
    names = [name for pair in pairs for name in pair.answers]
    return len(set(names)), len(names)


def _count_alike(asked: Iterable[_Asked]) -> Share:
    """Return how often two people prefer the same reply of a pair, ties left out."""
    return clustered_share(
        (each.verdict.node, one == other)
        for each in asked
        for one, other in combinations(each.answers.values(), 2)
        if "tie" not in (one, other)
    )


def count_agreement(pairs: Sequence[PeoplePair], verdicts: Sequence[Verdict]) -> Share:
    """Return how often the judge's preference is that of a single person, ties left out.

    Args:
        pairs: what the judge was asked about.
        verdicts: the judge's, in the same order, on the replies in the order of the pair.
    """
    found = [
        (pair.group, answer == verdict.outcome)
        for pair, verdict in zip(pairs, verdicts, strict=True)
        for answer in pair.answers.values()
        if verdict.preferred and answer != "tie"
    ]
    return clustered_share(found)


def _majority(answers: Mapping[str, str]) -> str | None:
    """Return the reply that more than half of the people prefer."""
    counts = Counter(answers.values())
    sides = (side for side in ("first", "second") if 2 * counts[side] > counts.total())
    return next(sides, None)
