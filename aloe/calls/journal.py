"""What earlier events answer, so that their calls are not made again.

A line answers one call only. In a replay there is nobody else to ask, and not every call is there:
where a tree was set aside, or a branch ended, what was under way beside it was cancelled without a
line. So a call that is missing there has come to what the tree or the branch came to.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aloe.calls.event import Event
from aloe.errors import CallError, ContextError
from aloe.models.reply import Reply


@dataclass(frozen=True, kw_only=True)
class _Failed:
    key: str
    node: str | None
    error: CallError


class Journal:
    """Earlier events by the keys of their calls.

    Args:
        replayed: whether it holds all that can be answered.
    """

    def __init__(self, *, replayed: bool = False) -> None:
        self._replayed = replayed
        self._replies: dict[str, list[Mapping[str, Any]]] = {}
        self._failed: dict[str, CallError] = {}
        self._by_tree: defaultdict[str | None, list[_Failed]] = defaultdict(list)

    @property
    def empty(self) -> bool:
        """Whether it holds nothing."""
        return not (self._replies or self._failed)

    def remember(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Take in events.

        Where the model said nothing there is nothing to stand in: such a call is made again, so
        that a tree which was set aside for it gets another chance. A line that was carried over
        from another run stands for its call whatever came of it, unless the call was made again
        there and said something.
        """
        for line in lines:
            reply, carried, key = line.get("reply"), line.get("carried"), line["key"]
            if reply and (carried or _says_something(reply)):
                self._replies.setdefault(key, []).append(reply)
            elif carried and not reply:
                kind = ContextError if line.get("too_long") else CallError
                self._failed[key] = error = kind(line["error"])
                self._by_tree[line["tree"]].append(_Failed(key=key, node=line["node"], error=error))

    def recall(self, call: Event) -> Reply | None:
        """Return what is known to answer a call; None if it has to be made.

        Raises:
            CallError: it failed in the run that it was carried over from, or was cancelled there.
        """
        if replies := self._replies.get(call.key):
            return Reply.of(replies.pop(_find_used(replies)))
        if error := self._failed.get(call.key) or self._cancelled(call):
            raise error
        return None

    def holds(self, key: str) -> bool:
        """Whether it says what came of the call with this key."""
        return bool(self._replies.get(key)) or key in self._failed

    def _cancelled(self, call: Event) -> CallError | None:
        """Return the failure over which a call was cancelled in a run that is replayed."""
        if not self._replayed:
            return None
        # Other failures were tried again and passed.
        final = [each for each in self._by_tree[call.tree] if each.key not in self._replies]
        beside = (each.error for each in final if each.node == call.node)
        ends = (each.error for each in final if not isinstance(each.error, ContextError))
        return next(beside, None) or next(ends, None)


def _find_used(replies: Sequence[Mapping[str, Any]]) -> int:
    """Return which reply a run used first: it asks again where the model said nothing."""
    return next((at for at, reply in enumerate(replies) if _says_something(reply)), 0)


def _says_something(reply: Mapping[str, Any]) -> bool:
    came = (reply.get(name) or "" for name in ("text", "raw", "reasoning"))
    return any(text.strip() for text in came) or bool(reply.get("logprobs"))
