"""What a bench run is going to do, before anything is spent or written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aloe.agents.prompt import chosen
from aloe.agents.prompt_size import prompt_for
from aloe.agents.registry import check_prompt_names
from aloe.benchmark.case import Case
from aloe.benchmark.cases import load_cases
from aloe.benchmark.dialogues import PlannedDialogue, check_cases, plan
from aloe.benchmark.families import warn_about_judges
from aloe.benchmark.folder import SCORES, check_same, finished_rows, read_bench
from aloe.benchmark.forecast import BenchForecast, PlayedPart, forecast
from aloe.benchmark.scores import ReplyScores, read_scores
from aloe.benchmark.swaps import assign_stand_ins
from aloe.calls.event import read_events
from aloe.config import Condition, Config, ModelConfig
from aloe.errors import ConfigError
from aloe.memory.run_folder import RunFolder
from aloe.models.providers import parse_model
from aloe.models.weights import hash_models
from aloe.number_format import counted

CANDIDATE_PROMPTS = ("candidate_told", "candidate_concise")
"""What the candidate is told under some conditions."""

READ = (
    "seed",
    "models.user.",
    "models.judge.",
    "models.panel",
    "user.",
    "simulation.user_window",
    "simulation.user_words",
    "judge.min_mass",
)
"""How the names of the settings begin that dialogues and ratings depend on, beside those under
`benchmark`, which `check_same` compares. Prompts are compared by their content."""


@dataclass(frozen=True, kw_only=True)
class BenchPlan:
    """The conditions of a run, its cases and its dialogues."""

    out: Path
    """The bench folder."""
    configs: Mapping[Condition, Config]
    """Settings by condition, the candidate's first."""
    cases: list[Case]
    """What is played."""
    dialogues: Mapping[Condition, list[PlannedDialogue]]

    @property
    def config(self) -> Config:
        """Settings of the candidate's run."""
        return self.configs["candidate"]

    @property
    def by_rule(self) -> bool:
        """Whether neither a user nor a judge is a model."""
        return all(case.by_rule for case in self.cases)

    @cached_property
    def prompts(self) -> dict[str, str]:
        """Content hash of every prompt that is sent, by name; rules that play and judge send none.

        Raises:
            ConfigError: a prompt cannot be used.
        """
        config = self.config
        if self.by_rule:
            return candidate_prompts(config)
        asked = (
            prompt_for("user", config, config.models.user),
            chosen("judge_score", config.prompts),
        )
        return candidate_prompts(config) | {prompt.name: prompt.sha for prompt in asked}

    @cached_property
    def weights(self) -> dict[Condition, dict[str, str]]:
        """Hash of the files of every model on this machine, by condition and model string.

        Raises:
            ConfigError: an adapter does not name its base.
            ModelError: a file cannot be read.
        """
        shared = {} if self.by_rule else hash_models(_asked(self.config))
        return {
            name: {**shared, **hash_models([each.benchmark.candidate])}
            for name, each in self.configs.items()
        }

    @property
    def left_out(self) -> list[str]:
        """What the settings name and a benchmark does not play, in a sentence; nothing: all.

        The model under test is to answer the users of the cases, whom roles would change.
        """
        names = [f"roles.{name}" for name in self.config.roles]
        take = "takes" if len(names) == 1 else "take"
        return [f"{' and '.join(names)} {take} no part in a benchmark"] if names else []

    @cached_property
    def warnings(self) -> list[str]:
        """What makes the numbers to come doubtful, one sentence each."""
        found = [*self.left_out, *([] if self.by_rule else warn_about_judges(self.config))]
        if not self.by_rule and self.config.judge.use:
            judges = ", ".join(each.model for each in self.config.models.judges().values())
            found.append(
                f"{judges} rates the replies, not {self.config.judge.use}: a custom judge compares "
                "pairs"
            )
        if lonely := sum(not each.stand_ins for each in self.dialogues["candidate"]):
            found.append(
                f"no gain for {counted(lonely, 'dialogue')}: nobody differs in both profile and "
                "personality"
            )
        return found

    def folder(self, condition: Condition) -> Path:
        """Return where the run of a condition goes."""
        return self.out if condition == "candidate" else self.out / condition

    def forecast(self, prior: Path | None) -> BenchForecast:
        """Return what the rest of it will cost and what all of it could show.

        Args:
            prior: an earlier bench folder, which knows how much users differ.

        Raises:
            InputError: there is none.
        """
        earlier = read_bench(prior).result.by_suite() if prior else None
        played = {name: self._find_played(name) for name in self.dialogues}
        return forecast(self.config, self.dialogues, self._floor, earlier, played)

    def has_more(self, condition: Condition) -> bool:
        """Whether a dialogue of a condition is to be held or rated, perhaps once more."""
        wanted = {each.dialogue.id: each.case for each in self.dialogues[condition]}
        return finished_rows(self.folder(condition) / SCORES, wanted).keys() != wanted.keys()

    def count_calls(self, condition: Condition) -> int:
        """Return how many calls a condition takes, less those that are answered already."""
        dialogues = {condition: self.dialogues[condition]}
        played = {condition: self._find_played(condition)}
        return sum(forecast(self.config, dialogues, self._floor, None, played).calls.values())

    def _find_played(self, condition: Condition) -> PlayedPart:
        """Return what the folder of a condition holds."""
        folder = self.folder(condition)
        cases = {each.dialogue.id: each.case for each in self.dialogues[condition]}
        return PlayedPart(
            finished=finished_rows(folder / SCORES, cases).keys(),
            answered=Counter(
                (event["tree"], event["role"], event["model"])
                for event in read_events(RunFolder(folder).events)
                if event["tree"] in cases and event["reply"]
            ),
        )

    @property
    def _floor(self) -> ModelConfig | None:
        """Model of the condition `floor`, if that is played."""
        return self.configs["floor"].benchmark.candidate if "floor" in self.configs else None


