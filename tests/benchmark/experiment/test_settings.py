"""Settings of the experiment: those that are shipped, and those that will not do."""

from pathlib import Path
from typing import Any

import pytest

from aloe.benchmark.experiment.ablations import choose_ablations
from aloe.config import load


def test_wrong_settings_are_one_line(aloe: Any, tmp_path: Path) -> None:
    ran = aloe("experiment", "--out", tmp_path / "p")
    assert ran.is_one_line_about("--config", "proof.toml")
    ran = aloe("experiment", "--no-test", "--config", "x.toml", "--out", tmp_path / "p")
    assert ran.is_one_line_about("--no-test", "--ablation")
    file = tmp_path / "c.toml"
    file.write_text('[experiment]\nrewriter = "nobody"\n', encoding="utf-8")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p")
    assert ran.is_one_line_about("experiment.rewriter", "nobody", "hinted, plain")
    file.write_text('[experiment]\nstranger = "nobody"\n', encoding="utf-8")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p")
    assert ran.is_one_line_about("experiment.stranger", "nobody", "hinted, plain")
    file.write_text("", encoding="utf-8")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p", "--ablation", "hint-non")
    assert ran.is_one_line_about("hint-non", "did you mean hint-none")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "name", ["proof", "proof-quick", "proof-ablations", "proof-qwen-7b", "proof-llama-8b"]
)
def test_the_shipped_settings_are_settings(name: str) -> None:
    config = load(Path(__file__).parents[3] / "examples" / f"{name}.toml")
    assert config.experiment.train == config.simulation.trees  # each user once
    assert config.experiment.rewriter in ("", *(each.name for each in config.models.assistants))
    assert choose_ablations(["all"], config)
