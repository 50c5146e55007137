"""What a model answered, separated into its message and the rest.

A `Reply` cannot contain an unclean message: it is made from the original, whether a server's
answer, a journal or a recording, and has the message in `text` and the thoughts in `thoughts`. The
original is kept as well, for the record and so that better rules can be applied to old journals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from aloe.control_characters import encodable
from aloe.finish import Finish, fold_finish
from aloe.models.markup import message_in
from aloe.models.thoughts import joined_thoughts
from aloe.secrets import hide


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model answered, with what it cost in tokens."""

    text: str
    """The message: without thoughts, control tokens and wrapping; empty if the model only thought.
    Where a reply is made, it may be given as it came."""
    finish: Finish
    """Why it ended; only `stop` is a whole reply."""
    input_tokens: int
    cached_tokens: int
    """Part of `input_tokens` that the server took from its prefix cache."""
    output_tokens: int
    logprobs: dict[str, float] | None = None
    """Natural-log probability, within ln 1e-9..0, of the likeliest tokens where the first word
    begins, stripped of blanks; None if the server gives none or they were not asked for."""
    raw: str | None = None
    """The text as it came; None if that is `text`."""
    reasoning: str = ""
    """Thoughts that the server gave apart from the text."""
    reasoning_tokens: int = 0
    """Part of `output_tokens` that were thoughts, as far as the server says."""
    estimated: bool = False
    """Whether token counts are made from the text, since the server gives none."""

    def __post_init__(self) -> None:
        """Part what came."""
        said = self.said
        text = message_in(said)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "raw", None if said == text else said)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the reply that a line of events.jsonl holds, of whatever version.

        What it does not say is as if the server had not said it.
        """
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in record.items() if name in known}
        counts = dict.fromkeys(("input_tokens", "cached_tokens", "output_tokens"), 0)
        return cls(**{"finish": fold_finish({}, record["text"]), **counts, **given})

    @classmethod
    def whole(cls, text: str) -> Self:
        """Return a reply that nobody had to be asked for."""
        return cls(text=text, finish="stop", input_tokens=0, cached_tokens=0, output_tokens=0)

    @property
    def said(self) -> str:
        """The text as it came."""
        return self.text if self.raw is None else self.raw

    @property
    def thoughts(self) -> str:
        """What the model thought before it answered; empty if nothing is known."""
        return joined_thoughts(self.reasoning, self.said)

    @property
    def only_reasoned(self) -> bool:
        """Whether there are thoughts and no message; a cut reply without text had some."""
        thought = self.reasoning_tokens or self.finish == "length" or self.thoughts
        return not self.text and bool(thought)

    @property
    def crowded_out(self) -> bool:
        """Whether thoughts left too little room for the message."""
        cut = self.finish == "length" and bool(self.reasoning_tokens or self.thoughts)
        return cut or self.only_reasoned


def writable(text: str, key: str | None) -> str:
    """Return a text that any file takes, and that gives away no key."""
    if key:  # a server that echoes what it was sent
        text = hide(text, key)
    return encodable(text)
