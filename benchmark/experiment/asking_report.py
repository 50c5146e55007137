"""The results of an experiment on asking as a page of Markdown: every figure is from the stages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aloe.benchmark.card import format_named
from aloe.benchmark.experiment.asking import MadeByAsking
from aloe.benchmark.experiment.asking_goals import (
    count_questions,
    judge_asking_goals,
)
from aloe.benchmark.experiment.examples import show_examples
from aloe.benchmark.experiment.players import ASKER, REWRITER
from aloe.benchmark.experiment.report import (
    Summary,
    count_users,
    describe,
    draw_levels_beside,
    pack_scores_beside,
    summarise,
    tabulate_goals,
    write_page,
)
from aloe.benchmark.experiment.result_tables import (
    tabulate_candidates,
    tabulate_differences,
    tabulate_models,
    tabulate_selection,
    tabulate_trainings,
)
from aloe.benchmark.experiment.tested import Tested, read_tested
from aloe.benchmark.experiment.transfer import tabulate_transfer
from aloe.benchmark.markdown import escape, format_interval, format_table
from aloe.benchmark.tables import LABELS
from aloe.config import Config
from aloe.memory.label_agreement import LabelAgreement
from aloe.memory.run_folder import read_trees
from aloe.schema import Tree

ASKING = (
    "known", "known_asked", "known_contradicted", "known_volunteered", "known_scheduled", "unkept",
    "questions", "asked_new", "asked_again", "asked_idle", "needless", "al_last", "gain_last",
)  # fmt: skip
"""Figures that tell how well a model finds out, as in docs/benchmark.md."""


def write_asking_report(path: Path, config: Config, made: MadeByAsking) -> Summary:
    """Write the page and, if matplotlib is there, its picture into a folder of its name.

    Raises:
        StoreError: a file cannot be written.
    """
    found = list(read_tested(made))
    by_name = {each.name: each for each in found}
    goals = judge_asking_goals(
        by_name, made.best, made.transfer, config.user.disclosure, made.pairs
    )
    parts = [
        "# Results of the experiment on asking",
        describe(config, made, "docs/asking.md"),
        _users(config),
        tabulate_goals(goals, made.best, chosen=False),
        tabulate_models(found),
        tabulate_differences(found),
        tabulate_asking(found),
        tabulate_turns(found),
        draw_levels_beside(path, found, made.best, {"known": "wishes known"}),
        tabulate_transfer(made.transfer, " with labels by return"),
        tabulate_selection(made, chosen=False),
        tabulate_candidates(made.trees),
        describe_labels(made.trees),
        tabulate_trainings(made.models),
        show_examples(made),
        pack_scores_beside(path, made.stages),
    ]
    write_page(path, parts)
    return summarise(path, made.best, goals)


def _users(config: Config) -> str:
    user = config.user
    phrases = (
        f"All speak the half of the phrases called {user.phrases}."
        if user.phrases
        else "Those of the trees speak one half of the phrases, those of validation and test the "
        "other."
    )
    told, answering = config.experiment.sft_trees, config.experiment.answering_trees
    return "\n".join(
        [
            f"- Users are {user.disclosure}: complains {user.complains:g}, volunteers "
            f"{user.volunteers:g}. {phrases}",
            f"- `sft`, from which the others start, learns from {told} other trees: single paths "
            f"with {count_users(config, told)} training users, who answer here and tell one wish "
            "after the other."
            if told
            else "- `sft`, from which the others start, learns from the same trees.",
            *(
                [
                    f"- Labels by return also come from {answering} trees of users who answer; "
                    f"those below are of the {user.disclosure} ones."
                ]
                if answering
                else []
            ),
        ]
    )


def tabulate_asking(found: Sequence[Tested]) -> str:
    """Return what each model finds out, and what its questions come to."""
    rows = [
        (
            LABELS[name].strip(),
            *(format_named(name, each.result.figures.get(name)) for each in found),
        )
        for name in ASKING
        if any(name in each.result.figures for each in found)
    ]
    head = ("figure", *(each.name for each in found))
    return "## Finding out\n\n" + format_table(head, rows, numeric=True)


def tabulate_turns(found: Sequence[Tested]) -> str:
    """Return what is known and how many questions a reply has, turn by turn.

    A model that stops asking because it counts turns, and not because it knows, asks as little at
    the same turn while something is left to find out.
    """
    parts = ["### By turn"]
    for title, figures in (
        ("known of the user", {each.name: each.result.curves.get("known", ()) for each in found}),
        ("questions a reply", {each.name: count_questions(each) for each in found}),
        (
            "while not all is known",
            {each.name: count_questions(each, known=False) for each in found},
        ),
        ("once all is known", {each.name: count_questions(each, known=True) for each in found}),
    ):
        turns = range(1, max(map(len, figures.values())) + 1)
        rows = [(name, *map(format_interval, each)) for name, each in figures.items()]
        parts.append(format_table((title, *map(str, turns)), rows, numeric=True))
    return "\n\n".join(parts)


def describe_labels(trees: Path) -> str:
    """Return how both labels agree, and what they make of questions."""
    found, asked = LabelAgreement(), _Asked()
    for tree in read_trees(trees):
        found.add(tree)
        asked.add(tree)
    counts = {
        "comparisons": found.comparisons,
        "decided by return": found.decided,
        "ties": found.ties,
        **found.undecided,
        "decided by both": found.both,
        "of these alike": found.same,
    }
    examples = [
        f"- turn {each.turn}, +{each.difference:.2f} (judge: {each.judged}): "
        f"{escape(each.asked)} **instead of** {escape(each.instead)}"
        for each in found.questions
    ]
    table = format_table(("", "count"), [(k, str(v)) for k, v in counts.items()], numeric=True)
    parts = [f"## Labels\n\nBy return: {found.basis}.", table, asked.table(), "\n".join(examples)]
    return "\n\n".join(filter(None, parts))


@dataclass(kw_only=True)
class _Asked:
    """Comparisons of the rewriter's reply with the same reply and a question."""

    by_judge: Counter[str] = field(default_factory=Counter)
    by_return: Counter[str] = field(default_factory=Counter)

    def add(self, tree: Tree) -> None:
        for verdict in tree.verdicts:
            first, second = (tree.by_id[each] for each in (verdict.first, verdict.second))
            agents = {"first": first.agent, "second": second.agent}
            if set(agents.values()) != {ASKER, REWRITER} or first.content == second.content:
                continue
            self.by_judge[agents.get(verdict.outcome, verdict.outcome)] += 1
            if label := verdict.by_return:
                self.by_return[agents.get(label.outcome, label.reason or label.outcome)] += 1

    def table(self) -> str:
        outcomes = dict.fromkeys((ASKER, REWRITER, "tie", *self.by_judge, *self.by_return))
        rows = [(each, str(self.by_judge[each]), str(self.by_return[each])) for each in outcomes]
        title = "A reply with a question against the same reply without one:"
        head = ("preferred", "by the judge", "by return")
        return f"{title}\n\n{format_table(head, rows, numeric=True)}"
