"""What is written to disk: personas, conversation trees, verdicts.

A tree is a flat list of nodes, each naming its parent. A user node's children are the assistant
candidates; a verdict compares two of them; a candidate that was continued has a user node below
it. Any number of siblings may be continued. Paths, pairs and training rows are derived by walking,
so the store has one shape whatever grew the tree, and nothing that can be derived is stored twice.

Ids are content hashes: a node's id covers its parent's id, and an opening's that of the tree, so it
names the whole conversation up to it, two runs that say the same in one tree get the same ids, and
doing work again is a set difference.
Latency and cost are not part of a tree (they are in events.jsonl), so equal runs are equal files.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from textwrap import shorten
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, JsonValue, model_validator

from aloe.finish import ends
from aloe.persona import LINE
from aloe.persona import Fact as Fact
from aloe.persona import Lineage as Lineage
from aloe.persona import Persona as Persona
from aloe.record import SCHEMA_VERSION as SCHEMA_VERSION
from aloe.record import Record as Record
from aloe.record import SchemaVersion
from aloe.record import derive_seed as derive_seed
from aloe.record import digest as digest
from aloe.sentences import sentences as sentences  # of a text here, where its facts are made
from aloe.verdict import Outcome as Outcome
from aloe.verdict import ReturnLabel as ReturnLabel
from aloe.verdict import Verdict as Verdict
from aloe.verdict import Vote as Vote

Notes = Annotated[dict[str, JsonValue], Field(exclude_if=lambda notes: not notes)]
"""What custom roles noted, by name of the role; left out of the file if there is nothing, so trees
grown without such roles look as if there were none."""


class Disclosure(Record):
    """Something the user said about themselves, in their own words."""

    quote: str
    """Verbatim span of the user's message: nothing the user did not say can enter here."""
    kind: Literal["revealed", "contradicted", "invented"] | None = None
    """What a check against the persona found, after the fact; no agent is told. None: not checked.
    `invented`: the persona has no such statement."""
    fact: str | None = None
    """Id of the statement that is revealed or contradicted; None if invented or not checked."""


Why = Literal["scheduled", "asked", "contradicted", "volunteered"]
"""Why something comes to light: its turn has come, the reply before asked for it, that reply goes
against it, or the user brings it up."""


Asked = Literal["told", "again", "indifferent"]
"""What a question about the user comes to: something new, something that the user has said before,
or nothing, because the user does not care."""


class Telling(Record):
    """Something of the persona that a user puts on the table, and why."""

    about: str
    """Id of the statement, or the dimension of a wish that a program can check."""
    why: Why
    reply: str | None = None
    """The reply that asked for it or goes against it; None where no reply is the cause."""


class Consistency(Record):
    """How well a user's message fits the persona: cosine similarities in [-1, 1]."""

    on_table: float
    """To the nearest statement that the user may have brought up by this turn."""
    hidden: float | None = None
    """To the nearest statement still to come; None if there is none left."""


Fault = Literal[
    "empty", "only_reasoning", "role_confusion", "refusal", "coaching", "commentary", "options",
    "both_sides", "prompt_leak", "label", "markup", "placeholder", "other_language",
    "contradiction", "invention", "doubted", "narration", "echo", "about_user", "over_long",
    "truncated", "filtered", "failed",
]  # fmt: skip
"""What a simulator got wrong; docs/users.md says what is seen of each, and in whom."""

CUT_OFF: frozenset[Fault] = frozenset({"truncated", "filtered", "failed"})
"""Faults of a message that did not end by itself."""

BLEMISHES: frozenset[Fault] = frozenset({"over_long"})
"""Faults of a user's message that a person might have sent all the same."""

SPOILING: frozenset[Fault] = frozenset(get_args(Fault)) - BLEMISHES
"""Faults of a user that spoil the conversation below them: what answers such a message answers
nobody, or half a sentence. Nothing below is exported."""


