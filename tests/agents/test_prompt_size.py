from pathlib import Path

import gguf_files
import pytest
import tiny
from builders import config

from aloe.agents import prompt_size
from aloe.agents.prompt import OPTIONAL, SMALL, shipped
from aloe.agents.prompt_size import prompt_for, size_for
from aloe.agents.registry import prompts_of
from aloe.config import Config, ModelConfig
from aloe.models.gguf_header import count_weights


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "any-name-70b.gguf"
    gguf_files.write(path)
    return path


def test_weights_are_counted_in_the_file(file: Path) -> None:
    held = tiny.model(0, hidden_size=64, intermediate_size=96)
    assert count_weights(file) == sum(each.numel() for each in held.parameters())


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("local:smollm2-135m", "small"),
        ("openai:gpt-4o-mini", "full"),
        ("openai:smollm2-135m@http://127.0.0.1:8000/v1", "full"),
        ("scripted:aloe.agents.scripted:reply", "full"),
        ("local:/nowhere/model.gguf", "full"),
    ],
)
def test_the_smallest_models_get_the_small_prompts(model: str, size: str) -> None:
    assert size_for(Config(), ModelConfig(model=model)) == size


def test_a_file_is_measured_whatever_it_is_called(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelConfig(model=f"local:{file}")
    assert size_for(Config(), model) == "small"
    monkeypatch.setattr(prompt_size, "FULL_FROM", count_weights(file))
    assert size_for(Config(), model) == "full"


@pytest.mark.parametrize("model", ["local:smollm2-135m", "openai:any"])
def test_settings_have_the_last_word(model: str, tmp_path: Path) -> None:
    asked = ModelConfig(model=model)
    for size in ("small", "full"):
        settings = Config(prompt_size=size)
        assert prompt_for("hint", settings, asked) == shipped("hint", size)
    own = tmp_path / "hint.md"
    own.write_text("## user\n{message} {disclosures}\n", encoding="utf-8")
    assert prompt_for("hint", Config(prompts={"hint": own}), asked).path == own


def test_both_sizes_of_a_prompt_can_stand_in_for_each_other() -> None:
    for file in SMALL.glob("*.md"):
        small, full = shipped(file.stem, "small"), shipped(file.stem)
        assert small.sha != full.sha
        assert small.name == full.name
        assert full.fields - small.fields <= OPTIONAL.get(full.name, frozenset())
        assert small.fields <= full.fields


def test_a_run_knows_every_prompt_that_it_uses() -> None:
    settings = config("local:smollm2-135m")
    small = prompts_of(settings)
    assert small["user"] == shipped("user", "small").sha
    raw = settings.model_dump()
    raw["models"]["assistants"][1]["model"] = "openai:other"
    mixed = prompts_of(Config.model_validate(raw))
    assert mixed["hint"] == small["hint"]
    assert shipped("hint").sha in mixed.values()
    raw["prompt_size"] = "small"
    assert prompts_of(Config.model_validate(raw)) == small
