"""Prompts: Markdown files with one section per message, rendered strictly.

A file is a list of messages, each under a heading `## system`, `## user` or `## assistant`; so
examples for the model are written as the turns they are. `{field}` is replaced once and only once,
so a persona text with braces in it cannot break or inject anything. A field that the file names
and the caller lacks, or the other way round, is an error that names the file.

Some prompts come in two sizes: what helps a model of 135M parameters hampers a better one
(docs/choices.md). `aloe.agents.prompt_size` says which one a model is given.

Settings can replace any shipped prompt with a custom file (`[prompts]`); it must use the same
fields, which is checked before the first call.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from aloe.config import Size
from aloe.errors import ConfigError, suggest
from aloe.models.open import Message
from aloe.schema import digest

FOLDER = Path(__file__).parent / "prompts"
OPTIONAL = {"user": frozenset({"history", "note"})}
"""Fields that a custom file may leave out, by prompt: those that not both sizes have."""
SMALL = FOLDER / "small"
"""Prompts for the smallest models, where they need others."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A parsed prompt file."""

    name: str
    """What settings and passports call it, whichever file it comes from."""
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
_MISWRITTEN = re.compile(r"\s*##\s*(system|user|assistant)\b", re.IGNORECASE)


def parse(path: Path, name: str | None = None) -> Prompt:
    """Read a prompt file; `name` is what it is called, None: as the file is.

    Raises:
        ConfigError: the file is missing, or is no list of messages.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: prompt cannot be read ({reason})") from None
    return parse_text(text, path, name or path.stem)


def parse_text(text: str, path: Path, name: str) -> Prompt:
    """Return the prompt in `text`, read from `path`.

    Raises:
        ConfigError: it has no message, or words that are in none, or a heading that is almost one.
    """
    _check_headings(text, path)
    pieces = _HEADING.split(text)
    if len(pieces) < 3:
        raise ConfigError(f"{path}: a prompt needs a '## system' or '## user' heading")
    pairs = zip(pieces[1::2], pieces[2::2], strict=True)
    messages = tuple(cast(Message, (role, body.strip())) for role, body in pairs)
    return Prompt(name=name, path=path, messages=messages, sha=digest(text))


def _check_headings(text: str, path: Path) -> None:
    """Make sure that no words get lost before the first heading, or into the message above."""
    headed = False
    for number, line in enumerate(text.split("\n"), 1):
        place = f"{path}: line {number} of the prompt"
        if _HEADING.match(line):
            headed = True
        elif found := _MISWRITTEN.match(line):
            raise ConfigError(
                f"{place}: '{line.rstrip()}' begins no message; write '## {found[1].lower()}' at "
                "its start and nothing else, or other words"
            )
        elif line.strip() and not headed and _HEADING.search(text):
            raise ConfigError(
                f"{place}: no model is sent what stands before the first heading; begin with "
                "'## system' or '## user'"
            )


@cache
def shipped(name: str, size: Size = "full") -> Prompt:
    """Return the prompt `name` that comes with the program, for models of this size."""
    small = SMALL / f"{name}.md"
    return parse(small if size == "small" and small.exists() else FOLDER / f"{name}.md")


def shipped_names() -> list[str]:
    """Return the names of the prompts that come with the program."""
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def chosen(name: str, own: Mapping[str, Path], size: Size = "full") -> Prompt:
    """Return the prompt `name`: from the file that `own` gives for it, else the shipped one.

    Raises:
        ConfigError: the file cannot be read, or its fields are not those of the shipped prompt.
    """
    return replaced(shipped(name), own) if name in own else shipped(name, size)


def replaced(prompt: Prompt, own: Mapping[str, Path]) -> Prompt:
    """Return `prompt`, or its replacement in `own`; see `chosen`."""
    if prompt.name not in own:
        return prompt
    other = parse(own[prompt.name], prompt.name)
    if unknown := sorted(other.fields - prompt.fields):
        fields = ", ".join(f"{{{field}}}" for field in sorted(prompt.fields)) or "none"
        raise ConfigError(
            f"{other.path}: unknown field {{{unknown[0]}}}; the prompt '{prompt.name}' has {fields}"
        )
    if missing := sorted(prompt.fields - other.fields - OPTIONAL.get(prompt.name, frozenset())):
        raise ConfigError(f"{other.path}: the field {{{missing[0]}}} is missing")
    return other


def check_names(own: Iterable[str], known: Iterable[str]) -> None:
    """Make sure that settings replace only prompts that there are.

    Raises:
        ConfigError: a name in `own` is not among `known`.
    """
    names = sorted(known)
    for name in own:
        if name not in names:
            hint = suggest(name, names, f"there are {', '.join(names)}")
            raise ConfigError(f"prompts.{name}: there is no such prompt{hint}")
