"""The state machine of one benchmark dialogue: no branches, one candidate, nothing judged yet.

    START -> user -> candidate -> user ... -> check -> END

The user may be a model, a rule, or for single turns a message that the case prescribes. The user
may change along the way, so a dialogue names a persona for every turn. Messages are checked against
the persona at the end, so that no agent sees the result. Judging is a separate step: it uses other
models, and a dialogue is not repeated because a judge failed on it.
"""

import asyncio
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, Protocol

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from aloe.agents.candidate import CandidateAgent
from aloe.agents.rule_user import RuleUser
from aloe.agents.transcript import Turns
from aloe.agents.user import UserAgent
from aloe.config import Disclosing, Mood
from aloe.graphs.steps import UNHURRIED
from aloe.memory.disclosures import DisclosureChecker
from aloe.models.open import Message
from aloe.schema import AssistantNode, Node, Persona, Tree, UserNode
from aloe.turns import PRESCRIBED


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """A dialogue to be held."""

    id: str
    seed: int
    """Number of the repetition, from 0."""
    personas: tuple[Persona, ...]
    """Who the user is, at each turn."""
    told: tuple[Persona, ...] = ()
    """Whom the candidate is told that the user is, at each turn; empty: it is told nothing."""
    prescribed: Mapping[int, str] = field(default_factory=dict)
    """Messages that stand as they are, by turn, counted from 1."""
    mood: Mood | None = None
    disclosure: Disclosing | None = None
    """When the user tells something; None: as the settings say."""
    history: tuple[Message, ...] = ()
    """What was said before the dialogue, by turns; the candidate reads it, and no node holds it."""

    @property
    def turns(self) -> int:
        """User messages."""
        return len(self.personas)


class Speaker(Protocol):
    """Writes the messages of a user."""

    async def speak(self, persona: Persona, tree: str, path: Turns) -> UserNode:
        """Write the message that follows `path`."""
        ...


@dataclass(frozen=True, kw_only=True)
class DialogueContext:
    """What the nodes work with."""

    user: UserAgent
    candidate: CandidateAgent
    checker: DisclosureChecker

    def disclosure(self, dialogue: Dialogue) -> Disclosing:
        """Return when the user of a dialogue tells something."""
        return dialogue.disclosure or self.user.config.disclosure


def make_speaker(user: UserAgent, dialogue: Dialogue, persona: Persona) -> Speaker:
    """Return who plays the user: a rule where a program can check the wishes.

    The rule speaks with the phrases that no training has heard, unless settings name others.
    """
    given = user.config
    changes = {
        "disclosure": dialogue.disclosure or given.disclosure,
        "phrases": given.phrases or "test",
    }
    config = given.model_copy(update=changes)
    if persona.preferences:
        return RuleUser(config=config)
    moods = (dialogue.mood,) if dialogue.mood else ()
    return replace(user, moods=moods, config=config)


class DialogueInput(TypedDict):
    """What the graph starts from."""

    dialogue: Dialogue


class DialogueState(DialogueInput):
    """A dialogue under way."""

    said: Annotated[list[Node], operator.add]
    nodes: list[Node]


Context = Runtime[DialogueContext]


async def write_message(dialogue: Dialogue, path: Turns, user: UserAgent) -> UserNode:
    """Return the message of the user that follows `path`: as prescribed, or as the user speaks.

    Raises:
        CallError: a call failed for good.
    """
    turn = len(path) // 2 + 1
    persona = dialogue.personas[turn - 1]
    if (text := dialogue.prescribed.get(turn)) is not None:
        parent = path[-1].id if path else None
        return UserNode.of(parent, text, tree=dialogue.id, turn=turn, agent=PRESCRIBED)
    return await make_speaker(user, dialogue, persona).speak(persona, dialogue.id, path)


async def speak(state: DialogueState, runtime: Context) -> dict[str, Any]:
    """Let the user write the next message."""
    said = state.get("said", [])
    return {"said": [await write_message(state["dialogue"], said, runtime.context.user)]}


async def answer(state: DialogueState, runtime: Context) -> dict[str, Any]:
    """Let the candidate answer."""
    dialogue, (*path, user) = state["dialogue"], state["said"]
    assert isinstance(user, UserNode)
    told = dialogue.told[user.turn - 1] if dialogue.told else None
    candidate = runtime.context.candidate
    reply = await candidate.reply(dialogue.id, path, user, told, history=dialogue.history)
    return {"said": [reply]}


def go_on(state: DialogueState) -> str:
    """Go to the next turn, or to the check after the last."""
    return "user" if len(state["said"]) < 2 * state["dialogue"].turns else "check"


async def check(state: DialogueState, runtime: Context) -> dict[str, Any]:
    """Hold all that was said against the persona."""
    context, dialogue = runtime.context, state["dialogue"]
    scheduled = context.disclosure(dialogue) == "schedule"
    found = await asyncio.to_thread(
        check_nodes, dialogue, state["said"], context.checker, scheduled=scheduled
    )
    return {"nodes": found}


def check_nodes(
    dialogue: Dialogue, said: Sequence[Node], checker: DisclosureChecker, *, scheduled: bool = True
) -> list[Node]:
    """Return the nodes with what the check finds, each held against who the user then was.

    A message of somebody else than at the start says who that is.
    """
    found: list[Node] = []
    for user, reply in zip(said[::2], said[1::2], strict=True):
        assert isinstance(user, UserNode)
        assert isinstance(reply, AssistantNode)
        persona = dialogue.personas[user.turn - 1]
        message, replies = checker.check(
            persona, dialogue.id, found, user, [reply], scheduled=scheduled
        )
        if not persona.plays_like(dialogue.personas[0]):
            message = message.model_copy(update={"played": persona})
        found += [message, *replies]
    return found


@cache
def dialogue_graph() -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph."""
    graph = StateGraph(DialogueState, DialogueContext, input_schema=DialogueInput)
    graph.add_node("user", speak)
    graph.add_node("candidate", answer)
    graph.add_node("check", check)
    graph.add_edge(START, "user")
    graph.add_edge("user", "candidate")
    graph.add_conditional_edges("candidate", go_on, ["user", "check"])
    graph.add_edge("check", END)
    return graph.compile(name="dialogue")


async def hold(dialogue: Dialogue, models: dict[str, str], context: DialogueContext) -> Tree:
    """Hold a dialogue; it is a tree of a single path.

    Args:
        dialogue: what is to be held.
        models: model string of each agent, recorded in the tree.
        context: the agents.

    Raises:
        ModelError: the run cannot go on.
        CallError: a call failed for good; the dialogue is lost, others may pass.
    """
    state = await dialogue_graph().ainvoke(
        DialogueInput(dialogue=dialogue), UNHURRIED, context=context
    )
    disclosure = context.disclosure(dialogue)
    return Tree(
        id=dialogue.id,
        persona=dialogue.personas[0],
        seed=dialogue.seed,
        models=models,
        nodes=tuple(state["nodes"]),
        verdicts=(),
        mood=dialogue.mood,
        disclosure=None if disclosure == "schedule" else disclosure,
    )
