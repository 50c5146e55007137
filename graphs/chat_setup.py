"""Who talks to whom: settings, persona and models of a chat, checked before anything is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aloe.agents.prompt_size import prompt_for
from aloe.agents.registry import check_prompt_names
from aloe.calls.prices import check_prices
from aloe.config import DEFAULT_MODEL, Config, ModelConfig, change_model, find_models, load
from aloe.errors import ConfigError, InputError
from aloe.files.paths import is_there
from aloe.graphs.chat import Chat
from aloe.graphs.chat_turn import NAMES
from aloe.memory.personas import SHIPPED, read_personas
from aloe.memory.run_folder import RunFolder
from aloe.models.open import open_model
from aloe.models.weights import hash_models
from aloe.schema import Persona

PATIENCE = 20.0
"""Seconds for which a server may be gone, where settings do not say: a person is waiting."""
PENALTY = 0.4
"""Frequency penalty of the embedded default, where settings do not say how it samples: so small a
model repeats itself without one, until it is cut off."""


def chat_settings(
    file: Path | None,
    given: Mapping[str, Any],
    *,
    model: str | None,
    beside: str | None,
    inducer: str | None,
) -> Config:
    """Return the settings of a chat: its two who answer are the assistants of the run.

    Args:
        file: settings, whose first two assistants are taken or, if it names none, whose benchmark
            candidate; None for defaults.
        given: values by dotted key over those of the file; None values are skipped.
        model: model string of the first; None for that of the settings.
        beside: model string of the second; None for that of the settings or, without any, a second
            sample of the first.
        inducer: model string of the inducer; None for that of the settings.

    Raises:
        InputError: the file cannot be read.
        ConfigError: a value does not fit.
    """
    config = load(file, given)
    shipped = Config()
    unset = config.models.assistants == shipped.models.assistants
    if unset:
        pair: list[ModelConfig] = [config.benchmark.candidate] * len(NAMES)
    else:
        pair = list(config.models.assistants[: len(NAMES)])
    role, known = {"name", "hint", "style", "window"}, list(find_models(config))
    named = [
        {**each.model_dump(exclude=role), **change_model(each, asked, known=known), "name": name}
        for each, asked, name in zip(pair, (model, beside or model), NAMES, strict=True)
    ]
    if unset and config.benchmark.candidate == shipped.benchmark.candidate:
        for each in named:
            if each["model"] == DEFAULT_MODEL:
                each["frequency_penalty"] = PENALTY
    changes: dict[str, Any] = {"models.assistants": named}
    if inducer:
        changes["models.inducer"] = change_model(config.models.inducer, inducer, known=known)
    if not config.limits.model_fields_set:
        changes["limits.patience"] = PATIENCE
    return config.updated(changes, source="command line")


def wants_second(config: Config, *, model: str | None, beside: str | None) -> bool:
    """Whether a second model answers as well.

    That is one that was named or, if none was, the settings' own second assistant. It does not if
    it differs from the first in nothing but what a chat leaves out, such as a hint.

    Args:
        config: as `chat_settings` returns it.
        model: model string of the first, if it was named.
        beside: model string of the second, if it was named.
    """
    if model is not None or beside is not None:
        return beside is not None
    first, second = (each.model_dump(exclude={"name"}) for each in config.models.assistants)
    return first != second


def wants_inducer(config: Config, inducer: str | None) -> bool:
    """Whether a model is to mark what the person tells: one that was named, here or in settings."""
    return bool(inducer) or config.models.inducer != Config().models.inducer


def prepare_chat(
    config: Config,
    folder: RunFolder,
    persona: Persona,
    *,
    beside: bool,
    inducer: bool,
    blind: bool = False,
    seed: int | None = None,
) -> Chat:
    """Check everything that a chat can be refused for, and open its models.

    Args:
        config: as `chat_settings` returns it.
        folder: where the conversation goes; further ones with the same settings may be there.
        persona: whom the person plays.
        beside: whether the second model answers as well.
        inducer: whether a model marks what the person tells.
        blind: whether the order of the replies is drawn and their writers are not named.
        seed: what the seeds of conversations follow from; None: each is drawn, so that those of
            several people are never one tree.

    Raises:
        ConfigError: a model or a prompt cannot be used, or the folder holds another run or one
            with a model as it was before its files changed.
        ModelError: the embedded server cannot be started.
        StoreError: the folder cannot be used.
    """
    if blind and not beside:
        raise ConfigError("--blind hides which of two models wrote a reply; name one with --beside")
    check_prompt_names(config)
    who = config.models.assistants[: 1 + beside]
    wanted: dict[str, ModelConfig] = {each.name: each for each in who}
    wanted |= {"inducer": config.models.inducer} if inducer else {}
    used = [prompt_for("inducer", config, config.models.inducer)] if inducer else []
    prompts = {prompt.name: prompt.sha for prompt in used}
    folder.check(config, prompts)
    weights = hash_models(wanted.values())
    folder.check_models(weights)
    models = {name: open_model(each, config) for name, each in wanted.items()}
    check_prices(config, (model.name for model in models.values()))
    return Chat(
        config=config,
        folder=folder,
        persona=persona,
        models=models,
        weights={**folder.read_models(), **weights},
        prompts={**folder.read_prompts(), **prompts},
        blind=blind,
        seed=seed,
    )


def find_persona(given: str | None) -> Persona:
    """Return the persona that a person plays.

    Args:
        given: a file of personas, whose first is taken; `FILE:ID` for another of them; the id of
            one of the shipped pool, of which the start will do; None: nobody, an empty persona.

    Raises:
        InputError: there is no such file or persona, or several ids start so.
    """
    if given is None:
        return Persona.of("", "")
    if is_there(path := Path(given)):
        return read_personas(path)[0]
    name, colon, start = given.rpartition(":")
    if colon and not is_there(Path(name)):
        raise InputError(Path(name), "there is no such file of personas")
    if not colon and (path.suffix or len(path.parts) > 1):
        raise InputError(path, "there is no such file of personas")
    pool = Path(name) if colon else SHIPPED
    found = [each for each in read_personas(pool) if each.id.startswith(start)]
    where = name if colon else "the shipped pool"
    if not found:
        raise ConfigError(
            f"no persona of {where} has an id that starts with '{start}'; "
            f"`aloe personas show{f' {name}' if colon else ''}` shows some"
        )
    if len(found) > 1:
        ids = f"{len(found)} personas of {where} have ids that start with '{start}'"
        raise ConfigError(f"{ids}; give more of it")
    return found[0]
