"""Rate every reply of a dialogue: by each judge, for its own user and for another.

A rating that cannot be had is a missing cell with its reason, never a number. Two things are not
missing. A candidate that says nothing gets the lowest level, which the scale defines as "does not
answer", or kept wishes of 0. And a user whose wishes a program can check is judged by it alone.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import fmean
from typing import get_args

from aloe.agents.candidate import CONDITIONS
from aloe.agents.rating import LEVELS, PointwiseJudge
from aloe.benchmark.cut_off import is_cut_off
from aloe.benchmark.dialogues import PlannedDialogue
from aloe.benchmark.elicitation import follow_dialogue
from aloe.benchmark.reply_checks import leaked, parroting, personal, recall, right, used
from aloe.benchmark.scores import Missing, ReplyScores, Score, Shown
from aloe.calls.together import ask_each
from aloe.config import Condition
from aloe.errors import CallError
from aloe.memory.disclosures import DisclosureChecker
from aloe.memory.verifiable.scoring import check_wishes, measure_satisfaction
from aloe.players import RULE
from aloe.schema import AssistantNode, Persona, Tree, UserNode
from aloe.turns import PRESCRIBED


async def judge_dialogue(
    planned: PlannedDialogue,
    tree: Tree,
    judges: Sequence[PointwiseJudge],
    checker: DisclosureChecker,
    condition: Condition,
) -> list[ReplyScores]:
    """Return the rows of a finished dialogue, one a turn.

    Raises:
        ModelError: a judge is refused or gone.
    """
    case, found = planned.case, []
    elicited = follow_dialogue(
        tree.nodes,
        [case.persona_at(turn) for turn in range(1, case.turns + 1)],
        scheduled=tree.disclosure is None,
        informed=CONDITIONS[condition].told == "own",
        probes=case.probes,
    )
    stated: dict[str, None] = {}
    at_once = any(judge.calls.batches for judge in judges)
    exchanges = list(_exchanges(tree, case.turns))
    asks = [partial(_scores, planned, tree, *each, judges, at_once=at_once) for each in exchanges]
    scores = await ask_each(asks, at_once=at_once)
    for turn, (user, reply) in enumerate(exchanges, 1):
        persona, probe = case.persona_at(turn), case.probes.get(turn)
        stated |= dict.fromkeys(user.stated)
        last = turn == case.turns
        row = _row(planned, condition, turn).model_copy(
            update={
                "user": user.id,
                "reply": reply.id,
                "scores": tuple(scores[turn - 1]),
                "words": len(reply.content.split()),
                "stated": tuple(stated),
                "used": used(reply.content, persona, tuple(stated)),
                "mind_reading": reply.mind_reading,
                "parroting": parroting(reply.content, user.content),
                "personal": personal(reply.content, probe, persona) if probe else None,
                "right": right(reply.content, probe) if probe else None,
                "recall": await asyncio.to_thread(recall, tree, persona, checker) if last else None,
                "elicitation": elicited[turn - 1],
                "user_faults": user.faults,
                "leaked": leaked(persona, user, tree),
                "on_table": _on_table(user),
                "empty": not reply.content,
                "cut_off": is_cut_off(reply),
            }
        )
        found.append(row)
    return found


def _exchanges(tree: Tree, turns: int) -> Iterator[tuple[UserNode, AssistantNode]]:
    for turn in range(turns):
        user, reply = tree.nodes[2 * turn : 2 * turn + 2]
        assert isinstance(user, UserNode)
        assert isinstance(reply, AssistantNode)
        yield user, reply


def _on_table(user: UserNode) -> float | None:
    if user.agent == PRESCRIBED or user.consistency is None:
        return None
    return user.consistency.on_table


def missing_dialogue(
    planned: PlannedDialogue, judges: Sequence[str], condition: Condition, reason: Missing
) -> list[ReplyScores]:
    """Return the rows of a dialogue that could not be held."""
    return [
        _row(planned, condition, turn).model_copy(
            update={
                "scores": tuple(
                    Score(judge=judge, shown=shown, value=None, missing=reason)
                    for shown, personas in _shown(planned, turn)
                    for judge in ([RULE] if personas[0].preferences else judges)
                )
            }
        )
        for turn in range(1, planned.case.turns + 1)
    ]


def _row(planned: PlannedDialogue, condition: Condition, turn: int) -> ReplyScores:
    case = planned.case
    return ReplyScores(
        suite=case.suite,
        case=case.id,
        profile=case.profile,
        personality=case.personality,
        stand_ins=tuple(each.id for each in planned.stand_ins),
        control=condition,
        seed=planned.dialogue.seed,
        turn=turn,
        dialogue=planned.dialogue.id,
        scores=(),
    )


def _shown(planned: PlannedDialogue, turn: int) -> list[tuple[Shown, tuple[Persona, ...]]]:
    personas = planned.shown(turn)
    return [(shown, personas[shown]) for shown in get_args(Shown) if shown in personas]


async def _scores(
    planned: PlannedDialogue,
    tree: Tree,
    user: UserNode,
    reply: AssistantNode,
    judges: Sequence[PointwiseJudge],
    *,
    at_once: bool,
) -> list[Score]:
    asks = [
        partial(_score, shown, personas, tree, user, reply, judge)
        for shown, personas in _shown(planned, user.turn)
        for judge in ([None] if personas[0].preferences else judges)
    ]
    return await ask_each(asks, at_once=at_once)


async def _score(
    shown: Shown,
    personas: tuple[Persona, ...],
    tree: Tree,
    user: UserNode,
    reply: AssistantNode,
    judge: PointwiseJudge | None,
) -> Score:
    """Return what a judge makes of a reply; None: what the rules do."""
    if judge is None:
        return _by_rule(shown, personas, reply.content)
    if tree.spoiled(user.id):
        return Score(judge=judge.model.name, shown=shown, value=None, missing="spoiled")
    if not reply.content:
        return Score(judge=judge.model.name, shown=shown, value=float(LEVELS[0]))
    return await _rated(shown, personas[0], tree, user, reply, judge)


def _by_rule(shown: Shown, personas: tuple[Persona, ...], text: str) -> Score:
    kept = [measure_satisfaction(each.preferences, text) for each in personas]
    raw = check_wishes(personas[0].preferences, text) if shown == "own" else kept
    return Score(judge=RULE, shown=shown, value=fmean(kept), raw=json.dumps(raw))


async def _rated(
    shown: Shown,
    persona: Persona,
    tree: Tree,
    user: UserNode,
    reply: AssistantNode,
    judge: PointwiseJudge,
) -> Score:
    name = judge.model.name
    try:
        rating = await judge.rate(persona, tree.id, tree.path(user.id)[:-1], user, reply)
    except CallError:
        return Score(judge=name, shown=shown, value=None, missing="judge")
    missing: Missing | None = "unreadable" if rating.value is None else None
    return Score(
        judge=name,
        shown=shown,
        value=rating.value,
        missing=missing,
        raw=rating.raw,
        mass=rating.mass,
    )
