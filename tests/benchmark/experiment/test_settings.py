"""Settings of the experiment: those that are shipped, and those that will not do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aloe.benchmark.experiment.ablations import choose_ablations
from aloe.benchmark.experiment.people import draw_people
from aloe.benchmark.experiment.players import ASKER
from aloe.benchmark.experiment.series import Series
from aloe.benchmark.experiment.trees import find_edited
from aloe.config import load


def test_wrong_settings_are_one_line(aloe: Any, tmp_path: Path) -> None:
    ran = aloe("experiment", "--out", tmp_path / "p")
    assert ran.is_one_line_about("--config", "proof.toml")
    ran = aloe("experiment", "--no-test", "--config", "x.toml", "--out", tmp_path / "p")
    assert ran.is_one_line_about("--no-test", "--ablation")
    ran = aloe("experiment", "--quick", "--no-test", "--config", "x.toml", "--out", tmp_path / "p")
    assert ran.is_one_line_about("--no-test would not be read beside --quick")
    file = tmp_path / "c.toml"
    for text, *words in (
        ('[experiment]\nrewriter = "nobody"\n', "experiment.rewriter", "nobody", "hinted, plain"),
        ('[experiment]\nstranger = "nobody"\n', "experiment.stranger", "nobody", "hinted, plain"),
        ('[experiment]\nasker = "nobody"\n', "experiment.asker", "nobody", "hinted, plain"),
        ("[limits]\nbatch = true\n", "limits.batch", "leave", "out"),
        ("[judge]\nrules = false\n", "rules judge the trees", "judge.rules = true"),
        ('[judge]\nuse = "m:j"\n', "rules judge the trees", "judge.rules = true"),
        ("[experiment]\nablation_trees = [-5, 0]\n", "experiment.ablation_trees", "at least 1"),
        ("[experiment]\nablation_turns = [0]\n", "experiment.ablation_turns", "at least 1"),
        ('[experiment]\ntransfer = ["schedule", "schedule"]\n', "experiment.transfer", "twice"),
        ("[experiment.sft]\nlearning_rat = 1\n", "experiment.sft", "learning_rat", "rate"),
        ("[experiment.dpo]\nseed = 3\n", "experiment.dpo", "seed", "--seed"),
        ("[training.arguments]\nlearning_rat = 1\n", "training.arguments", "learning_rat"),
        ('[training]\nreward = "nobody"\n', "reward", "nobody"),
        ('[simulation]\nmoods = ["typos"]\n', "simulation.moods", "leave", "out"),
    ):
        file.write_text(text, encoding="utf-8")
        ran = aloe("experiment", "--config", file, "--out", tmp_path / "p")
        assert ran.is_one_line_about(*words)
    file.write_text("", encoding="utf-8")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p", "--ablation", "hint-non")
    assert ran.is_one_line_about("hint-non", "did you mean 'hint-none'")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("served", "options", "said"),
    [
        ("openai:my-sft@http://h/v1", (), ("same for every trained model", "{stage}")),
        ("openai:{{stage}}@http://h/v1", (), ("same for every trained model",)),
        ("openai:{nam}@http://h/v1", (), ("cannot be filled in", "'nam'", "{name}")),
        ("openai:{}@http://h/v1", (), ("cannot be filled in",)),
        ("openai:{stage", (), ("cannot be filled in",)),
        ("local:{folder.x}", (), ("cannot be filled in", "'x'")),
        ("openai:{stage:d}", (), ("cannot be filled in",)),
        ("opnai:{stage}", (), ("unknown model", "openai")),
        ("openai:{name}", ("--seeds", 2), ("--seeds", "{stage}")),
        ("openai:{name}", ("--transfer",), ("experiment.transfer", "{stage}")),
    ],
)
def test_trained_models_are_served_under_strings_of_their_own(
    aloe: Any, tmp_path: Path, served: str, options: tuple[Any, ...], said: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(Series, "make", lambda *_: pytest.fail("it began"))
    file, transfer = tmp_path / "c.toml", ["reticent"] if "--transfer" in options else []
    file.write_text(f"[experiment]\nserved = '{served}'\ntransfer = {transfer}\n")
    options = tuple(each for each in options if each != "--transfer")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p", *options)
    assert ran.is_one_line_about("served", *said)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("experiment", "options", "said"),
    [
        ("", (), ("asker", "hinted")),
        ('asker = "plain"\nhorizon = 7', (), ("experiment.horizon = 7", "simulation.turns = 3")),
        ('asker = "plain"', (), ("user.disclosure", "reticent")),
        ('asker = "plain"', ("--report", "page"), ("--report page", ".md")),
        ('asker = "plain"', ("--quick",), ("--quick",)),
        ('asker = "plain"', ("--seeds", 2), ("--seeds",)),
        ('asker = "plain"', ("--ablation", "all"), ("--ablation",)),
    ],
)
def test_an_experiment_on_asking_that_will_not_do_is_one_line(
    aloe: Any, tmp_path: Path, experiment: str, options: tuple[Any, ...], said: tuple[str, ...]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'[experiment]\nrecipe = "ask"\n{experiment}\n', encoding="utf-8")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p", *options)
    assert ran.is_one_line_about(*said)
    assert not (tmp_path / "p").exists()


def test_the_settings_for_asking_continue_all_siblings_of_a_message() -> None:
    config = load(Path(__file__).parents[3] / "examples" / "ask.toml")
    given, simulation = config.experiment, config.simulation
    assert (given.recipe, config.user.disclosure, simulation.both_turns) == ("ask", "reticent", 2)
    assert simulation.budget_keeps == ASKER
    assert given.test >= 72
    assert (given.sft_trees or 0) >= given.train >= simulation.trees
    assert "question" not in given.dimensions
    candidates = len(config.models.assistants) + len(find_edited(config))
    nodes, exchange = 1 + candidates, 1 + candidates
    for turn in range(1, simulation.turns):  # as aloe.graphs.expansion counts
        room = (simulation.node_budget - nodes) // (exchange * (simulation.turns - turn))
        assert room >= candidates, turn
        nodes += min(room, candidates) * exchange
    draw_people(given, config.seed, config.personas.threshold, Alone())  # there are enough


class Alone:
    """Vectors of lives that have nothing in common."""

    name = "alone"

    def embed(self, texts: Sequence[str]) -> Any:
        return np.eye(len(texts), dtype=np.float32)


@pytest.mark.parametrize(
    "name",
    [
        "proof",
        "proof-quick",
        "proof-ablations",
        "proof-qwen-0.5b",
        "proof-qwen-7b",
        "proof-llama-8b",
    ],
)
def test_the_shipped_settings_are_settings(name: str) -> None:
    config = load(Path(__file__).parents[3] / "examples" / f"{name}.toml")
    assert config.experiment.train >= config.simulation.trees  # each user once
    assert config.experiment.rewriter in ("", *(each.name for each in config.models.assistants))
    assert choose_ablations(["all"], config)
