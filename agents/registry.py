"""How roles of the user's own are found, made, called and kept in bounds.

What can be known from the class or function alone (its place, its prompt) is read before any model
is opened, so a wrong name, place or prompt is one line before anything is written; the role itself
is made when the agents are. What it returns is checked at once: what does not fit is an error that
names the role, the tree and the line of the user's file, and sets that tree aside.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from pydantic_core import to_json

from agents.judge import Comparison
from agents.prompt import (
    Prompt,
    check_names,
    chosen,
    parse,
    parse_text,
    replaced,
    shipped_names,
)
from agents.roles import Exchange, RoleModel, Update
from agents.transcript import Path as TreePath
from aloe.calls import CallLog
from aloe.config import Config, ModelConfig, Place, RoleConfig
from aloe.errors import AloeError, ConfigError, RoleError
from aloe.models import Model
from aloe.named import Kind, described, extension
from aloe.schema import AssistantNode, Disclosure, Outcome, Persona, UserNode, Verdict, Vote

HOOKS = """after = "user", "inducer", "assistant" or "judge", before = one of these, \
or among = "assistants\""""

ALLOWED: dict[Place, frozenset[str]] = {
    "before user": frozenset({"note", "persona"}),
    "after user": frozenset({"note", "text"}),
    "after inducer": frozenset({"note", "text"}),
    "after assistant": frozenset({"note", "notes"}),
    "after judge": frozenset({"note", "notes"}),
    "among assistants": frozenset({"note", "text"}),
}
"""What an update may hold at each place."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A class or function of the user's own, before it is made."""

    name: str
    """Of the role; of a judge `judge`."""
    use: str
    target: Any
    arguments: Mapping[str, Any]
    prompt: Prompt | None

    @property
    def identity(self) -> str:
        """What it is and what it is made with: two that differ in either are not the same."""
        given = json.dumps(self.arguments, sort_keys=True, default=str) if self.arguments else ""
        return f"{self.use} {given}".strip()

    @property
    def about(self) -> str:
        """What its author says of it."""
        return inspect.getdoc(self.target) or "(it has no docstring)"

    def made(self) -> Callable[..., Any]:
        """Return what is called in each exchange.

        Raises:
            ConfigError: it cannot be made with its arguments.
        """
        try:
            if inspect.isclass(self.target):
                made = self.target(**self.arguments)
            else:
                made = partial(self.target, **self.arguments)
        except AloeError:
            raise
        except Exception as error:
            raise ConfigError(f"'{self.use}' cannot be made: {described(error)}") from None
        if not callable(made):
            raise ConfigError(f"'{self.use}' makes something that cannot be called")
        call: Callable[..., Any] = made
        return call


def find(
    kind: Kind,
    name: str,
    use: str,
    arguments: Mapping[str, Any] | None,
    prompts: Mapping[str, Path],
) -> Found:
    """Import what `use` names and read its prompt.

    Args:
        kind: what it is to be.
        name: what settings call it.
        use: `MODULE:NAME` or the name of an entry point.
        arguments: what it will be made with; None: it is only looked at.
        prompts: files in place of prompts, by name.

    Raises:
        ConfigError: it cannot be imported or called, or its prompt cannot be used.
    """
    target = extension(kind, use)
    if not callable(target):
        raise ConfigError(f"'{use}' is neither a class nor a function")
    given = () if inspect.isclass(target) else (None, None)
    try:
        if arguments is not None:
            inspect.signature(target).bind(*given, **arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"'{use}' does not take what settings give it: {error}") from None
    prompt = _prompt(target, name)
    return Found(
        name=name,
        use=use,
        target=target,
        arguments=arguments or {},
        prompt=replaced(prompt, prompts) if prompt else None,
    )


def _prompt(target: Any, name: str) -> Prompt | None:
    """Return the prompt that `target` names: its text, or a file beside the user's own."""
    named = getattr(target, "prompt", None)
    if named is None:
        return None
    try:
        home = Path(inspect.getfile(target))
    except (OSError, TypeError):  # written in a notebook
        home = Path("notebook")
    if "\n" in str(named):
        return parse_text(str(named), home, name)
    return parse(home.parent / named, name)


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role of the user's own and where it works."""

    found: Found
    place: Place


def find_roles(config: Config) -> tuple[Role, ...]:
    """Return the roles that settings name, in their order.

    Raises:
        ConfigError: one cannot be imported, has no place, or its prompt cannot be used.
    """
    found = (
        (each, find("roles", name, each.use, each.arguments, config.prompts))
        for name, each in config.roles.items()
    )
    return tuple(Role(found=role, place=each.place or _own_place(role)) for each, role in found)


def _own_place(found: Found) -> Place:
    hooks = {hook: getattr(found.target, hook, None) for hook in ("before", "after", "among")}
    given = {hook: stage for hook, stage in hooks.items() if stage is not None}
    try:
        (hook,) = given
        settings = RoleConfig.model_validate({"use": found.use, hook: given[hook]})
    except ValueError:
        raise ConfigError(
            f"roles.{found.name}: '{found.use}' has to say where it works, itself or in settings: "
            f"{HOOKS}"
        ) from None
    assert settings.place
    return settings.place


