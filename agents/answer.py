"""A question with a few one-word answers, and how sure the model is of its answer.

If the server returns log-probabilities, the model writes one token and the probabilities of the
possible answers are read from it (`aloe.models.words`). If that does not contain the answer, the
question is asked again with more room: the role's own `max_tokens`, and
`aloe.models.open.THINKING` for a model that thinks.

That a server refuses log-probabilities is found out by asking. The question with which that is
found out is asked again as all later ones are, so that no answer depends on which came first; and
what an earlier part of a run was asked, its journal tells, so that a run that is resumed or
replayed asks the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aloe.calls.log import CallLog
from aloe.config import MIN_MASS
from aloe.models.open import Message, Model
from aloe.models.words import Answer, Words


async def ask_for_word(
    words: Words,
    messages: Sequence[Message],
    model: Model,
    calls: CallLog,
    *,
    seed: int,
    tree: str,
    node: str,
    min_mass: float = MIN_MASS,
    role: str = "judge",
) -> Answer:
    """Ask a judge for one of `words`, with as much room as it turns out to need.

    Args:
        words: what it may answer.
        messages: the question.
        model: the judge.
        calls: the log that every call passes.
        seed: sampling seed.
        tree: tree that is worked for.
        node: node that the call is about.
        min_mass: as for `Words.read`.
        role: name of the agent that asks.

    Raises:
        CallError: a call failed.
    """
    roomy = model.thinking_room is None

    def wishes(room: int | None) -> dict[str, Any]:
        return {"seed": seed, "logprobs": room in (1, None), "max_tokens": room}

    def known(room: int | None) -> bool:
        return calls.knows(role, model, messages, wishes(room))

    async def asked(room: int | None) -> Answer:
        to_read = room == 1 and known(None)
        async with calls.call(role, model, tree=tree, node=node) as call:
            answer = words.read(await call.ask(messages, **wishes(room)), min_mass)
            refused = room == 1 and not model.gives_logprobs
            if answer.mass is None and (refused or to_read):  # as if it had been known before
                answer = replace(answer, word=None, thinking=False)
            if answer.word is None:
                more = room == 1 or (room is None and answer.thinking and not roomy)
                call.event.outcome = "truncated" if more else "unreadable"
            elif words.weighed and answer.hesitant:
                call.event.outcome = "unreadable"
        return answer

    one_token = model.gives_logprobs and (known(1) or not known(None))
    first = answer = await asked(1 if one_token else None)
    if answer.word is None and one_token and (roomy or not answer.thinking):
        answer = await asked(None)
    if answer.word is None and answer.thinking and not roomy:
        answer = await asked(model.thinking_room)
    return answer if answer.logprobs else replace(answer, mass=first.mass)
