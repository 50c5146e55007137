from typing import Any

import pytest

from aloe.config import ModelConfig
from aloe.errors import ConfigError
from aloe.models.check import locate_model
from aloe.models.model_string import ModelString
from aloe.models.open import open_model
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


OTHER: list[tuple[dict[str, Any], str]] = [
    ({"model": "openai:cheap@http://h/v1", "options": {"model": "dear"}}, "model"),
    ({"model": "openai:cheap", "options": {"model_name": "dear"}}, "model_name"),
    ({"model": "cheap", "base_url": "http://h/v1", "options": {"model": "dear"}}, "model"),
    ({"model": "openai:cheap", "options": {"extra_body": {"model": "dear"}}}, "extra_body.model"),
    ({"model": "openai:cheap", "options": {"model_kwargs": {"model": "x"}}}, "model_kwargs.model"),
    ({"model": "local:smollm2-135m", "options": {"model": "dear"}}, "model"),
    (
        {
            "model": "langchain:langchain_openai:ChatOpenAI",
            "options": {"model": "cheap", "extra_body": {"model": "dear"}},
        },
        "extra_body.model",
    ),
]


@pytest.mark.parametrize(("given", "option"), OTHER, ids=str)
def test_options_ask_no_other_model(given: dict[str, Any], option: str) -> None:
    for act in (open_model, locate_model):
        with pytest.raises(ConfigError) as error:
            act(ModelConfig(**given))
        assert f"options.{option} would ask another model" in str(error.value)
        assert "\n" not in str(error.value)


def test_other_options_may_be_named_so() -> None:
    options = {"extra_body": {"models": ["a", "b"], "template": {"model": "x"}}}
    assert parse_model(ModelConfig(model="openai:m@http://h/v1", options=options)).name == "m"
