"""The results as a page of Markdown and its pictures: every figure comes from the stages.

Nothing in it depends on the clock or on which stage was found and which was made, so the same
stages give the same file. Timings are in timings.json beside the stages.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe.benchmark.experiment.ablations import MeasuredAblation
from aloe.benchmark.experiment.examples import show_examples
from aloe.benchmark.experiment.goals import Goal, judge_goals
from aloe.benchmark.experiment.people import choose_dimensions
from aloe.benchmark.experiment.pipeline import Made, Validated
from aloe.benchmark.experiment.result_tables import (
    tabulate_ablations,
    tabulate_candidates,
    tabulate_differences,
    tabulate_models,
    tabulate_selection,
    tabulate_trainings,
)
from aloe.benchmark.experiment.stage import read_sources
from aloe.benchmark.experiment.steps import read_suite
from aloe.benchmark.experiment.tested import Tested, read_tested
from aloe.benchmark.experiment.transfer import tabulate_transfer
from aloe.benchmark.experiment.trees import find_edited
from aloe.benchmark.figures import Figure
from aloe.benchmark.folder import SCORES
from aloe.benchmark.markdown import format_table
from aloe.config import Config
from aloe.extras import needs
from aloe.files.archive import pack_files
from aloe.files.writing import replace_bytes, replace_text
from aloe.memory.run_folder import read_trees
from aloe.models.model_string import ModelString

WRITTEN = (
    "Written by `aloe experiment`; no figure was entered by hand. {about} explains the goals and "
    "docs/results/index.md how to read the results."
)

NO_PICTURE = f"({needs('A picture', 'matplotlib')}.)"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the command says at its end."""

    lines: tuple[str, ...]
    result: dict[str, Any]


def write_report(
    path: Path,
    config: Config,
    made: Made,
    measured: Sequence[MeasuredAblation],
) -> Summary:
    """Write the page and, if matplotlib is there, its pictures into a folder of its name.

    Raises:
        StoreError: a file cannot be written.
    """
    found = list(read_tested(made))
    by_name = {each.name: each for each in found}
    goals = judge_goals(by_name, made.best)
    parts = [
        "# Results of the experiment",
        describe(config, made, measured=measured),
        tabulate_goals(goals, made.best),
        tabulate_models(found),
        tabulate_differences(found),
        draw_levels_beside(path, found, made.best),
        tabulate_transfer(made.transfer),
        tabulate_selection(made),
        tabulate_candidates(made.trees),
        tabulate_trainings(made.models),
        tabulate_ablations(made, measured),
        draw_scaling_beside(path, made, measured),
        show_examples(made),
        pack_scores_beside(path, [*made.stages, *(each.bench for each in measured)]),
    ]
    write_page(path, parts)
    return summarise(path, made.best, goals)


def summarise(path: Path, best: str | Mapping[str, str], goals: Sequence[Goal]) -> Summary:
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
    measured: Sequence[MeasuredAblation],
) -> Summary:
    """Write a page of the ablations alone, made without the test.

    Raises:
        StoreError: a file cannot be written.
    """
    parts = [
        "# Ablations",
        describe(config, made, measured=measured),
        tabulate_selection(made),
        tabulate_ablations(made, measured),
        draw_scaling_beside(path, made, measured),
        tabulate_candidates(made.trees),
        tabulate_trainings(made.models),
        pack_scores_beside(path, [*made.stages, *(each.bench for each in measured)]),
    ]
    write_page(path, parts)
    return Summary(lines=(str(path),), result={"report": str(path)})


def write_page(path: Path, parts: Iterable[str]) -> None:
    """Write a page of these parts, without those that are empty.

    Raises:
        StoreError: it cannot be written.
    """
    replace_text(path, "\n\n".join(filter(None, parts)) + "\n")


def describe(
    config: Config,
    made: Validated,
    about: str = "docs/proof.md",
    measured: Sequence[MeasuredAblation] = (),
) -> str:
    """Return how it was made.

    Args:
        config: settings of the experiment.
        made: what there is.
        about: where it stands what is asked.
        measured: the ablations on the page.
    """
    experiment, people = config.experiment, made.people.name.rpartition("-")[2]
    assistants = ", ".join(f"{a.name} ({a.model})" for a in config.models.assistants)
    rewriters = "".join(
        f"; {name}: a rule on {whose}'s replies" for name, whose in find_edited(config).items()
    )
    tested = f"{experiment.test} test users ({count_dialogues(config)} each)"
    if not isinstance(made, Made):
        tested = "no test"
    return "\n".join(
        [
            WRITTEN.format(about=about),
            "",
            f"- Base: {config.benchmark.candidate.model}{_start_of_training(config)}; assistants "
            f"in the trees: {assistants}"
            f"{rewriters}. Users, inducer and judge are rules.",
            f"- {config.simulation.trees} trees of {config.simulation.turns} turns with "
            f"{count_users(config, config.simulation.trees)} users; {experiment.validation} "
            f"validation users (one dialogue each); {tested}; {experiment.dialogue_turns} turns "
            "a dialogue.",
            f"- Each user has {experiment.wishes} wishes that a program can check, out of "
            f"{len(choose_dimensions(experiment))} dimensions. Intervals are 95%, "
            "over users as clusters. AL is the share of wishes that a reply satisfies, 0 to 1.",
            f"- Training seed {config.seed}, one; a dialogue's seed is its number, from 0. People "
            f"{people}, trees {made.trees.name.rpartition('-')[2]}.",
            *warn_of_changes([*made.stages, *(each.bench for each in measured)]),
        ]
    )


