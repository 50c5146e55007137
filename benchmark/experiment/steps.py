"""The steps of an experiment: each is a stage, and nearly each stage a command of the program.

Commands run as a user would run them, each in a process of its own: what it needs of memory goes
with it, and any of them can be repeated by hand.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aloe.agents.registry import prompts_of
from aloe.benchmark.bench_plan import candidate_prompts
from aloe.benchmark.experiment.numbers import find_numbers
from aloe.benchmark.experiment.people import Part, draw_people
from aloe.benchmark.experiment.rows import Change, read_rows, write_rows
from aloe.benchmark.experiment.stage import Stages
from aloe.benchmark.experiment.stage_inputs import describe_judge, describe_roles, describe_served
from aloe.benchmark.folder import RESULT, read_bench
from aloe.benchmark.suite_result import SuiteResult
from aloe.config import Condition, Config, without_length
from aloe.errors import InputError
from aloe.files.writing import model_lines, replace_text
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.personas import as_lines, read_personas
from aloe.memory.run_folder import read_trees
from aloe.models.weights import plain_name
from aloe.schema import Persona, Tree

RunCommand = Callable[[Sequence[str]], None]
"""Runs a command of the program with its arguments and raises an `AloeError` if it fails."""

Format = Literal["sft", "dpo"]
Label = Literal["judge", "return", "mixed"]
Method = Literal["sft", "dpo", "grpo"]


@dataclass(kw_only=True)
class Steps:
    """What can be done under the settings of an experiment; what is there is not made again."""

    config: Config
    stages: Stages
    run_command: RunCommand

    def draw_people(self) -> Path:
        """Return the folder with personas and cases of each part."""
        config = self.config
        given = config.experiment.model_dump(include={"train", "validation", "test", "wishes",
                                                 "dimensions", "reserved",
                                                 "dialogue_turns"})  # fmt: skip
        threshold = config.personas.threshold
        return self.stages.make("people", [given, config.seed, threshold], self._write_people)

    def _write_people(self, path: Path) -> None:
        config = self.config
        found = draw_people(
            config.experiment, config.seed, config.personas.threshold, MiniLmEmbedder()
        )
        for part, personas in found.parts.items():
            cases = found.cases(part, config.experiment.dialogue_turns)
            replace_text(path / f"{part}.jsonl", as_lines(personas))
            replace_text(path / f"{part}.cases.jsonl", model_lines(cases))
        reserved = {
            part: sorted(sorted(pair) for pair in pairs) for part, pairs in found.reserved.items()
        }
        replace_text(path / "reserved.json", json.dumps(reserved, indent=1) + "\n")

    def read_personas(self, part: Part) -> list[Persona]:
        """Return the personas of a part."""
        return read_personas(self.draw_people() / f"{part}.jsonl")

    def grow_trees(self) -> Path:
        """Return the run folder of the trees."""
        return self.grow("trees", self.config)

    def grow(self, name: str, config: Config, after: str = "", *, deployed: bool = False) -> Path:
        """Return the run folder of trees with the training personas.

        Args:
            name: of the stage.
            config: settings of the trees.
            after: folder name of a trained model that writes them.
            deployed: whether assistants get no instruction.
        """
        config = config.model_copy(
            update={"simulation": config.simulation.model_copy(update={"check_ledger": False})}
        )
        inputs = [
            self.draw_people().name,
            after,
            deployed,
            config.seed,
            config.experiment.rewriter,
            [config.experiment.stranger, config.experiment.dimensions],
            [
                config.experiment.asker,
                config.experiment.wishes,
                config.experiment.needless_questions,
            ],
            config.user.model_dump(mode="json"),
            [
                each.model_dump(mode="json", exclude={"model"} if after else None)
                for each in config.models.assistants
            ],
            config.simulation.model_dump(mode="json", exclude={"concurrency", "workers"}),
            describe_judge(config),
            prompts_of(config),
            *describe_roles(config),
            *self.stages.hash_models(
                *(each.model for each in config.models.assistants if not after)
            ),
            *describe_served(config, trained=bool(after)),
        ]

        def make(path: Path) -> None:
            arguments = ["experiment-trees", "--config", self._settings(path, config)]
            arguments += ["--personas", str(self.draw_people() / "train.jsonl"), "--out", str(path)]
            self.run_command([*arguments, "--deployed"] if deployed else arguments)

        return self.stages.make(name, inputs, make)

    def relabel(self, trees: Path) -> Path:
        """Return the trees with labels by return beside the judge's."""
        given = self.config.experiment
        flags = {
            "horizon": given.horizon,
            "discount": given.discount,
            "z": given.z,
            "question-cost": given.question_cost,
        }

        def make(path: Path) -> None:
            options = [text for name, value in flags.items() for text in (f"--{name}", str(value))]
            self.run_command(
                ["relabel", str(trees), "--by", "return", *options, "--out", str(path)]
            )

        return self.stages.make("relabelled", [trees.name, flags], make)

    def export_rows(self, trees: Path, kind: Format, label: Label = "judge") -> Path:
        """Return the file of rows that `aloe export` makes of the trees, by a label."""

        def make(path: Path) -> None:
            arguments = ["export", str(trees), "--format", kind, "--label", label, "--columns"]
            self.run_command([*arguments, "--out", str(path / "rows.jsonl")])

        name = f"{kind}-rows" if label == "judge" else f"{kind}-rows-by-{label}"
        return self.stages.make(name, [trees.name, label], make) / "rows.jsonl"

    def change_rows(self, name: str, rows: Path, change: Change, *inputs: object) -> Path:
        """Return the file of rows after a change that `name` and `inputs` identify."""

        def make(path: Path) -> None:
            write_rows(path / "rows.jsonl", change(read_rows(rows)))

        return self.stages.make(name, [rows.parent.name, *inputs], make) / "rows.jsonl"

    def change_trees(
        self,
        name: str,
        trees: Path,
        change: Callable[[Iterable[Tree]], Iterable[Tree]],
        *inputs: object,
    ) -> Path:
        """Return a run folder with the trees after a change that `name` and `inputs` identify."""

        def make(path: Path) -> None:
            replace_text(path / "trees.jsonl", model_lines(change(read_trees(trees))))

        return self.stages.make(name, [trees.name, *inputs], make)

    def rejudge(self, trees: Path, judge: Config) -> Path:
        """Return the trees judged by the model in `judge` instead of the rule."""
        judges = judge.models.judges().values()
        inputs = [
            trees.name,
            [each.model_dump(mode="json") for each in judges],
            describe_judge(judge),
            prompts_of(judge),
            *self.stages.hash_models(*(each.model for each in judges)),
        ]

        def make(path: Path) -> None:
            arguments = ["rejudge", str(trees), "--config", self._settings(path, judge)]
            self.run_command([*arguments, "--out", str(path)])

        return self.stages.make("rejudged", inputs, make)

    def train(
        self,
        name: str,
        method: Method,
        data: Path,
        start: Path | None,
        arguments: Mapping[str, Any],
        *,
        weighted: bool | None = None,
    ) -> Path:
        """Return the folder of a trained model.

        Args:
            name: of the stage.
            method: how it is trained.
            data: rows, or a run folder.
            start: model that training goes on from; None for the base.
            arguments: over those of the settings.
            weighted: whether pairs count by the judge's confidence; None: as the settings say.
        """
        given = self.config.training
        training = given.model_copy(
            update={
                "arguments": {**without_length(given.arguments, arguments), **arguments},
                "weighted": given.weighted if weighted is None else weighted,
            }
        )
        if method != "dpo":
            training = training.model_copy(update={"weighted": False})
        whose = data.parent.name if data.suffix else data.name
        begin = start.name if start else training.model
        inputs = [
            method,
            whose,
            begin,
            training.model_dump(mode="json"),
            self.config.seed,
            *self.stages.hash_models(f"hf:{plain_name(training.model)}"),
        ]

        def make(path: Path) -> None:
            packed = training.tree_packing and method != "grpo"
            numbers = find_numbers(training, path) if packed else {}
            alike = {"arguments": {**numbers, **training.arguments}}
            config = self.config.model_copy(update={"training": training.model_copy(update=alike)})
            command = ["train", method, "--config", self._settings(path, config)]
            command += ["--data", str(data), "--out", str(path)]
            command += ["--start", str(start)] if start else []
            command += ["--reward", "rules"] if method == "grpo" else []
            self.run_command(command)

        return self.stages.make(name, inputs, make)

    def merge(self, name: str, model: Path) -> Path:
        """Return the folder that a trained model is served from."""
        if not self.config.experiment.merged:
            return model

        def make(path: Path) -> None:
            if not path.exists():  # a merged model appears whole or not at all
                self.run_command(["train", "merge", str(model), "--8-bit", "--out", str(path)])

        return self.stages.make(f"merged-{name}", [model.name], make)

    def model_string(self, name: str, folder: Path) -> str:
        """Return the model string of a trained model."""
        return self.config.experiment.name_model(name, folder)

    def run_bench(
        self,
        name: str,
        model: Path | None,
        part: Part,
        controls: Sequence[str] = (),
        users: Mapping[str, Any] | None = None,
    ) -> Path:
        """Return the bench folder of a model with the personas of a part.

        Args:
            name: of the model.
            model: its folder; None for the base.
            part: whose personas.
            controls: conditions beside it.
            users: settings of `user` that differ from the experiment's.
        """
        seeds = self.config.benchmark.seeds if part == "test" else 1
        played = {
            "cases": str(self.draw_people() / f"{part}.cases.jsonl"),
            "seeds": seeds,
            "condition": "candidate",  # its controls are named on the command line
            "limit": None,  # all of a part, whatever settings of other benches say
        }
        folder = self.merge(name, model) if model else None
        if folder:
            played["candidate.model"] = self.model_string(name, folder)
        changes = {"benchmark": played, "user": dict(users or {})}
        config = self.config.updated(changes, source="experiment")
        hidden = {"model"} if folder else None  # its folder's name says it
        inputs = [
            self.draw_people().name,
            part,
            folder.name if folder else None,
            {"seeds": seeds, **config.benchmark.candidate.model_dump(mode="json", exclude=hidden)},
            sorted(controls),
            config.seed,
            config.user.model_dump(mode="json"),
            {**prompts_of(config), **candidate_prompts(config)},
            *self.stages.hash_models(*([] if folder else [config.benchmark.candidate.model])),
            *describe_served(config, trained=bool(folder)),
        ]

        def make(path: Path) -> None:
            if part == "test":
                also = ", ".join(controls) or "none"
                self.stages.log(f"test of {name}, dialogues a user: {seeds}, controls: {also}")
            command = ["bench", "run", "--config", self._settings(path, config), "--out", str(path)]
            self.run_command([*command, *(each for c in controls for each in ("--control", c))])

        return self.stages.make(f"{part}-{name}", inputs, make)

    def _settings(self, path: Path, config: Config) -> str:
        """Write the settings of a stage beside its folder and return the file."""
        file = path.with_name(f"{path.name}.toml")
        replace_text(file, config.toml())
        return str(file)


def read_suite(bench: Path) -> Mapping[Condition, SuiteResult]:
    """Return the numbers of the one suite of a bench folder, by condition.

    Raises:
        InputError: the folder holds no result.
    """
    suites = read_bench(bench).result.suites
    if len(suites) != 1:
        raise InputError(bench / RESULT, "holds other suites than the experiment's")
    return next(iter(suites.values()))


def read_level(bench: Path) -> float:
    """Return the average AL of the model of a bench folder.

    Raises:
        InputError: the folder holds no result, or no reply in it was rated.
    """
    found = read_suite(bench)["candidate"].figures.get("al_mean")
    if found is None or found.value is None:
        raise InputError(bench / RESULT, "holds no average AL: no reply was rated")
    return found.value