def find_judge(config: Config) -> Found | None:
    """Return the judge of the user's own that settings name, None if they name none.

    Raises:
        ConfigError: it cannot be imported, or its prompt cannot be used.
    """
    judge = config.judge
    if judge.use is None:
        return None
    return find("judges", "judge", judge.use, judge.options, config.prompts)


def check_prompts(config: Config, roles: Sequence[Role]) -> None:
    """Make sure that every prompt of the user's own stands in the place of one there is, and fits.

    Raises:
        ConfigError: naming the file and the field, or the prompt's name.
    """
    own = [role.found.name for role in roles if role.found.prompt]
    check_names(config.prompts, [*shipped_names(), *own])
    for name in config.prompts:
        if name not in own and not (name == "judge" and config.judge.use):
            chosen(name, config.prompts)


def prompts_of(config: Config) -> dict[str, str]:
    """Return the content hash of every prompt of a simulation, by name.

    Raises:
        ConfigError: a prompt, or what names one, cannot be used.
    """
    roles = find_roles(config)
    check_prompts(config, roles)
    names = ["user", "inducer", "assistant", "hint"]
    own = [role.found for role in roles]
    if judge := find_judge(config):
        own.append(judge)
    else:
        names += [f"judge_{name}" for name in config.judge.criteria] or ["judge"]
    prompts = [chosen(name, config.prompts) for name in names]
    prompts += [found.prompt for found in own if found.prompt]
    return {prompt.name: prompt.sha for prompt in prompts}


def judges_in_use(config: Config) -> dict[str, ModelConfig]:
    """Return the model of every judge that is asked, by name; none if an own judge asks none.

    Raises:
        ConfigError: the judge of the user's own cannot be used.
    """
    own = find_judge(config)
    if own is None:
        return config.models.judges()
    return {"judge": config.models.judge} if own.prompt else {}


def models_in_use(config: Config) -> dict[str, ModelConfig]:
    """Return the model of every agent of a simulation that asks one, by name.

    Raises:
        ConfigError: a role or judge of the user's own cannot be used.
    """
    judges, roles = config.models.judges(), find_roles(config)
    agents = {name: m for name, m in config.models.by_role().items() if name not in judges}
    own = {
        role.found.name: config.roles[role.found.name].model for role in roles if role.found.prompt
    }
    return {**agents, **judges_in_use(config), **own}


def make_roles(
    config: Config, models: Mapping[str, Model], calls: CallLog
) -> "tuple[RoleAgent, ...]":
    """Make the roles that settings name.

    Args:
        config: settings of the run.
        models: by agent name; a role with a prompt needs its own.
        calls: the log that every call passes.

    Raises:
        ConfigError: one cannot be used or made.
    """
    return tuple(
        RoleAgent(
            name=role.found.name,
            place=role.place,
            play=role.found.made(),
            prompt=role.found.prompt,
            model=models.get(role.found.name),
            calls=calls,
        )
        for role in find_roles(config)
    )


@dataclass(frozen=True, kw_only=True)
class RoleAgent:
    """A role at work: called in each exchange, what it returns checked."""

    name: str
    place: Place
    play: Callable[..., Any]
    prompt: Prompt | None
    model: Model | None
    calls: CallLog

    async def update(self, exchange: Exchange) -> Update:
        """Let the role see the exchange and return what it adds, notes as JSON.

        Raises:
            RoleError: it failed, or what it returned does not fit its place.
            CallError: a call of it failed.
        """
        about = exchange.said or (exchange.path[-1] if exchange.path else None)
        model = RoleModel(
            name=self.name,
            prompt=self.prompt,
            model=self.model,
            calls=self.calls,
            tree=exchange.tree,
            about=about.id if about else None,
        )
        returned = await called(f"role '{self.name}'", exchange.tree, self.play, exchange, model)
        update = returned if isinstance(returned, Update) else Update(note=returned)
        try:
            return self._checked(update, exchange)
        except (ValueError, TypeError) as error:
            problem = f"role '{self.name}' returned what does not fit in tree {exchange.tree}"
            raise RoleError(f"{problem}: {_defined(self.play)}: {error}") from None

    def _checked(self, update: Update, exchange: Exchange) -> Update:
        held = {key: value for key, value in vars(update).items() if value not in (None, {})}
        if extra := sorted(held.keys() - ALLOWED[self.place]):
            allowed = ", ".join(sorted(ALLOWED[self.place]))
            raise ValueError(f"'{extra[0]}' means nothing {self.place}, only {allowed}")
        known = {node.id for node in (exchange.said, *exchange.candidates) if node}
        if strange := [node for node in update.notes if node not in known]:
            raise ValueError(f"notes on '{strange[0]}', which is no message of this exchange")
        if update.text is not None and not isinstance(update.text, str):
            raise ValueError(f"text has to be a string, not {type(update.text).__name__}")
        if update.persona is not None and not isinstance(update.persona, Persona):
            raise ValueError(f"persona has to be a Persona, not {type(update.persona).__name__}")
        return replace(
            update,
            note=as_json(update.note),
            notes={node: as_json(note) for node, note in update.notes.items()},
            text=None if update.text is None else _writable(update.text).strip(),
        )


