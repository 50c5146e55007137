"""A LangGraph agent that a model function or a role runs may take its time in any graph of ours."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from bags import BagOfWords
from builders import PERSONAS, config, grow, models, scripted_model
from langchain_core.messages import BaseMessage
from langchain_core.runnables import ensure_config
from walking import STEPS, walk

from aloe.agents.candidate import CandidateAgent
from aloe.agents.scripted import reply
from aloe.agents.user import UserAgent
from aloe.calls.log import CallLog
from aloe.config import PersonasConfig
from aloe.graphs.context import make_context
from aloe.graphs.dialogue import Dialogue, DialogueContext, hold
from aloe.graphs.pool import GrowthProgress, PoolContext, grow_pool
from aloe.graphs.rollouts import roll_out
from aloe.graphs.steps import UNHURRIED
from aloe.memory.axes import Axes, Kind
from aloe.memory.descriptions import Description
from aloe.memory.disclosures import DisclosureChecker
from aloe.memory.pool.growth import GrowthLog
from aloe.memory.pool.open import open_pool
from aloe.models.scripted import Script
from aloe.schema import Lineage, Tree

ROLE = """
from aloe.agents.roles import Update
from walking import walk


async def steps(exchange, model):
    return {"steps": await walk()}


async def answers(exchange, model):
    return Update(text=f"I took {await walk()} steps.")
"""


async def walks(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> Any:
    assert await walk() == STEPS
    return reply(messages, arguments)


@pytest.fixture
def own(write_module: Callable[[str, str], str]) -> str:
    return write_module("steps", ROLE)


def held(turns: int, script: Script) -> Tree:
    """Return a dialogue of so many turns, with `script` as the candidate."""
    calls = CallLog()
    agents = DialogueContext(
        user=UserAgent(model=scripted_model(), calls=calls),
        candidate=CandidateAgent(model=scripted_model(script), calls=calls),
        checker=DisclosureChecker(BagOfWords()),
    )
    dialogue = Dialogue(id="d", seed=0, personas=tuple(PERSONAS[:1]) * turns)
    return asyncio.run(hold(dialogue, {}, agents))


def test_agents_in_place_of_models_take_many_steps_in_a_short_tree() -> None:
    assert len(grow(config(turns=1), model=scripted_model(walks)).nodes) == 3


@pytest.mark.parametrize("hook", [{"before": "user"}, {"after": "judge"}])
def test_a_role_s_agent_takes_many_steps_in_a_short_tree(own: str, hook: dict[str, str]) -> None:
    roles = {
        "mine": {"use": f"{own}:steps", **hook},
        "answers": {"use": f"{own}:answers", "among": "assistants"},
    }
    tree = grow(config(turns=1).updated({"roles": roles}, source="test"))
    assert tree.nodes[0].notes == {"mine": {"steps": STEPS}}
    assert f"I took {STEPS} steps." in [node.content for node in tree.replies]


def test_a_candidate_s_agent_takes_many_steps_in_a_dialogue_of_one_turn() -> None:
    tree = held(1, walks)
    assert len(tree.replies) == 1


def test_every_graph_has_the_same_limit(tmp_path: Path) -> None:
    limits: list[int] = []

    def notes(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> Any:
        limits.append(ensure_config()["recursion_limit"])
        return reply(messages, arguments)

    class Writer:
        async def write(
            self, kind: Kind, axes: Axes, _examples: Sequence[Description], _seed: int
        ) -> Description:
            limits.append(ensure_config()["recursion_limit"])
            text = {"profile": "I sell tea.", "personality": "I want lists."}[kind]
            return Description(kind=kind, text=text, axes={}, lineage=Lineage(origin="grown"))

    def taken() -> set[int]:
        found, limits[:] = set(limits), []
        return found

    model, ours = scripted_model(notes), {UNHURRIED["recursion_limit"]}
    wanted = config(turns=2).updated({"simulation.rollouts": {"count": 2}}, source="test")
    tree = grow(wanted, persona=PERSONAS[1], model=model)
    assert taken() == ours
    made = make_context(wanted, models(wanted, model), CallLog())
    assert len(asyncio.run(roll_out(tree, made)).nodes) > len(tree.nodes)
    assert taken() == ours
    held(2, notes)
    assert taken() == ours
    growth = PersonasConfig(target=1, batch=8)
    with open_pool(tmp_path / "personas.jsonl", growth, BagOfWords(), seeds={}) as pool:
        asyncio.run(
            grow_pool(
                PoolContext(
                    pool=pool,
                    writer=Writer(),
                    seeds={"profile": [], "personality": []},
                    log=GrowthLog(tmp_path / "growth.jsonl", growth.window),
                    config=growth,
                    seed=0,
                    progress=GrowthProgress(target=1, found=0, size=0),
                )
            )
        )
    assert taken() == ours
