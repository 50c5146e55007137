"""Prompts: Markdown files with one section per message, rendered strictly.

A file is a list of messages, each under a heading `## system`, `## user` or `## assistant`; so
examples for the model are written as the turns they are. `{field}` is replaced once and only once,
so a persona text with braces in it cannot break or inject anything. A field that the file names
and the caller lacks, or the other way round, is an error that names the file.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from aloe.errors import ConfigError
from aloe.models import Message
from aloe.schema import digest

FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A parsed prompt file."""

    path: Path
    messages: tuple[Message, ...]
    sha: str
    """Content hash of the file's text."""

    @property
    def fields(self) -> frozenset[str]:
        """Names in braces."""
        return frozenset(name for _, text in self.messages for name in _FIELD.findall(text))

    def render(self, **values: str) -> list[Message]:
        """Return the messages with every field filled in.

        Raises:
            ConfigError: `values` are not exactly the fields of the file.
        """
        if values.keys() != self.fields:
            wrong = ", ".join(sorted(values.keys() ^ self.fields))
            raise ConfigError(f"{self.path}: fields do not match: {wrong}")
        return [(role, _FIELD.sub(lambda m: values[m[1]], text)) for role, text in self.messages]


_FIELD = re.compile(r"\{([a-z_]+)\}")
_HEADING = re.compile(r"^## (system|user|assistant)\s*$", re.MULTILINE)


def parse(path: Path) -> Prompt:
    """Read a prompt file.

    Raises:
        ConfigError: the file is missing or has no message.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: prompt cannot be read ({error.strerror})") from None
    pieces = _HEADING.split(text)
    if len(pieces) < 3:
        raise ConfigError(f"{path}: a prompt needs a '## system' or '## user' heading")
    pairs = zip(pieces[1::2], pieces[2::2], strict=True)
    messages = tuple(cast(Message, (role, body.strip())) for role, body in pairs)
    return Prompt(path=path, messages=messages, sha=digest(text))


@cache
def shipped(name: str) -> Prompt:
    """Return the prompt `name` that comes with the program."""
    return parse(FOLDER / f"{name}.md")
