"""What a role among the assistants gets of a message: what was said, and its own notes.

Whatever else a node holds may come from the persona: who the user plays, what was to be told, what
the check found, and the notes of roles that see the persona.
"""

from collections.abc import Iterable, Sequence

from aloe.schema import AssistantNode, Disclosure, Node, UserNode


def hear_all(path: Sequence[Node], role: str) -> tuple[Node, ...]:
    """Return a path as `role` may see it."""
    return tuple(
        hear(node) if isinstance(node, UserNode) else hear_reply(node, role) for node in path
    )


def hear(user: UserNode) -> UserNode:
    """Return a user's message with what it says and what was marked in it."""
    return UserNode(
        id=user.id,
        parent=user.parent,
        content=user.content,
        turn=user.turn,
        agent=user.agent,
        revealed=quotes_of(user.revealed),
    )


def hear_reply(reply: AssistantNode, role: str) -> AssistantNode:
    """Return a reply with what it says, the hint behind it and the notes of `role`."""
    return AssistantNode(
        id=reply.id,
        parent=reply.parent,
        content=reply.content,
        turn=reply.turn,
        agent=reply.agent,
        hint=reply.hint,
        notes={name: note for name, note in reply.notes.items() if name == role},
    )


def quotes_of(revealed: Iterable[Disclosure]) -> tuple[Disclosure, ...]:
    """Return disclosures without what a check found of them."""
    return tuple(Disclosure(quote=each.quote) for each in revealed)
