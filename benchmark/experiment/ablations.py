"""What each part of the recipe is worth, and what each defect of the original costs.

Each ablation changes one thing and trains anew. All are measured on the validation personas, so
that the test stays what it is: opened once, for the models that were chosen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from aloe.benchmark.experiment.pipeline import BASE, Experiment
from aloe.benchmark.experiment.rows import (
    Change,
    Relabel,
    first_message_everywhere,
    fixed_order,
    of_first_trees,
    one_character_rejected,
    relabelled,
    unparsed_is_second,
    up_to_turn,
)
from aloe.benchmark.experiment.trees import find_edited
from aloe.config import Config, Disclosing, Phrases
from aloe.errors import ConfigError, suggest
from aloe.memory.run_folder import read_trees
from aloe.schema import Tree

Train = Callable[[Experiment, str], Path | None]
"""Returns the model's folder, None if there is no row to train on; is given the ablation's name."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """One changed thing."""

    name: str
    about: str
    against: str
    """The model that differs in nothing else: `sft`, `dpo`, or another ablation."""
    train: Train
    users: Mapping[str, Any] = field(default_factory=dict)
    """Settings of `user` for the validation users that differ from the experiment's."""

    def measure(self, experiment: Experiment) -> "MeasuredAblation":
        """Train and let the model meet the validation personas.

        Raises:
            AloeError: a command failed; what is finished is kept.
        """
        model = self.train(experiment, self.name)
        name = BASE if model is None else self.against if self.users else self.name
        bench = experiment.run_bench(name, model, "validation", users=self.users)
        return MeasuredAblation(ablation=self, bench=bench)


@dataclass(frozen=True, kw_only=True)
class MeasuredAblation:
    """An ablation with what came of it."""

    ablation: Ablation
    bench: Path
    """Its bench folder with the validation personas: the base's, if nothing was trained."""


def list_ablations(config: Config) -> list[Ablation]:
    """Return all there are under some settings."""
    turns, judged = config.simulation.turns, config.experiment.ablation_judged
    hint_none = _trees("hint-none", "no assistant gets a hint from the ledger", _without_hints)
    return [
        *([hint_none] if any(each.hint for each in config.models.assistants) else []),
        *_with_other_branches(config),
        *_with_other_users(config),
        Ablation(
            name="weights",
            about="all pairs count alike"
            if config.training.weighted
            else "pairs count by confidence and by how many share their prompt",
            against="dpo",
            train=_weighted,
        ),
        *_with_other_numbers_of_trees(config),
        *(
            _sft(f"turns-{n}", f"rows of the first {n} turns", partial(up_to_turn, turns=n))
            for n in config.experiment.ablation_turns
            if n < turns
        ),
        _sft(
            "bug-first-message",
            "defect: the opening message replaces every user message",
            first_message_everywhere,
        ),
        Ablation(
            name="bug-one-character",
            about="defect: one character is left of the rejected reply",
            against="dpo",
            train=_one_character,
        ),
        Ablation(
            name="model-judge",
            about=f"{config.models.judge.model} judges, in both orders, its answers read as text",
            against=f"trees-{judged}" if judged and judged < config.simulation.trees else "sft",
            train=_judged(None),
        ),
        Ablation(
            name="bug-fixed-order",
            about="defect: the same judge is asked in one order",
            against="model-judge",
            train=_judged(fixed_order),
        ),
        Ablation(
            name="bug-unparsed",
            about="defect: an answer that names no reply counts for the second",
            against="model-judge",
            train=_judged(unparsed_is_second),
        ),
    ]


def choose_ablations(names: Iterable[str], config: Config) -> list[Ablation]:
    """Return the ablations of these names and those they are against; `all` names every one.

    Raises:
        ConfigError: there is none of a name.
    """
    known = {each.name: each for each in list_ablations(config)}
    wanted = list(names)
    if "all" in wanted:
        return list(known.values())
    for name in wanted:
        if name not in known:
            hint = suggest(name, known, f"there are {', '.join(known)}, all")
            raise ConfigError(f"--ablation: there is no '{name}'{hint}")
    for each in reversed(known.values()):  # what one is against stands before it
        if each.name in wanted:
            wanted.append(each.against)
    return [each for each in known.values() if each.name in wanted]


def train_compared(experiment: Experiment, wanted: Iterable[Ablation]) -> dict[str, Path]:
    """Return the models of the recipe that these ablations are against, and SFT."""
    found = {"sft": experiment.train_sft()}
    if "dpo" in {each.against for each in wanted}:
        found["dpo"] = experiment.train_dpo()
    return found


def _sft(name: str, about: str, change: Change) -> Ablation:
    def train(experiment: Experiment, name: str) -> Path:
        rows = experiment.export_rows(experiment.grow_trees(), "sft")
        return experiment.fine_tune(name, experiment.change_rows(f"{name}-rows", rows, change))

    return Ablation(name=name, about=about, against="sft", train=train)