async def called(what: str, tree: str, play: Callable[..., Any], *given: object) -> Any:
    """Call what a user wrote, async or not, and let nothing but our own errors out.

    Raises:
        RoleError: it failed (names role, tree, file and line).
        AloeError: a call to a model failed, or the run has to stop.
    """
    with guarded(what, tree):
        returned = play(*given)
        return await returned if inspect.isawaitable(returned) else returned


@contextmanager
def guarded(what: str, tree: str) -> Iterator[None]:
    """Turn what goes wrong in the user's own code into an error that costs no more than a tree.

    Raises:
        RoleError: it failed (names `what`, tree, file and line).
        AloeError: a call to a model failed, or the run has to stop.
    """
    try:
        yield
    except AloeError as error:
        if not isinstance(error, ConfigError):
            raise
        raise RoleError(f"{what} failed in tree {tree}: {described(error)}") from error
    except Exception as error:
        raise RoleError(f"{what} failed in tree {tree}: {described(error)}") from error


def as_json(value: object) -> JsonValue:
    """Return `value`, a pydantic model or anything plain, as JSON has it; NaN becomes null.

    Raises:
        ValueError: it cannot be JSON.
    """
    found: JsonValue = json.loads(to_json(value, inf_nan_mode="null"))
    return found


def _writable(text: str) -> str:
    """Return `text` without half surrogate pairs, which no file takes."""
    return text.encode("utf-8", "replace").decode()


def _defined(play: Callable[..., Any]) -> str:
    """Return file and line where the user wrote what is called."""
    target = play.func if isinstance(play, partial) else type(play)
    try:
        return f"{inspect.getfile(target)}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):
        return str(target)


@dataclass(frozen=True, kw_only=True)
class RoleAssistant:
    """A role among the assistants: writes one candidate in each exchange."""

    agent: RoleAgent

    @property
    def name(self) -> str:
        """Recorded on every node that it writes."""
        return self.agent.name

    async def reply(
        self, tree: str, path: TreePath, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        """Answer `user`, which follows `path`, as `AssistantAgent.reply` does.

        Raises:
            CallError: the role or a call of it failed.
        """
        exchange = Exchange(tree=tree, path=path, said=user, revealed=tuple(revealed))
        update = await self.agent.update(exchange)
        return AssistantNode.of(
            user.id,
            update.text or "",
            agent=self.name,
            turn=user.turn,
            faults=() if update.text else ("empty",),
            notes=noted({}, self.name, update.note),
        )


def reworded(user: UserNode, text: str, tree: str) -> UserNode:
    """Return `user` saying `text`; what it revealed stays as long as the text still holds it."""
    kept = user.model_dump(exclude={"id", "parent", "role", "content", "revealed"})
    kept["revealed"] = tuple(each for each in user.revealed if each.quote in text)
    return UserNode.of(user.parent, text, tree=tree, **kept)


def noted(notes: dict[str, JsonValue], name: str, note: Any) -> dict[str, JsonValue]:
    """Return `notes` with the note of a role, None for none."""
    return notes if note is None else {**notes, name: note}


@dataclass(frozen=True, kw_only=True)
class OwnJudge:
    """A judge of the user's own, called with a `Comparison`; it returns a margin."""

    use: str
    play: Callable[..., Any]
    prompt: Prompt | None
    model: Model | None
    calls: CallLog
    min_margin: float

    async def compare(self, asked: Comparison) -> Verdict:
        """Turn the margin for the first reply into a verdict; None and small ones abstain.

        Raises:
            RoleError: the judge failed or returned something else.
            CallError: a call of it failed.
        """
        if asked.settled:
            return asked.verdict(asked.settled)
        model = RoleModel(
            name="judge",
            prompt=self.prompt,
            model=self.model,
            calls=self.calls,
            tree=asked.tree,
            about=asked.user.id,
        )
        margin = await called(f"judge '{self.use}'", asked.tree, self.play, asked, model)
        try:
            margin = None if margin is None or not isfinite(margin) else float(margin)
        except (ValueError, TypeError):
            raise RoleError(
                f"judge '{self.use}' failed in tree {asked.tree}: {_defined(self.play)}: "
                f"a judge returns a number or None, not {str(margin)[:60]!r}"
            ) from None
        side: Outcome = "first" if (margin or 0.0) > 0 else "second"
        decided = margin is not None and abs(margin) >= self.min_margin
        vote = Vote(
            judge=self.use,
            order="first-second",
            raw=str(margin),
            choice=side if margin else None,
        )
        return asked.verdict(side if decided else "abstain", (vote,), margin=margin)
