"""The arguments of a simulation from Python, made into personas and settings.

What is given as an argument of its own is a setting by a short name: an error says which, and what
to write where there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from aloe.agents.player import plays_by_rule
from aloe.agents.registry import judges_in_use
from aloe.agents.who_judges import judged_by_rule
from aloe.config import (
    DEFAULT_MODEL,
    Config,
    Disclosing,
    JudgeConfig,
    SimulationConfig,
    find_setting,
    given_for,
    load,
    names_model,
    spread,
    with_model_beside,
)
from aloe.errors import ConfigError
from aloe.files.paths import is_there
from aloe.memory.personas import find_problem, read_personas
from aloe.models.instances import is_chat
from aloe.number_format import counted
from aloe.schema import Persona

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from aloe.models.scripted import Script

Personas = Persona | Sequence[Persona | str] | str | Path
"""Whom the users play: one persona or several, profiles as texts in the first person in a list, or
a personas.jsonl."""
AnyModel = Union[str, "BaseChatModel", "Script"]
"""A model string, a chat model of LangChain's, or a function."""
ModelOfRole = AnyModel | Mapping[str, Any]
"""Who plays a role: a model, or a mapping of the role's settings (`{"model": f, "temperature":
0.3}`)."""
Assistants = Mapping[str, ModelOfRole | None] | Sequence[ModelOfRole]
"""The candidates by name, None for the model of all roles; or a list of functions, which go by
their own names, and of mappings with a `name`."""

RULED = {
    "user": ("rules play", 'give disclosure="schedule"'),
    "inducer": ("rules mark what is told by", 'give disclosure="schedule"'),
    "judge": ("rules judge the replies to", 'give settings={"judge.rules": False}'),
}
"""What rules do where they stand for a role, and what to write so that its model does it."""

A_MODEL = "a model string, a chat model of LangChain's or a function"


