"""From trees to training rows: pure functions, one row at a time.

Rows are TRL's conversational format. The prompt is what the deployed assistant would see: the
conversation as it happened on that branch, no hints and no instructions of ours. The answer is the
reply the judge preferred at that point, which need not be the one that the conversation continued
with; the history always is. A comparison without a label (a tie or an abstention), an empty reply
and a reply cut off at the token limit give no row, nor does anything said after the simulated user
spoke as the assistant or as its echo, nor a row with control markup in a message; how many were
left out, and why, is counted (`aloe.training.usable`).

Every row also says where it comes from (tree, persona, turn, margin, lengths). Those columns are
taken away again (`take_trainer_columns`), so that an export holds nothing a trainer would have to
drop.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from typing_extensions import TypedDict

from aloe.ranking import beaten
from aloe.schema import Persona, Tree, UserNode, Verdict, digest
from aloe.training.usable import (
    NO_PLACE,
    NOT_BEST,
    WON_AND_LOST,
    find_pair_flaw,
    is_usable,
    without_markup,
)
from aloe.training.usable import Skipped as Skipped

Format = Literal["sft", "dpo", "kto", "grpo", "rm", "step", "aloe"]


class ChatMessage(TypedDict):
    """One message as TRL reads it."""

    role: str
    content: str


Row = dict[str, Any]
"""Columns of one row; which ones, each function's docstring says."""

Rows = Callable[[Tree, Skipped], Iterable[Row]]
"""An exporter: takes a finished tree, yields rows, and counts what gave none."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a row comes from: the columns that every row has beside its trainer's."""

    tree: str
    persona: str
    """Whose tree it is, by which datasets are split; a role may have let another be played."""
    turn: int
    """1 for the opening message; 0 where the exporter is custom."""
    margin: float | None = None
    """Absolute log-odds of the comparison; None where votes are text, or without comparison."""
    confidence: float | None = None
    """Share of the votes that agree with the outcome; None without a comparison."""
    length_difference: int | None = None
    """Characters of the chosen minus those of the rejected reply; None without a comparison."""
    nodes: dict[str, str] = field(default_factory=dict)
    """Ids of the messages it is about, by what they are in the row; never exported."""


@without_markup
def sft_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield prompt and completion for each user message whose best reply is known.

    With more than two candidates it is the only one that beats another and is never beaten.
    """
    for user in tree.users:
        won, lost = _won_and_lost(tree, user, skipped)
        best = won - lost
        if len(best) == 1:
            reply = best.pop()
            row = {"prompt": _prompt(tree, user.id), "completion": _answer(tree, reply)}
            yield _full(row, _origin(tree, user, reply))
        elif won:
            skipped[NOT_BEST] += 1


@without_markup
def dpo_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield prompt, chosen and rejected for each comparison with a preference.

    Pairs that were never compared give no row, even where the ranking orders them: a label is a
    verdict, not a conclusion.
    """
    for verdict in tree.verdicts:
        if is_usable(tree, verdict, skipped) and verdict.preferred and verdict.rejected:
            row = {
                "prompt": _prompt(tree, verdict.node),
                "chosen": _answer(tree, verdict.preferred),
                "rejected": _answer(tree, verdict.rejected),
            }
            yield _full(row, _pair_origin(tree, verdict, verdict.preferred, verdict.rejected))


@without_markup
def kto_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield prompt, completion and label: true for a reply that only won, false if only beaten."""
    for user in tree.users:
        won, lost = _won_and_lost(tree, user, skipped)
        if both := won & lost:
            skipped[WON_AND_LOST] += len(both)
        for node in tree.children(user.id):
            if node.id in won ^ lost:
                answer = _answer(tree, node.id)
                row = {"prompt": _prompt(tree, user.id), "completion": answer}
                yield _full({**row, "label": node.id in won}, _origin(tree, user, node.id))


@without_markup
def step_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield prompt, completion and reward, the share in [0, 1] of siblings that a reply beats.

    Only siblings that it beats or is beaten by are counted. Those it was not compared with count
    where a chain of verdicts ranks them (`aloe.ranking`), so that rewards of a tournament mean the
    same as those of a round robin.
    """
    for user in tree.users:
        verdicts = list(tree.verdicts_on(user.id))
        for verdict in verdicts:
            is_usable(tree, verdict, skipped)
        if tree.lost(user.id):
            continue
        order = {
            node: {other for other in others if not find_pair_flaw(tree, node, other)}
            for node, others in beaten(verdicts).items()
        }
        for node in tree.children(user.id):
            won = len(order.get(node.id, ()))
            lost = sum(node.id in others for others in order.values())
            if won + lost:
                answer = _answer(tree, node.id)
                row = {"prompt": _prompt(tree, user.id), "completion": answer}
                yield _full({**row, "reward": won / (won + lost)}, _origin(tree, user, node.id))


