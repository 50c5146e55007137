"""Stops a run that pays for nothing: a role's calls are never answered, or never readable.

A single refused call is bad luck for its tree, such as a persona that a filter rejects. The same
refusal in different trees, before that role was ever answered, means a wrong setting, and every
further tree would pay for it. A key can also be revoked later, which shows as 403 for everybody;
that takes more in a row, because a filter may well refuse three personas in succession. Refusals
come faster than answers, so nothing is concluded until the other calls in flight have ended.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from aloe.calls.event import Event
from aloe.config import ModelConfig
from aloe.errors import CallError, ModelError

NEVER_ANSWERED = 3
"""Trees that meet the same refusal, with no answer before, after which it is no bad luck."""

IN_A_ROW = 10
"""Trees that meet a 403 one after another, in spite of answers before."""

NEVER_READABLE = 40
"""Answers of a role of which none can be read. The embedded model, the worst that is in use, has
one readable answer in seven: so many in a row without one come to it once in 480 runs."""

SETTINGS = {
    "user": "models.user",
    "inducer": "models.inducer",
    "judge": "models.judge",
    "reader": "models.reader",
    "writer": "models.writer",
    "candidate": "benchmark.candidate",
}
"""Where the models of shipped roles are set; others are found by the name of their agent."""


Role = tuple[str, str]
"""Name of the agent, and its model."""


class Refusals:
    """Counts by role what was refused or could not be read."""

    def __init__(self) -> None:
        self._answered: set[Role] = set()
        self._under_way: dict[Role, set[asyncio.Event]] = defaultdict(set)
        self._refused: dict[tuple[Role, str], set[str]] = defaultdict(set)
        self._unreadable: Counter[Role] = Counter()
        self._readable: set[Role] = set()

    @contextmanager
    def asking(self, call: Event) -> Iterator[None]:
        """Take note that a call is under way at its server."""
        under_way, ended = self._under_way[call.role, call.model], asyncio.Event()
        under_way.add(ended)
        try:
            yield
        finally:
            under_way.discard(ended)
            ended.set()

    def answered(self, call: Event) -> None:
        """Take note of an answer, whatever it says."""
        role = call.role, call.model
        self._answered.add(role)
        for key in [key for key in self._refused if key[0] == role]:
            del self._refused[key]

    async def refused(self, call: Event, error: CallError) -> CallError | ModelError:
        """Take note of a call that failed for good; return the error to raise."""
        role = call.role, call.model
        if not error.refusal:
            return error
        before = role in self._answered
        if before and not error.refusal.startswith("HTTP 403"):
            return error
        self._refused[role, error.refusal].add(call.tree or call.key)
        needed = IN_A_ROW if before else NEVER_ANSWERED
        if len(self._refused[role, error.refusal]) < needed:
            return error
        await asyncio.gather(*(ended.wait() for ended in self._under_way[role]))
        trees = self._refused.get((role, error.refusal), ())
        if len(trees) < needed:  # one was answered
            return error
        so_far = "in a row" if before else "and none was answered"
        return ModelError(
            f"{call.role}: {len(trees)} different calls were refused {so_far}: {error}; "
            f"check {_setting(call.role, str(error))}, then run the same command again"
        )

    def read(self, call: Event) -> None:
        """Take note of what became of an answer.

        Raises:
            ModelError: so far no answer of this role could be read.
        """
        role = call.role, call.model
        if call.outcome == "ok":
            self._readable.add(role)
        if call.outcome != "unreadable" or role in self._readable:
            return
        self._unreadable[role] += 1
        if self._unreadable[role] >= NEVER_READABLE:
            raise ModelError(
                f"{call.role}: none of {NEVER_READABLE} answers of {call.model} could be read; "
                f"`aloe trace` shows them: check {_setting(call.role)}, or try another model"
            )


def _setting(role: str, words: str = "") -> str:
    """Return the setting that is to blame: the one that `words` name, or the model as a whole."""
    where = SETTINGS.get(role, f"the model of '{role}'")
    named = (name for name in ModelConfig.model_fields if name not in ("model", "options"))
    blamed = next((name for name in named if re.search(rf"\b{name}\b", words)), None)
    if blamed is None:
        return where
    return f"{where}.{blamed}" if role in SETTINGS else f"{blamed} of {where}"
