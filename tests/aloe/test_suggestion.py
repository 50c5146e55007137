from pathlib import Path

import pytest

from aloe.config import ModelConfig
from aloe.errors import ConfigError
from aloe.models.providers import parse_model

CLAUDE = "langchain:langchain_anthropic:ChatAnthropic"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gpt-4o-mini", "openai:gpt-4o-mini"),
        ("o3-mini", "openai:o3-mini"),
        ("ft:gpt-4o:me:x", "openai:ft:gpt-4o:me:x"),
        ("opnai:gpt", "openai:gpt"),
        ("openai/gpt-4o", "openai:gpt-4o"),
        ("OpenAI:gpt-4o", "openai:gpt-4o"),
        ("llama3.2:3b", "openai:llama3.2:3b@http://127.0.0.1:11434/v1"),
        ("ollama/llama3.2", "openai:llama3.2@http://127.0.0.1:11434/v1"),
        ("vllm:Qwen/Qwen3-8B", "openai:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1"),
        ("http://10.0.0.7:8000/v1", "openai:NAME@http://10.0.0.7:8000/v1"),
        ("gpt4", "openai:gpt4"),
        ("gpt4o-mini", "openai:gpt4o-mini"),
        ("qwen3-8b", "openai:qwen3-8b@http://127.0.0.1:8000/v1, if a server of yours has it"),
        ("examples/two_assistants.py:plain", "scripted:examples/two_assistants.py:plain"),
        ("smollm2-135m", "local:smollm2-135m"),
        ("smollm2-135", "local:smollm2-135m"),
        ("models/tiny.GGUF", "local:models/tiny.GGUF"),
        ("me/x-GGUF:Q4_K_M", "local:me/x-GGUF:Q4_K_M"),
        ("Qwen/Qwen3-8B", "openai:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1, or hf:Qwen/Qwen3-8B"),
        ("claude-sonnet-4-5", f'{CLAUDE} with options = {{ model = "claude-sonnet-4-5" }}'),
        ("anthropic/claude-3", f'{CLAUDE} with options = {{ model = "claude-3" }}'),
    ],
)
def test_a_name_without_a_provider_gets_the_one_that_was_meant(written: str, meant: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_model(ModelConfig(model=written))
    assert f"unknown model '{written}'; did you mean {meant}" in str(error.value)


@pytest.mark.parametrize("written", ["nonsense", "", ":", "openai:", "nobody:x", "a b/c"])
def test_nothing_is_suggested_where_nobody_can_tell(written: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_model(ModelConfig(model=written))
    assert "did you mean" not in str(error.value)
    assert "openai:..." in str(error.value)


def test_folders_are_looked_into(tmp_path: Path) -> None:
    for file, provider in (
        ("config.json", "hf"),
        ("adapter_config.json", "hf"),
        ("adapter.gguf", "local"),
    ):
        folder = tmp_path / file.partition(".")[0]
        folder.mkdir()
        (folder / file).write_text("{}")
        with pytest.raises(ConfigError, match=f"did you mean {provider}:{folder}\\?"):
            parse_model(ModelConfig(model=str(folder)))
    with pytest.raises(ConfigError, match="the folder of that name holds no model"):
        parse_model(ModelConfig(model=str(tmp_path)))
