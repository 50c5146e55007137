"""What each part of the recipe is worth, and what each defect of the original costs.

Each ablation changes one thing and trains anew. All are measured on the validation personas, so
that the test stays what it is: opened once, for the models that were chosen.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from aloe.benchmark.experiment.pipeline import BASE, Experiment
from aloe.benchmark.experiment.rows import (
    Change,
    Relabel,
    first_message_everywhere,
    fixed_order,
    of_first_trees,
    one_character_rejected,
    read_rows,
    relabelled,
    unparsed_is_second,
    up_to_turn,
)
from aloe.config import Config
from aloe.errors import ConfigError
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

    def bench(self, experiment: Experiment) -> Path:
        """Return its bench folder with the validation personas: the base's, if nothing was trained.

        Raises:
            AloeError: a verb failed; what is finished is kept.
        """
        model = self.train(experiment, self.name)
        return experiment.bench(self.name if model else BASE, model, "validation")


def ablations(config: Config) -> list[Ablation]:
    """Return all there are under some settings."""
    turns, judged = config.simulation.turns, config.experiment.ablation_judged
    smaller = {*config.experiment.ablation_trees, *filter(None, [judged])}
    scaled = sorted(n for n in smaller if n < config.simulation.trees)
    hint_none = _trees("hint-none", "no assistant gets a hint from the ledger", _without_hints)
    return [
        *([hint_none] if any(each.hint for each in config.models.assistants) else []),
        *(
            _trees(f"continue-{name}", f"`{name}` is continued", _expansion(name))
            for name in ("sample", "preferred", "both")
            if name != config.simulation.expansion
        ),
        Ablation(
            name="weights",
            about="pairs count by confidence and by how many share their prompt",
            against="dpo",
            train=_weighted,
        ),
        *(_sft(f"trees-{n}", f"{n} trees", partial(of_first_trees, count=n)) for n in scaled),
        *(
            _sft(f"turns-{n}", f"rows of the first {n} turns", partial(up_to_turn, turns=n))
            for n in config.experiment.ablation_turns
            if n < turns
        ),
        _sft(
            "bug-first-message",
            "defect: the opening message stands in for every user message",
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
            about="the base model judges, in both orders, its answers read as text",
            against=f"trees-{judged}" if judged in scaled else "sft",
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
            about="defect: an answer of it that names no reply counts for the second",
            against="model-judge",
            train=_judged(unparsed_is_second),
        ),
    ]


def chosen(names: Iterable[str], config: Config) -> list[Ablation]:
    """Return the ablations of these names and those they are against; `all` names every one.

    Raises:
        ConfigError: there is none of a name.
    """
    known = {each.name: each for each in ablations(config)}
    wanted = list(names)
    if "all" in wanted:
        return list(known.values())
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}, all"
            raise ConfigError(f"--ablation: there is no '{name}'{hint}")
    for each in reversed(known.values()):  # what one is against stands before it
        if each.name in wanted:
            wanted.append(each.against)
    return [each for each in known.values() if each.name in wanted]


def compared(experiment: Experiment, wanted: Iterable[Ablation]) -> dict[str, Path]:
    """Return the models of the recipe that these ablations are against, and SFT."""
    against = {each.against for each in wanted}
    return {"sft": experiment.sft} | ({"dpo": experiment.dpo} if "dpo" in against else {})


def _sft(name: str, about: str, change: Change) -> Ablation:
    def train(experiment: Experiment, name: str) -> Path:
        rows = experiment.changed(f"{name}-rows", experiment.rows(experiment.trees, "sft"), change)
        return experiment.trained(name, "sft", rows, None, experiment.config.experiment.sft)

    return Ablation(name=name, about=about, against="sft", train=train)


def _trees(name: str, about: str, changes: Callable[[Config], dict[str, Any]]) -> Ablation:
    def train(experiment: Experiment, name: str) -> Path:
        config = experiment.config.updated(changes(experiment.config), source=name)
        rows = experiment.rows(experiment.grown(f"{name}-trees", config), "sft")
        return experiment.trained(name, "sft", rows, None, experiment.config.experiment.sft)

    return Ablation(name=name, about=about, against="sft", train=train)


def _without_hints(config: Config) -> dict[str, Any]:
    assistants = config.models.assistants
    return {"models.assistants": [a.updated({"hint": False}, source="hint") for a in assistants]}


def _expansion(name: str) -> Callable[[Config], dict[str, Any]]:
    """Return a change of the policy under which a tree has as many nodes as before."""

    def changes(config: Config) -> dict[str, Any]:
        candidates = len(config.models.assistants)
        candidates += bool(config.experiment.rewriter) + bool(config.experiment.stranger)
        nodes = config.simulation.turns * (1 + candidates)
        return {"simulation": {"expansion": name, "node_budget": nodes}}

    return changes


def _weighted(experiment: Experiment, name: str) -> Path:
    weighted = not experiment.config.training.weighted
    return experiment.trained(
        name,
        "dpo",
        experiment.pairs,
        experiment.sft,
        experiment.config.experiment.dpo,
        weighted=weighted,
    )


def _one_character(experiment: Experiment, name: str) -> Path:
    seed = experiment.config.seed
    rows = experiment.changed(
        f"{name}-rows",
        experiment.pairs,
        lambda found: one_character_rejected(found, seed),
        seed,
    )
    return experiment.trained(name, "dpo", rows, experiment.sft, experiment.config.experiment.dpo)


def _judged(relabel: Relabel | None) -> Train:
    def train(experiment: Experiment, name: str) -> Path | None:
        trees, count = experiment.trees, experiment.config.experiment.ablation_judged
        if count is not None:
            trees = experiment.changed_trees(
                "first-trees", trees, partial(_first, count=count), count
            )
        trees = experiment.rejudged(trees, _text_judge(experiment.config))
        if relabel:
            change = partial(relabelled, relabel=relabel)
            trees = experiment.changed_trees(f"{name}-trees", trees, change)
        rows = experiment.rows(trees, "sft")
        if not read_rows(rows):  # no reply won
            return None
        return experiment.trained(name, "sft", rows, None, experiment.config.experiment.sft)

    return train


def _first(trees: Iterable[Tree], count: int) -> Iterable[Tree]:
    return islice(trees, count)


def _text_judge(config: Config) -> Config:
    """Return settings under which the judge's words are read, as the original did."""
    changes = {"judge.rules": False, "models.judge.logprobs": False}
    return config.updated(changes, source="model-judge")
