"""The dialogues of a bench as its page shows them: levels of cases, and turns with every rating.

The page contains them as data and draws them when a case is opened, so that a page with a thousand
dialogues opens fast.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from aloe.benchmark.folder import Bench
from aloe.benchmark.scores import ReplyScores, Shown
from aloe.config import Condition
from aloe.graphs.dialogue import PRESCRIBED
from aloe.schema import Tree
from aloe.views.tellings import describe_tellings


def reply_level(row: ReplyScores, whose: Shown) -> float | None:
    """Return the mean over the judges; None if one of them is missing, as in the figures."""
    values = [score.value for score in row.of(whose)]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def mean_level(rows: Iterable[ReplyScores]) -> float | None:
    """Return the mean level for the user's own persona; None if no reply has one."""
    levels = [level for row in rows if (level := reply_level(row, "own")) is not None]
    return fmean(levels) if levels else None


def mean_gain(rows: Iterable[ReplyScores]) -> float | None:
    """Return the mean of own minus swapped; None if no reply has both."""
    pairs = [(reply_level(row, "own"), reply_level(row, "swapped")) for row in rows]
    gains = [own - swapped for own, swapped in pairs if own is not None and swapped is not None]
    return fmean(gains) if gains else None


def format_level(value: float | None) -> str:
    """Return a level as a person reads it; a dash where there is none."""
    return "-" if value is None else f"{value:.2f}"


def collect_dialogues(
    bench: Bench, rows: Mapping[Condition, Sequence[ReplyScores]]
) -> dict[str, Any]:
    """Return facts, judges and dialogues (by case) as the page's script reads them.

    Args:
        bench: a finished bench.
        rows: its scores by condition.
    """
    facts = {
        fact.id: fact.text
        for case in bench.cases
        for persona in (case.persona, case.persona_at(case.turns))
        for fact in persona.facts
    }
    judges = sorted({s.judge for each in rows.values() for row in each for s in row.scores})
    number = {name: place for place, name in enumerate(judges)}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for condition, each in rows.items():
        trees = {tree.id: tree for tree in bench.trees(condition)}
        held: dict[str, list[ReplyScores]] = defaultdict(list)
        for row in each:
            held[row.dialogue].append(row)
        for name, replies in held.items():
            replies.sort(key=lambda row: row.turn)
            turns = [_turn(row, trees.get(name), number) for row in replies]
            found[replies[0].case].append({"title": _title(condition, replies), "turns": turns})
    return {"facts": facts, "dialogues": found, "judges": judges}


def _title(condition: str, rows: Sequence[ReplyScores]) -> str:
    level, gain = format_level(mean_level(rows)), format_level(mean_gain(rows))
    return f"{condition}, repetition {rows[0].seed + 1}: AL {level}, gain {gain}"


def _turn(row: ReplyScores, tree: Tree | None, judges: Mapping[str, int]) -> dict[str, Any]:
    nodes = tree.by_id if tree else {}
    user, reply = nodes.get(row.user or ""), nodes.get(row.reply or "")
    return {
        "k": row.turn,
        "u": user.content if user else "(the dialogue failed before this message)",
        "p": bool(user and user.agent == PRESCRIBED),
        "f": row.user_faults,
        "t": describe_tellings(tree, user) if tree and user and user.role == "user" else [],
        "r": reply.content if reply else None,
        "w": row.words,
        "s": [[judges[s.judge], s.shown, s.value, s.missing, s.raw] for s in row.scores],
        "used": row.used,
        "mind": row.mind_reading,
        "n": [*_tellings(row, tree), *_notes(row)],
        "after": _afterwards(row, tree),
    }


def _afterwards(row: ReplyScores, tree: Tree | None) -> dict[str, str] | None:
    """Return what the candidate was asked after the last turn, and what came of it."""
    answer = tree.by_id.get(row.recall.answer) if tree and row.recall else None
    if tree is None or row.recall is None or answer is None or answer.parent is None:
        return None
    found = f"{row.recall.found} of {row.recall.stated} statements recalled, "
    found += f"{row.recall.right} of {row.recall.listed} sentences right"
    question = tree.by_id[answer.parent].content
    return {"question": question, "answer": answer.content, "found": found}


def _tellings(row: ReplyScores, tree: Tree | None) -> list[tuple[str, bool]]:
    """Return what the message told and why, each marked as no fault."""
    if row.elicitation is None or tree is None:
        return []
    texts = {fact.id: fact.text for fact in tree.persona.facts}
    return [
        (f"the user told ({each.why}): {texts.get(each.about, each.about)}", False)
        for each in row.elicitation.told
    ]


def _notes(row: ReplyScores) -> list[tuple[str, bool]]:
    """Return what else was found in a reply, each with whether it is a fault."""
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
    return [note for note, true in said.items() if true]
