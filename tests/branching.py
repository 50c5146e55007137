"""Trees made by hand or by chance whose replies have known levels, and a script that never says
the same twice."""

import random
from collections.abc import Sequence
from typing import Any

from builders import PERSONAS, assistant, user
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents import scripted
from aloe.schema import AssistantNode, Node, Outcome, Persona, Tree, UserNode, Verdict

Levels = dict[str, float]


def compared(first: AssistantNode, second: AssistantNode, outcome: Outcome = "first") -> Verdict:
    """Return the judge's verdict on two siblings."""
    return Verdict(
        node=first.parent, first=first.id, second=second.id, votes=(), outcome=outcome
    )  # fmt: skip


def tree_of(
    nodes: Sequence[Node], *verdicts: Verdict, name: str = "t", persona: Persona = PERSONAS[0]
) -> Tree:
    """Return a tree of nodes that stand behind their parents."""
    return Tree(
        id=name, persona=persona, seed=0, models={}, nodes=tuple(nodes), verdicts=verdicts
    )  # fmt: skip


def follow(reply: Node, text: str, *levels: float) -> tuple[list[Node], Levels]:
    """Return a message below `reply`, with a reply to it for each of `levels`, and these."""
    said = user(text, reply.id, turn=reply.turn + 1)
    replies = [assistant(f"{text} {level}", said, agent=f"a{i}") for i, level in enumerate(levels)]
    return [said, *replies], {each.id: level for each, level in zip(replies, levels, strict=True)}


def drawn(chance: random.Random, turns: int = 4) -> tuple[Tree, Levels]:
    """Return a tree of any shape with two replies to each message, and levels of its replies."""
    nodes: list[Node] = [user("Hello")]
    levels: Levels = {}
    verdicts: list[Verdict] = []
    for said in nodes:  # grows while it is read
        if isinstance(said, UserNode):
            pair = [assistant(f"r{len(nodes)}", said, agent=agent) for agent in ("a0", "a1")]
            nodes += pair
            verdicts.append(compared(pair[0], pair[1]))
            levels |= {each.id: chance.randrange(9) / 8 for each in pair}
        elif said.turn < turns:
            for number in range(chance.choice((0, 1, 1, 2))):
                nodes.append(user(f"m{number}", said.id, turn=said.turn + 1))
    return tree_of(nodes, *verdicts), levels


def varied(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
    """Answer as the scripted agents do, with words that the seed decides for users and replies."""
    said = scripted.reply(messages, arguments)
    plain = isinstance(said, str) and not said.startswith("{")
    return f"{said} Point {arguments['seed']}." if plain else said