def candidate_prompts(config: Config) -> dict[str, str]:
    """Return the content hashes of the prompts that tell a candidate something, by name.

    Raises:
        ConfigError: a prompt cannot be used.
    """
    found = (chosen(name, config.prompts) for name in CANDIDATE_PROMPTS)
    return {prompt.name: prompt.sha for prompt in found}


def plan_bench(out: Path, configs: Mapping[Condition, Config]) -> BenchPlan:
    """Plan a run, whose folders may hold an earlier part of it.

    Args:
        out: the bench folder.
        configs: settings by condition, the candidate's first.

    Raises:
        ConfigError: a model string names no provider, there is no such prompt, the cases do not go
            together, or a folder holds another run.
        InputError: the cases cannot be read.
        ModelError: a file of a model cannot be read.
    """
    config = configs["candidate"]
    check_prompt_names(config)
    candidates = [each.benchmark.candidate for each in configs.values()]
    for model in (*candidates, *_asked(config)):
        parse_model(model)
    suite = load_cases(config.benchmark.cases)
    check_cases(suite, config)
    cases = _spread(suite, config.benchmark.limit)
    swaps = assign_stand_ins(suite)
    found = BenchPlan(
        out=out,
        configs=configs,
        cases=cases,
        dialogues={
            name: plan(cases, swaps, each.benchmark.seeds, name) for name, each in configs.items()
        },
    )
    for name, each in configs.items():
        check_same(found.folder(name), each)
        folder = RunFolder(found.folder(name))
        folder.check(each, found.prompts, READ)
        folder.check_models(found.weights[name])
        _check_swaps(found.folder(name), found.dialogues[name])
    return found


def _asked(config: Config) -> list[ModelConfig]:
    """Return the models that play the users and judge."""
    return [config.models.user, *config.models.judges().values()]


def _check_swaps(path: Path, planned: Sequence[PlannedDialogue]) -> None:
    """Make sure that what a folder holds was rated for the swapped users of this plan.

    Raises:
        ConfigError: the cases have changed, and with them who is whose swap.
        InputError: the scores are broken.
    """
    swaps = {each.case.id: tuple(other.id for other in each.stand_ins) for each in planned}
    for row in read_scores(path / SCORES, torn=True) if (path / SCORES).exists() else ():
        if row.case in swaps and not _rated_beside(row, swaps[row.case]):
            raise ConfigError(
                f"{path} holds a benchmark of other cases or of an earlier version: the replies of "
                f"case {row.case} were rated beside other users or none; name another folder"
            )


def _rated_beside(row: ReplyScores, stand_ins: tuple[str, ...]) -> bool:
    """Whether a reply was rated for these swapped users, as far as the row tells.

    Earlier versions did not record whose ratings these are, but there are some or there are none.
    """
    if row.stand_ins:
        return row.stand_ins == stand_ins
    return row.reply is None or bool(row.of("swapped")) == bool(stand_ins)


def _spread(suite: Sequence[Case], limit: int | None) -> list[Case]:
    """Return up to `limit` cases, spread over the suite; a higher limit adds to a lower one's.

    Each further case is from the middle of a widest gap: places are numbers with reversed bits
    (van der Corput's sequence).
    """
    count, bits = len(suite), len(suite).bit_length()
    turned = (int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits))
    places = list(dict.fromkeys(part * count >> bits for part in turned))
    return [suite[place] for place in sorted(places[: limit or count])]