class UserNode(Record):
    """One message of the simulated user."""

    id: str
    parent: str | None
    """Assistant node that it answers; None opens the tree."""
    role: Literal["user"] = "user"
    content: str
    turn: int = Field(ge=1)
    """1 for the opening message."""
    agent: str = "user"
    """Name of the agent that wrote it."""
    revealed: tuple[Disclosure, ...] = ()
    """What this message newly revealed; the state so far is `Tree.revealed`."""
    stated: tuple[str, ...] = ()
    """Ids of the persona's statements that the check finds in this message, marked or not."""
    told: Annotated[tuple[Telling, ...], Field(exclude_if=lambda told: not told)] = ()
    """What the user was to put on the table here; left out of the file if nothing."""
    asked: Asked | None = Field(default=None, exclude_if=lambda asked: asked is None)
    """What the question of the reply before came to; None if it asked nothing about the user."""
    consistency: Consistency | None = None
    """How well the message fits the persona; None if not checked."""
    faults: tuple[Fault, ...] = ()
    """What is wrong with this message and could not be repaired; empty is good."""
    repaired: tuple[Fault, ...] = ()
    """What was wrong with earlier drafts of this message, which were asked for again."""
    played: Persona | None = Field(default=None, exclude_if=lambda played: played is None)
    """Who the user was here if a custom role or the case said so; None, and left out of the file:
    the tree's persona."""
    former: Annotated[tuple[str, ...], Field(exclude_if=lambda former: not former)] = ()
    """Ids that this message had before custom roles reworded it, under which earlier calls are
    logged; left out of the file if none."""
    notes: Notes = Field(default_factory=dict)

    @property
    def checked(self) -> bool:
        """Whether it shows a trace of the check against the persona, which leaves one in most."""
        return bool(self.consistency or self.stated or any(d.kind for d in self.revealed))

    @classmethod
    def of(cls, parent: str | None, content: str, *, tree: str, **given: Any) -> Self:
        """Build a node with its content hash; an opening message hangs on the tree's id."""
        node_id = digest(parent or tree, "user", content)
        return cls(id=node_id, parent=parent, content=content, **given)


class AssistantNode(Record):
    """One candidate reply of one assistant agent."""

    id: str
    parent: str
    """User node that it answers."""
    role: Literal["assistant"] = "assistant"
    content: str
    """Empty if the model said nothing in every try; such a reply is never compared."""
    turn: int = Field(ge=1)
    agent: str
    """Name of the assistant agent that wrote it."""
    hint: str | None = None
    """What the agent was told about the user, all of it from the ledger; None without a hint."""
    faults: tuple[Fault, ...] = ()
    """What is wrong with this reply: it is kept but never exported."""
    mind_reading: tuple[str, ...] = ()
    """Ids of the persona's facts that the reply uses before they were told on its path."""
    notes: Notes = Field(default_factory=dict)

    @classmethod
    def of(cls, parent: str, content: str, *, agent: str, **given: Any) -> Self:
        """Build a node with its content hash."""
        node_id = digest(parent, "assistant", agent, content)
        return cls(id=node_id, parent=parent, content=content, agent=agent, **given)


Node = Annotated[UserNode | AssistantNode, Field(discriminator="role")]


def list_revealed(path: Sequence[Node]) -> tuple[Disclosure, ...]:
    """Return what the user reveals on a path, oldest first."""
    return tuple(d for node in path if isinstance(node, UserNode) for d in node.revealed)


