"""A tree as its page draws it: messages with what is to be said of each, verdicts, calls.

The page's script turns this into text, never into markup; `page.js` knows the kinds of marks.
"""

from collections.abc import Iterable, Iterator
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from aloe.number_format import counted
from aloe.players import group_agents
from aloe.views.marks import fact_text, notes, preference, profile_of, score
from aloe.views.table import Sums
from aloe.views.tellings import ANSWERS, REASONS, list_tellings
from aloe.views.votes import describe_verdict, describe_votes
from aloe.views.wishes import Wishes

if TYPE_CHECKING:
    from aloe.schema import Node, Tree, UserNode

KINDS = {"abstain": "judge abstains", "fault": "faults", "mind-reading": "mind-reading"}
"""What the trees can be narrowed down to, and its name for people."""

Mark = list[str]
"""Kind, words, and why or how."""

STANDINGS = {"★": "preferred", "=": "tie", "?": "judge abstains", " ": ""}


def fold_tree(row: Sums, *, unfinished: bool) -> dict[str, Any]:
    """Return what is shown of a tree before it is opened."""
    troubles = _troubles(row)
    said = [counted(row.turns, "turn")]
    said += [] if row.preferred is None else [f"{row.preferred:.0%} decided"]
    said += [f"{KINDS[kind]} {count}" for kind, count in troubles.items() if count]
    return {
        "id": row.tree.id,
        "profile": shorten(profile_of(row.tree.persona), 160, placeholder="…"),
        "note": " · ".join(said),
        "unfinished": unfinished,
    }


def tree_data(
    row: Sums, wishes: Wishes, calls: dict[str, Any] | None, *, unfinished: bool
) -> dict[str, Any]:
    """Return everything else.

    Args:
        row: the tree with its sums.
        wishes: what a program could check in it.
        calls: see `aloe.views.report_calls.TreeCalls.data`; None: not in this page.
        unfinished: whether it is not whole.
    """
    tree = row.tree
    kinds = [kind for kind, count in _troubles(row).items() if count]
    return {
        "id": tree.id,
        "about": list(_about(tree)),
        "nodes": [_message(tree, node, wishes) for node in tree.nodes],
        "kinds": kinds + (["unfinished"] if unfinished else []),
        "calls": calls,
    }


def _about(tree: "Tree") -> Iterator[tuple[str, str]]:
    """Yield who the user is and how the tree was grown, as pairs of name and text."""
    persona = tree.persona
    yield "Life", persona.profile or profile_of(persona)
    yield "Personality", persona.personality
    yield "Mood", tree.mood or ""
    yield "Tells", tree.disclosure or ""
    yield (
        "Models",
        "; ".join(f"{', '.join(names)}: {name}" for name, names in group_agents(tree).items()),
    )


def _troubles(row: Sums) -> dict[str, int]:
    return dict(zip(KINDS, (row.count("abstain"), row.faults, row.minds), strict=True))


def _message(tree: "Tree", node: "Node", wishes: Wishes) -> dict[str, Any]:
    known = {
        "id": node.id,
        "parent": node.parent,
        "role": node.role,
        "agent": node.agent,
        "turn": node.turn,
        "text": node.content,
        "marks": [*_marks(tree, node, wishes), *_common_marks(node)],
    }
    if node.role == "user":
        verdicts = [
            [describe_verdict(tree, each), list(describe_votes(tree, each))]
            for each in tree.verdicts_on(node.id)
        ]
        return {**known, "verdicts": verdicts}
    found = score(tree, node)
    return {
        **known,
        "standing": STANDINGS[preference(tree, node)],
        "score": found.text if found else "",
        "continued": bool(tree.children(node.id)),
    }


def fault_marks(faults: Iterable[str]) -> Iterator[Mark]:
    """Yield what is wrong with a message."""
    for fault in faults:
        yield ["fault", fault.replace("_", " "), ""]


def _common_marks(node: "Node") -> Iterator[Mark]:
    yield from fault_marks(node.faults)
    for name, value in notes(node).items():
        yield ["note", f"{name}: {value}", ""]


def _marks(tree: "Tree", node: "Node", wishes: Wishes) -> Iterator[Mark]:
    if node.role == "user":
        yield from describe_user(tree, node, wishes)
        if node.repaired:
            again = ", ".join(fault.replace("_", " ") for fault in node.repaired)
            yield ["note", "written again", again]
        return
    yield from wish_marks(wishes, node.id)
    for fact in node.mind_reading:
        yield ["early", fact_text(tree, fact), "used before it was told"]
    if node.hint:
        yield ["note", f"hint: {node.hint}", ""]


def wish_marks(wishes: Wishes, reply: str) -> Iterator[Mark]:
    """Yield which wishes a reply keeps, in the user's words; those not told yet are counted."""
    checked = wishes.checked.get(reply, ())
    for wish in checked:
        if wish.told:
            yield ["kept" if wish.kept else "broken", wish.words, ""]
    if untold := [wish.kept for wish in checked if not wish.told]:
        number = counted(len(untold), "wish")
        yield ["untold", f"{number} not told yet, {sum(untold)} kept", ""]


def describe_user(tree: "Tree", user: "UserNode", wishes: Wishes) -> Iterator[Mark]:
    """Yield what a message told and why, and what a question that got nothing came to."""
    words, stated = wishes.words.get(user.id, {}), wishes.stated.get(user.id, {})
    why = {each.about: REASONS[each.why] for each in list_tellings(tree, user)}
    texts = {about: words.get(about) or fact_text(tree, about) for about in why}
    for each in user.revealed:
        if each.fact:
            found = [about for about in why if texts[about] == fact_text(tree, each.fact)]
        else:  # the ledger was not checked, or there is no persona to check it against
            wanted = stated.get(each.quote, ())
            found = [about for about in why if about in wanted or texts[about] in each.quote]
        reason = ", ".join(dict.fromkeys([why.pop(about) for about in found]))
        odd = each.kind if each.kind in ("contradicted", "invented") else ""
        yield ["fault" if odd else "told", each.quote, odd or reason]
    for statement, reason in {texts[about]: reason for about, reason in why.items()}.items():
        yield ["told", statement, reason]
    for asked, text in ANSWERS.items():
        if asked == user.asked:
            yield ["note", text, ""]
