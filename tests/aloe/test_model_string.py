import pytest

from aloe.config import ModelConfig
from aloe.errors import ConfigError
from aloe.models.model_string import ModelString
from aloe.models.providers import parse_model


@pytest.mark.parametrize(
    ("text", "provider", "name", "url"),
    [
        ("openai:gpt-4o-mini", "openai", "gpt-4o-mini", None),
        ("openai:a/b@http://h:8000/v1", "openai", "a/b", "http://h:8000/v1"),
        ("openai:a@https://h/v1?x=y@z", "openai", "a", "https://h/v1?x=y@z"),
        ("openai:qwen3:8b@http://h/v1", "openai", "qwen3:8b", "http://h/v1"),
        ("langchain:pkg:Class", "langchain", "pkg:Class", None),
        ("openai:user@name", "openai", "user@name", None),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "", None),
        ("x@http://h/v1", "x", "", "http://h/v1"),
    ],
)
def test_a_model_string_has_three_parts(
    text: str, provider: str, name: str, url: str | None
) -> None:
    found = ModelString.parse(text)
    assert found == ModelString(provider=provider, name=name, base_url=url)
    assert str(found) == text.partition("@http")[0]


def test_the_model_of_a_chat_class_is_in_its_options() -> None:
    options = {"temperature": 1, "model": "claude:x"}
    assert str(ModelString.parse("langchain:pkg:Chat", options)) == "langchain:pkg:Chat:claude:x"
    assert str(ModelString.parse("community:Chat@http://h", options)) == "community:Chat:claude:x"
    assert str(ModelString.parse("community:Chat", {"model": 1})) == "community:Chat"
    assert str(ModelString.parse("openai:y", options)) == "openai:y"


def test_a_name_alone_is_a_model_at_the_url_of_the_settings() -> None:
    found = parse_model(ModelConfig(model="Qwen/Qwen3-8B", base_url="http://h/v1"))
    assert found == ModelString(provider="openai", name="Qwen/Qwen3-8B", base_url="http://h/v1")
    both = parse_model(ModelConfig(model="openai:a@http://h/v1", base_url="http://i/v1"))
    assert both.base_url == "http://i/v1"


@pytest.mark.parametrize("text", ["Qwen/Qwen3-8B", "openai:", "opnai:x", "x@http://h/v1"])
def test_what_names_no_provider_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a model string is one of"):
        parse_model(ModelConfig(model=text))
