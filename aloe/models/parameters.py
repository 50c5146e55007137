"""Which parameters a model accepts, learnt from its server's refusals.

Servers agree on messages and little else: some have no seed, no log-probabilities, no system
message, another name for `max_tokens`, or accept only one of temperature and top_p. No list stays
right for long, so everything is sent first, and a refusal that names a parameter changes what is
sent from then on: the parameter gets the name or bound that the refusal states, or is dropped.
Whether it was to blame is tested: if the same refusal comes back, the change is undone and the next
one is tried. What was learnt about a model is reported once and kept as long as the process lives.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from weakref import WeakValueDictionary

from langchain_core.messages import AIMessage

from aloe.models.rejections import SPELLINGS, Rejection, canonical, means, rejection_of
from aloe.secrets import redact

MOST_CHANGES = 24
"""Changes, undone ones included, after which a server's refusals are taken as they are."""

EXPENDABLE = (
    "frequency_penalty", "top_p", "seed", "thinking", "chat_template_kwargs", "reasoning_effort",
    "top_logprobs", "logprobs", "response_format", "temperature", "system message", "max_tokens",
)  # fmt: skip
"""Parameters, by how little is lost without them; of several that are named, the first is tried."""

_NUMBER = r"\D{0,12}?(-?\d+(?:\.\d+)?)"
_MOST = re.compile(
    rf"(?:<=|≤|at most|less than or equal to|no more than|up to|(?:between|from) \S+ (?:and|to)"
    rf"|\[\s*-?[\d.]+\s*,|max(?:imum)?(?: allowed)?(?: value)?(?: is| of|:)){_NUMBER}",
    re.IGNORECASE,
)
_LEAST = re.compile(
    rf"(?:>=|≥|at least|greater than or equal to|no less than|(?:between|from)|\["
    rf"|min(?:imum)?(?: allowed)?(?: value)?(?: is| of|:)){_NUMBER}",
    re.IGNORECASE,
)
_CHOICES = re.compile(
    r"(?:supported values|one of|should be|must be|expected|allowed|choose from)\b(.*)",
    re.IGNORECASE | re.DOTALL,
)
_ABOVE_ZERO = re.compile(r"strictly positive|greater than 0(?![.\d])|> ?0(?![.\d])", re.IGNORECASE)

logger = logging.getLogger("aloe")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is sent otherwise than it was asked for."""

    kind: Literal["left out", "renamed", "set", "joined"]
    names: tuple[str, ...]
    """Parameters as they are sent before the change; `joined` is about the system message."""
    value: Any = None
    """The new name, or the new value."""
    instead_of: Any = None
    """The value that a new one stands for; None: any."""
    most: float | None = None
    least: float | None = None
    """Bounds of a `set` parameter that is a number."""
    reason: str = field(default="", compare=False)
    """What the server said."""

    def __str__(self) -> str:
        which = " and ".join(self.names)
        if self.kind == "renamed":
            return f"{which} is sent as {self.value}"
        if self.kind == "joined":
            return "the system message is sent as part of the first user message"
        if self.kind == "set":
            bounds = ((self.most, "at most"), (self.least, "at least"))
            stated = [f"{words} {bound:g}" for bound, words in bounds if bound is not None]
            return f"{which} is {' and '.join(stated) or _short(self.value)}"
        return f"{which} {'is' if len(self.names) == 1 else 'are'} left out"

    def apply(self, fields: dict[str, Any]) -> None:
        """Change the parameters of one request."""
        for name in self.names:
            if name not in fields:
                continue
            if self.kind == "left out":
                del fields[name]
                if name == "logprobs":
                    fields.pop("top_logprobs", None)
            elif self.kind == "renamed":
                fields[self.value] = fields.pop(name)
            elif self.kind == "set":
                fields[name] = self._bounded(fields[name])

    def _bounded(self, value: Any) -> Any:
        if self.most is None and self.least is None:
            return self.value if self.instead_of in (None, value) else value
        bounded = value if self.most is None else min(value, self.most)
        bounded = bounded if self.least is None else max(bounded, self.least)
        return type(value)(bounded)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request as it went out."""

    messages: Sequence[tuple[str, str]]
    fields: dict[str, Any]
    """Parameters beside the messages."""
    version: int
    """State of the parameters that it was made with."""


Send = Callable[[Sent], Awaitable[AIMessage]]
"""Carries a request to its model, and brings the answer."""


