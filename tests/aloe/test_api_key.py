"""Keys that no header can hold are an error before anything is sent."""

from collections.abc import Callable

import pytest
from server import ChatServer

from aloe.config import ModelConfig
from aloe.errors import ConfigError
from aloe.memory.embedder import open_embedder
from aloe.models.check import locate_model
from aloe.models.open import open_model

UNFIT = ["planted-123456\r", "planted-123456\n", "planted\r\n-123456", " planted-123456",
         "\ufeffplanted-123456", "“planted-123456”", "  "]  # fmt: skip


@pytest.mark.parametrize("key", UNFIT, ids=ascii)
@pytest.mark.parametrize("act", [open_model, locate_model])
def test_a_key_that_cannot_be_sent_is_refused_by_its_variable(
    server: ChatServer,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    act: Callable[[ModelConfig], object],
) -> None:
    for variable in ("MY_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, key)
    at_server = {"model": server.model, "api_key_env": "MY_KEY"}
    of_class = {"model": "langchain:langchain_openai:ChatOpenAI", "api_key_env": "MY_KEY"}
    for given, variable in (
        (at_server, "MY_KEY"),
        ({**at_server, "options": {"extra_body": {"x": 1}}}, "MY_KEY"),
        (of_class, "MY_KEY"),
        ({"model": "openai:gpt-4o-mini"}, "OPENAI_API_KEY"),
    ):
        with pytest.raises(ConfigError, match=f"variable {variable} holds a key with") as error:
            act(ModelConfig.model_validate(given))
        assert "planted" not in str(error.value)
        assert "\n" not in str(error.value)
    assert not server.requests


def test_so_is_that_of_an_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-123456\r")
    with pytest.raises(ConfigError, match="variable OPENAI_API_KEY holds a key with"):
        open_embedder("openai:text-embedding-3-small")


@pytest.mark.parametrize("key", ["none", "sk-a_b.c/d+e==", "two words"])
def test_any_other_key_is_sent(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    given = ModelConfig(model=server.model, api_key_env="MY_KEY")
    assert locate_model(given) == server.url
    assert open_model(given).chat.api_key.get_secret_value() == key  # type: ignore[attr-defined]
