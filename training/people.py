"""Verdicts by people, from the labels beside a run's trees, in place of the judge's.

What most of the people who labelled a pair prefer is its verdict. Pairs that nobody labelled, or on
which they are split, have none. The confidence is the share of labels that agree. Labels given
beside the judge's marks are left out: whoever gave them was not blind.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from aloe.errors import ConfigError
from aloe.labels import LABELS, SEEN, Label, pair_id, read_labels
from aloe.memory.run_folder import folder_of
from aloe.schema import Tree, Verdict
from aloe.training.usable import Skipped, count_uncompared

NOBODY = "no label by people"
"""The reason where nobody said which reply is better."""
SPLIT = "people are split"
"""The reason where no answer has most labels."""

Said = Mapping[str, Sequence[Label]]
"""Labels by the pair that they are about."""


def read_people(trees: Path) -> Said:
    """Return what people said about the pairs of a run.

    Args:
        trees: run folder, or a file of trees; labels are looked for in or beside it.

    Raises:
        ConfigError: there are none.
        InputError: a label is broken (with its line).
    """
    file = folder_of(trees) / LABELS
    said: dict[str, list[Label]] = {}
    seen = 0
    for label in read_labels(file):
        if label.rater == SEEN:
            seen += 1
        elif label.answer != "skip":
            said.setdefault(label.pair, []).append(label)
    if not said and seen:
        raise ConfigError(
            f"{file} holds only labels given beside the judge's marks ('{SEEN}'), which are not "
            "learnt; give blind ones with `aloe label DIR`"
        )
    if not said:
        raise ConfigError(f"{file} holds no labels by people; give some with `aloe label DIR`")
    return said


def take_people(tree: Tree, said: Said, skipped: Skipped) -> Tree:
    """Return the tree with people's verdicts only; what has none is counted."""
    found = []
    count_uncompared(tree, skipped)
    for verdict in tree.verdicts:
        labels = said.get(pair_id(tree.id, verdict), ())
        decided = _decide(verdict, labels)
        if decided is None:
            skipped[SPLIT if labels else NOBODY] += 1
        else:
            found.append(decided)
    return tree.model_copy(update={"verdicts": tuple(found)})


def _decide(verdict: Verdict, labels: Sequence[Label]) -> Verdict | None:
    """Return the verdict of most people, None without a majority."""
    counts = Counter(label.answer for label in labels).most_common()
    if not counts or 2 * counts[0][1] <= len(labels):
        return None
    outcome, most = counts[0]
    changes = {"votes": (), "margin": None, "by_return": None, "confidence": most / len(labels)}
    return verdict.model_copy(update={"outcome": outcome, **changes})
