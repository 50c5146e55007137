"""The tables on a page of results."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aloe.benchmark.card import format_named
from aloe.benchmark.compare import Side
from aloe.benchmark.experiment.ablations import MeasuredAblation
from aloe.benchmark.experiment.goals import compute_differences, compute_relative_gain
from aloe.benchmark.experiment.pipeline import BASE, Validated
from aloe.benchmark.experiment.players import ASKER, REWRITER, STRANGER
from aloe.benchmark.experiment.steps import read_suite
from aloe.benchmark.experiment.tested import Tested
from aloe.benchmark.folder import read_bench
from aloe.benchmark.markdown import format_interval, format_percent, format_table
from aloe.benchmark.suite_result import SuiteResult
from aloe.files.json_objects import load_json
from aloe.memory.run_folder import read_trees
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.number_format import format_number
from aloe.schema import AssistantNode, Tree

COLUMNS = {"al_mean": "average AL", "gain": "own - swapped", "ir": "IR", "n_ir": "N-IR"}
PAIRED = {"al_mean": "average AL", "gain": "own - swapped", "ir": "IR"}

ACROSS = (
    "; those of different seeds count as several, alike or not, so the intervals are too narrow "
    "where seeds drew similar lives"
)
"""What a page of several seeds says beside the number of lives."""


def tabulate_models(found: Sequence[Tested], *, pooled: bool = False) -> str:
    """Return the figures of each model.

    Args:
        found: what was tested.
        pooled: whether the users are those of several seeds, each clustered by itself.
    """
    rows = [
        (
            each.name,
            *(_cell(each.result, name) for name in COLUMNS),
            _cell(each.result, "words"),
            str(each.result.empty),
            format_named("cut_off", each.result.figures.get("cut_off")),
            ", ".join(map(format_number, each.result.by_seed)),
        )
        for each in found
    ]
    counted = ("words a reply", "empty", "cut off at limit")
    head = ("model", *COLUMNS.values(), *counted, "own - swapped by seed")
    return f"## Test users\n\n{_rests_on(found[0], pooled)}\n\n" + format_table(
        head, rows, numeric=True
    )


def _rests_on(each: Tested, pooled: bool) -> str:
    """Say how many independent things the intervals draw, which are fewer than users."""
    lives = {row.profile for row in each.rows}
    swapped = {(r.case, r.seed) for r in each.rows if "swapped" in {s.shown for s in r.scores}}
    whose, across = ("users of one seed", ACROSS) if pooled else ("users", "")
    return (
        f"Intervals count {whose} whose lives are near-copies as one "
        f"({len(lives)} are left){across}. Own - swapped is that of {len(swapped)} of "
        f"{each.result.dialogues} dialogues, those for which somebody who differs in both was left "
        "to stand in."
    )


def _cell(result: SuiteResult, name: str) -> str:
    return format_interval(result.figures[name]) if name in result.figures else "-"


def tabulate_differences(found: Sequence[Tested]) -> str:
    """Return by how much each model exceeds the base."""
    base = next(each for each in found if each.name == BASE)
    rows = []
    for each in found:
        if each.name != BASE:
            found_differences = compute_differences(base.side, each.side)
            relative = format_percent(compute_relative_gain(base.rows, each.rows))
            cells = (format_interval(found_differences[name]) for name in PAIRED)
            rows.append((each.name, relative, *cells))
    head = ("model", "average AL, relative", *PAIRED.values())
    return "### Above the base\n\nThe same users, dialogue by dialogue.\n\n" + format_table(
        head, rows, numeric=True
    )


def tabulate_selection(made: Validated, *, chosen: bool = True) -> str:
    """Return the figures with the validation users, by which the best is `chosen`, or none is."""
    rows = []
    for name, folder in sorted(made.validation.items()):
        result = read_suite(folder)["candidate"]
        rows.append((name, *(_cell(result, metric) for metric in COLUMNS)))
    note = (
        "The best is the one with the highest average AL here; the test users play no part in it."
        if chosen
        else "They helped to settle the recipe and choose no model; the test users play no part."
    )
    return f"## Validation users\n\n{note}\n\n" + format_table(
        ("model", *COLUMNS.values()), rows, numeric=True
    )


def tabulate_candidates(folder: Path) -> str:
    """Return who wrote the candidates, those that edit apart."""
    counts: dict[str, _Count] = {}
    for tree in read_trees(folder):
        for node in tree.nodes:
            if isinstance(node, AssistantNode):
                counts.setdefault(node.agent, _Count()).add(tree, node)
    names = sorted(counts, key=lambda name: (name in (REWRITER, STRANGER, ASKER), name))
    rows = [(name, *counts[name].cells()) for name in names]
    head = ("agent", "replies", "wishes kept", "comparisons won", "lost", "empty or cut off")
    return "## Candidates in the trees\n\n" + format_table(head, rows, numeric=True)


class _Count:
    """What one agent did in the trees."""

    def __init__(self) -> None:
        self.levels: list[float] = []
        self.won = self.lost = self.faulty = 0

    def add(self, tree: Tree, node: AssistantNode) -> None:
        self.levels.append(measure_satisfaction(tree.persona.preferences, node.content))
        self.won += sum(verdict.preferred == node.id for verdict in tree.verdicts)
        self.lost += sum(verdict.rejected == node.id for verdict in tree.verdicts)
        self.faulty += bool(node.faults)

    def cells(self) -> tuple[str, ...]:
        mean = sum(self.levels) / len(self.levels)
        numbers = (self.won, self.lost, self.faulty)
        return (str(len(self.levels)), f"{mean:.3f}", *map(str, numbers))


def tabulate_trainings(models: Mapping[str, Path]) -> str:
    """Return what each training took, from the model folders' records."""
    rows = []
    for name, folder in models.items():
        record = load_json(folder / "training.json")
        rows.append(
            (
                name,
                record["method"],
                str(record["rows"]),
                str(record["steps"]),
                format_number(record["first_loss"]),
                format_number(record["last"]["loss"]),
                record.get("frozen_in", "-"),
                record["data_hash"],
            )
        )
    head = (
        "model", "method", "rows", "steps", "first loss", "last loss", "frozen weights", "data"
    )  # fmt: skip
    return "## Trainings\n\n" + format_table(head, rows, numeric=True)


def tabulate_ablations(made: Validated, measured: Sequence[MeasuredAblation]) -> str:
    """Return what each ablation came to, and by how much it differs from what it is against."""
    if not measured:
        return "## Ablations\n\nNone was made (`aloe experiment --ablation all` makes them)."
    benches = {**made.validation, **{each.ablation.name: each.bench for each in measured}}
    rows = []
    for each in measured:
        name, against, about = each.ablation.name, each.ablation.against, each.ablation.about
        cells = ["-"] * len(PAIRED)
        if against in benches:
            base, other = (
                Side(name=one, rows=read_bench(benches[one]).rows()) for one in (against, name)
            )
            differences = compute_differences(base, other)
            cells = [format_interval(differences[metric]) for metric in PAIRED]
        if each.bench == made.validation[BASE]:
            about += " (no reply won, so nothing was trained: the base)"
        level = _cell(read_suite(each.bench)["candidate"], "al_mean")
        rows.append((name, about, level, against, *cells))
    head = ("ablation", "what is changed", "average AL", "against", *PAIRED.values())
    note = "On the validation users. The last columns are differences to the model it is against."
    return "\n\n".join(["## Ablations", note, format_table(head, rows, numeric=True)])
