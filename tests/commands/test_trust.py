"""Run folders from elsewhere: their settings reach nothing until the user has agreed."""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builders
import pytest
from builders import PERSONAS, SCRIPTED, grow, persona_lines
from command import RunAloe
from server import ChatServer

from aloe import config as settings
from aloe import console
from aloe.benchmark.listed_runs import ListedRun
from aloe.cli import COMMANDS, load
from aloe.config import Config, ModelConfig
from aloe.config.trust import IMPORTED, reach
from aloe.errors import ConfigError
from aloe.memory.run_folder import RunFolder
from aloe.models import key_server
from aloe.models.key_server import announce_keys
from aloe.models.open import check_reachable, open_model
from aloe.models.providers import PROVIDERS
from aloe.plugins import KINDS

SERVER = "http://198.51.100.7/v1"
EVIL = "import pathlib\npathlib.Path({!r}).touch()\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a new user, who has agreed to nothing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run that names a module."""
    folder = RunFolder(tmp_path_factory.mktemp("made") / "run")
    with folder.writing(builders.config("scripted:evil:reply")):
        folder.append(grow(builders.config(turns=2), persona=PERSONAS[0]))
    return folder.path


@pytest.fixture
def received(
    made: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Receive that run, and work beside the module."""
    (tmp_path / "evil.py").write_text(EVIL.format(str(tmp_path / "imported")))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "personas.jsonl").write_text(persona_lines())
    yield shutil.copytree(made, tmp_path / "received")
    sys.modules.pop("evil", None)


def takers(name: str, command: Any) -> Iterator[list[str]]:
    """Yield every command, by its words, that takes a file of settings."""
    for word, inner in getattr(command, "commands", {}).items():
        yield from takers(f"{name} {word}", inner)
    if any("--config" in each.opts for each in command.params) or name == "config check":
        yield name.split()


def required(command: list[str], given: dict[str, object]) -> Iterator[object]:
    """Yield arguments for what a command cannot do without."""
    found: Any = load(command[0])
    for word in command[1:]:
        found = found.commands[word]
    for each in found.params:
        if each.required or each.name in ("personas", "file"):
            flags = [each.opts[0]] if each.opts[0].startswith("-") else []
            yield from (*flags, given[each.name])


@pytest.mark.parametrize(
    "command", [each for name in COMMANDS for each in takers(name, load(name))], ids=" ".join
)
def test_no_command_acts_on_them(
    aloe: RunAloe, received: Path, tmp_path: Path, command: list[str]
) -> None:
    stored, pool = received / "config.toml", tmp_path / "personas.jsonl"
    given: dict[str, object] = {
        "out": tmp_path / "out", "personas": pool, "data": received, "run": received,
        "file": stored if command[0] == "config" else pool, "files": pool, "name": "evil:Role",
    }  # fmt: skip
    given |= {"prompt": "user", "trees": received, "folder": received, "paths": pool}
    chosen = [] if command == ["config", "check"] else ["--config", stored]
    ran = aloe(*command, *required(command, given), *chosen)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.err
    assert f"would import evil:reply; read it, and if you agree: aloe trust {received}" in ran.err
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["simulate", "--extend", "received", "--turns", 3, "--out", "new"],
        ["rejudge", "received", "--judge", "scripted:aloe.agents.scripted:reply", "--out", "new"],
    ],
    ids=lambda command: command[0],
)
def test_nor_do_those_that_find_them_in_the_folder(
    aloe: RunAloe, received: Path, tmp_path: Path, command: list[object]
) -> None:
    ran = aloe(*command)
    assert ran.code == 2
    assert "aloe trust received" in ran.err
    assert not (tmp_path / "imported").exists()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["trace", "received"],
        ["report", "received", "--out", "page.html"],
        ["export", "received", "--format", "sft", "--out", "rows.jsonl"],
        ["label", "received", "--count", 0],
    ],
    ids=lambda command: command[0],
)
def test_what_only_looks_asks_nobody(
    aloe: RunAloe, received: Path, tmp_path: Path, command: list[object]
) -> None:
    assert aloe(*command).code == 0
    assert not (tmp_path / "imported").exists()


def test_a_list_of_runs_asks_nobody(received: Path, tmp_path: Path) -> None:
    line = ListedRun(name="received", path=received).describe()
    assert line["state"] != "broken"
    assert "scripted:evil:reply" in line["models"]
    assert not (tmp_path / "imported").exists()


def test_a_run_is_resumed_with_settings_of_ones_own(
    aloe: RunAloe, received: Path, tmp_path: Path
) -> None:
    given = ("--personas", "personas.jsonl", "--model", SCRIPTED, "--out", "received")
    ran = aloe("simulate", *given, "--turns", 3)
    assert ran.is_one_line_about("holds a run with other settings", "evil:reply")
    assert not (tmp_path / "imported").exists()


def link(path: Path, target: Path | str) -> Path:
    path.symlink_to(target)
    return path


@pytest.mark.parametrize("target", ["s.toml", "below/config.toml", "below/s.toml"])
def test_settings_that_are_a_link_are_still_those_of_the_run(
    aloe: RunAloe, received: Path, target: str
) -> None:
    (received / "below").mkdir()
    (received / "config.toml").rename(received / target)
    link(received / "config.toml", target)
    with pytest.raises(ConfigError, match="aloe trust received"):
        settings.load(Path("received/config.toml"))
    assert aloe("trust", received).code == 0
    assert settings.load(received / "config.toml").models.user.model == "scripted:evil:reply"


def test_links_to_a_run_or_to_its_settings_lead_round_nothing(
    received: Path, tmp_path: Path
) -> None:
    to_folder = link(tmp_path / "folder", "received") / "config.toml"
    to_file = link(tmp_path / "mine.toml", "folder/config.toml")
    further = link(tmp_path / "further.toml", to_file)
    for path in (to_folder, to_file, further):
        with pytest.raises(ConfigError, match="would import evil:reply"):
            settings.load(path)
    (received / "config.toml").rename(received / "s.toml")
    link(received / "config.toml", "s.toml")
    for path in (to_folder, to_file, further):
        with pytest.raises(ConfigError, match=f"aloe trust {tmp_path / 'folder'}"):
            settings.load(path)


def test_a_link_to_settings_of_ones_own_stays_ones_own(received: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('models.user = "scripted:evil:reply"\n')
    path = link(tmp_path / "config.toml", own)
    assert settings.load(path).models.user.model == "scripted:evil:reply"


def test_once_agreed_they_act_until_they_change(
    aloe: RunAloe, received: Path, tmp_path: Path
) -> None:
    stored = received / "config.toml"
    agreed = aloe("trust", "received", "--json")
    assert agreed.code == 0
    assert agreed.result["trusted"] == ["import evil:reply"]
    shutil.copytree(received, tmp_path / "moved")
    assert settings.load(tmp_path / "moved" / "config.toml") == settings.load(stored)
    stored.write_text(stored.read_text().replace("evil:reply", "worse:reply"))
    with pytest.raises(ConfigError, match="worse:reply"):
        settings.load(stored)


def test_a_folder_of_ones_own_is_never_asked_about(aloe: RunAloe, received: Path) -> None:
    folder = RunFolder(received.parent / "own")
    with folder.writing(builders.config("scripted:evil:reply")):
        folder.append(grow(builders.config(turns=2), persona=PERSONAS[0]))
    assert settings.load(folder.config).models.user.model == "scripted:evil:reply"


def test_a_file_that_is_passed_is_the_users_own(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('models.user = "scripted:evil:reply"\n')
    assert settings.load(path).models.user.model == "scripted:evil:reply"


def test_settings_that_reach_nothing_need_no_trust(aloe: RunAloe, received: Path) -> None:
    stored = received / "config.toml"
    stored.write_text('models.user = "openai:gpt-4o-mini"\nmodels.judge = "openai:a@http://b/v1"\n')
    assert settings.load(stored).seed == 0
    assert "needs no trust" in aloe("trust", received).out


def places(section: Any, prefix: str = "") -> Iterator[str]:
    """Yield where settings hold a model, as dotted keys."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, ModelConfig):
            yield f"{prefix}{name}"
        elif isinstance(value, settings.Settings):
            yield from places(value, f"{prefix}{name}.")


def test_a_server_of_ones_own_is_a_program_to_run() -> None:
    assert reach(Config()) == reach(settings.load(None, {"local.server": "auto"})) == []
    assert reach(settings.load(None, {"local.server": "./run.sh"})) == ["run ./run.sh"]


MODELS: list[tuple[dict[str, Any], str | None]] = [
    *(({"model": f"{each}:evil:A"}, "import ") for each in IMPORTED),
    ({"model": "openai:m", "base_url": SERVER, "api_key_env": "MY_KEY"}, f"MY_KEY to {SERVER}"),
    ({"model": f"openai:m@{SERVER}", "api_key_env": "HF_TOKEN"}, f"HF_TOKEN to {SERVER}"),
    ({"model": "openai:m", "api_key_env": "AWS_SECRET"}, "AWS_SECRET to its provider"),
    ({"model": "m", "base_url": SERVER, "api_key_env": "OPENAI_API_KEY"}, f"API_KEY to {SERVER}"),
    *(
        ({"model": "openai:m", "options": options}, f"OPENAI_API_KEY to {SERVER}")
        for options in ({"base_url": SERVER}, {"openai_proxy": SERVER}, {"a": [{"b": SERVER}]})
    ),
    ({"model": "openai:m"}, None),
    ({"model": f"openai:m@{SERVER}"}, None),
    ({"model": "openai:m", "api_key_env": "OPENAI_API_KEY"}, None),
    ({"model": "local:smollm2-135m", "options": {"top_k": 3}}, None),
]  # fmt: skip


@pytest.mark.parametrize("place", [*places(Config()), "models.reader", "roles.mine.model"])
@pytest.mark.parametrize(("model", "said"), MODELS, ids=lambda each: str(each)[:60])
def test_a_model_anywhere_is_seen(place: str, model: dict[str, Any], said: str | None) -> None:
    role = {"roles.mine.use": "mine:Role"} if place.startswith("roles") else {}
    found = reach(settings.load(None, {**role, place: model}))
    found = [each for each in found if "mine:Role" not in each]
    assert bool(found) == bool(said), found
    assert not said or said in found[0]


@pytest.mark.parametrize("place", ["models.assistants", "models.panel"])
def test_and_so_is_one_among_several(place: str) -> None:
    several = [{"name": "a", "model": "local:x"}, {"name": "b", "model": "scripted:evil:reply"}]
    if place == "models.panel":
        several = [{"model": each["model"]} for each in several]
    assert reach(settings.load(None, {place: several})) == ["import evil:reply"]


def test_every_provider_that_imports_is_known() -> None:
    assert {*IMPORTED, "openai", "local", "hf", "instance"} == set(PROVIDERS)


PLUGINS: dict[str, tuple[str, Any]] = {
    "roles": ("roles.mine.use", "evil:Role"),
    "expansions": ("simulation.expansion", "evil:expand"),
    "judges": ("judge.use", "evil:Judge"),
    "validators": ("personas.validators", ["evil:check"]),
}
NAMED_ELSEWHERE = {"exporters", "metrics"}
"""What only the command line names."""


def test_every_plugin_is_seen() -> None:
    assert PLUGINS.keys() | NAMED_ELSEWHERE == set(KINDS)
    further = {"reward": ("training.reward", "evil:reward"),
               "embedder": ("personas.embedder", "scripted:evil:Embedder"),
               "served": ("experiment.served", "scripted:evil:{stage}")}  # fmt: skip
    for key, value in (PLUGINS | further).values():
        assert any("evil:" in each for each in reach(settings.load(None, {key: value}))), key


@pytest.mark.parametrize(
    "given",
    [
        {"personas.store": SERVER},
        {"simulation.engine": "ray", "simulation.ray_address": "198.51.100.7:6379"},
        {"training.arguments.push_to_hub": True},
        {"training.arguments.model_init_kwargs": {"trust_remote_code": True}},
        {"experiment.rl": {"vllm_server_base_url": SERVER}},
        {"telemetry.langsmith": True},
        {"telemetry.spans": True},
        {"simulation.checkpoints": "postgres"},
    ],
    ids=str,
)
def test_what_gets_credentials_is_seen(given: dict[str, Any]) -> None:
    assert len(reach(settings.load(None, given))) == 1


def test_plain_settings_reach_nothing() -> None:
    assert reach(Config()) == []


def test_where_a_key_goes_is_said_once_before_it_goes(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_KEY", "k" * 20)
    monkeypatch.setenv("OPENAI_API_KEY", "o" * 20)
    key_server._announce.cache_clear()
    plain = open_model(ModelConfig(model=server.model))
    keyed = open_model(ModelConfig(model=server.model, api_key_env="MY_KEY"))
    by_class = open_model(
        ModelConfig(
            model="langchain:langchain_openai:ChatOpenAI",
            options={"base_url": server.url, "model": "tiny"},
        )
    )
    at_openai = open_model(ModelConfig(model="openai:gpt-4o-mini"))
    console.stderr.cache_clear()
    asyncio.run(check_reachable([plain, keyed, keyed]))
    announce_keys((each.config, each.chat) for each in (keyed, by_class, at_openai))
    said = capsys.readouterr().err.splitlines()
    assert said == [f"sending the key in MY_KEY to {server.url}", f"sending a key to {server.url}"]
