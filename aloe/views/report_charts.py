"""The curves of a run over the turns, with 95% bands and counts; shares always on 0 to 100%."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING

from aloe.chart import Chart, Curve, format_counts
from aloe.intervals import LEAST_CLUSTERS, mean_interval, share_interval
from aloe.views.tellings import find_told

if TYPE_CHECKING:
    from aloe.schema import Tree
    from aloe.views.wishes import Wishes

BANDS = (
    "Bands are 95% intervals with trees as clusters; there are none with fewer than "
    f"{LEAST_CLUSTERS} trees. The small figures count what a turn rests on."
)

Interval = Callable[[Sequence[Sequence[float]]], tuple[float, float] | None]


@dataclass
class TurnValues:
    """Values by name, turn and tree."""

    values: dict[str, dict[int, dict[str, list[float]]]] = field(default_factory=dict)
    order: Sequence[str] = ()
    """Names that come first, so that an agent has one colour in all charts."""

    def add(self, name: str, turn: int, tree: str, value: float) -> None:
        """Add a value."""
        turns = self.values.setdefault(name, {})
        turns.setdefault(turn, {}).setdefault(tree, []).append(value)

    def curves(self, interval: Interval, scale: float = 1.0) -> list[Curve]:
        """Return a curve for each name, with its band."""
        first = [name for name in self.order if name in self.values]
        names = dict.fromkeys([*first, *self.values])
        return [self._curve(name, interval, scale) for name in names]

    def _curve(self, name: str, interval: Interval, scale: float) -> Curve:
        turns = self.values[name]
        found: list[tuple[float | None, float | None, float | None]] = []
        for turn in range(1, self.turns + 1):
            clusters = list(turns.get(turn, {}).values())
            if clusters:
                low, high = interval(clusters) or (None, None)
                found.append((mean(v for each in clusters for v in each), low, high))
            else:
                found.append((None, None, None))
        levels, lows, highs = (
            [None if value is None else scale * value for value in column]
            for column in zip(*found, strict=True)
        )
        return Curve(name=name, levels=levels, low=lows, high=highs)

    @property
    def turns(self) -> int:
        """The last turn with a value."""
        return max((turn for turns in self.values.values() for turn in turns), default=0)


def chart_run(trees: "Sequence[Tree]", wishes: "Iterable[Wishes]") -> list[Chart]:
    """Return the charts of a run; what nothing is known of is left out.

    Args:
        trees: all trees.
        wishes: of each, in the same order.
    """
    assistants = dict.fromkeys(reply.agent for tree in trees for reply in tree.replies)
    compared, wins, kept, told, words = (TurnValues(order=[*assistants]) for _ in range(5))
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for tree, checked in zip(trees, wishes, strict=True):
        _add_comparisons(tree, compared, wins, counts)
        for node in tree.nodes:
            counts[node.role][node.turn] += 1
            words.add(node.agent, node.turn, tree.id, len(node.content.split()))
            if node.role == "user":
                known = len(_known(tree, node.id))
                told.add("told so far", node.turn, tree.id, known)
            for wish in checked.checked.get(node.id, ()):
                if wish.told:
                    kept.add(node.agent, node.turn, tree.id, float(wish.kept))
                    counts["wishes"][node.turn] += 1
    made = (
        _percent("Outcome of the comparisons", compared, counts["compared"], "comparisons"),
        _percent(
            "How often each agent is preferred", wins, counts["decided"], "decided comparisons"
        ),
        _percent("Wishes kept, of those told", kept, counts["wishes"], "wishes told"),
        _number("What the user has told", told, "things", counts["user"], "user messages"),
        _number("Length of messages", words, "words", counts["assistant"], "replies"),
    )
    return [chart for chart in made if chart]


def _add_comparisons(
    tree: "Tree", compared: TurnValues, wins: TurnValues, counts: dict[str, dict[int, int]]
) -> None:
    for verdict in tree.verdicts:
        turn = tree.by_id[verdict.node].turn
        kind = "preferred" if verdict.preferred else verdict.outcome
        counts["compared"][turn] += 1
        for name in ("preferred", "tie", "abstain"):
            compared.add(name, turn, tree.id, float(name == kind))
        if verdict.preferred:
            counts["decided"][turn] += 1
            for reply in (verdict.first, verdict.second):
                won = float(reply == verdict.preferred)
                wins.add(tree.by_id[reply].agent, turn, tree.id, won)


def _known(tree: "Tree", user: str) -> set[str]:
    """Return what the user has told on the path to a message."""
    path = (node for node in tree.path(user) if node.role == "user")
    return {told for node in path for told in find_told(tree, node)}


def _percent(title: str, series: TurnValues, counts: dict[int, int], counted: str) -> Chart | None:
    curves = series.curves(share_interval, 100.0)
    return _chart(title, "%", curves, (0, 100), series, counts, counted)


def _number(
    title: str, series: TurnValues, unit: str, counts: dict[int, int], counted: str
) -> Chart | None:
    return _chart(title, unit, series.curves(mean_interval), (0, 1), series, counts, counted)


def _chart(
    title: str,
    unit: str,
    curves: list[Curve],
    axis: tuple[float, float],
    series: TurnValues,
    counts: dict[int, int],
    counted: str,
) -> Chart | None:
    if not curves:
        return None
    return Chart(
        title=title,
        x_label="turn",
        y_label=unit,
        curves=curves,
        axis=axis,
        counts=[format_counts([counts.get(turn, 0)]) for turn in range(1, series.turns + 1)],
        counted=counted,
    )
