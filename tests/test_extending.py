"""What docs/extending.md shows can be run as it stands there."""

import re
import sys
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import config, grow, scripted_model
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.registry import prompts_of
from aloe.agents.scripted import reply
from aloe.schema import UserNode

TEXT = (Path(__file__).parent.parent / "docs/extending.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
SETTINGS = [
    tomllib.loads(block)
    for block in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    if "[project" not in block
]


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put what the page shows where it says."""
    source = "\n\n".join(block for block in PYTHON if "simulate(" not in block)
    for name in ("my_roles", "my_judges", "my_policies", "my_rules", "my_rows", "my_metrics"):
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    text = (Path(prompt_file())).read_text(encoding="utf-8")
    (tmp_path / "my_judge.md").write_text(text + "\nBe fair.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


def prompt_file() -> Path:
    from aloe.agents.prompt import FOLDER

    return FOLDER / "judge.md"


def script(messages: list[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
    if messages[0].text.startswith("Answer with JSON"):
        return '{"friendly": true}'
    return reply(messages, arguments)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: next(iter(each)))
def test_the_settings_on_the_page_grow_a_tree(settings: dict[str, Any]) -> None:
    resolved = config(turns=2).updated(settings, source="docs")
    assert prompts_of(resolved)
    tree = grow(resolved, model=scripted_model(script))  # type: ignore[arg-type]
    roles = {name for node in tree.nodes for name in node.notes}
    assert roles == set(settings.get("roles", ()))


def test_the_mood_on_the_page_is_kept_by_branch() -> None:
    wanted = config(turns=4, expansion="both").updated(
        {"roles.mood": {"use": "my_roles:Mood"}}, source="docs"
    )
    first, again = (grow(wanted, seed=seed) for seed in (1, 1))
    assert first == again
    steps = []
    for end in first.ends:
        moods = [node.notes["mood"] for node in first.path(end.id) if isinstance(node, UserNode)]
        steps.append(tuple(late - early for early, late in pairwise([0, *moods])))
    assert len(set(steps)) > 1
    assert {step for each in steps for step in each} == {0, 1, 2}
    for node in first.users:
        tired = "I have no patience left." in first.played(node.id).personality
        assert tired == (node.notes["mood"] > 2)
        assert node.played


def test_the_functions_on_the_page_do_what_they_say() -> None:
    from aloe.plugins import load_plugin

    tree = grow(config(turns=2))
    (row,) = load_plugin("exporters", "my_rows:openings")(tree, Counter())
    assert row["text"] == tree.nodes[0].content
    told = SimpleNamespace(text="I walk my dog.")
    assert load_plugin("validators", "my_rules:no_pets")(told) == "pets"
    user, *replies = tree.nodes[:3]
    asks = load_plugin("metrics", "my_metrics:asks_back")
    assert not asks(SimpleNamespace(reply=replies[0].id), tree)
    ids = load_plugin("expansions", "my_policies:first_two")(replies, [], None)
    assert ids == [node.id for node in replies]
    exchange = SimpleNamespace(candidates=replies, user=user)
    update = load_plugin("roles", "my_roles:longest")(exchange, None)
    assert list(update.notes.values()) == ["longest"]
