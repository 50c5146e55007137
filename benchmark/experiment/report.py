"""The results as a page of Markdown and its pictures: every figure comes from the stages.

Nothing in it depends on the clock or on which stage was found and which was made, so the same
stages give the same file. How long things took stands in timings.json beside the stages.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aloe.benchmark.compare import ComparisonRow, Side, compare
from aloe.benchmark.experiment.people import wished_about
from aloe.benchmark.experiment.pipeline import BASE, CONTROL, Made, Validated, suite_of
from aloe.benchmark.experiment.players import REWRITER, STRANGER
from aloe.benchmark.experiment.trees import edited
from aloe.benchmark.figures import Figure, Sample, divided, sample
from aloe.benchmark.folder import read_bench
from aloe.benchmark.metrics import Array
from aloe.benchmark.results import SuiteResult
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.statistics import average_level
from aloe.config import Condition, Config
from aloe.files.writing import replace_text
from aloe.memory.run_folder import read_trees
from aloe.memory.verifiable import satisfaction
from aloe.schema import AssistantNode, Tree

GOAL = 0.32
"""Relative gain in average AL that is aimed at: what the paper reports on average."""

WRITTEN = (
    "Written by `aloe experiment`; no figure in it was entered by hand. What is asked, and how to "
    "read the answer, stands in docs/proof.md."
)

NO_PICTURE = "(Curves need matplotlib: `pip install 'aloe-align[plots]'`.)"

COLUMNS = {"al_mean": "average AL", "gain": "own - swapped", "ir": "IR", "n_ir": "N-IR"}
PAIRED = {"al_mean": "average AL", "gain": "own - swapped", "ir": "IR"}


@dataclass(frozen=True, kw_only=True)
class Ablated:
    """One ablation, measured."""

    name: str
    about: str
    against: str
    bench: Path


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One thing that was to be shown."""

    name: str
    found: str
    reached: bool


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the verb says at its end."""

    lines: tuple[str, ...]
    result: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A model under one condition, with the test users."""

    name: str
    rows: list[ReplyScores]
    result: SuiteResult


def write_report(
    path: Path,
    config: Config,
    made: Made,
    ablated: Sequence[Ablated],
) -> Summary:
    """Write the page and, if matplotlib is there, its pictures into a folder of its name.

    Raises:
        StoreError: a file cannot be written.
    """
    found = list(tested(made))
    by_name = {each.name: each for each in found}
    goals = goals_of(by_name, made.best)
    parts = [
        "# Results of the experiment",
        _head(config, made),
        _goals(goals, made.best),
        models_table(found),
        differences_table(found),
        levels_picture(path, found),
        _selection(made),
        _candidates(made.trees),
        _trainings(made.models),
        _ablations(path, made, ablated),
        _dialogues(made),
    ]
    write_page(path, parts)
    return summary(path, made.best, goals)


def summary(path: Path, best: str | Mapping[str, str], goals: Sequence[Goal]) -> Summary:
    """Return what is said of a page.

    Args:
        path: of the page.
        best: name of the model, or names by seed.
        goals: with what was found.
    """
    said = (
        f"{'reached' if goal.reached else 'not reached'}: {goal.name}: {goal.found}"
        for goal in goals
    )
    return Summary(
        lines=(str(path), *said),
        result={
            "report": str(path),
            "best": best,
            "goals": {goal.name: goal.reached for goal in goals},
        },
    )


def write_ablations(
    path: Path,
    config: Config,
    made: Validated,
    ablated: Sequence[Ablated],
) -> Summary:
    """Write a page of the ablations alone, made without the test.

    Raises:
        StoreError: a file cannot be written.
    """
    parts = [
        "# Ablations",
        _head(config, made),
        _selection(made),
        _ablations(path, made, ablated),
        _candidates(made.trees),
        _trainings(made.models),
    ]
    write_page(path, parts)
    return Summary(lines=(str(path),), result={"report": str(path)})


