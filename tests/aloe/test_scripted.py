import asyncio
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from aloe.errors import ConfigError
from aloe.models.scripted import ScriptedChat, named_script


def test_a_token_is_a_word() -> None:
    chat = ScriptedChat(script=lambda messages, arguments: f"{arguments['seed']} two three")
    answer = asyncio.run(chat.ainvoke([HumanMessage("one two")], seed=7))
    assert answer.text == "7 two three"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == 2
    assert answer.usage_metadata["output_tokens"] == 3


def test_a_script_may_stand_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own_script.py").write_text("def reply(messages, arguments): return 'mine'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert named_script("my_own_script:reply")([], {}) == "mine"


@pytest.mark.parametrize(
    "name", ["", "nowhere", "aloe.agents.scripted:", ":reply", "agents..x:reply"]
)
def test_a_script_that_is_not_there(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be found"):
        named_script(name)
