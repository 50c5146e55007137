"""What a page says of wishes that a program can check; `aloe.memory.wish_checks` finds it out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aloe.schema import Tree


@dataclass(frozen=True, kw_only=True)
class CheckedWish:
    """A wish beside a reply."""

    name: str
    """What it is about, such as "emoji"."""
    words: str
    """As the user says it."""
    kept: bool
    told: bool
    """Whether the user had said it by then: what breaks another is bad luck."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The wishes in one tree."""

    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """How the user says each, by id of the user's message and dimension: who the user is, and so
    what is wished for, may change on the way."""
    stated: Mapping[str, Mapping[str, Collection[str]]] = field(default_factory=dict)
    """The dimensions of those that a quote states, by id of the user's message and quote: only of
    quotes that the ledger ties to no statement of the persona."""
    checked: Mapping[str, Sequence[CheckedWish]] = field(default_factory=dict)
    """By id of the reply."""


def no_wishes(_tree: "Tree") -> Wishes:
    """Return what there is to say where no program can check."""
    return Wishes()
