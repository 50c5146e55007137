"""Simulations from Python: what comes back, what is kept, what is said when something fails."""

import asyncio
import sys
from pathlib import Path

import pytest
from builders import PERSONAS, SCRIPTED

from aloe.errors import CallError, ConfigError, InputError
from aloe.graphs import simulate, simulate_async
from aloe.memory.run_folder import read_trees

FAILING = """
from aloe.agents.scripted import reply
from aloe.errors import CallError


def answers(messages, arguments):
    if any("bees" in message.text for message in messages):
        raise CallError("context too long")
    return reply(messages, arguments)


def nothing(messages, arguments):
    raise CallError("context too long")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notebook_models.py").write_text(FAILING, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_a_tree_for_each_persona_and_nothing_left_behind(own: Path) -> None:
    before = sorted(own.iterdir())
    trees = simulate(PERSONAS, model=SCRIPTED, turns=2)
    assert [tree.persona for tree in trees] == PERSONAS
    assert {max(node.turn for node in tree.nodes) for tree in trees} == {2}
    assert sorted(own.iterdir()) == before


def test_it_works_in_a_running_loop_and_can_be_awaited() -> None:
    async def both() -> bool:
        waited = await simulate_async(PERSONAS[:1], model=SCRIPTED, turns=1)
        return waited == simulate(PERSONAS[:1], model=SCRIPTED, turns=1)

    assert asyncio.run(both())


def test_a_run_folder_is_kept_and_taken_up_again(own: Path, personas_file: Path) -> None:
    (own / "my.toml").write_text("[simulation]\ntrees = 2\nturns = 1\n")
    first = simulate(personas_file, model=SCRIPTED, config="my.toml", out="run")
    assert len(first) == 2
    assert list(read_trees(own / "run")) == first
    calls = (own / "run/events.jsonl").read_text().count("\n")
    assert simulate(personas_file, model=SCRIPTED, config="my.toml", out="run") == first
    assert (own / "run/events.jsonl").read_text().count("\n") == calls
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        simulate(personas_file, model=SCRIPTED, config="my.toml", out="run", turns=2)


def test_what_is_set_aside_is_said(own: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"1 of 4 trees were set aside; .* context too long"
    ) as seen:
        trees = simulate(PERSONAS, model="scripted:notebook_models:answers", turns=3)
    assert len(trees) == 3
    assert seen[0].filename == __file__
    with pytest.raises(CallError, match="context too long"):
        simulate(PERSONAS, model="scripted:notebook_models:nothing", turns=1)


def test_what_a_person_got_wrong_is_one_of_our_errors(own: Path) -> None:
    with pytest.raises(ConfigError, match=r"simulation\.turns"):
        simulate(PERSONAS, model=SCRIPTED, turns=0)
    with pytest.raises(ConfigError, match=r"unknown setting 'simulation\.turn'"):
        simulate(PERSONAS, model=SCRIPTED, turn=2)
    with pytest.raises(InputError, match="nobody"):
        simulate("nobody.jsonl", model=SCRIPTED)
    with pytest.raises(ConfigError, match=r"expansion 'my:own' cannot be found"):
        simulate(PERSONAS, model=SCRIPTED, expansion="my:own")
