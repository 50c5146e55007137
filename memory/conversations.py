"""Trees from conversations in the layout of the paper's data, which `aloe export` writes as `aloe`.

A record is one path: for each turn the user's message, two replies, and which of them the
conversation continued with. Records of one persona that open with the same message are paths of one
tree. Nothing that the layout omits is made up: all replies are by `imported`, no model is named,
the persona is empty if none is given, and the order of a pair follows from the replies' ids, since
the order in which a judge saw them is unknown. A preference is the one vote of a judge named
`imported`. What a record says was inferred about the user becomes a disclosure if it is a sentence
of the user's message; if a model phrased it, there is nothing to quote.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from aloe.errors import InputError
from aloe.files.lines import Place
from aloe.files.records import read_records
from aloe.memory.merge import merge
from aloe.schema import (
    AssistantNode,
    Disclosure,
    Lineage,
    Node,
    Persona,
    Tree,
    UserNode,
    Verdict,
    Vote,
    digest,
    sentences,
)
from aloe.wording import visible

IMPORTED: Literal["imported"] = "imported"
"""Name of the assistant and of the judge, whoever they were."""


def is_conversation(record: Any) -> bool:
    """Return whether a record of a file is a conversation in this layout."""
    turns = record.get("conversations") if isinstance(record, dict) else None
    first = turns[0] if isinstance(turns, list) and turns else None
    return isinstance(first, dict) and {"user", "assistant"} <= first.keys()


def read_conversations(path: Path) -> Iterator[tuple[Place, Tree]]:
    """Yield the trees of a file of conversations, each with the place of its first path.

    Raises:
        InputError: there are none, a record is no conversation in this layout, or two contradict
            each other.
    """
    first: dict[str, tuple[Place, Tree]] = {}
    preferred: dict[frozenset[str], tuple[Place, str | None]] = {}
    trees = []
    for place, record in read_records(path):
        if not is_conversation(record):
            raise place.error(
                "is not a conversation: 'conversations' must be a list of turns, each with 'user' "
                "and 'assistant'"
            )
        trees.append(tree := _tree(record, place))
        there, known = first.setdefault(tree.id, (place, tree))
        if known.persona != tree.persona:
            raise place.error(f"names the tree of {there} and has another persona")
        for verdict in tree.verdicts:
            pair = frozenset((verdict.first, verdict.second))
            there, best = preferred.setdefault(pair, (place, verdict.preferred))
            if best != verdict.preferred:
                turn = tree.by_id[verdict.node].turn
                raise place.error(f"turn {turn}: prefers the reply that {there} rejects")
    if not trees:
        raise InputError(path, "holds no conversations")
    return ((first[tree.id][0], tree) for tree in merge(trees))


def _tree(record: dict[str, Any], place: Place) -> Tree:
    turns = record["conversations"]
    opening = _text(turns[0], "user", place, "turn 1: ")
    persona = _persona(record, place, opening)
    tree = _name(record, "tree", place) or digest(IMPORTED, persona.id, opening)
    nodes: list[Node] = []
    verdicts = []
    parent: str | None = None
    for number, turn in enumerate(turns, 1):
        where = f"turn {number}: "
        pair, chosen = _replies(turn, place, where)
        told = tuple(_told(turn, persona, nodes, place, where))
        content = _text(turn, "user", place, where)
        user = UserNode.of(parent, content, tree=tree, turn=number, revealed=told)
        replies = {
            side: AssistantNode.of(
                user.id,
                text,
                agent=IMPORTED,
                turn=number,
                faults=() if visible(text) else ("empty",),
            )
            for side, text in pair.items()
        }
        unlike = {reply.id: reply for reply in replies.values()}
        nodes += [user, *unlike.values()]
        if len(unlike) == 2:
            verdicts.append(_verdict(user.id, **{side: r.id for side, r in replies.items()}))
        parent = replies[chosen].id
    return Tree(
        id=tree, persona=persona, seed=0, models={}, nodes=tuple(nodes), verdicts=tuple(verdicts)
    )


def _verdict(user: str, *, preferred: str, rejected: str) -> Verdict:
    first, second = sorted((preferred, rejected))
    choice: Literal["first", "second"] = "first" if first == preferred else "second"
    vote = Vote(judge=IMPORTED, order="first-second", raw="", choice=choice)
    return Verdict(node=user, first=first, second=second, votes=(vote,), outcome=choice)


def _persona(record: dict[str, Any], place: Place, opening: str) -> Persona:
    """Return the persona of a record; of nobody known, one without a text for each opening."""
    profile, personality = (
        _unquoted(_text({name: "", **_given(record)}, name, place, empty=True))
        for name in ("profile", "personality")
    )
    given = _name(record, "persona", place)
    if not given and not (profile or personality):
        given = digest(IMPORTED, opening)
    origin = Lineage(origin=IMPORTED)
    texts = {"profile": profile, "personality": personality}
    lineage = {kind: origin for kind, text in texts.items() if text}
    return Persona.of(**texts, lineage=lineage, **({"id": given} if given else {}))


def _unquoted(text: str) -> str:
    """Return a text without the quotation marks of JSON, which the original data left around it."""
    text = text.strip()
    try:
        held = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return held.strip() if isinstance(held, str) else text


def _replies(turn: Any, place: Place, where: str) -> tuple[dict[str, str], str]:
    """Return the two replies of a turn by side, and the side that the talk went on with."""
    if not isinstance(turn, dict):
        raise place.error(f"{where}is not an object")
    if not isinstance(turn.get("assistant"), dict):
        raise place.error(f"{where}'assistant' is not an object with 'preferred' and 'rejected'")
    sides = ("preferred", "rejected")
    inside = f"{where}'assistant': "
    pair = {side: _text(turn["assistant"], side, place, inside, empty=True) for side in sides}
    if (chosen := turn.get("chosen")) not in sides:
        raise place.error(f"{where}'chosen' is {chosen!r}, neither 'preferred' nor 'rejected'")
    return pair, str(chosen)


def _told(
    turn: dict[str, Any], persona: Persona, before: list[Node], place: Place, where: str
) -> Iterator[Disclosure]:
    """Yield what a record says was inferred and the user says in this message, word for word."""
    known = {d.quote for node in before if isinstance(node, UserNode) for d in node.revealed}
    facts = {fact.text: fact.id for fact in persona.facts}
    for name in ("inferred_profile", "inferred_personality"):
        inferred = _text({name: "", **_given(turn)}, name, place, where, empty=True)
        for quote in sentences(inferred):
            if quote in turn["user"] and quote not in known and quote != "None":
                known.add(quote)
                fact = facts.get(quote)
                yield Disclosure(quote=quote, fact=fact, kind="revealed" if fact else None)


def _text(
    record: dict[str, Any], name: str, place: Place, where: str = "", *, empty: bool = False
) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise place.error(f"{where}'{name}' is {'missing' if value is None else 'no text'}")
    if not empty and not visible(value):
        raise place.error(f"{where}'{name}' is empty")
    return value


def _given(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


def _name(record: dict[str, Any], name: str, place: Place) -> str | None:
    return _text(record, name, place) if record.get(name) is not None else None