def _start_of_training(config: Config) -> str:
    """Return whom the trained models come from, if its name is not the base's."""
    base, start = config.benchmark.candidate.model, config.training.model
    if ModelString.parse(base).name in (start, ModelString.parse(start).name):
        return ""
    return f" (**trained is another: {start}**)"


def warn_of_changes(stages: Iterable[Path]) -> Iterator[str]:
    """Yield a line if the stages that a page compares are of several states of the program."""
    if (count := len(read_sources(stages))) > 1:
        yield (
            f"- **The program was changed while this was made**: its stages are of {count} states "
            "of its sources, and what was changed may tell them apart. For a run in one piece, "
            "begin in another folder."
        )


def count_users(config: Config, trees: int) -> int:
    """Return how many training users so many trees are with: they come in turn."""
    return min(config.experiment.train, trees)


def count_dialogues(config: Config) -> str:
    """Return how many dialogues a model has with a test user, in words."""
    count = config.benchmark.seeds
    return "one dialogue" if count == 1 else f"{count} dialogues"


def tabulate_goals(goals: Sequence[Goal], best: str, *, chosen: bool = True) -> str:
    """Return what was to be shown and what was found.

    Args:
        goals: what was aimed at.
        best: the model that they are about.
        chosen: whether the validation users chose it.
    """
    rows = [(goal.name, goal.found, "yes" if goal.reached else "no") for goal in goals]
    whose = "Best on the validation users" if chosen else "They are about the model"
    title = f"## Goals\n\n{whose}: **{best}**.\n\n"
    return title + format_table(("goal", "found", "reached"), rows, numeric=True)


def draw_levels_beside(
    path: Path, found: Sequence[Tested], best: str, more: Mapping[str, str] | None = None
) -> str:
    """Draw the curves of all conditions beside the page and return the link.

    `adaptation.svg`, for a first look, holds AL and further curves of the base and the `best` model
    alone.

    Args:
        path: of the page.
        found: the conditions.
        best: name of the model.
        more: labels of further curves than AL and the gain, by name.
    """
    try:
        from aloe.benchmark.experiment.pictures import draw_adaptation, draw_levels
    except ImportError:
        return NO_PICTURE
    curves = {each.name: each.result.curves for each in found}
    draw_levels(_beside(path, "levels.svg"), curves, more or {})
    plain = {"base": curves["base"], "trained": curves[best]}
    panels = {**(more or {}), "own": "wishes satisfied"}
    draw_adaptation(_beside(path, "adaptation.svg"), plain, panels)
    return f"![AL by turn, with 95% bands]({path.stem}/levels.svg)"


def draw_scaling_beside(path: Path, made: Validated, measured: Sequence[MeasuredAblation]) -> str:
    """Draw the scaling curve beside the page, if it was measured, and return the link."""
    points = {
        int(each.ablation.name.removeprefix("trees-")): _average_level(each.bench)
        for each in measured
        if each.ablation.name.startswith("trees-")
    }
    if not points:
        return ""
    try:
        from aloe.benchmark.experiment.pictures import draw_scaling
    except ImportError:
        return NO_PICTURE
    whole = sum(1 for _ in read_trees(made.trees))
    points[whole] = _average_level(made.validation["sft"])
    draw_scaling(_beside(path, "scaling.svg"), points)
    return f"![Average AL by number of trees]({path.stem}/scaling.svg)"


def _average_level(bench: Path) -> Figure:
    return read_suite(bench)["candidate"].figures["al_mean"]


def pack_scores_beside(path: Path, stages: Iterable[Path]) -> str:
    """Pack the scores of every benchmark among the stages beside the page; return the link."""
    found = {
        str(file.relative_to(stage.parent)): file.read_bytes()
        for stage in stages
        for file in stage.rglob(SCORES)
    }
    replace_bytes(_beside(path, "scores.zip"), pack_files(found))
    return f"All scores behind these figures: [scores.zip]({path.stem}/scores.zip)."


def _beside(path: Path, name: str) -> Path:
    """Return a file in the folder of a page's pictures."""
    return path.with_suffix("") / name
