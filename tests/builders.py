"""Small builders: personas, models made of functions, trees grown in memory."""

import asyncio
import random
from dataclasses import replace
from typing import Any

from aloe.agents.judge import Comparison
from aloe.agents.registry import models_in_use
from aloe.agents.scripted import reply
from aloe.calls.log import CallLog
from aloe.config import Config, LimitsConfig, ModelConfig, validate
from aloe.graphs.context import make_context
from aloe.graphs.tree import grow_tree
from aloe.models.limits import Limiter
from aloe.models.open import Model
from aloe.models.scripted import Script, ScriptedChat
from aloe.schema import AssistantNode, Node, Persona, Tree, UserNode

SCRIPTED = "scripted:aloe.agents.scripted:reply"

PERSONAS = [
    Persona.of(
        "I am 34 years old. I mend bicycles in Porto. I have a son called Rui. I swim a lot.",
        "I am short with people. I want plain answers.",
    ),
    Persona.of(
        "I am 71. I live on a small pension in Leeds. My knees hurt. I sing in a choir.",
        "I worry about everything. I like to be told each step.",
    ),
    Persona.of(
        "I study law in Accra. I share a room with two cousins. I cook on one ring.",
        "I joke a lot. I lose interest fast.",
    ),
    Persona.of(
        "I drive a night bus. I am divorced. I keep bees behind the house.",
        "I am stubborn. I distrust experts.",
    ),
]


def persona_lines(personas: list[Persona] = PERSONAS) -> str:
    return "".join(each.model_dump_json(exclude_none=True) + "\n" for each in personas)


def config(
    model: str = SCRIPTED, *, assistants: int = 2, seed: int = 0, **simulation: Any
) -> Config:
    """Return settings with one model in every role and the first assistant hinted."""
    roles: dict[str, Any] = dict.fromkeys(("user", "inducer", "judge", "writer"), model)
    roles["assistants"] = [
        {"model": model, "name": f"a{i}", "hint": i == 0} for i in range(assistants)
    ]
    raw = {"seed": seed, "models": roles, "simulation": simulation}
    return validate(Config, raw, source="test")


def scripted_model(script: Script = reply, **settings: Any) -> Model:
    """Return a model that a function answers for, as `aloe.models.open.open_model` builds it."""
    return Model(
        name="scripted:test",
        config=ModelConfig(model="scripted:test:script", **settings),
        chat=ScriptedChat(script=script),
        openai_compatible=True,
        limiter=Limiter(config=LimitsConfig(backoff=0.01)),
    )


def models(settings: Config, model: Model) -> dict[str, Model]:
    """Return `model` in every role of `settings`."""
    return dict.fromkeys(models_in_use(settings), model)


def grow(
    settings: Config,
    *,
    persona: Persona = PERSONAS[0],
    seed: int = 1,
    model: Model | None = None,
    calls: CallLog | None = None,
    start: Tree | None = None,
    **parts: Any,
) -> Tree:
    """Grow one tree in memory, from `start` on; `parts` replace what the context would hold."""
    played = models(settings, model or scripted_model())
    context = replace(make_context(settings, played, calls or CallLog()), **parts)
    names = {name: each.name for name, each in played.items()}
    return asyncio.run(grow_tree(persona, seed, names, context, start))


class JitteryChat(ScriptedChat):
    """Answers after a random moment, so that parallel calls finish in any order."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(random.random() / 200)
        return await super()._agenerate(*args, **kwargs)


def user(text: str, parent: str | None = None, *, turn: int = 1, **given: Any) -> UserNode:
    return UserNode.of(parent, text, tree="t", turn=turn, **given)


def assistant(text: str, parent: Node, *, agent: str = "a0", **given: Any) -> AssistantNode:
    return AssistantNode.of(parent.id, text, agent=agent, turn=parent.turn, **given)


def comparison(
    asked: UserNode,
    first: AssistantNode,
    second: AssistantNode,
    *,
    persona: Persona = PERSONAS[0],
) -> Comparison:
    """Return two replies to an opening message as a judge is asked about them."""
    return Comparison(
        persona=persona, tree="t", path=[], user=asked, first=first, second=second
    )  # fmt: skip