def _with_other_numbers_of_trees(config: Config) -> Iterator[Ablation]:
    """Yield the scaling curve: rows of the first trees, or trees of their own if there are more."""
    whole, judged = config.simulation.trees, config.experiment.ablation_judged
    smaller = {judged} if judged and judged < whole else set()
    for count in sorted({*config.experiment.ablation_trees, *smaller} - {whole}):
        name, about = f"trees-{count}", f"{count} trees"
        if count < whole:
            yield _sft(name, about, partial(of_first_trees, count=count))
        else:
            yield _trees(name, about, partial(_set, {"simulation.trees": count}))


def _with_other_users(config: Config) -> Iterator[Ablation]:
    """Yield those that train on other users, and those in which the same model meets others."""
    own = config.user
    others = [name for name in get_args(Disclosing) if name != own.disclosure]
    for name in others:
        changes = {"user": {"disclosure": name}}
        yield _trees(f"trained-{name}", f"trees with `{name}` users", partial(_set, changes))
    for name in others:
        about = f"nothing in the training; it meets `{name}` users"
        yield _met(f"tested-{name}", about, {"disclosure": name})
    heard = own.phrases or "test"
    for half, whose in zip(get_args(Phrases), ("training", "the test"), strict=True):
        if half != heard:
            about = f"nothing in the training; users speak in phrases of {whose}"
            yield _met(f"phrases-{half}", about, {"phrases": half})


def _met(name: str, about: str, users: Mapping[str, Any]) -> Ablation:
    def train(experiment: Experiment, _: str) -> Path:
        return experiment.train_sft()

    return Ablation(name=name, about=about, against="sft", train=train, users=users)


def _with_other_branches(config: Config) -> Iterator[Ablation]:
    """Yield those that continue other replies, and labels of what came of each."""
    if config.simulation.expansion != "preferred":
        about = "the judge's choice is continued"
        preferred = partial(_set, {"simulation.expansion": "preferred"})
        yield _trees("continue-preferred", about, preferred)
    if config.simulation.both_turns or config.simulation.turns < 2:
        return
    about = "all replies of the first turn are continued, in fewer trees"
    yield _trees("continue-both", about, _continue_both)

    def train(experiment: Experiment, name: str) -> Path:
        changed = config.updated(_continue_both(config), source=name)
        trees = experiment.relabel(experiment.grow("continue-both-trees", changed))
        return experiment.fine_tune(name, experiment.export_rows(trees, "sft", "mixed"))

    yield Ablation(
        name="label-return",
        about="labels by return where replies were continued",
        against="continue-both",
        train=train,
    )


def _trees(name: str, about: str, changes: Callable[[Config], dict[str, Any]]) -> Ablation:
    def train(experiment: Experiment, name: str) -> Path:
        config = experiment.config.updated(changes(experiment.config), source=name)
        trees = experiment.grow(f"{name}-trees", config)
        return experiment.fine_tune(name, experiment.export_rows(trees, "sft"))

    return Ablation(name=name, about=about, against="sft", train=train)


def _set(changes: dict[str, Any], _: Config) -> dict[str, Any]:
    return changes


def _without_hints(config: Config) -> dict[str, Any]:
    assistants = config.models.assistants
    return {"models.assistants": [a.updated({"hint": False}, source="hint") for a in assistants]}


def _continue_both(config: Config) -> dict[str, Any]:
    """Return a change to trees that branch at their first turn, with about as many nodes in all.

    A node budget a tree would not do: to reach the last turn it drops all branches but one.
    """
    simulation = config.simulation
    candidates = len(config.models.assistants) + len(find_edited(config))
    branching = 1 + candidates * (simulation.turns - 1)
    trees = max(1, round(simulation.trees * simulation.turns / branching))
    return {"simulation": {"both_turns": 1, "trees": trees}}


def _weighted(experiment: Experiment, name: str) -> Path:
    weighted = not experiment.config.training.weighted
    return experiment.train(
        name,
        "dpo",
        experiment.export_pairs(),
        experiment.train_sft(),
        experiment.config.experiment.dpo,
        weighted=weighted,
    )


def _one_character(experiment: Experiment, name: str) -> Path:
    seed = experiment.config.seed
    rows = experiment.change_rows(
        f"{name}-rows",
        experiment.export_pairs(),
        lambda found: one_character_rejected(found, seed),
        seed,
    )
    dpo = experiment.config.experiment.dpo
    return experiment.train(name, "dpo", rows, experiment.train_sft(), dpo)


def _judged(relabel: Relabel | None) -> Train:
    def train(experiment: Experiment, name: str) -> Path | None:
        trees, count = experiment.grow_trees(), experiment.config.experiment.ablation_judged
        if count is not None:
            first = partial(_first, count=count)
            trees = experiment.change_trees("first-trees", trees, first, count)
        trees = experiment.rejudge(trees, _text_judge(experiment.config))
        if relabel:
            change = partial(relabelled, relabel=relabel)
            trees = experiment.change_trees(f"{name}-trees", trees, change)
        if not any(each.preferred for tree in read_trees(trees) for each in tree.verdicts):
            return None
        return experiment.fine_tune(name, experiment.export_rows(trees, "sft"))

    return train


def _first(trees: Iterable[Tree], count: int) -> Iterable[Tree]:
    return islice(trees, count)


def _text_judge(config: Config) -> Config:
    """Return settings under which the judge's words are read, as the original did."""
    changes = {"judge.rules": False, "models.judge.logprobs": False}
    return config.updated(changes, source="model-judge")
