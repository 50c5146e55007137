"""What the experiment does, in order; each step is a stage, and nearly each stage a verb of it.

    people -> trees -> rows -> sft -> dpo
                               sft -> trees of its own -> rl
                       shuffled rows -> sft -> dpo, the control
    sft, dpo, rl -> validation -> the best -> test, with base, control, ceiling and concise

Verbs run as a user would run them, each in a process of its own: what it needs of memory goes with
it, and any of them can be repeated by hand. The test personas are not looked at before the best
model has been chosen on the validation personas, and the log says when that was.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from aloe.agents.registry import prompts_of
from aloe.benchmark.experiment.people import Part, people
from aloe.benchmark.experiment.rows import (
    Change,
    of_first_trees,
    read_rows,
    shuffled,
    write_rows,
)
from aloe.benchmark.experiment.stage import Stages
from aloe.benchmark.folder import RESULT, read_bench
from aloe.config import Config
from aloe.errors import InputError
from aloe.files.writing import replace_text
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.personas import as_lines, read_personas
from aloe.memory.run_folder import read_trees
from aloe.schema import Persona, Tree

Verb = Callable[[Sequence[str]], None]
"""Runs a verb of the program with its arguments and raises an `AloeError` if it fails."""

Format = Literal["sft", "dpo"]
Method = Literal["sft", "dpo", "grpo"]

BASE, CONTROL = "base", "shuffled"
REWARD = "aloe.benchmark.experiment.reward:wishes_kept"


@dataclass(frozen=True, kw_only=True)
class Validated:
    """What there is before the test is opened, by name of the model."""

    people: Path
    trees: Path
    models: Mapping[str, Path]
    validation: Mapping[str, Path]
    """Bench folders."""


@dataclass(frozen=True, kw_only=True)
class Made(Validated):
    """What a whole experiment left, by name of the model."""

    best: str
    """The tuned model that was best on the validation personas."""
    test: Mapping[str, Path]
    """Bench folders."""


@dataclass(kw_only=True)
class Experiment:
    """The stages of an experiment under its settings."""

    config: Config
    stages: Stages
    verb: Verb

    def run(self) -> Made:
        """Do all that is not there yet.

        Raises:
            AloeError: a verb failed; what is finished is kept.
        """
        before = self.validated(self._before_the_test())
        best = max(before.models, key=lambda name: level(before.validation[name]))
        self.stages.log(f"best on validation: {best}")
        models = {**before.models, CONTROL: self.shuffled(best)}
        test = {BASE: partial(self.bench, BASE, None, "test", ("ceiling", "concise"))}
        for name, path in models.items():
            controls = ("ceiling",) if name == best else ()
            test[name] = partial(self.bench, name, path, "test", controls)
        return Made(
            people=self.people,
            trees=self.trees,
            models=models,
            best=best,
            validation=before.validation,
            test=dict(zip(test, self.stages.together(*test.values()), strict=True)),
        )

    def _before_the_test(self) -> dict[str, Path]:
        """Make the tuned models, and what the control may need where that keeps nothing waiting."""
        if self.stages.at_once == 1:
            return self.tuned()
        control = partial(self.shuffled, "dpo")
        return self.stages.together(self.tuned, lambda: {CONTROL: control()})[0]

    def validated(self, models: Mapping[str, Path]) -> Validated:
        """Let these models and the base meet the validation personas.

        Raises:
            AloeError: a verb failed; what is finished is kept.
        """
        whom = {**models, BASE: None}
        benches = (partial(self.bench, name, path, "validation") for name, path in whom.items())
        validation = dict(zip(whom, self.stages.together(*benches), strict=True))
        return Validated(people=self.people, trees=self.trees, models=models, validation=validation)

    def quick(self) -> tuple[Path, Path]:
        """Make the SFT model only; return bench folders of base and SFT with training personas.

        Raises:
            AloeError: a verb failed; what is finished is kept.
        """
        return self.bench(BASE, None, "train"), self.bench("sft", self.sft, "train")

    @property
    def people(self) -> Path:
        """Folder with personas and cases of each part."""
        config = self.config
        given = config.experiment.model_dump(include={"train", "validation", "test", "wishes",
                                                 "dimensions", "reserved",
                                                 "dialogue_turns"})  # fmt: skip
        threshold = config.personas.threshold
        return self.stages.made("people", [given, config.seed, threshold], self._write_people)

    def _write_people(self, path: Path) -> None:
        config = self.config
        found = people(config.experiment, config.seed, config.personas.threshold, MiniLmEmbedder())
        path.mkdir(parents=True, exist_ok=True)
        for part, personas in found.parts.items():
            cases = found.cases(part, config.experiment.dialogue_turns)
            replace_text(path / f"{part}.jsonl", as_lines(personas))
            lines = (case.model_dump_json() + "\n" for case in cases)
            replace_text(path / f"{part}.cases.jsonl", "".join(lines))
        reserved = sorted(sorted(pair) for pair in found.reserved)
        replace_text(path / "reserved.json", json.dumps(reserved, indent=1) + "\n")

    def personas(self, part: Part) -> list[Persona]:
        """Return the personas of a part."""
        return read_personas(self.people / f"{part}.jsonl")

    @property
    def trees(self) -> Path:
        """Run folder of the trees."""
        return self.grown("trees", self.config)

    def grown(self, name: str, config: Config, after: str = "", *, deployed: bool = False) -> Path:
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
            self.people.name,
            after,
            deployed,
            config.seed,
            config.experiment.rewriter,
            [config.experiment.stranger, config.experiment.dimensions],
            [
                each.model_dump(mode="json", exclude={"model"} if after else None)
                for each in config.models.assistants
            ],
            config.simulation.model_dump(mode="json", exclude={"concurrency", "workers"}),
            prompts_of(config),
        ]

        def make(path: Path) -> None:
            arguments = ["experiment-trees", "--config", self._settings(path, config)]
            arguments += ["--personas", str(self.people / "train.jsonl"), "--out", str(path)]
            self.verb([*arguments, "--deployed"] if deployed else arguments)

        return self.stages.made(name, inputs, make)

    def rows(self, trees: Path, kind: Format) -> Path:
        """Return the file of rows that `aloe export` makes of the trees."""

        def make(path: Path) -> None:
            arguments = ["export", str(trees), "--format", kind, "--columns", "--out"]
            self.verb([*arguments, str(_inside(path, "rows.jsonl"))])

        return self.stages.made(f"{kind}-rows", [trees.name], make) / "rows.jsonl"

    def changed(self, name: str, rows: Path, change: Change, *inputs: object) -> Path:
        """Return the file of rows after a change that `name` and `inputs` identify."""

        def make(path: Path) -> None:
            write_rows(_inside(path, "rows.jsonl"), change(read_rows(rows)))

        return self.stages.made(name, [rows.parent.name, *inputs], make) / "rows.jsonl"

    def changed_trees(
        self,
        name: str,
        trees: Path,
        change: Callable[[Iterable[Tree]], Iterable[Tree]],
        *inputs: object,
    ) -> Path:
        """Return a run folder with the trees after a change that `name` and `inputs` identify."""

        def make(path: Path) -> None:
            lines = "".join(t.model_dump_json() + "\n" for t in change(read_trees(trees)))
            replace_text(_inside(path, "trees.jsonl"), lines)

        return self.stages.made(name, [trees.name, *inputs], make)

    def rejudged(self, trees: Path, judge: Config) -> Path:
        """Return the trees judged by the model in `judge` instead of the rule."""
        inputs = [trees.name, judge.models.judge.model_dump(mode="json"), prompts_of(judge)]

        def make(path: Path) -> None:
            arguments = ["rejudge", str(trees), "--config", self._settings(path, judge)]
            self.verb([*arguments, "--out", str(path)])

        return self.stages.made("rejudged", inputs, make)

    def trained(
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
                "arguments": {**given.arguments, **arguments},
                "weighted": given.weighted if weighted is None else weighted,
            }
        )
        if method != "dpo":
            training = training.model_copy(update={"weighted": False})
        whose = data.parent.name if data.suffix else data.name
        begin = start.name if start else training.model
        inputs = [method, whose, begin, training.model_dump(mode="json"), self.config.seed]

        def make(path: Path) -> None:
            config = self.config.model_copy(update={"training": training})
            command = ["train", method, "--config", self._settings(path, config)]
            command += ["--data", str(data), "--out", str(path)]
            command += ["--start", str(start)] if start else []
            command += ["--reward", REWARD] if method == "grpo" else []
            self.verb(command)

        return self.stages.made(name, inputs, make)

    @property
    def sft(self) -> Path:
        """The SFT model."""
        return self.trained(
            "sft", "sft", self.rows(self.trees, "sft"), None, self.config.experiment.sft
        )

    @property
    def dpo(self) -> Path:
        """The DPO model, from the SFT model."""
        return self.trained("dpo", "dpo", self.pairs, self.sft, self.config.experiment.dpo)

    @property
    def pairs(self) -> Path:
        """The rows of DPO."""
        rows, count = self.rows(self.trees, "dpo"), self.config.experiment.dpo_trees
        if count is None:
            return rows
        return self.changed("pairs", rows, partial(of_first_trees, count=count), count)

    @property
    def rl(self) -> Path:
        """The model that learnt from its own replies, from the SFT model."""
        experiment = self.config.experiment
        if experiment.rl_method == "grpo":
            return self.trained("grpo", "grpo", self.trees, self.sft, experiment.rl)
        writer = self.to_serve("sft", self.sft)
        trees = self.grown("own-trees", self._own_writers(writer), writer.name, deployed=True)
        return self.trained("rejection", "sft", self.rows(trees, "sft"), self.sft, experiment.rl)

    def _own_writers(self, sft: Path) -> Config:
        """Return settings under which the SFT model, served from a folder, writes all."""
        config, source = self.config, "experiment.rl"
        writer = {
            "model": self.served("sft", sft),
            "temperature": 1.0,
            "max_tokens": config.benchmark.candidate.max_tokens,
            "hint": False,
            "style": None,
            "window": None,
        }
        changes = {
            "models.assistants": [
                config.models.assistants[0].updated(
                    {**writer, "name": f"sample{number}"}, source=source
                )
                for number in range(1, config.experiment.rl_candidates + 1)
            ],
            "experiment": {"rewriter": "", "stranger": ""},
            "simulation.trees": config.experiment.rl_trees,
            "seed": config.seed + 1,
        }
        return config.updated(changes, source=source)

    def tuned(self) -> dict[str, Path]:
        """Return the models that are candidates for the best, by name."""
        made = self.stages.together(lambda: self.sft, lambda: self.dpo, lambda: self.rl)
        return dict(zip(("sft", "dpo", self.config.experiment.rl_method), made, strict=True))

    def shuffled(self, best: str) -> Path:
        """Return the control of the best model: the same recipe on shuffled rows.

        What a model writes itself cannot be shuffled, so the control of RL is that of DPO, which
        had as much to learn from.
        """
        rows = self._shuffled("sft-rows", self.rows(self.trees, "sft"))
        sft = self.trained("shuffled-sft", "sft", rows, None, self.config.experiment.sft)
        if best == "sft":
            return sft
        rows = self._shuffled("pairs", self.pairs)
        return self.trained("shuffled-dpo", "dpo", rows, sft, self.config.experiment.dpo)

    def _shuffled(self, name: str, rows: Path) -> Path:
        personas, seed = self.personas("train"), self.config.seed
        return self.changed(
            f"shuffled-{name}", rows, lambda found: shuffled(found, personas, seed), seed
        )

    def to_serve(self, name: str, model: Path) -> Path:
        """Return the folder that a trained model is served from."""
        if not self.config.experiment.merged:
            return model

        def make(path: Path) -> None:
            if not path.exists():  # a merged model appears whole or not at all
                self.verb(["train", "merge", str(model), "--8-bit", "--out", str(path)])

        return self.stages.made(f"merged-{name}", [model.name], make)

    def served(self, name: str, folder: Path) -> str:
        """Return the model string of a trained model."""
        return self.config.experiment.served.format(name=name, folder=folder)

    def bench(
        self, name: str, model: Path | None, part: Part, controls: Sequence[str] = ()
    ) -> Path:
        """Return the bench folder of a model with the personas of a part.

        Args:
            name: of the model.
            model: its folder; None for the base.
            part: whose personas.
            controls: conditions beside it.
        """
        seeds = self.config.benchmark.seeds if part == "test" else 1
        played = {"cases": str(self.people / f"{part}.cases.jsonl"), "seeds": seeds}
        folder = self.to_serve(name, model) if model else None
        if folder:
            played["candidate.model"] = self.served(name, folder)
        config = self.config.updated({"benchmark": played}, source="experiment")
        hidden = {"model"} if folder else None  # its folder's name says it
        inputs = [
            self.people.name,
            part,
            folder.name if folder else None,
            {"seeds": seeds, **config.benchmark.candidate.model_dump(mode="json", exclude=hidden)},
            sorted(controls),
            config.seed,
            prompts_of(config),
        ]

        def make(path: Path) -> None:
            if part == "test":
                also = ", ".join(controls) or "none"
                self.stages.log(f"test of {name}, dialogues a user: {seeds}, controls: {also}")
            command = ["bench", "run", "--config", self._settings(path, config), "--out", str(path)]
            self.verb([*command, *(each for c in controls for each in ("--control", c))])

        return self.stages.made(f"{part}-{name}", inputs, make)

    def _settings(self, path: Path, config: Config) -> str:
        """Write the settings of a stage beside its folder and return the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f"{path.name}.toml")
        replace_text(file, config.toml())
        return str(file)


def _inside(path: Path, name: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path / name


def suite_of(bench: Path) -> dict[str, Any]:
    """Return the numbers of the one suite of a bench folder, by condition.

    Raises:
        InputError: the folder holds no result.
    """
    suites = read_bench(bench).result["suites"]
    if len(suites) != 1:
        raise InputError(bench / RESULT, "holds other suites than the experiment's")
    return cast(dict[str, Any], next(iter(suites.values())))


def level(bench: Path) -> float:
    """Return the average AL of the model of a bench folder."""
    return float(suite_of(bench)["candidate"]["figures"]["al_mean"]["value"])
