"""Ablations: which there are, and that they leave the test closed."""

from pathlib import Path
from typing import Any

import pytest
import tiny
from small_experiment import run_command, settings

from aloe.benchmark.experiment.ablations import choose_ablations
from aloe.benchmark.experiment.pipeline import Experiment
from aloe.benchmark.experiment.stage import Stages
from aloe.config import Config, validate
from aloe.memory.run_folder import read_trees


def test_every_ablation_is_known_by_name() -> None:
    names = [each.name for each in choose_ablations(["all"], Config())]
    assert len(set(names)) == len(names)
    for name in ("hint-none", "continue-both", "weights", "bug-first-message", "bug-fixed-order"):
        assert name in names


def test_the_scaling_curve_goes_beyond_the_experiment() -> None:
    raw = {"simulation": {"trees": 50}, "experiment": {"ablation_trees": [25, 50, 100]}}
    found = choose_ablations(["all"], validate(Config, raw, source="test"))
    assert [a.name for a in found if a.name.startswith("trees-")] == ["trees-25", "trees-100"]


@pytest.mark.parametrize(
    ("user", "names"),
    [
        ({}, {"answering", "reticent", "phrases-train"}),
        ({"disclosure": "reticent"}, {"schedule", "answering", "phrases-train"}),
        ({"phrases": "train"}, {"answering", "reticent", "phrases-test"}),
    ],
)
def test_users_are_changed_to_what_they_are_not(user: dict[str, str], names: set[str]) -> None:
    found = choose_ablations(["all"], validate(Config, {"user": user}, source="test"))
    kinds = ("trained-", "tested-", "phrases-")
    changed = [each.name for each in found if each.name.startswith(kinds)]
    assert {name.removeprefix("trained-").removeprefix("tested-") for name in changed} == names
    assert len(changed) == 5


def test_labels_by_return_are_held_against_the_same_trees() -> None:
    found = choose_ablations(["label-return"], Config())
    assert [each.name for each in found] == ["continue-both", "label-return"]
    branching = validate(Config, {"simulation": {"both_turns": 1}}, source="test")
    assert "continue-both" not in [each.name for each in choose_ablations(["all"], branching)]


def test_hints_are_taken_away_only_where_there_are_some() -> None:
    raw = {"models": {"assistants": [{"name": "plain"}, {"name": "styled", "style": "Be brief."}]}}
    config = validate(Config, raw, source="test")
    assert "hint-none" not in [each.name for each in choose_ablations(["all"], config)]


def test_what_an_ablation_is_against_is_made_too() -> None:
    raw = {"simulation": {"trees": 50}, "experiment": {"ablation_judged": 25}}
    config = validate(Config, raw, source="test")
    assert [a.name for a in choose_ablations(["bug-fixed-order"], config)] == [
        "trees-25",
        "model-judge",
        "bug-fixed-order",
    ]


@pytest.mark.train
@pytest.mark.slow
def test_ablations_alone_never_open_the_test(ran_experiment: Any, tmp_path: Path) -> None:
    out = tmp_path / "p"
    names = ("bug-unparsed", "bug-one-character", "tested-reticent", "trees-10")
    asked = (part for name in names for part in ("--ablation", name))
    ran = ran_experiment(out, "--no-test", *asked, ablation_judged=4, ablation_trees=[4, 10])
    assert ran.code == 0, ran.err
    page = (out / "ablations.md").read_text(encoding="utf-8")
    for name in ("trees-4", "model-judge", *names, "scaling.svg", "no test"):
        assert name in page, name
    assert "test of" not in (out / "experiment.log").read_text(encoding="utf-8")
    assert not list(out.glob("test-*"))
    ran = ran_experiment(
        out, "--no-test", "--ablation", "model-judge", judge="mumbler", ablation_judged=4
    )
    assert ran.code == 0, ran.err
    page = (out / "ablations.md").read_text(encoding="utf-8")
    assert "nothing was trained" in page.partition("model-judge |")[2].partition("\n")[0]


@pytest.mark.train
@pytest.mark.slow
def test_labels_by_return_are_learnt_from_trees_that_go_on_with_both(tmp_path: Path) -> None:
    config = settings(tmp_path, tiny.save(tmp_path / "tiny"))
    config = config.updated({"simulation": {"turns": 3}}, source="test")
    stages = Stages(root=tmp_path / "experiment", on_line=lambda _: None)
    experiment = Experiment(config=config, stages=stages, run_command=run_command)
    both, by_return = choose_ablations(["label-return"], config)
    for each in (both, by_return):
        each.measure(experiment)
    relabelled = next(stages.root.glob("relabelled-*/trees.jsonl"))
    trees = [*read_trees(relabelled)]
    assert [len(tree.nodes) for tree in trees] == [5 + 4 * 2 * 5] * 3  # 8 paths would have 120
    assert any(each.by_return for tree in trees for each in tree.verdicts)
    assert len(list(stages.root.glob("continue-both-trees-*.toml"))) == 1  # one set of trees
    assert next(stages.root.glob("sft-rows-by-mixed-*/rows.jsonl")).stat().st_size
