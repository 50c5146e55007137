"""What is written to disk: personas, conversation trees, verdicts.

A tree is a flat list of nodes, each naming its parent. A user node's children are the assistant
candidates; a verdict compares two of them; a candidate that was continued has a user node below
it. Any number of siblings may be continued. Paths, pairs and training rows are derived by walking,
so the store has one shape whatever grew the tree, and nothing that can be derived is stored twice.

Ids are content hashes: a node's id covers its parent's id, so it names the whole conversation up
to it, two runs that say the same thing get the same ids, and doing work again is a set difference.
Latency and cost are not part of a tree (they are in events.jsonl), so equal runs are equal files.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from aloe.finish import ends
from aloe.sentences import sentences as sentences  # of a text here, where its facts are made

SCHEMA_VERSION = 1

Outcome = Literal["first", "second", "tie", "abstain"]

Notes = Annotated[dict[str, JsonValue], Field(exclude_if=lambda notes: not notes)]
"""What custom roles noted, by name of the role; left out of the file if there is nothing, so trees
grown without such roles look as if there were none."""


def digest(*parts: object) -> str:
    """Return a 16-hex-digit content hash of JSON-serialisable `parts`."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def derive_seed(*parts: object) -> int:
    """Return a seed in [0, 2**31) that depends only on `parts`, so any order of work gives it."""
    return int(digest(*parts), 16) % 2**31


class Record(BaseModel):
    """Base of everything on disk: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(Record):
    """One atomic statement a persona makes about itself."""

    id: str
    """Content hash of the text: the same statement has the same id in every persona."""
    kind: Literal["fact", "trait"]
    """`fact` comes from the profile (life), `trait` from the personality (temper, taste)."""
    text: str

    @classmethod
    def of(cls, kind: Literal["fact", "trait"], text: str) -> Self:
        """Build a fact with its content hash."""
        return cls(id=digest(text), kind=kind, text=text)


class Lineage(Record):
    """Where a description came from."""

    origin: Literal["seed", "grown", "composed", "imported"]
    parents: tuple[str, ...] = ()
    """Content hashes of the descriptions shown to the writer as examples."""
    model: str | None = None
    """Model string of the writer; None if no model wrote it."""
    prompt: str | None = None
    """Content hash of the prompt template; None if no model wrote it."""
    seed: int | None = None
    """Sampling seed of the call; None if no model wrote it."""
    nearest: float | None = None
    """Cosine similarity in [-1, 1] to the nearest accepted description; None for the first."""


class Persona(Record):
    """One user: who they are (profile) and how they are (personality), as text and as facts."""

    id: str
    schema_version: int = SCHEMA_VERSION
    profile: str
    """Facts of life, one a sentence."""
    personality: str
    """Temper, way of talking and of wanting to be answered, one a sentence."""
    facts: tuple[Fact, ...]
    """The sentences of profile and personality, in that order."""
    axes: dict[str, str | int] = {}
    """Coordinates used to steer coverage, such as age or region; empty where unknown."""
    lineage: dict[Literal["profile", "personality"], Lineage] = {}
    preferences: dict[str, str] = {}
    """Wanted value by dimension, of a persona whose wishes a program can check (see
    `aloe.memory.verifiable`); empty of any other."""

    @property
    def text(self) -> str:
        """Return both texts, as whoever is to know the whole persona reads it."""
        return f"{self.profile} {self.personality}"

    @classmethod
    def of(cls, profile: str, personality: str, **given: Any) -> Self:
        """Build a persona from its two texts; id and facts follow from them."""
        return cls.model_validate({"profile": profile, "personality": personality, **given})

    @model_validator(mode="before")
    @classmethod
    def _derive_id_and_facts(cls, value: Any) -> Any:
        """Let a line written by hand give no more than the two texts."""
        if not isinstance(value, dict):
            return value
        profile, personality = value.get("profile"), value.get("personality")
        if not (isinstance(profile, str) and isinstance(personality, str)):
            return {"id": "", "facts": (), **value}  # so that the error is about the texts
        facts = [Fact.of("fact", text) for text in sentences(profile)]
        facts += [Fact.of("trait", text) for text in sentences(personality)]
        return {"id": digest(profile, personality), "facts": tuple(facts), **value}


class Disclosure(Record):
    """Something the user said about themselves, in their own words."""

    quote: str
    """Verbatim span of the user's message: nothing the user did not say can enter here."""
    kind: Literal["revealed", "contradicted", "invented"] | None = None
    """What a check against the persona found, after the fact; no agent is told. None: not checked.
    `invented`: the persona has no such statement."""
    fact: str | None = None
    """Id of the statement that is revealed or contradicted; None if invented or not checked."""


class Consistency(Record):
    """How well a user's message fits the persona: cosine similarities in [-1, 1]."""

    on_table: float
    """To the nearest statement that the user may have brought up by this turn."""
    hidden: float | None = None
    """To the nearest statement still to come; None if there is none left."""