@dataclass(kw_only=True, eq=False)
class Parameters:
    """What one model at one server takes, as far as is known; see the module's docstring."""

    model: str
    """What people are told it is called."""
    changes: list[Change] = field(default_factory=list)
    """What was learnt, in order."""
    _version: int = 0
    """Counts the changes, undone ones included."""
    _tried: dict[str, list[Change]] = field(default_factory=dict)
    """What was tried against a rejection, by its words."""
    _said: set[str] = field(default_factory=set)

    def shaped(
        self,
        messages: Sequence[tuple[str, str]],
        fields: Mapping[str, Any],
        *,
        system: bool = True,
    ) -> Sent:
        """Return a request as the model takes it.

        Args:
            messages: pairs of role and text.
            fields: parameters that are wished for.
            system: whether settings allow a message of the role `system`.
        """
        kept = dict(fields)
        for change in self.changes:
            change.apply(kept)
        joined = not system or any(change.kind == "joined" for change in self.changes)
        sent = without_system(messages) if joined else messages
        return Sent(messages=sent, fields=kept, version=self._version)

    def learn(self, error: Exception, sent: Sent) -> bool:
        """Take from a refusal what the model does not take; whether another try may pass.

        Args:
            error: what the client raised.
            sent: the request that it refused.
        """
        rejection = rejection_of(error)
        if rejection is None or self._version >= MOST_CHANGES:
            return False
        if sent.version != self._version:
            return bool(_named(rejection, sent))  # others met the same, and changed what is sent
        tried = self._tried.setdefault(rejection.words, [])
        undone: tuple[str, ...] = ()
        if tried and self.changes and self.changes[-1] == tried[-1]:
            undone = self.changes.pop().names  # it was not to blame
            self._version += 1
        remedies = _remedies(_named(rejection, sent, undone), rejection, sent)
        change = next((each for each in remedies if each not in tried), None)
        if change is None:
            return False
        tried.append(change)
        self.changes.append(change)
        self._version += 1
        return True

    @property
    def left_out(self) -> frozenset[str]:
        """Parameters that are not sent any more."""
        gone = (change.names for change in self.changes if change.kind == "left out")
        return frozenset(name for names in gone for name in names)

    def confirm(self, sent: Sent) -> None:
        """Say, once, what had to be changed for a request that was answered."""
        if sent.version != self._version:
            return
        for change in self.changes:
            if str(change) not in self._said:
                self._said.add(str(change))
                logger.warning("%s: %s (the server: %s)", self.model, change, change.reason)


_known: WeakValueDictionary[tuple[str, str], Parameters] = WeakValueDictionary()


def parameters_of(server: str, model: str) -> Parameters:
    """Return what is known of `model` at `server`, for as long as somebody has it open."""
    found = _known.get((server, model))
    if found is None:
        found = _known[server, model] = Parameters(model=model)
    return found


def without_system(messages: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return messages in which what the system said stands before what the user says next."""
    joined: list[tuple[str, str]] = []
    said: list[str] = []
    for role, text in messages:
        if role == "system":
            said.append(text)
        elif said and role == "user":
            joined.append((role, "\n\n".join([*said, text])))
            said = []
        else:
            joined.append((role, text))
    return [*joined, ("user", "\n\n".join(said))] if said else joined


def _named(rejection: Rejection, sent: Sent, undone: Sequence[str] = ()) -> list[str]:
    """Return the parameters of a request that its refusal names, the most expendable first."""
    names = [*sent.fields, *undone]
    if any(role == "system" for role, _ in sent.messages):
        names.append("system message")

    def stated(name: str) -> bool:
        return any(means(param, name, phrases=False) for param in rejection.params)

    found = list(filter(stated, names)) or [n for n in names if means(rejection.message, n)]
    return sorted(dict.fromkeys(found), key=_worth)


def _worth(name: str) -> int:
    known = canonical(name)
    return EXPENDABLE.index(known) if known in EXPENDABLE else -1


def _remedies(names: Sequence[str], rejection: Rejection, sent: Sent) -> Iterator[Change]:
    """Yield what may help against a rejection, what keeps most first."""
    said = redact(_short(rejection.message))
    for name in names:
        for change in _remedies_for(name, rejection.message, sent.fields.get(name)):
            yield replace(change, reason=said)
    fields = tuple(name for name in names if name != "system message")
    if len(fields) > 1:
        yield Change(kind="left out", names=fields, reason=said)


def _remedies_for(name: str, text: str, value: Any) -> Iterator[Change]:
    if name == "system message":
        yield Change(kind="joined", names=(name,))
        return
    yield from _bounds(name, text, value)
    known = canonical(name)
    spellings = (known, *SPELLINGS.get(known, ()))
    stated = [other for other in spellings if other != name and re.search(rf"\b{other}\b", text)]
    guessed = [other for other in spellings[:2] if known == "max_tokens" and other != name]
    for other in dict.fromkeys(stated + guessed):
        yield Change(kind="renamed", names=(name,), value=other)
    if known == "response_format" and value and value["type"] == "json_schema":
        yield Change(kind="set", names=(name,), value={"type": "json_object"})
    if choice := _choice(value, text):
        yield Change(kind="set", names=(name,), value=choice, instead_of=value)
    yield Change(kind="left out", names=(name,))


def _bounds(name: str, text: str, value: Any) -> Iterator[Change]:
    """Yield the bound that a refusal states for a number beyond it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    most = [float(found) for found in _MOST.findall(text) if float(found) < value]
    least = [float(found) for found in _LEAST.findall(text) if float(found) > value]
    if most:
        yield Change(kind="set", names=(name,), most=most[-1])
    if least:
        yield Change(kind="set", names=(name,), least=least[-1])
    if value == 0 and _ABOVE_ZERO.search(text):
        yield Change(kind="set", names=(name,), least=NEARLY_ZERO)


NEARLY_ZERO = 0.01
"""Temperature for servers that want one above 0."""

LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""How much a model can be asked to think, in order."""


def _choice(value: Any, text: str) -> str | None:
    """Return the level nearest to `value` among those that a refusal says there are.

    Where it says of the value alone that there is none, that is the next one up to `low`.
    """
    if value not in LEVELS:
        return None
    wanted, listed = LEVELS.index(value), _CHOICES.search(text)
    if not listed:
        known = value in LEVELS[:2] and re.search(rf"[=:'\"`] ?{value}\b", text)
        return LEVELS[wanted + 1] if known else None
    found = [word for word in re.findall(r"\w+", listed[1]) if word in LEVELS and word != value]
    return min(found, key=lambda word: abs(LEVELS.index(word) - wanted), default=None)


def _short(value: Any) -> str:
    text = " ".join((value if isinstance(value, str) else json.dumps(value)).split())
    return text if len(text) <= 200 else f"{text[:200]}..."
