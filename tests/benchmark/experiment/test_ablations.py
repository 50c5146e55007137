"""Ablations: which there are, and that they leave the test closed."""

from pathlib import Path
from typing import Any

import pytest

from aloe.benchmark.experiment.ablations import choose_ablations
from aloe.config import Config, validate


def test_every_ablation_is_known_by_name() -> None:
    names = [each.name for each in choose_ablations(["all"], Config())]
    assert len(set(names)) == len(names)
    for name in ("hint-none", "continue-both", "weights", "bug-first-message", "bug-fixed-order"):
        assert name in names


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
    names = ("bug-unparsed", "bug-one-character")
    asked = (part for name in names for part in ("--ablation", name))
    ran = ran_experiment(out, "--no-test", *asked, served="scripted:taught:sft", ablation_judged=4)
    assert ran.code == 0, ran.err
    page = (out / "ablations.md").read_text(encoding="utf-8")
    for name in ("trees-4", "model-judge", *names, "scaling.svg", "no test"):
        assert name in page, name
    assert "test of" not in (out / "experiment.log").read_text(encoding="utf-8")
    assert not list(out.glob("test-*"))
    ran = ran_experiment(
        out, "--no-test", "--ablation", "model-judge", judge="mumbler",
        served="scripted:taught:sft", ablation_judged=4,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    page = (out / "ablations.md").read_text(encoding="utf-8")
    assert "nothing was trained" in page.partition("model-judge |")[2].partition("\n")[0]
