"""The conditions of a benchmark: the candidate's settings, and each control's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from aloe.agents.candidate import CONDITIONS
from aloe.config import Condition, Config, ModelConfig, change_model, find_models, load
from aloe.config.own_models import given_for, name_beside, names_model
from aloe.errors import ConfigError, suggest
from aloe.models.providers import parse_model


def load_candidate(
    path: Path | None,
    *flags: Mapping[str, object] | None,
    written: Mapping[str, object] | None = None,
    model: str | None,
    user: str | None,
    judges: Sequence[str],
    source: str = "command line",
) -> Config:
    """Return the settings of the candidate's run: the file's, with the flags over them.

    Args:
        path: settings; the defaults if None.
        flags: values by dotted key; None leaves the file's.
        written: the same of a mapping that the user wrote, under them: there, None counts.
        model: model string of the candidate, over the file's; server, key and options that
            `written` gives without a model go with it, as with `user` and the first of `judges`.
        user: model string of the simulated user.
        judges: model strings; none leaves the file's.
        source: where these come from, for what an error says.

    Raises:
        ConfigError: a setting is wrong, it makes a control of the candidate, `written` names
            another model than a flag, or two judges share a name.
    """
    loaded = load(path, *flags, written=written, source=source)
    check_condition(loaded, str(path or source))
    changes: dict[str, Any] = {}

    def beside(section: str, before: ModelConfig, models: Sequence[str]) -> ModelConfig:
        given = _given_beside(written or {}, section, models)
        return name_beside(loaded, before, given, models[0], source=f"{source}: {section}")

    if model:
        changes["benchmark.candidate"] = beside(
            "benchmark.candidate", loaded.benchmark.candidate, [model]
        )
    if user:
        changes["models.user"] = beside("models.user", loaded.models.user, [user])
    if judges:
        changes["models.judge"] = beside("models.judge", loaded.models.judge, judges)
        changes["models.panel"] = [_named(loaded, loaded.models.judge, each) for each in judges[1:]]
    config = loaded.updated(changes, source=source)
    check_judges(config)
    return config


def check_judges(config: Config) -> None:
    """Make sure that every judge has a name of its own in the scores, where URLs do not count.

    Raises:
        ConfigError: two share one.
    """
    named: dict[str, ModelConfig] = {}
    judges = config.models.judges()
    for each in judges.values() if len(judges) > 1 else ():
        name = str(parse_model(each))
        if named.setdefault(name, each) is each:
            continue
        if named[name] == each:
            raise ConfigError(f"a judge is named twice ({name}): it would only repeat itself")
        raise ConfigError(
            f"two judges are both called {name} in scores; serve one under another name"
        )


def split_models(given: str | Sequence[str] | None) -> list[str]:
    """Return the model strings in one argument: separated by commas, or a list already.

    Inspect makes a list of `-T judge=A,B`, and leaves one name, or a text given in Python, as text.
    """
    texts = [given] if isinstance(given, str) else given or ()
    names = (name.strip() for text in texts for name in text.split(","))
    return [name for name in names if name]


def _given_beside(
    written: Mapping[str, object], section: str, models: Sequence[str]
) -> Mapping[str, Any]:
    """Return the server, key and options that `written` gives to whichever model a flag names."""
    given = given_for(written, section)
    if not names_model(given):
        return given
    if given["model"] not in models:
        raise ConfigError(
            f"settings: {section}: names {given['model']!r}, and an argument {models[0]!r}; leave "
            "one of them out"
        )
    return {}


def check_condition(config: Config, where: str) -> None:
    """Make sure that settings are those of a candidate.

    Raises:
        ConfigError: naming the control that they are of, and `where` that stands.
    """
    if (condition := config.benchmark.condition) != "candidate":
        flag = "floor=MODEL" if condition == "floor" else condition
        raise ConfigError(
            f"{where}: benchmark.condition: '{condition}' is a control, which is played beside the "
            f"candidate; leave it out and give --control {flag}"
        )


def _named(config: Config, before: ModelConfig, model: str) -> dict[str, Any]:
    return change_model(before, model, known=find_models(config))


def with_controls(config: Config, controls: Sequence[str]) -> dict[Condition, Config]:
    """Return the settings of the candidate's run and of each control, by condition.

    Args:
        config: the candidate's.
        controls: names of conditions; `floor=MODEL` also names the untuned model.

    Raises:
        ConfigError: there is no such control, it is named twice, or its model is missing or too
            many.
    """
    found: dict[Condition, Config] = {"candidate": config}
    for control in controls:
        name, _, model = control.partition("=")
        condition = _control(name)
        if (condition == "floor") != bool(model):
            raise ConfigError("--control floor=MODEL names the untuned model; no other takes one")
        if condition in found:
            raise ConfigError(
                f"--control: '{condition}' is named twice and a folder holds one of each; give the "
                "other with another --out"
            )
        changes: dict[str, Any] = {"condition": condition}
        if model:
            changes["candidate"] = _named(config, config.benchmark.candidate, model)
        found[condition] = config.updated({"benchmark": changes}, source="--control")
    return found


def _control(name: str) -> Condition:
    if name in CONDITIONS and name != "candidate":
        return cast(Condition, name)
    known = [each for each in CONDITIONS if each != "candidate"]
    hint = suggest(name, known, f"there are {', '.join(known)}")
    raise ConfigError(f"--control: there is no '{name}'{hint}")