def write_page(path: Path, parts: Iterable[str]) -> None:
    """Write a page of these parts.

    Raises:
        StoreError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, "\n\n".join(parts) + "\n")


def tested(made: Made) -> Iterator[Tested]:
    """Yield what was tested: each model, and base and best under other conditions."""
    for name, folder in made.test.items():
        bench = read_bench(folder)
        for condition in bench.conditions:
            label = name if condition == "candidate" else f"{name}, {condition}"
            rows = bench.rows(condition)
            yield Tested(name=label, rows=rows, result=_result(bench.path, condition))


def _result(bench: Path, condition: Condition) -> SuiteResult:
    return SuiteResult.model_validate(suite_of(bench)[condition])


def goals_of(by_name: Mapping[str, Tested], best: str) -> list[Goal]:
    """Return what was to be shown, with what was found."""
    base, tuned, control = by_name[BASE], by_name[best], by_name[CONTROL]
    relative = relative_gain(base.rows, tuned.rows)
    gain = tuned.result.figures["gain"]
    slope = _paired(base, tuned)["ir"].difference
    control_gain = control.result.figures["gain"]
    control_slope = _paired(base, control)["ir"].difference
    return [
        Goal(
            name=f"average AL at least {GOAL:.0%} above the base",
            found=percent(relative),
            reached=(relative.value or 0.0) >= GOAL,
        ),
        Goal(name="own - swapped above 0", found=shown(gain), reached=_above(gain)),
        Goal(name="IR above the base's", found=shown(slope), reached=_above(slope)),
        Goal(
            name="shuffled: own - swapped not above 0",
            found=shown(control_gain),
            reached=_reaches_zero(control_gain),
        ),
        Goal(
            name="shuffled: IR not above the base's",
            found=shown(control_slope),
            reached=_reaches_zero(control_slope),
        ),
    ]


def _above(figure: Figure) -> bool:
    """Whether the whole interval is above 0."""
    return figure.low is not None and figure.low > 0


def _reaches_zero(figure: Figure) -> bool:
    """Whether there is an interval and it is not above 0."""
    return figure.low is not None and figure.low <= 0


def relative_gain(base: Sequence[ReplyScores], tuned: Sequence[ReplyScores]) -> Figure:
    """Return by which share of the base's average AL the tuned model's is higher."""
    one, other = sample(base, 0), sample(tuned, 0)
    levels, turns = one.cells("own"), one.by_judge["own"].shape[1]

    def ratio(table: Array, weights: Array) -> Array:
        before = average_level(table[:, :turns], weights)
        return divided(average_level(table[:, turns:], weights), before) - 1.0

    _check_same_dialogues(one, other)
    return one.figure(ratio, np.hstack([levels, other.cells("own")]))


def _check_same_dialogues(one: Sample, other: Sample) -> None:
    assert one.dialogues == other.dialogues, "every model meets the same users"


def _paired(base: Tested, other: Tested) -> dict[str, ComparisonRow]:
    lines = compare([_side(base), _side(other)])
    return {line.metric: line for line in lines}


def _side(each: Tested) -> Side:
    return Side(name=each.name, rows=each.rows)


def _head(config: Config, made: Validated) -> str:
    experiment, people = config.experiment, made.people.name.rpartition("-")[2]
    assistants = ", ".join(f"{a.name} ({a.model})" for a in config.models.assistants)
    rewriters = "".join(
        f", a {name} edits {whose}'s replies" for name, whose in edited(config).items()
    )
    tested = f"{experiment.test} test users ({dialogues(config)} each)"
    if not isinstance(made, Made):
        tested = "no test"
    return "\n".join(
        [
            WRITTEN,
            "",
            f"- Base: {config.benchmark.candidate.model}; assistants in the trees: {assistants}"
            f"{rewriters}. Users, inducer and judge are rules.",
            f"- {config.simulation.trees} trees of {config.simulation.turns} turns with "
            f"{experiment.train} users; {experiment.validation} validation users (one dialogue "
            f"each); {tested}; {experiment.dialogue_turns} turns a dialogue.",
            f"- Each user has {experiment.wishes} wishes that a program can check, out of "
            f"{len(wished_about(experiment))} dimensions. Intervals are 95%, "
            "over users as clusters. AL is the share of wishes that a reply keeps, 0 to 1.",
            f"- Training seed {config.seed}, one; a dialogue's seed is its number, from 0. People "
            f"{people}, trees {made.trees.name.rpartition('-')[2]}.",
        ]
    )


def dialogues(config: Config) -> str:
    """Return how many dialogues a model has with a test user, in words."""
    count = config.benchmark.seeds
    return "one dialogue" if count == 1 else f"{count} dialogues"


def _goals(goals: Sequence[Goal], best: str) -> str:
    rows = [(goal.name, goal.found, "yes" if goal.reached else "no") for goal in goals]
    title = f"## Goals\n\nBest on the validation users: **{best}**.\n\n"
    return title + table(("goal", "found", "reached"), rows)


def models_table(found: Sequence[Tested]) -> str:
    """Return the figures of each model."""
    rows = [
        (
            each.name,
            *(_figure(each.result, name) for name in COLUMNS),
            _figure(each.result, "words"),
            str(each.result.empty),
            ", ".join("-" if level is None else f"{level:.3f}" for level in each.result.by_seed),
        )
        for each in found
    ]
    head = ("model", *COLUMNS.values(), "words a reply", "empty", "own - swapped by seed")
    return f"## Test users\n\n{_rests_on(found[0])}\n\n" + table(head, rows)


def _rests_on(each: Tested) -> str:
    """Say how many independent things the intervals draw, which are fewer than users."""
    lives = {row.profile for row in each.rows}
    swapped = {(r.case, r.seed) for r in each.rows if "swapped" in {s.shown for s in r.scores}}
    return (
        "Intervals count users whose lives are near-copies as one "
        f"({len(lives)} are left). Own - swapped is that of {len(swapped)} of "
        f"{each.result.dialogues} dialogues, those for which somebody who differs in both was left "
        "to stand in."
    )


def _figure(result: SuiteResult, name: str) -> str:
    return shown(result.figures[name]) if name in result.figures else "-"


def differences_table(found: Sequence[Tested]) -> str:
    """Return by how much each model exceeds the base."""
    base = next(each for each in found if each.name == BASE)
    rows = []
    for each in found:
        if each.name != BASE:
            lines = _paired(base, each)
            relative = percent(relative_gain(base.rows, each.rows))
            cells = (shown(lines[name].difference) for name in PAIRED)
            rows.append((each.name, relative, *cells))
    head = ("model", "average AL, relative", *PAIRED.values())
    return "### Above the base\n\nThe same users, dialogue by dialogue.\n\n" + table(head, rows)


def _selection(made: Validated) -> str:
    rows = []
    for name, folder in sorted(made.validation.items()):
        result = _result(folder, "candidate")
        rows.append((name, *(_figure(result, metric) for metric in COLUMNS)))
    note = (
        "The best is the one with the highest average AL here; the test users play no part in it."
    )
    return f"## Validation users\n\n{note}\n\n" + table(("model", *COLUMNS.values()), rows)


def _candidates(folder: Path) -> str:
    """Return who wrote the candidates, those that edit apart."""
    counts: dict[str, _Count] = {}
    for tree in read_trees(folder):
        for node in tree.nodes:
            if isinstance(node, AssistantNode):
                counts.setdefault(node.agent, _Count()).add(tree, node)
    names = sorted(counts, key=lambda name: (name in (REWRITER, STRANGER), name))
    rows = [(name, *counts[name].cells()) for name in names]
    head = ("agent", "replies", "wishes kept", "comparisons won", "lost", "empty or cut off")
    return "## Candidates in the trees\n\n" + table(head, rows)


class _Count:
    """What one agent did in the trees."""

    def __init__(self) -> None:
        self.levels: list[float] = []
        self.won = self.lost = self.faulty = 0

    def add(self, tree: Tree, node: AssistantNode) -> None:
        self.levels.append(satisfaction(tree.persona.preferences, node.content))
        self.won += sum(verdict.preferred == node.id for verdict in tree.verdicts)
        self.lost += sum(verdict.rejected == node.id for verdict in tree.verdicts)
        self.faulty += bool(node.faults)

    def cells(self) -> tuple[str, ...]:
        mean = sum(self.levels) / len(self.levels)
        numbers = (self.won, self.lost, self.faulty)
        return (str(len(self.levels)), f"{mean:.3f}", *map(str, numbers))


def _trainings(models: Mapping[str, Path]) -> str:
    rows = []
    for name, folder in models.items():
        record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        rows.append(
            (
                name,
                record["method"],
                str(record["rows"]),
                str(record["steps"]),
                f"{record['first_loss']:.3f}",
                f"{record['last']['loss']:.3f}",
                record["data_hash"],
            )
        )
    head = ("model", "method", "rows", "steps", "first loss", "last loss", "data")
    return "## Trainings\n\n" + table(head, rows)


def _ablations(path: Path, made: Validated, ablated: Sequence[Ablated]) -> str:
    if not ablated:
        return "## Ablations\n\nNone was made (`aloe experiment --ablation all` makes them)."
    benches = {**made.validation, **{each.name: each.bench for each in ablated}}
    rows = []
    for each in ablated:
        result = _result(each.bench, "candidate")
        cells = ["-"] * len(PAIRED)
        if each.against in benches:
            sides = [
                Side(name=name, rows=read_bench(benches[name]).rows())
                for name in (each.against, each.name)
            ]
            lines = {line.metric: line for line in compare(sides)}
            cells = [shown(lines[name].difference) for name in PAIRED]
        level, about = _figure(result, "al_mean"), each.about
        if each.bench == made.validation[BASE]:
            about += " (no reply won, so nothing was trained: the base)"
        rows.append((each.name, about, level, each.against, *cells))
    head = ("ablation", "what is changed", "average AL", "against", *PAIRED.values())
    note = "On the validation users. The last columns are differences to the model it is against."
    parts = ["## Ablations", note, table(head, rows), _scaling(path, made, ablated)]
    return "\n\n".join(part for part in parts if part)


def _dialogues(made: Made) -> str:
    """Return two dialogues of the best model beside the base's with the same user."""
    before, after = (read_bench(made.test[name]) for name in (BASE, made.best))
    change = _by_dialogue(after.rows(), _by_dialogue(before.rows()))
    order = sorted(change, key=lambda id_: (change[id_], id_))
    picked = {"Median": order[(len(order) - 1) // 2], "Worst": order[0]}
    trees = [{t.id: t for t in bench.trees()} for bench in (before, after)]
    parts = [
        "## Dialogues\n\nThose whose average AL rose by the median and by the least over the base."
    ]
    for title, id_ in picked.items():
        wishes = trees[0][id_].persona.preferences
        told = ", ".join(f"{name}: {value}" for name, value in wishes.items())
        parts.append(f"### {title} ({change[id_]:+.3f})\n\nWishes: {told}.")
        for name, found in zip((BASE, made.best), trees, strict=True):
            parts.append(f"**{name}**\n\n{_dialogue(found[id_])}")
    return "\n\n".join(parts)


def _by_dialogue(
    rows: Iterable[ReplyScores], minus: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the mean level of each dialogue, less that of another model if it is given."""
    levels: dict[str, list[float]] = {}
    for row in rows:
        values = [score.value for score in row.of("own") if score.value is not None]
        levels.setdefault(row.dialogue, []).extend(values)
    means = {id_: sum(each) / len(each) for id_, each in levels.items() if each}
    if minus is None:
        return means
    return {id_: mean - minus[id_] for id_, mean in means.items() if id_ in minus}


def _dialogue(tree: Tree) -> str:
    """Return the turns of a dialogue; the question after the last turn is left out."""
    lines = []
    for node in tree.nodes[:-2]:
        text = node.content.replace("\n", "\n> ")
        if isinstance(node, AssistantNode):
            level = satisfaction(tree.persona.preferences, node.content)
            lines.append(f"> **Assistant ({level:.2f}):** {text}")
        else:
            lines.append(f"> **User:** {text}")
    return "\n>\n".join(lines)


def levels_picture(path: Path, found: Sequence[Tested]) -> str:
    """Draw the curves of all conditions beside the page and return the link."""
    try:
        from aloe.benchmark.experiment.pictures import draw_levels
    except ImportError:
        return NO_PICTURE
    draw_levels(_beside(path, "levels.svg"), {each.name: each.result.curves for each in found})
    return f"![AL by turn, with 95% bands]({path.stem}/levels.svg)"


def _scaling(path: Path, made: Validated, ablated: Sequence[Ablated]) -> str:
    """Draw the scaling curve beside the page, if it was measured, and return the link."""
    points = {
        int(each.name.removeprefix("trees-")): _result(each.bench, "candidate").figures["al_mean"]
        for each in ablated
        if each.name.startswith("trees-")
    }
    if not points:
        return ""
    try:
        from aloe.benchmark.experiment.pictures import draw_scaling
    except ImportError:
        return NO_PICTURE
    whole = sum(1 for _ in read_trees(made.trees))
    points[whole] = _result(made.validation["sft"], "candidate").figures["al_mean"]
    draw_scaling(_beside(path, "scaling.svg"), points)
    return f"![Average AL by number of trees]({path.stem}/scaling.svg)"


def _beside(path: Path, name: str) -> Path:
    """Return a file in the folder of a page's pictures."""
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def shown(figure: Figure) -> str:
    """Return a figure with its interval."""
    if figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def percent(figure: Figure) -> str:
    """Return a relative change with its interval, in percent."""
    if figure.value is None or figure.low is None or figure.high is None:
        return "-" if figure.value is None else f"{figure.value:+.0%}"
    return f"{figure.value:+.0%} [{figure.low:+.0%}, {figure.high:+.0%}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
