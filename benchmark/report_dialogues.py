"""The dialogues of a bench as its page shows them: levels of cases, and turns with every rating.

The page contains them as data and draws them when a case is opened, so that a page with a thousand
dialogues opens fast.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from aloe.benchmark.case import Case
from aloe.benchmark.folder import Bench
from aloe.benchmark.reply_levels import mean_gain, mean_level, reply_level
from aloe.benchmark.scores import ReplyScores, Score, Shown
from aloe.calls.event import read_events
from aloe.config import Condition
from aloe.memory.run_folder import RunFolder
from aloe.memory.wish_checks import check_replies
from aloe.number_format import format_number
from aloe.players import RULE
from aloe.schema import Node, Tree
from aloe.turns import PRESCRIBED
from aloe.views.report_calls import ROOM, CallShelf
from aloe.views.report_tree import Mark, describe_user, fault_marks, wish_marks
from aloe.views.wishes import Wishes


def format_level(value: float | None) -> str:
    """Return a level as a person reads it; a dash where there is none."""
    return format_number(value, "{:.2f}")


@dataclass(frozen=True, kw_only=True)
class Held:
    """A dialogue that was held, with what is known of it."""

    condition: Condition
    case: Case
    rows: Sequence[ReplyScores]
    """By turn."""
    tree: Tree | None
    """None if it failed."""
    wishes: Wishes
    folder: str
    """What holds its condition: the bench, or a folder in it."""
    calls: Mapping[str, Any] | None
    """See `aloe.views.report_calls.TreeCalls.data`."""


def collect_dialogues(
    bench: Bench, rows: Mapping[Condition, Sequence[ReplyScores]]
) -> dict[str, Any]:
    """Return the dialogues by case, as the page's script reads them.

    Args:
        bench: a bench, finished or not.
        rows: its scores by condition.
    """
    cases = {case.id: case for case in bench.cases}
    found: dict[str, dict[str, Any]] = {
        case.id: {"about": list(_about(case)), "held": []} for case in bench.cases
    }
    for condition, scores in rows.items():
        for held in _read_held(bench, condition, scores, cases, ROOM // len(rows)):
            found[held.case.id]["held"].append(_dialogue(held))
    for each in found.values():  # what the conditions made of one repetition stands together
        each["held"].sort(key=lambda dialogue: dialogue["seed"])
    return {"dialogues": found}


def _read_held(
    bench: Bench,
    condition: Condition,
    rows: Sequence[ReplyScores],
    cases: Mapping[str, Case],
    room: int,
) -> Iterator[Held]:
    trees = {tree.id: tree for tree in bench.trees(condition)}
    by_dialogue: dict[str, list[ReplyScores]] = defaultdict(list)
    for row in rows:
        by_dialogue[row.dialogue].append(row)
    calls = CallShelf(by_dialogue, room)
    events = RunFolder(bench.conditions[condition]).events
    for _ in calls.watch(read_events(events)):
        pass
    folder = Path("DIR", bench.conditions[condition].relative_to(bench.path)).as_posix()
    for name, replies in by_dialogue.items():
        case, tree = cases[replies[0].case], trees.get(name)
        yield Held(
            condition=condition,
            case=case,
            rows=sorted(replies, key=lambda row: row.turn),
            tree=tree,
            wishes=check_replies(tree, case.persona_at) if tree else Wishes(),
            folder=folder,
            calls=calls.of(name, tree.nodes if tree else ()),
        )


def _about(case: Case) -> Iterator[tuple[str, str]]:
    """Yield who the user of a case is, and why it is played."""
    yield "Life", case.persona.profile
    yield "Personality", case.persona.personality
    if case.flip:
        yield f"From turn {case.flip.turn}", case.flip.persona.personality
    yield "Mood", case.mood or ""
    yield "Tells", case.disclosure or ""
    yield "Why this case", case.why


def _dialogue(held: Held) -> dict[str, Any]:
    level, gain = format_level(mean_level(held.rows)), format_level(mean_gain(held.rows))
    return {
        "title": f"{held.condition}, repetition {held.rows[0].seed + 1}",
        "seed": held.rows[0].seed,
        "figures": f"AL {level} · gain {gain}",
        "turns": [_turn(held, row) for row in held.rows],
        "folder": held.folder,
        "calls": held.calls,
    }


def _turn(held: Held, row: ReplyScores) -> dict[str, Any]:
    nodes = held.tree.by_id if held.tree else {}
    user, reply = nodes.get(row.user or ""), nodes.get(row.reply or "")
    gone = "(this dialogue is not in trees.jsonl)"
    failed = "(the dialogue failed before this message)"
    said = {
        "text": gone if row.reply and not reply else failed,
        "marks": [],
        "fixed": False,
        "node": None,
        "id": None,
    }
    if held.tree and user and user.role == "user":
        said |= {
            "text": user.content,
            "fixed": user.agent == PRESCRIBED,
            "marks": [*fault_marks(row.user_faults), *describe_user(held.tree, user, held.wishes)],
            **_name(held, user.id),
        }
    return {
        "k": row.turn,
        "u": said,
        "r": _reply(held, row, reply) if reply and held.tree else None,
        "after": _afterwards(row, held.tree),
    }


def _name(held: Held, node: str) -> dict[str, str]:
    """Return what a message is called in its page, where each condition has the same dialogues."""
    return {"node": node, "id": f"{held.condition}:{node}"}


def _reply(held: Held, row: ReplyScores, reply: Node) -> dict[str, Any]:
    levels = {
        whose: None if (level := reply_level(row, whose)) is None else f"{level:.3g}"
        for whose in get_args(Shown)
    }
    found = (fault for fault in reply.faults if fault != "empty")  # which the notes say
    return {
        **_name(held, reply.id),
        **levels,
        "text": reply.content,
        "words": row.words,
        "marks": [*fault_marks(found), *wish_marks(held.wishes, reply.id), *_notes(held, row)],
        "ratings": [_rating(score) for score in row.scores],
    }


def _rating(score: Score) -> tuple[str, bool]:
    """Return what a judge said, and whether that is missing."""
    another = "other users" if score.judge == RULE else "another user"
    said = f"{score.judge}, for {'this user' if score.shown == 'own' else another}: "
    if score.value is None:
        return f"{said}missing ({score.missing})", True
    if score.judge == RULE:
        return f"{said}keeps {score.value:.0%} of the wishes", False
    words = " ".join(score.raw.split())
    spoken = f"; it said “{words}”" if words not in ("", f"{score.value:g}") else ""
    return f"{said}{score.value:g}{spoken}", False


def _afterwards(row: ReplyScores, tree: Tree | None) -> dict[str, Any] | None:
    """Return what the candidate was asked after the last turn, and what came of it."""
    answer = tree.by_id.get(row.recall.answer) if tree and row.recall else None
    if tree is None or row.recall is None or answer is None or answer.parent is None:
        return None
    found = f"{row.recall.found} of {row.recall.stated} statements recalled, "
    found += f"{row.recall.right} of {row.recall.listed} sentences right"
    question = tree.by_id[answer.parent].content
    nodes = [answer.parent, answer.id]
    return {"question": question, "answer": answer.content, "found": found, "nodes": nodes}


def _notes(held: Held, row: ReplyScores) -> Iterator[Mark]:
    """Yield what programs found in a reply."""
    people = (held.case.persona, held.case.persona_at(held.case.turns))
    texts = {fact.id: fact.text for persona in people for fact in persona.facts}
    for fact in row.used:
        yield ["note", f"takes up: {texts.get(fact, fact)}", ""]
    for fact in row.mind_reading:
        yield ["early", texts.get(fact, fact), "used before it was told"]
    said = {
        ("said nothing", True): row.empty,
        ("repeats the user", True): row.parroting,
        ("personal where it should not be", True): row.personal,
        ("answers the probe wrongly", True): row.right is False,
        ("answers the probe rightly", False): row.right,
    }
    if found := row.elicitation:
        said |= {
            ("its question brought something", False): found.answer == "told",
            ("asks what the user has said", True): found.answer == "again",
            ("asks what the user does not care about", False): found.answer == "indifferent",
            ("asks although all is known", True): bool(found.needless),
        }
    for (words, bad), true in said.items():
        if true:
            yield ["fault" if bad else "note", words, ""]