@without_markup
def grpo_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield each user message as prompt, with who was played and what was revealed by then.

    `preferences` are the wishes that a program can check, as pairs of dimension and value. `facts`
    are there only where they do not follow from the persona's texts.
    """
    for user in tree.users:
        if reason := tree.lost(user.id):
            skipped[reason] += 1
            continue
        persona = tree.played(user.id)
        facts = _given_facts(persona)
        row = {
            "prompt": _prompt(tree, user.id),
            "profile": persona.profile,
            "personality": persona.personality,
            "preferences": [list(pair) for pair in persona.preferences.items()],
            "revealed": [disclosure.quote for disclosure in tree.revealed(user.id)],
            **({"facts": facts} if facts else {}),
        }
        yield _full(row, _origin(tree, user))


def _given_facts(persona: Persona) -> list[Row]:
    """Return the facts of a persona that are not the sentences of its texts; else nothing."""
    derived = Persona.of(persona.profile, persona.personality).facts
    return [] if persona.facts == derived else [fact.model_dump() for fact in persona.facts]


@without_markup
def aloe_rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    """Yield one row for each path, in the layout of the paper's conversations.jsonl.

    A row has `profile` and `personality`, of whom the user played last, and `conversations`: for
    each turn the user's message, the preferred and the rejected reply, which of them the
    conversation went on with (`preferred` at its end), and what of profile and personality was
    revealed by then. A path ends before the first turn whose continued reply has no preference with
    another, and of several it takes one; the layout has no place for more, so what is in no path is
    counted. A path that is the beginning of another gives no row.
    """
    labels = {
        user.id: [v for v in tree.verdicts_on(user.id) if is_usable(tree, v, skipped)]
        for user in tree.users
    }
    placed: set[tuple[str, str]] = set()
    paths = [(leaf, list(_aloe_turns(tree, leaf, labels, placed))) for leaf in tree.ends]
    if lost := sum((v.first, v.second) not in placed for each in labels.values() for v in each):
        skipped[NO_PLACE] += lost
    held = {digest([]), *(digest(turns[:n]) for _, turns in paths for n in range(len(turns)))}
    for leaf, turns in paths:
        if (name := digest(turns)) not in held:
            held.add(name)
            persona = tree.played(leaf.id)
            texts = {"profile": persona.profile, "personality": persona.personality}
            origin = Origin(tree=tree.id, persona=tree.persona.id, turn=len(turns))
            yield _full({**texts, "conversations": turns}, origin)


ROWS: dict[Format, Rows] = {
    "sft": sft_rows,
    "dpo": dpo_rows,
    "kto": kto_rows,
    "grpo": grpo_rows,
    "rm": dpo_rows,
    "step": step_rows,
    "aloe": aloe_rows,
}

COLUMNS: dict[str, tuple[str, ...]] = {
    "sft": ("prompt", "completion"),
    "dpo": ("prompt", "chosen", "rejected"),
    "kto": ("prompt", "completion", "label"),
    "grpo": ("prompt", "tree", "profile", "personality", "preferences", "revealed"),
    "rm": ("prompt", "chosen", "rejected", "margin"),
    "step": ("prompt", "completion", "reward"),
    "aloe": ("profile", "personality", "conversations"),
}
"""What a trainer reads of each format."""

OWN = "\0own"
"""Key under which a row of a custom exporter holds what it brought, whatever its columns' names.
That is what is written; datasets are split by our columns."""

OPTIONAL_COLUMNS: dict[str, tuple[str, ...]] = {"grpo": ("facts", "replies", "advantages")}
"""What a trainer reads of some rows: facts that do not follow from the persona's texts, and what
labels by return bring (`aloe.training.labels`)."""

UNKNOWN: dict[str, Row] = {"rm": {"margin": 0.0}}
"""What is written where a trainer needs a value and none is known."""


def take_trainer_columns(row: Row, row_format: str) -> Row:
    """Return the row with its trainer's columns only, or those of a custom exporter."""
    row = _filled(row, row_format)
    more = (name for name in OPTIONAL_COLUMNS.get(row_format, ()) if name in row)
    if OWN in row:
        return dict(row[OWN])
    names = COLUMNS[row_format]
    return {column: row[column] for column in (*names, *more)}


