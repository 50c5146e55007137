"""Which comparisons people are asked about, and how their answers compare with the judge's.

A simple random sample of a run would be nearly all opening turns and easy preferences. So pairs are
drawn from strata, turn by the judge's outcome, one from each in a round, in an order that depends
only on the seed and the pairs. The agreement then describes the sampled pairs, and is also given by
turn; it does not estimate the share of correct labels in the whole run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aloe.benchmark.agreement import clustered_share, cohen_kappa, krippendorff_alpha
from aloe.label_sheet import can_be_asked
from aloe.labels import SEEN, Label, pair_id
from aloe.passport import PeopleAgreement, Share
from aloe.schema import Tree, Verdict, digest


@dataclass(frozen=True, kw_only=True)
class ReplyPair:
    """A comparison that a person can be asked about."""

    tree: Tree
    verdict: Verdict

    @property
    def id(self) -> str:
        """Content hash."""
        return pair_id(self.tree.id, self.verdict)

    @property
    def turn(self) -> int:
        """Turn of the replies."""
        return self.tree.by_id[self.verdict.node].turn

    @property
    def stratum(self) -> tuple[str, int]:
        """What the judge made of it, and the turn."""
        decided = self.verdict.preferred is not None
        return ("preferred" if decided else self.verdict.outcome), self.turn


def list_pairs(trees: Iterable[Tree]) -> Iterator[ReplyPair]:
    """Yield the comparisons of replies that say something and differ."""
    for tree in trees:
        for verdict in tree.verdicts:
            if can_be_asked(tree, verdict):
                yield ReplyPair(tree=tree, verdict=verdict)


def sample_pairs(found: Iterable[ReplyPair], count: int, seed: int) -> list[ReplyPair]:
    """Return up to `count` pairs, one from each stratum in a round.

    The order of strata is drawn for each round: a sample that ends within one favours no outcome.
    """
    strata: dict[tuple[str, int], list[ReplyPair]] = {}
    for pair in sorted(found, key=lambda each: digest("label", seed, each.id)):
        strata.setdefault(pair.stratum, []).append(pair)
    drawn = {
        (number, digest("stratum", seed, number, key)): pair
        for key, pairs in strata.items()
        for number, pair in enumerate(pairs)
    }
    return [drawn[place] for place in sorted(drawn)][:count]


def compare(labels: Sequence[Label], verdicts: Mapping[str, Verdict]) -> PeopleAgreement:
    """Return how blind labels and the judge's verdicts agree; `verdicts` are by `pair_id`."""
    blind = [label for label in labels if label.rater != SEEN]
    given = [label for label in blind if label.answer != "skip" and label.pair in verdicts]
    both = [(label.answer, verdicts[label.pair].outcome) for label in given]
    same = [
        (label.node, one == other)
        for label, (one, other) in zip(given, both, strict=True)
        if {one, other} <= {"first", "second"}
    ]
    units: dict[str, list[str | None]] = {}
    for label in given:
        units.setdefault(label.pair, []).append(label.answer)
    judged = {pair: verdicts[pair].outcome for pair in units}
    with_judge = [
        [None if judged[pair] == "abstain" else judged[pair], *said] for pair, said in units.items()
    ]
    raters = {label.rater for label in given}
    return PeopleAgreement(
        raters=len(raters),
        labels=len(given),
        agreement=clustered_share(same),
        kappa=cohen_kappa(both),
        alpha=krippendorff_alpha(with_judge),
        between=krippendorff_alpha(list(units.values())) if len(raters) > 1 else None,
    )


def by_turn(labels: Sequence[Label], pairs: Iterable[ReplyPair]) -> dict[int, Share]:
    """Return the agreement at each turn, where both the person and the judge prefer a reply."""
    known = {pair.id: pair for pair in pairs}
    hits: dict[int, list[tuple[str, bool]]] = {}
    for label in labels:
        pair = known.get(label.pair)
        decided = label.answer in ("first", "second") and label.rater != SEEN
        if pair and decided and pair.verdict.preferred:
            same = label.answer == pair.verdict.outcome
            hits.setdefault(pair.turn, []).append((label.node, same))
    return {turn: clustered_share(found) for turn, found in sorted(hits.items())}
