"""What a user had told when each reply of a dialogue was written, and what the replies ask.

All of it is read off the finished dialogue: the simulated user notes with each message what it puts
on the table, why, and what it made of the question before (`aloe.schema.Telling`). A message that
the case prescribes has no notes: the checkable wishes that it states count all the same, as they do
for the user. Of several questions in a reply one is answered, as people do, so the others bring
nothing.
"""

from collections.abc import Collection, Sequence

from aloe.agents.disclosing import CheckableWishes
from aloe.benchmark.scores import Elicitation
from aloe.memory.questions import count_wanted, find_questions_in
from aloe.memory.verifiable.scoring import check_wishes
from aloe.persona import find_knowable
from aloe.schema import AssistantNode, Node, Persona, Telling, UserNode
from aloe.turns import PRESCRIBED


def follow_dialogue(
    nodes: Sequence[Node],
    personas: Sequence[Persona],
    *,
    scheduled: bool,
    informed: bool = False,
    probes: Collection[int] = (),
) -> list[Elicitation | None]:
    """Return what was known and asked at each turn; None throughout if the user noted nothing.

    Args:
        nodes: messages and replies in turn, the user's first; there may be more than `personas`.
        personas: who the user is, at each turn.
        scheduled: whether the user tells one thing a turn whatever it is asked. Such a user
            always has something to note, so a dialogue without any is from before there were notes.
        informed: whether the model was told all about the user beforehand.
        probes: turns at which the user's person has no place in a reply.
    """
    users = [node for node in nodes if isinstance(node, UserNode)]
    replies = [node for node in nodes if isinstance(node, AssistantNode)]
    if scheduled and not any(each.told for each in users):
        return [None] * len(personas)
    found: list[Elicitation | None] = []
    known: set[str] = set()
    for turn, persona in enumerate(personas, 1):
        if turn > 1 and persona != (before := personas[turn - 2]):
            known = {about for about in known if _holds(about, before, persona)}
        knowable = find_knowable(persona, scheduled=scheduled)
        told = tuple(
            each for each in _find_told(persona, users[turn - 1]) if each.about in knowable - known
        )
        known |= {each.about for each in told}
        reply, following = replies[turn - 1].content, users[turn : turn + 1]
        questions = len(find_questions_in(reply, [each.content for each in users[:turn]]))
        over = informed or turn in probes or known == knowable
        found.append(
            Elicitation(
                scheduled=scheduled,
                knowable=len(knowable),
                known=len(known),
                told=told,
                questions=questions,
                answer=following[0].asked if following else None,
                answered=turn < len(personas) and following[0].agent != PRESCRIBED,
                needless=max(0, questions - count_wanted(persona)) if over else None,
                broken=_count_broken(persona, known, reply),
            )
        )
    return found


def _find_told(persona: Persona, user: UserNode) -> tuple[Telling, ...]:
    """Return what a message tells: its notes, and wishes that a prescribed one states."""
    if user.agent != PRESCRIBED or not persona.preferences:
        return user.told
    said = CheckableWishes(persona=persona).find_said(user)
    return tuple(Telling(about=name, why="scheduled") for name in persona.preferences
                 if name in said)  # fmt: skip


def _holds(about: str, before: Persona, after: Persona) -> bool:
    """Whether what was told of one persona is true of another: a flip leaves most of a life."""
    if after.preferences:
        return after.preferences.get(about) == before.preferences.get(about)
    return any(fact.id == about for fact in after.facts)


def _count_broken(persona: Persona, known: Collection[str], reply: str) -> int | None:
    if not persona.preferences:
        return None
    kept = check_wishes(persona.preferences, reply)
    return sum(not kept[name] for name in known)