def take_all_columns(row: Row, row_format: str) -> Row:
    """Return the row with the columns that say where it comes from."""
    row = _filled(row, row_format)
    kept = {key: value for key, value in row.items() if key not in ("nodes", OWN)}
    return {**kept, **row.get(OWN, {})}


def _filled(row: Row, row_format: str) -> Row:
    unknown = UNKNOWN.get(row_format, {})
    return row | {name: value for name, value in unknown.items() if row[name] is None}


def wrap_exporter(make: Rows) -> Rows:
    """Return a custom exporter as one like ours: its rows say where they come from."""

    @without_markup
    def rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
        origin = asdict(Origin(tree=tree.id, persona=tree.persona.id, turn=0))
        for row in make(tree, skipped):
            yield {**row, **origin, "nodes": {}, OWN: row}

    return rows


def _full(row: Row, origin: Origin) -> Row:
    return {**asdict(origin), **row}


def _won_and_lost(tree: Tree, user: UserNode, skipped: Skipped) -> tuple[set[str], set[str]]:
    usable = [v for v in tree.verdicts_on(user.id) if is_usable(tree, v, skipped)]
    won = {verdict.preferred for verdict in usable if verdict.preferred}
    return won, {verdict.rejected for verdict in usable if verdict.rejected}


def _aloe_turns(
    tree: Tree, leaf: UserNode, labels: dict[str, list[Verdict]], placed: set[tuple[str, str]]
) -> Iterator[Row]:
    """Yield the turns of a path, and add to `placed` which pairs they hold."""
    path = tree.path(leaf.id)
    for user in (node for node in path if isinstance(node, UserNode)):
        on = next((node.id for node in path if node.parent == user.id), None)
        fitting = (v for v in labels[user.id] if on in (None, v.first, v.second))
        verdict = next(fitting, None)
        if verdict is None or not (verdict.preferred and verdict.rejected):
            return
        placed.add((verdict.first, verdict.second))
        yield {
            "user": user.content,
            "assistant": {
                "preferred": tree.by_id[verdict.preferred].content,
                "rejected": tree.by_id[verdict.rejected].content,
            },
            "chosen": "rejected" if on == verdict.rejected else "preferred",
            "inferred_profile": _inferred(tree, user, "fact"),
            "inferred_personality": _inferred(tree, user, "trait"),
        }


def _inferred(tree: Tree, user: UserNode, kind: str) -> str:
    """Return what the user told by then of one kind, `None` for nothing, as the paper's data does.

    A line for each, since a quote need not end as a sentence does. What the disclosure checker did
    not link to a trait counts as a fact.
    """
    played = (tree.played(node.id) for node in tree.path(user.id))
    traits = {fact.id for each in played for fact in each.facts if fact.kind == "trait"}
    told = (d for d in tree.revealed(user.id) if (d.fact in traits) == (kind == "trait"))
    return "\n".join(disclosure.quote for disclosure in told) or "None"


def _origin(tree: Tree, user: UserNode, reply: str | None = None) -> Origin:
    nodes = {"user": user.id} | ({"completion": reply} if reply else {})
    return Origin(tree=tree.id, persona=tree.persona.id, turn=user.turn, nodes=nodes)


def _pair_origin(tree: Tree, verdict: Verdict, preferred: str, rejected: str) -> Origin:
    chosen, beaten = tree.by_id[preferred], tree.by_id[rejected]
    return Origin(
        tree=tree.id,
        persona=tree.persona.id,
        turn=chosen.turn,
        margin=None if verdict.margin is None else abs(verdict.margin),
        confidence=_confidence(verdict),
        length_difference=len(chosen.content) - len(beaten.content),
        nodes={"user": verdict.node, "chosen": preferred, "rejected": rejected},
    )


def _confidence(verdict: Verdict) -> float | None:
    """Return the confidence by the judge's passport or, without one, the share of its votes."""
    if verdict.confidence is not None or not verdict.votes:
        return verdict.confidence
    return sum(vote.choice == verdict.outcome for vote in verdict.votes) / len(verdict.votes)


def _prompt(tree: Tree, user: str) -> list[ChatMessage]:
    return [{"role": node.role, "content": node.content} for node in tree.path(user)]


def _answer(tree: Tree, node: str) -> list[ChatMessage]:
    return [{"role": "assistant", "content": tree.by_id[node].content}]
