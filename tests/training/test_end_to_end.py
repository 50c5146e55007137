"""From trees to a tuned model and back: export, train, serve, simulate with it as an assistant."""

import json
from pathlib import Path

import builders
import pytest
from command import RunAloe

pytest.importorskip("torch")

from aloe.memory.run_folder import read_trees

pytestmark = [pytest.mark.train, pytest.mark.embedded, pytest.mark.slow]

SETTINGS = """
[models]
user = "{scripted}"
inducer = "{scripted}"
judge = "{scripted}"
[[models.assistants]]
name = "tuned"
model = "local:{tuned}"
max_tokens = 12
temperature = 0.0
[[models.assistants]]
name = "base"
model = "local:smollm2-135m"
max_tokens = 12
temperature = 0.0
[simulation]
trees = 1
turns = 2
"""


def test_a_tuned_model_is_an_assistant(aloe: RunAloe, personas_file: Path, tmp_path: Path) -> None:
    first, rows, tuned = tmp_path / "first", tmp_path / "sft.jsonl", tmp_path / "models" / "sft"
    ran = aloe("simulate", "--model", builders.SCRIPTED, "--personas", personas_file, "--trees",
               "1", "--turns", "2", "--out", first, "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    ran = aloe("export", first, "--format", "sft", "--out", rows)
    assert ran.code == 0, ran.err
    wanted = json.loads(rows.read_text().splitlines()[0])["completion"][0]["content"]
    ran = aloe("train", "sft", "--data", rows, "--out", tuned, "--max-steps", "6",
               "--learning-rate", "2e-3", "--quiet", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.result["last"]["loss"] < ran.result["first_loss"] / 2
    config = tmp_path / "second.toml"
    config.write_text(SETTINGS.format(scripted=builders.SCRIPTED, tuned=tuned))
    second = tmp_path / "second"
    ran = aloe("simulate", "--config", config, "--personas", personas_file, "--out", second,
               "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    (tree,) = read_trees(second)
    assert tree.models["tuned"] == f"local:{tuned}"
    said = {node.agent: node.content for node in tree.nodes if node.role == "assistant"}
    assert said["tuned"].split()[:3] == wanted.split()[:3]
    assert said["base"].split()[:3] != wanted.split()[:3]