@dataclass(frozen=True)
class Given:
    """The arguments of a simulation."""

    personas: Personas
    model: Any = None
    base_url: str | None = None
    config: str | Path | None = None
    changes: Mapping[str, Any] | None = None
    simulation: Mapping[str, Any] = field(default_factory=dict)
    disclosure: Disclosing | None = None
    roles: Mapping[str, Any] = field(default_factory=dict)
    assistants: Any = None

    def users(self) -> list[Persona]:
        """Return whom the users play.

        Raises:
            ConfigError: one is no persona, or none that a file may hold.
            InputError: the file cannot be read.
        """
        given: object = self.personas
        if isinstance(given, str | Path):
            return read_personas(_as_path(given))
        if isinstance(given, Persona):
            return [check_persona(given, "personas")]
        if not isinstance(given, Sequence):
            wanted = "a list of personas or texts, or a file"
            raise ConfigError(f"personas: {wanted}, not {_brief(given)}")
        return [_persona(each, number) for number, each in enumerate(given)]

    def settings(self, trees: int) -> Config:
        """Return what the arguments say together, with one tree for each of `trees` personas.

        Raises:
            ConfigError: an argument or a setting cannot be used.
            InputError: the file of settings cannot be read.
        """
        if self.model is not None and not _is_model(self.model):
            hint = "; name roles by arguments: user=, inducer=, judge=, assistants="
            asked = hint if isinstance(self.model, Mapping) else ""
            raise ConfigError(f"model: {A_MODEL}, not {_brief(self.model)}{asked}")
        _check_named(self.simulation)
        named = {f"simulation.{key}": value for key, value in self.simulation.items()}
        named["user.disclosure"] = self.disclosure
        changes = self._written()
        path = Path(self.config) if self.config else None
        try:
            resolved = load(path, named, written=changes, source="arguments")
            if "trees" not in resolved.simulation.model_fields_set:
                resolved = resolved.updated({"simulation.trees": trees}, source="arguments")
        except ConfigError as error:  # by the names that they have here
            raise ConfigError(str(error).replace("simulation.", "")) from None
        if self.model is None:
            resolved = resolved.with_model(None, self.base_url, source="arguments")
        else:
            resolved = with_model_beside(resolved, self.model, self.base_url, changes)
        return self._judged(resolved, path, changes)

    def find_unasked(self, config: Config, users: Sequence[Persona]) -> tuple[list[str], list[str]]:
        """Return what to say about arguments whose models are replaced by rules.

        Args:
            config: what the arguments say together.
            users: personas, at least one.

        Returns:
            For each argument whose model is never asked, why and what to do; and for each whose
            model is asked for some of `users`, for how many.
        """
        played = [plays_by_rule(each, config.user.disclosure) for each in users]
        judged = [judged_by_rule(each, config) for each in users]
        whole, partly = [], []
        for role, (rules, remedy) in RULED.items():
            asked = len(users) - sum(judged if role == "judge" else played)
            named = self._find_named(role, config)
            if named is None or asked == len(users):
                continue
            if asked or named != role:
                given = counted(len(users), "persona")
                whom = f"{'the others' if asked else 'them'}, whose wishes a program can check"
                partly.append(f"{named}: is asked for {asked} of {given}: {rules} {whom}; {remedy}")
            else:
                whom = f"{'every' if len(users) > 1 else 'the'} persona given"
                why = f"{rules} {whom}, whose wishes a program can check"
                whole.append(f"{role}: is never asked, because {why}; {remedy}, or leave it out")
        return whole, partly

    def _find_named(self, role: str, config: Config) -> str | None:
        """Return what names the model of a role that is to be asked: its argument, or a setting.

        Settings count where they say nothing of rules and name a judge that is nobody else: they
        often give one model to every role.
        """
        if self.roles.get(role) is not None:
            return role
        if role != "judge" or config.judge.rules is not None:
            return None
        models = config.models
        others = {each.model for each in (models.user, *models.assistants)} | {DEFAULT_MODEL}
        return "models.judge" if models.judge.model not in others else None

    def _judged(self, resolved: Config, path: Path | None, changes: Mapping[str, Any]) -> Config:
        """Return settings in which the judge that the arguments name, if they do, judges.

        Raises:
            ConfigError: a judge of the user's own does.
        """
        given = self.roles.get("judge")
        if given is None:
            return resolved
        if names_model(_as_role("judge", given)):
            return _with_judge(resolved, load(path), changes)
        if resolved.judge.use and not judges_in_use(resolved):
            why = "because judge.use names a judge of your own that asks no model"
            raise ConfigError(f"judge: is never asked, {why}; leave one of them out")
        return resolved

    def _written(self) -> dict[str, Any]:
        """Return the settings given as such, with the models of roles over them."""
        changes = spread(self.changes or {})
        for role, model in self.roles.items():
            if model is None:
                continue
            if names_model(given_for(changes, f"models.{role}")):
                _refuse_second(role)
            changes = spread(changes, {f"models.{role}": _as_role(role, model)})
        if self.assistants is not None:
            if given_for(changes, "models").get("assistants"):
                _refuse_second("assistants")
            changes["models.assistants"] = _list_assistants(self.assistants)
        return changes


def _with_judge(resolved: Config, before: Config, changes: Mapping[str, Any]) -> Config:
    """Return settings whose judge judges alone, as with `--judge`.

    Args:
        resolved: all settings, with the judge among them.
        before: those of the file alone, which may describe another judge.
        changes: those in the call; the rules and the panel that they ask for stay.

    Raises:
        ConfigError: they name a judge of the user's own, too.
    """
    said = given_for(changes, "judge")
    if said.get("use"):
        asks = 'settings={"models.judge": ...} is the model that judge.use asks'
        raise ConfigError(f"judge: settings name judge.use as well; leave one of them out ({asks})")
    alone = before.with_judge(resolved.models.judge.model, None)
    kept = {key.partition(".")[0] for key in said}
    others = JudgeConfig.model_fields.keys() - kept
    found: dict[str, Any] = {f"judge.{name}": getattr(alone.judge, name) for name in others}
    if "panel" not in given_for(changes, "models"):
        found["models.panel"] = []
    if "prompts" not in {key.partition(".")[0] for key in changes}:
        found["prompts"] = alone.prompts
    return resolved.updated(found, source="arguments")