class Tree(Record):
    """One finished conversation tree."""

    id: str
    """Hash of persona and seed: known before the first call."""
    schema_version: SchemaVersion = SCHEMA_VERSION
    persona: Persona
    seed: int
    models: dict[str, str]
    """Model string of each agent, by agent name."""
    nodes: tuple[Node, ...]
    """Parents stand before their children."""
    verdicts: tuple[Verdict, ...]
    mood: str | None = None
    """How the user of this tree writes, beside the persona's manner; None for nothing special."""
    disclosure: str | None = Field(default=None, exclude_if=lambda how: how is None)
    """When the user of this tree tells something, `answering` or `reticent`; None: one thing a
    turn, or not known. Left out of the file where it is None."""

    @model_validator(mode="after")
    def _is_one_tree(self) -> Self:
        """Make sure that nodes and verdicts hang together, for all who walk them."""
        by_id: dict[str, Node] = {}
        for node in self.nodes:
            if node.id in by_id:
                raise ValueError(f"node {node.id} is there twice")
            above = by_id.get(node.parent) if node.parent else None
            if node.parent and above is None:
                raise ValueError(f"node {node.id} is not preceded by its parent {node.parent}")
            if above and above.role == node.role:
                raise ValueError(f"{node.role} node {node.id} answers another {node.role} node")
            wanted = 1 if above is None else above.turn + (node.role == "user")
            if node.turn != wanted:
                raise ValueError(f"node {node.id} has turn {node.turn} in place of {wanted}")
            by_id[node.id] = node
        for verdict in self.verdicts:
            for reply in (verdict.first, verdict.second):
                if reply not in by_id or by_id[reply].parent != verdict.node:
                    raise ValueError(
                        f"a verdict on {verdict.node} compares {reply}, no reply to it"
                    )
            if verdict.first == verdict.second:
                raise ValueError(f"a verdict compares {verdict.first} with itself")
        return self

    def __str__(self) -> str:
        """Return who talks, how much there is, and a path of preferred replies in a few lines.

        A path that goes on is taken before one that ends; `repr` has all fields.
        """
        turns = max((node.turn for node in self.nodes), default=0)
        labels = sum(verdict.preferred is not None for verdict in self.verdicts)
        said = (
            f"  {'*' if self._won(node.id) > 0 else ' '} {node.agent}: "
            f"{shorten(node.content, LINE, placeholder=' …')}"
            for node in self._preferred_path()
        )
        head = (
            f"Tree {self.id}: turns {turns}, messages {len(self.nodes)}, paths {len(self.ends)}, "
            f"labels {labels} (*: a preferred reply)"
        )
        return "\n".join([head, f"{self.persona}", *said])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Show that in notebooks and IPython."""
        printer.text(str(self))

    def _won(self, reply: str) -> int:
        """Return how many comparisons a reply won more than it lost."""
        won = sum(verdict.preferred == reply for verdict in self.verdicts)
        return won - sum(verdict.rejected == reply for verdict in self.verdicts)

    def _preferred_path(self) -> list[Node]:
        """Return a path of replies that went on, of those that won most."""
        found: list[Node] = []
        below = self.children(None)
        while below:
            best = max(below, key=lambda node: (bool(self.children(node.id)), self._won(node.id)))
            found.append(best)
            below = self.children(best.id)
        return found

    @staticmethod
    def id_for(persona: Persona, seed: int) -> str:
        """Return the id that the tree of `persona` grown from `seed` has."""
        return digest("tree", persona.id, seed)

    @property
    def users(self) -> list[UserNode]:
        """The user's messages, in order; each look walks the tree."""
        return [node for node in self.nodes if isinstance(node, UserNode)]

    @property
    def replies(self) -> list[AssistantNode]:
        """The assistants' replies, in order; each look walks the tree."""
        return [node for node in self.nodes if isinstance(node, AssistantNode)]

    @property
    def ends(self) -> list[UserNode]:
        """The user's messages with which a path ends: no reply to them was continued."""
        return [
            user
            for user in self.users
            if not any(self.children(reply.id) for reply in self.children(user.id))
        ]

    @cached_property
    def by_id(self) -> dict[str, Node]:
        """Nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def _children(self) -> dict[str | None, list[Node]]:
        found: dict[str | None, list[Node]] = {}
        for node in self.nodes:
            found.setdefault(node.parent, []).append(node)
        return found

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy that finds its own nodes, not those that the original has looked up."""
        copy = super().model_copy(update=update, deep=deep)
        for looked_up in ("by_id", "_children"):
            copy.__dict__.pop(looked_up, None)
        return copy

    def children(self, node: str | None) -> list[Node]:
        """Return the children of `node` (None: the opening messages) in order."""
        return self._children.get(node, [])

    def path(self, node: str) -> list[Node]:
        """Return the nodes from the opening message to `node`, both included."""
        found = [self.by_id[node]]
        while (parent := found[-1].parent) is not None:
            found.append(self.by_id[parent])
        return found[::-1]

    def played(self, node: str) -> Persona:
        """Return who the user was when `node` was written."""
        by = next(each for each in self.path(node)[::-1] if isinstance(each, UserNode))
        return by.played or self.persona

    def revealed(self, node: str) -> tuple[Disclosure, ...]:
        """Return what the user had revealed when `node` was written, oldest first."""
        return list_revealed(self.path(node))

    def spoiled(self, node: str) -> bool:
        """Whether the simulated user spoiled the conversation that `node` ends (see `SPOILING`)."""
        path = self.path(node)
        return any(isinstance(each, UserNode) and SPOILING & set(each.faults) for each in path)

    def lost(self, node: str) -> str | None:
        """Return why nothing can be learnt from user message `node` on, None if it can be."""
        if self.spoiled(node):
            return "simulator spoiled"
        replies = (each for each in self.path(node)[:-1] if isinstance(each, AssistantNode))
        if any(CUT_OFF & set(each.faults) and not ends(each.content) for each in replies):
            return "reply before it broke off"
        return None

    def verdicts_on(self, user_node: str) -> Iterator[Verdict]:
        """Yield the verdicts that compare children of `user_node`."""
        return (verdict for verdict in self.verdicts if verdict.node == user_node)


def json_schema(kind: Literal["tree", "persona"]) -> dict[str, Any]:
    """Return the JSON Schema of one line of trees.jsonl or personas.jsonl."""
    record: type[Record] = Tree if kind == "tree" else Persona
    return record.model_json_schema(mode="serialization")
