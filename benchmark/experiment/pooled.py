"""The experiments of several seeds on one page, and a page of its own for each.

A seed draws other people, grows other trees and trains other models, so each is an experiment by
itself. Taken together their users are more users: intervals are over all of them, and what stands
beside the pooled figure is each seed's own. Lives that are near-copies are found within a seed
only, which the page says: its intervals are too narrow where seeds drew similar lives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aloe.benchmark.experiment.goals import Goal, judge_goals
from aloe.benchmark.experiment.pipeline import Made
from aloe.benchmark.experiment.report import (
    WRITTEN,
    Summary,
    count_dialogues,
    count_users,
    draw_levels_beside,
    summarise,
    warn_of_changes,
    write_page,
    write_report,
)
from aloe.benchmark.experiment.result_tables import tabulate_differences, tabulate_models
from aloe.benchmark.experiment.tested import Tested, read_tested
from aloe.benchmark.markdown import format_table
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.suite_result import SuiteResult, compute_suite
from aloe.config import Config

BEST = "best of each seed"


def write_pooled(path: Path, experiments: Sequence[tuple[Config, Made]]) -> Summary:
    """Write the page, and into a folder of its name the page of each seed.

    Args:
        path: of the page.
        experiments: settings, with the seed, and what was made; two or more.

    Raises:
        StoreError: a file cannot be written.
    """
    found = {config.seed: (made, list(read_tested(made))) for config, made in experiments}
    for config, made in experiments:
        write_report(path.with_suffix("") / f"seed-{config.seed}.md", config, made, [])
    each = {
        seed: judge_goals({one.name: one for one in conditions}, made.best)
        for seed, (made, conditions) in found.items()
    }
    together = _pooled({seed: _with_best(*experiment) for seed, experiment in found.items()})
    goals = judge_goals({one.name: one for one in together}, BEST)
    best = {seed: made.best for seed, (made, _) in found.items()}
    write_page(
        path,
        [
            "# Results of the experiment with several seeds",
            _head(path, experiments),
            _goals(goals, each, best),
            tabulate_models(together, pooled=True),
            tabulate_differences(together),
            draw_levels_beside(path, together, BEST),
        ],
    )
    return summarise(path, {str(seed): name for seed, name in best.items()}, goals)


def _with_best(made: Made, conditions: Iterable[Tested]) -> list[Tested]:
    """Return the conditions, those of the best model a second time under a name of all seeds."""
    found = list(conditions)
    again = (
        replace(one, name=one.name.replace(made.best, BEST, 1))
        for one in found
        if one.name.split(",")[0] == made.best
    )
    return [*found, *again]


def _pooled(found: Mapping[int, Sequence[Tested]]) -> list[Tested]:
    """Return the conditions that every seed has, with the users of all seeds.

    Args:
        found: the conditions by seed.
    """
    names = [one.name for one in next(iter(found.values()))]
    by_name = {seed: {one.name: one for one in each} for seed, each in found.items()}
    common = [name for name in names if all(name in each for each in by_name.values())]
    made = []
    for name in common:
        rows = [_of(seed, row) for seed, each in by_name.items() for row in each[name].rows]
        result = compute_suite(rows)
        gains = _gains(result, [each[name].result for each in by_name.values()])
        result = result.model_copy(update={"by_seed": gains})
        made.append(Tested(name=name, rows=rows, result=result))
    return made


def _gains(whole: SuiteResult, each: Iterable[SuiteResult]) -> tuple[float | None, ...]:
    """Return the gain of each experiment (the level, if none has a gain)."""
    name = "gain" if "gain" in whole.figures else "al_mean"
    figures = (one.figures.get(name) for one in each)
    return tuple(figure.value if figure else None for figure in figures)


def _of(seed: int, row: ReplyScores) -> ReplyScores:
    """Return a row that is told apart from those of other seeds' users."""
    names = ("case", "profile", "personality", "dialogue")
    return row.model_copy(update={name: f"{seed}/{getattr(row, name)}" for name in names})


def _head(path: Path, experiments: Sequence[tuple[Config, Made]]) -> str:
    config = experiments[0][0]
    pages = ", ".join(f"[{each.seed}]({path.stem}/seed-{each.seed}.md)" for each, _ in experiments)
    return "\n".join(
        [
            WRITTEN.format(about="docs/proof.md"),
            "",
            f"- Base: {config.benchmark.candidate.model}. For each seed {config.simulation.trees} "
            f"trees with {count_users(config, config.simulation.trees)} users, "
            f"{config.experiment.test} test users, and models trained from nothing. "
            f"Seeds, each with a page of its own: {pages}.",
            "- Below, the users of all seeds together: "
            f"{config.experiment.test * len(experiments)}, with {count_dialogues(config)} each. "
            "Intervals are 95%, over users as clusters.",
            *warn_of_changes(stage for _, made in experiments for stage in made.stages),
        ]
    )


def _goals(
    goals: Sequence[Goal], each: Mapping[int, Sequence[Goal]], best: Mapping[int, str]
) -> str:
    rows = [
        (
            goal.name,
            goal.found,
            _word(goal),
            *(f"{found[number].found}, {_word(found[number])}" for found in each.values()),
        )
        for number, goal in enumerate(goals)
    ]
    chosen = ", ".join(f"**{name}** of seed {seed}" for seed, name in best.items())
    title = f"## Goals\n\nBest on the validation users: {chosen}.\n\n"
    head = ("goal", "all", "", *(f"seed {seed}" for seed in each))
    return title + format_table(head, rows, numeric=True)


def _word(goal: Goal) -> str:
    return "reached" if goal.reached else "missed"
