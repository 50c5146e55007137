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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe.errors import InputError
from aloe.files.lines import OnBad, Place, refuse
from aloe.files.records import read_records
from aloe.memory.formats.conversation import IMPORTED as IMPORTED
from aloe.memory.formats.conversation import verdict_of
from aloe.memory.formats.fields import read_name, read_text
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
    digest,
    list_revealed,
    sentences,
)
from aloe.wording import visible

SIDES = ("preferred", "rejected")


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
    if not (found := unite(read_paths(read_records(path), refuse)).trees):
        raise InputError(path, "holds no conversations")
    return iter(found)


def read_paths(records: Iterable[tuple[Place, Any]], on_bad: OnBad) -> Iterator[tuple[Place, Tree]]:
    """Yield each record of a file as a tree of one path.

    Args:
        records: what the file holds, each with its place.
        on_bad: called with the error of each record that is no conversation in this layout.

    Raises:
        InputError: `on_bad` raises.
    """
    for place, record in records:
        try:
            if not is_conversation(record):
                raise place.error(
                    "is not a conversation: 'conversations' must be a list of turns, each with "
                    "'user' and 'assistant'"
                )
            yield place, _tree(record, place)
        except InputError as error:
            on_bad(error)


@dataclass(frozen=True, kw_only=True)
class United:
    """Trees put together from paths."""

    trees: list[tuple[Place, Tree]]
    """With the place of the first path of each."""
    paths: int
    """How many they came from."""
    repeated: int
    """How many of these say nothing but what paths before them say."""


def unite(found: Iterable[tuple[Place, Tree]], on_bad: OnBad = refuse) -> United:
    """Return one tree for each id.

    Args:
        found: paths, each with its place.
        on_bad: called with the error of each path that has another persona or another first message
            than those of its tree before it, or judges a pair otherwise than one of them.

    Raises:
        InputError: `on_bad` raises.
    """
    first: dict[str, tuple[Place, Tree]] = {}
    preferred: dict[frozenset[str], tuple[Place, str | None]] = {}
    nodes = set[str]()
    repeated = 0
    trees = []
    for place, tree in found:
        there, known = first.get(tree.id, (place, tree))
        if known.persona != tree.persona:
            on_bad(place.error(f"names the tree of {there} and has another persona"))
        elif known.nodes[0].id != tree.nodes[0].id:
            on_bad(place.error(f"has the id of {there}, which begins otherwise; give it another"))
        elif problem := next(_contradictions(tree, preferred), None):
            on_bad(place.error(problem))
        else:
            trees.append(tree)
            first.setdefault(tree.id, (place, tree))
            judged = all(_pair(verdict) in preferred for verdict in tree.verdicts)
            repeated += judged and tree.by_id.keys() <= nodes
            nodes |= tree.by_id.keys()
            for verdict in tree.verdicts:
                preferred.setdefault(_pair(verdict), (place, verdict.preferred))
    placed = [(first[tree.id][0], tree) for tree in merge(trees)]
    return United(trees=placed, paths=len(trees), repeated=repeated)


def _contradictions(
    tree: Tree, preferred: Mapping[frozenset[str], tuple[Place, str | None]]
) -> Iterator[str]:
    """Yield how a path judges pairs otherwise than one before, and where that is."""
    for verdict in tree.verdicts:
        there, best = preferred.get(_pair(verdict), (None, None))
        if not there or best == verdict.preferred:
            continue
        turn = f"turn {tree.by_id[verdict.node].turn}"
        if best is None:
            yield f"{turn}: prefers one of two replies between which {there} has a tie"
        elif verdict.preferred is None:
            yield f"{turn}: has a tie between two replies of which {there} prefers one"
        else:
            yield f"{turn}: prefers the reply that {there} rejects"


def _pair(verdict: Verdict) -> frozenset[str]:
    return frozenset((verdict.first, verdict.second))


def _tree(record: dict[str, Any], place: Place) -> Tree:
    turns = record["conversations"]
    opening = read_text(turns[0], "user", place, "turn 1: ")
    persona = _persona(record, place, opening)
    tree = read_name(record, "tree", place) or digest(IMPORTED, persona.id, opening)
    nodes: list[Node] = []
    verdicts = []
    parent: str | None = None
    for number, turn in enumerate(turns, 1):
        where = f"turn {number}: "
        pair, chosen = _replies(turn, place, where)
        told = tuple(_told(turn, persona, nodes, place, where))
        content = read_text(turn, "user", place, where)
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
        if len(unlike) == 2 and not any(reply.faults for reply in unlike.values()):
            better, worse = (replies[side].id for side in SIDES)
            verdicts.append(verdict_of(user.id, better, worse, judge=IMPORTED))
        parent = replies[chosen].id
    return Tree(
        id=tree, persona=persona, seed=0, models={}, nodes=tuple(nodes), verdicts=tuple(verdicts)
    )


def _persona(record: dict[str, Any], place: Place, opening: str) -> Persona:
    """Return the persona of a record; of nobody known, one without a text for each opening."""
    profile, personality = (
        _unquoted(read_text({name: "", **_given(record)}, name, place, empty=True))
        for name in ("profile", "personality")
    )
    given = read_name(record, "persona", place)
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
    inside = f"{where}'assistant': "
    pair = {side: read_text(turn["assistant"], side, place, inside, empty=True) for side in SIDES}
    if (chosen := turn.get("chosen")) not in SIDES:
        raise place.error(f"{where}'chosen' is {chosen!r}, neither 'preferred' nor 'rejected'")
    return pair, str(chosen)


def _told(
    turn: dict[str, Any], persona: Persona, before: list[Node], place: Place, where: str
) -> Iterator[Disclosure]:
    """Yield what a record says was inferred and the user says in this message, word for word."""
    known = {told.quote for told in list_revealed(before)}
    facts = {fact.text: fact.id for fact in persona.facts}
    for name in ("inferred_profile", "inferred_personality"):
        inferred = read_text({name: "", **_given(turn)}, name, place, where, empty=True)
        for quote in sentences(inferred):
            if quote in turn["user"] and quote not in known and quote != "None":
                known.add(quote)
                fact = facts.get(quote)
                yield Disclosure(quote=quote, fact=fact, kind="revealed" if fact else None)


def _given(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}