Fault = Literal[
    "empty", "only_reasoning", "role_confusion", "refusal", "coaching", "commentary", "options",
    "both_sides", "prompt_leak", "label", "markup", "placeholder", "other_language",
    "contradiction", "invention", "narration", "echo", "about_user", "over_long", "truncated",
    "filtered", "failed",
]  # fmt: skip
"""What a simulator got wrong; docs/trees.md says what is seen of each, and in whom."""

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
    consistency: Consistency | None = None
    """How well the message fits the persona; None if not checked."""
    faults: tuple[Fault, ...] = ()
    """What is wrong with this message and could not be repaired; empty is good."""
    repaired: tuple[Fault, ...] = ()
    """What was wrong with earlier drafts of this message, which were asked for again."""
    notes: Notes = {}

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
    notes: Notes = {}

    @classmethod
    def of(cls, parent: str, content: str, *, agent: str, **given: Any) -> Self:
        """Build a node with its content hash."""
        node_id = digest(parent, "assistant", agent, content)
        return cls(id=node_id, parent=parent, content=content, agent=agent, **given)


Node = Annotated[UserNode | AssistantNode, Field(discriminator="role")]


class Vote(Record):
    """One judge, one order."""

    judge: str
    """Model string."""
    criterion: str | None = None
    """What was asked about; None for the reply as a whole."""
    order: Literal["first-second", "second-first"]
    """Which candidate was shown as A, then which as B."""
    raw: str
    """What the judge answered, untouched."""
    logprobs: tuple[float, float] | None = None
    """Natural-log probabilities of the answers A and B; None where the text was read: the server
    gives none, or `mass` is too small for an answer."""
    tie: float | None = Field(default=None, exclude_if=lambda tie: tie is None)
    """The same of TIE; None where it was not listed or not looked at."""
    unlisted: tuple[Literal["A", "B"], ...] = Field(
        default=(), exclude_if=lambda letters: not letters
    )
    """Letters that the server did not list: `logprobs` holds the most that theirs can be."""
    mass: float | None = Field(default=None, exclude_if=lambda mass: mass is None)
    """Probability within 0..1 that the answer begins with A, B or TIE; None where not known."""
    choice: Literal["first", "second", "tie"] | None
    """The candidate this vote alone prefers; None if the answer is unreadable."""


class Verdict(Record):
    """The comparison of two sibling candidates."""

    node: str
    """User node whose children are compared."""
    first: str
    second: str
    votes: tuple[Vote, ...]
    """Empty if no judge was needed: the candidates are identical, or one is empty."""
    outcome: Outcome
    """`tie`: equally good. `abstain`: the votes do not allow a label."""
    margin: float | None = None
    """Log-odds for `first`, averaged over both orders so that position bias cancels, a tie counted
    half for either; None where the votes are parsed text or several judges'."""
    confidence: float | None = None
    """Probability within 0.5..1 that the preferred reply is the better one, by the judge's
    passport; None without a passport or a preference."""

    @property
    def preferred(self) -> str | None:
        """Id of the better candidate, None without one."""
        return {"first": self.first, "second": self.second}.get(self.outcome)

    @property
    def rejected(self) -> str | None:
        """Id of the worse candidate, None without one."""
        return {"first": self.second, "second": self.first}.get(self.outcome)


class Tree(Record):
    """One finished conversation tree."""

    id: str
    """Hash of persona and seed: known before the first call."""
    schema_version: int = SCHEMA_VERSION
    persona: Persona
    seed: int
    models: dict[str, str]
    """Model string of each agent, by agent name."""
    nodes: tuple[Node, ...]
    """Parents stand before their children."""
    verdicts: tuple[Verdict, ...]
    mood: str | None = None
    """How the user of this tree writes, beside the persona's manner; None for nothing special."""

    @staticmethod
    def id_for(persona: Persona, seed: int) -> str:
        """Return the id that the tree of `persona` grown from `seed` has."""
        return digest("tree", persona.id, seed)

    @cached_property
    def by_id(self) -> dict[str, UserNode | AssistantNode]:
        """Nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def _children(self) -> dict[str | None, list[UserNode | AssistantNode]]:
        found: dict[str | None, list[UserNode | AssistantNode]] = {}
        for node in self.nodes:
            found.setdefault(node.parent, []).append(node)
        return found

    def children(self, node: str | None) -> list[UserNode | AssistantNode]:
        """Return the children of `node` (None: the opening messages) in order."""
        return self._children.get(node, [])

    def path(self, node: str) -> list[UserNode | AssistantNode]:
        """Return the nodes from the opening message to `node`, both included."""
        found = [self.by_id[node]]
        while (parent := found[-1].parent) is not None:
            found.append(self.by_id[parent])
        return found[::-1]

    def revealed(self, node: str) -> tuple[Disclosure, ...]:
        """Return what the user had revealed when `node` was written, oldest first."""
        path = self.path(node)
        return tuple(d for each in path if isinstance(each, UserNode) for d in each.revealed)

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