def _is_model(given: object) -> bool:
    return isinstance(given, str) or is_chat(given) or callable(given)


def _refuse_second(role: str) -> None:
    raise ConfigError(f"{role}: settings name models.{role} as well; leave one of them out")


def _as_role(argument: str, given: object) -> dict[str, Any]:
    """Return settings of a role's model."""
    if isinstance(given, Mapping):
        return dict(given)
    if not _is_model(given):
        raise ConfigError(f"{argument}: {A_MODEL}, or its settings, not {_brief(given)}")
    return {"model": given}


def _list_assistants(given: object) -> list[dict[str, Any]]:
    """Return assistants as settings list them."""
    if isinstance(given, Mapping):
        found = [
            {"name": name, **(_as_role(f"assistants['{name}']", each) if each is not None else {})}
            for name, each in given.items()
        ]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        found = [_assistant(each, number) for number, each in enumerate(given)]
    else:
        wanted = 'models by name, such as {"mine": f, "plain": None}, or a list of functions'
        raise ConfigError(f"assistants: {wanted}, not {_brief(given)}")
    if len(found) < 2:
        raise ConfigError(
            'assistants: the judge compares at least two; add one, such as "plain": None for the '
            "model of the other roles"
        )
    return found


def _assistant(given: object, number: int) -> dict[str, Any]:
    """Return one of a list; a function goes by its own name."""
    if isinstance(given, Mapping):
        return dict(given)
    name = getattr(given, "__name__", "")
    if is_chat(given) or not (callable(given) and name.isidentifier()):
        raise ConfigError(
            f"assistants[{number}]: has no name; give them by name, such as "
            '{"mine": f, "plain": None}'
        )
    return {"name": name, "model": given}


def _check_named(simulation: Mapping[str, Any]) -> None:
    """Refuse settings of another section, and say how to give them."""
    for name in simulation:
        path = None if name in SimulationConfig.model_fields else find_setting(Config, name)
        if path:
            raise ConfigError(
                f"arguments: '{name}' is no setting of [simulation]; write "
                f'settings={{"{path}": ...}}'
            )


def _as_path(given: str | Path) -> Path:
    """Return the file of personas that is named.

    Raises:
        ConfigError: it is a text rather than the name of a file.
    """
    path = Path(given)
    unlike = isinstance(given, str) and " " in given and path.suffix not in (".jsonl", ".gz")
    if unlike and not is_there(path):
        raise ConfigError(
            f"personas: '{str(given)[:40]}' is no file and looks like a text; put it in a list, "
            '[text], or make a persona of it, Persona.of(text, "")'
        )
    return path


def _persona(given: object, number: int) -> Persona:
    if not isinstance(given, str):
        return check_persona(given, f"personas[{number}]", "a Persona or a text")
    persona = Persona.of(given, "")
    if not persona.facts:
        raise ConfigError(f"personas[{number}]: is empty")
    return check_persona(persona, f"personas[{number}]")


def check_persona(given: object, argument: str, wanted: str = "a Persona") -> Persona:
    """Return a persona that a file of personas might hold; its labels would be wrong otherwise.

    Raises:
        ConfigError: it is none, or no reader of personas would accept it.
    """
    if not isinstance(given, Persona):
        raise ConfigError(f"{argument}: {wanted}, not {_brief(given)}")
    if problem := find_problem(given):
        raise ConfigError(f"{argument}: {problem}")
    return given


def _brief(given: object) -> str:
    """Return a value as Python writes it, or its type where that is long or an address."""
    written = repr(given)
    plain = len(written) <= 60 and " at 0x" not in written
    return written if plain else f"a {type(given).__name__}"
