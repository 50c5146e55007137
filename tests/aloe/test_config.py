import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from aloe.config import COMMAND_LINE, Config, differences, load, spread, validate
from aloe.errors import ConfigError, InputError


def config(**raw: Any) -> Config:
    return validate(Config, raw, source="test")


def test_defaults_need_nothing_but_the_installed_packages() -> None:
    models = load(None).models
    assert {each.model for each in [*models.by_role().values(), models.writer]} == {
        "local:smollm2-135m"
    }
    assert [(each.name, each.hint) for each in models.assistants] == [
        ("hinted", True),
        ("plain", False),
    ]


def test_every_section_survives_the_round_trip_through_toml(tmp_path: Path) -> None:
    models = {"assistants": [{"name": "x", "style": "Be brief."}, {"name": "y", "top_p": 0.5}]}
    before = config(seed=3, models=models, simulation={"turns": 7}, personas={"seeds": "a/b"})
    file = tmp_path / "config.toml"
    file.write_text(before.toml(), encoding="utf-8")
    assert load(file) == before
    assert differences(before, load(file)) == []


def test_a_bare_string_is_short_for_a_model_and_keeps_the_roles_defaults() -> None:
    models = config(models={"judge": "openai:x", "assistants": [{"name": "a"}, {"name": "b"}]})
    judge = models.models.judge
    assert (judge.model, judge.temperature, judge.max_tokens) == ("openai:x", 0.0, 8)
    assert models.models.assistants[0].max_tokens == 160


def test_flags_win_over_the_file_and_none_does_not(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("seed = 4\n[simulation]\nturns = 5\n")
    found = load(file, {"seed": None, "simulation.turns": 9, "simulation.trees": 2})
    assert (found.seed, found.simulation.turns, found.simulation.trees) == (4, 9, 2)


FILE = """
roles = {mine = {use = "x:Y", level = 2}}
[models]
user = "openai:short"
judge = {model = "openai:a", base_url = "http://127.0.0.1:1/v1", max_tokens = 64}
reader = "openai:paid"
[judge]
min_margin = 0.5
criteria = {style = 1.0}
[simulation]
node_budget = 30
"""


@pytest.mark.parametrize(
    ("written", "key", "now"),
    [
        ({"models.judge": {"temperature": 0.3}}, "models.judge.max_tokens", 64),
        ({"models.judge": {"temperature": 0.3}}, "models.judge.model", "openai:a"),
        ({"models": {"judge": {"top_p": 0.3}}}, "models.judge.base_url", "http://127.0.0.1:1/v1"),
        ({"models.judge": {"model": "openai:b"}}, "models.judge.base_url", None),
        ({"models.judge": {"model": "openai:b"}}, "models.judge.max_tokens", 64),
        ({"models.user": {"max_tokens": 9}}, "models.user.model", "openai:short"),
        ({"models.reader": {"max_tokens": 9}}, "models.reader.model", "openai:paid"),
        ({"roles.mine": {"least": 1}}, "roles.mine.arguments", {"level": 2, "least": 1}),
        ({"judge": {"min_margin": 0.2}}, "judge.criteria", {"style": 1.0}),
        ({"judge": {"criteria": {"content": 1.0}}}, "judge.criteria", {"content": 1.0}),
        ({"simulation.turns": 7, "simulation": {"trees": 2}}, "simulation.turns", 7),
        ({"simulation.node_budget": None}, "simulation.node_budget", None),
        ({"models.reader": None}, "models.reader", None),
    ],
)
def test_what_a_user_wrote_changes_what_it_names(
    tmp_path: Path, written: dict[str, Any], key: str, now: object
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(FILE)
    found: Any = load(file, written=written)
    for name in key.split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert found == now


@pytest.mark.parametrize("opening", ["models.user", "roles.mine.model", "benchmark.candidate"])
def test_what_is_given_beside_a_model_goes_with_it_however_it_is_nested(
    tmp_path: Path, opening: str
) -> None:
    file = tmp_path / "c.toml"
    theirs = '{model = "openai:theirs", base_url = "http://theirs:1/v1", api_key_env = "THEIRS"}'
    file.write_text(f'roles.mine.use = "x:Y"\n{opening} = {theirs}\n')
    section = {"api_key_env": "MINE", "base_url": "http://mine:1/v1", "options": {"n": 1}}
    outer, _, last = opening.rpartition(".")
    for given in ({opening: section}, {outer: {last: section}}):
        for written in (
            {**given, f"{opening}.model": "openai:mine"},
            {f"{opening}.model": "openai:mine", **given},
        ):
            loaded = load(file, written=written)
            found = {
                "models.user": loaded.models.user,
                "roles.mine.model": loaded.roles["mine"].model,
                "benchmark.candidate": loaded.benchmark.candidate,
            }[opening]
            mine = ("openai:mine", "http://mine:1/v1", "MINE", {"n": 1})
            assert (found.model, found.base_url, found.api_key_env, found.options) == mine


def test_what_is_given_again_loses_what_was_given_beside_the_first() -> None:
    mine = {"model": "openai:a", "base_url": "http://a:1", "api_key_env": "A", "options": {"n": 1}}
    for again, wanted in (
        ({"base_url": "http://b:1"}, ("http://b:1", None, {"n": 1})),
        ({"api_key_env": "B", "base_url": "http://b:1"}, ("http://b:1", "B", {"n": 1})),
        ({"model": "openai:b"}, (None, None, {})),
        ({"model": "openai:a", "options.m": 2}, ("http://a:1", "A", {"n": 1, "m": 2})),
    ):
        written = spread(
            {"models": {"user": mine}}, {f"models.user.{k}": v for k, v in again.items()}
        )
        user = load(None, written=written).models.user
        assert (user.base_url, user.api_key_env, user.options) == wanted


def test_a_section_that_a_user_wrote_is_left_as_it_was() -> None:
    given = {"roles": {"mine": {"use": "x:Y"}}, "roles.mine.level": 3}
    assert load(None, written=given).roles["mine"].arguments == {"level": 3}
    assert given["roles"] == {"mine": {"use": "x:Y"}}
    with pytest.raises(ConfigError, match=r"^mine: models\.judge\.temperature: "):
        load(None, written={"models.judge": {"temperature": -1}}, source="mine")
    with pytest.raises(ConfigError, match=r"^mine: simulation\.turns: "):
        load(None, written={"simulation.turns": None}, source="mine")


def test_one_model_for_every_role_keeps_the_rest() -> None:
    before = config(models={"user": {"temperature": 0.1}})
    after = before.with_model("openai:x", "http://127.0.0.1:1/v1")
    roles = [*after.models.by_role().values(), after.models.writer]
    assert {(each.model, each.base_url) for each in roles} == {
        ("openai:x", "http://127.0.0.1:1/v1")
    }
    assert after.models.user.temperature == 0.1
    assert before.with_model(None, None) is before


def test_another_model_gets_neither_the_server_nor_the_key_of_the_one_before() -> None:
    mine = {"model": "openai:Qwen", "base_url": "http://127.0.0.1:8000/v1", "api_key_env": "MY_KEY"}
    before = config(models={"judge": mine, "reader": "openai:paid"})
    after = before.with_model("openai:gpt", None).models
    for role in (*after.by_role().values(), after.reader):
        assert role is not None
        assert (role.model, role.base_url, role.api_key_env) == ("openai:gpt", None, None)
    known = before.with_model("openai:Qwen", None).models.user  # one of the settings' own
    assert (known.base_url, known.api_key_env) == (mine["base_url"], "MY_KEY")


def test_nothing_given_is_the_roles_default_and_can_be_resumed() -> None:
    given = config(models={"user": {"model": "openai:m", "top_p": None, "temperature": None}})
    assert (given.models.user.top_p, given.models.user.temperature) == (0.9, 0.7)
    assert differences(given, validate(Config, tomllib.loads(given.toml()), source="test")) == []


def test_a_named_model_keeps_its_key_for_its_server_alone() -> None:
    own = {"model": "openai:w", "base_url": "http://w:1/v1", "api_key_env": "W_KEY"}
    given = config(models={"writer": own})
    for url, key in ((None, "W_KEY"), ("http://w:1/v1", "W_KEY"), ("http://other:1/v1", None)):
        user = given.with_model("openai:w", url).models.user
        assert (user.base_url, user.api_key_env) == (url or "http://w:1/v1", key)


OWN = {"model": "openai:w", "base_url": "http://w:1/v1", "api_key_env": "W_KEY"}
CLAUDE = {"model": "langchain:x:ChatAnthropic", "api_key_env": "C_KEY", "options": {"model": "c"}}
PROXY = {"model": "openai:p", "options": {"base_url": "http://proxy:1/v1"}}


@pytest.mark.parametrize(
    ("own", "model", "url", "wanted"),
    [
        (OWN, "openai:x", None, (None, None, {})),
        (OWN, "openai:x@http://evil:1/v1", None, (None, None, {})),
        (OWN, "openai:x@http://w:1/v1/", None, (None, "W_KEY", {})),  # the key's own server
        (OWN, None, "http://other:1/v1", ("http://other:1/v1", None, {})),
        (OWN, None, "http://w:1/v1", ("http://w:1/v1", "W_KEY", {})),
        (CLAUDE, "openai:x", "http://w:1/v1", ("http://w:1/v1", None, {})),
        (CLAUDE, "langchain:y:ChatOther", None, (None, None, {})),
        (CLAUDE, CLAUDE["model"], None, (None, "C_KEY", {"model": "c"})),
        (PROXY, "openai:x", None, (None, None, {})),
        (PROXY, None, "http://w:1/v1", ("http://w:1/v1", None, {})),
        ({"model": "openai:a", "api_key_env": "A"}, None, "http://w:1", ("http://w:1", None, {})),
        ({"model": "openai:a", "api_key_env": "A"}, "openai:b", None, (None, "A", {})),
        ({"model": "local:a", "api_key_env": "A"}, "openai:b@http://w:1", None, (None, "A", {})),
    ],
)
def test_a_server_a_key_and_options_belong_to_their_model(
    own: dict[str, Any], model: str | None, url: str | None, wanted: tuple[Any, ...]
) -> None:
    given = config(models={"user": {**own, "temperature": 0.3}, "judge": own})
    for each in (
        given.with_model(model, url).models.user,
        given.with_judge(model, url).models.judge,
    ):
        assert each.model == (model or own["model"])
        assert (each.base_url, each.api_key_env, each.options) == wanted
    assert given.with_model(model, url).models.user.temperature == 0.3


def test_another_judge_has_neither_the_margin_nor_the_passport_of_a_custom_one() -> None:
    own = {"use": "m:j", "options": {"n": 1}, "min_margin": 3.0, "passport": "p.json"}
    given = config(judge=own, models={"judge": "openai:a"})
    for model in ("openai:a", "openai:b"):
        judge = given.with_judge(model, None).judge
        assert (judge.use, judge.options, judge.passport) == (None, {}, None)
        assert judge.min_margin == Config().judge.min_margin
    assert given.with_judge(None, None).judge == given.judge
    model = config(judge={"min_margin": 0.3, "passport": "p.json"}, models={"judge": "openai:a"})
    assert model.with_judge("openai:a", None).judge.passport == Path("p.json")
    assert model.with_judge("openai:b", None).judge.passport is None
    assert model.with_judge("openai:b", None).judge.min_margin == 0.3  # log-odds, as before


@pytest.mark.parametrize(
    "change",
    [{"roles.mine.timeout": 9}, {"judge.options.timeout": 9}, {"models.user.temperature": 0.1}],
)
def test_what_may_shape_a_reply_may_not_change(change: dict[str, object]) -> None:
    before = config().updated({"roles.mine.use": "x:Y", "judge.use": "x:Z"}, source="test")
    assert len(differences(before, before.updated(change, source="test"))) == 1


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"roles.mine.banned": []}, {}),
        ({"roles.mine.banned": {}}, {"roles.mine.banned": []}),
        ({"judge.options": {"words": []}}, {}),
        ({"models.user.options": {"stop": []}}, {}),
        ({"roles.mine.level": 1}, {"roles.mine.level": True}),
    ],
)
def test_what_is_empty_or_true_is_told_from_none_and_one(
    before: dict[str, Any], now: dict[str, Any]
) -> None:
    plain = config().updated({"roles.mine.use": "x:Y", "judge.use": "x:Z"}, source="test")
    there, here = (plain.updated(each, source="test") for each in (before, now))
    assert len(differences(there, here)) == len(differences(here, there)) == 1
    assert differences(there, there) == []


@pytest.mark.parametrize(
    "change",
    [{"models.user.timeout": 240}, {"telemetry.spans": True}, {"models.judge.max_reply_bytes": 9}],
)
def test_what_shapes_no_reply_may_change(change: dict[str, object]) -> None:
    assert differences(config(), config().updated(change, source="test")) == []


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"simulation": {"truns": 3}}, ["simulation.truns", "did you mean 'simulation.turns'?"]),
        ({"sed": 3}, ["'sed'", "did you mean 'seed'?"]),
        ({"simulation": {"disclosure": "reticent"}}, ["did you mean 'user.disclosure'?"]),
        ({"users": {"disclosure": "reticent"}}, ["'users.disclosure'", "'user.disclosure'?"]),
        ({"turns": 3}, ["did you mean 'simulation.turns'?"]),
        ({"models": {"jugde": "x"}}, ["models.jugde", "did you mean 'models.judge'?"]),
        ({"models": {"judge": {"temprature": 1}}}, ["models.judge.temprature", "temperature"]),
        ({"qqqqqq": 3}, ["unknown setting 'qqqqqq'"]),
        ({"simulation": {"turns": 0}}, ["simulation.turns", "at least 1"]),
        ({"simulation": 3}, ["simulation"]),
        ({"models": "gpt"}, ["models"]),
        ({"models": {"user": 3}}, ["models.user"]),
        ({"models": {"assistants": "x"}}, ["models.assistants"]),
        ({"models": {"assistants": [{"name": "a"}]}}, ["at least two"]),
        ({"models": {"assistants": [{"name": "a"}, {"name": "a"}]}}, ["different names"]),
        ({"models": {"assistants": [{"name": "a"}, {"name": "judge"}]}}, ["another role"]),
        ({"models": {"user": {"base_url": "http://me:secret@h/v1"}}}, ["api_key_env"]),
        ({"models": {"user": {"options": {"openai_api_key": "sk-1"}}}}, ["openai_api_key"]),
        ({"models": {"user": "openai:x@http://me:secret@h/v1"}}, ["api_key_env"]),
        ({"models": {"user": "openai:x@http://h/v1?api_key=secret"}}, ["api_key_env"]),
        ({"models": {"user": {"options": {"h": {"Authorization": "secret"}}}}}, ["Authorization"]),
        ({"models": {"user": {"options": {"h": {"X-Api-Key": "secret"}}}}}, ["X-Api-Key"]),
    ],
)
def test_what_does_not_fit_is_named(raw: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        config(**raw)
    for word in ["test", *words]:
        assert word in str(error.value)
    assert "secret" not in str(error.value)


def test_a_file_that_is_no_toml_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("seed = 1\nturns = = 2\n")
    with pytest.raises(InputError, match=r"c\.toml.*line 2"):
        load(file)
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_a_file_in_utf8_is_read_with_and_without_a_mark(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    for encoding in ("utf-8", "utf-8-sig"):
        file.write_bytes("# für\r\nseed = 3\r\n".encode(encoding))
        assert load(file).seed == 3


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_a_file_in_another_encoding_is_to_be_saved_again(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes("seed = 3 # für\n".encode(encoding))
    with pytest.raises(InputError, match=r"c\.toml: is not valid TOML: .*; save it as UTF-8$"):
        load(file)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("models.judge.options.extra_body.min_p", "{}"),
        ("models.user.options.x", "[1.0, [{}]]"),
        ("judge.options.x", "{}"),
        ("roles.mine.x", "{}"),
        ("training.arguments.max_grad_norm", "{}"),
        ("experiment.sft.x.y", "{}"),
    ],
)
def test_a_number_without_end_is_refused_in_free_tables(
    tmp_path: Path, key: str, text: str, number: str
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'roles.mine.use = "m:R"\n{key} = {text.format(number)}\n')
    with pytest.raises(ConfigError) as error:
        load(file)
    assert f"{key}: {number} is not a finite number" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_flag_into_a_section_that_is_no_section(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("simulation = 3\n")
    with pytest.raises(ConfigError, match="simulation"):
        load(file, {"simulation.turns": 2})


def test_changes_reach_into_sections_and_leave_the_rest() -> None:
    before = config(
        models={"judge": {"model": "openai:a", "temperature": 0.5, "options": {"n": 1}}},
        prices={"a": {"input": 1, "output": 2}, "b": {"input": 3, "output": 4}},
        roles={"critic": {"use": "m:C", "threshold": 3}},
    )
    after = before.updated(
        {
            "models.judge.model": "openai:b",
            "models.judge": {"top_p": 0.5, "options": {}},
            "simulation": {"turns": 9},
            "prices.a.input": 5,
            "roles.critic.model.model": "openai:c",
            "judge": before.judge.updated({"rules": False}, source="x"),
        },
        source="test",
    )
    judge = after.models.judge
    assert (judge.model, judge.temperature, judge.top_p) == ("openai:b", 0.5, 0.5)
    assert judge.options == {}
    assert (after.simulation.turns, after.simulation.trees) == (9, before.simulation.trees)
    assert (after.prices["a"].input, after.prices["a"].output) == (5, 2)
    assert after.prices["b"] == before.prices["b"]
    assert after.roles["critic"].arguments == {"threshold": 3}
    assert after.roles["critic"].model.model == "openai:c"
    assert not after.judge.rules
    assert before.models.judge.model == "openai:a"
    assert before.updated({}, source="test") == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"simulation.truns": 3}, ["simulation.truns", "did you mean 'simulation.turns'?"]),
        ({"simulation": {"turns": 0}}, ["simulation.turns", "at least 1"]),
        ({"models.judge": {"temprature": 1}}, ["models.judge.temprature", "temperature"]),
        ({"seed.x": 3}, ["seed: should be a section"]),
        ({"prices.a.input": -1}, ["prices.a"]),
        ({"sed": {"a": 1}}, ["'sed'", "did you mean 'seed'?"]),
    ],
)
def test_a_change_that_does_not_fit_is_named(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        config().updated(changes, source="--flag")
    for word in ["--flag", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "free",
    [
        {"simulation": {"trees": 9}},
        {"simulation": {"concurrency": 1}},
        {"personas": {"target": 5}},
        {"models": {"writer": {"max_tokens": 5}}},
        {"prices": {"x": {"input": 1, "output": 2}}},
    ],
)
def test_what_cannot_change_a_tree_may_differ_on_resume(free: dict[str, Any]) -> None:
    assert differences(config(), config(**free)) == []


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"simulation": {"turns": 4}}, "simulation.turns: 3 there, 4 now"),
        ({"judge": {"min_margin": 1.0}}, "judge.min_margin: 0.05 there, 1.0 now"),
        ({"models": {"user": "openai:x"}}, "models.user.model: 'local:smollm2-135m' there"),
        ({"models": {"user": {"options": {"n": 2}}}}, "models.user.options.n: None there, 2 now"),
    ],
)
def test_what_can_is_told(raw: dict[str, Any], line: str) -> None:
    (found,) = differences(config(), config(**raw))
    assert found.startswith(line)


def test_the_order_of_roles_counts() -> None:
    roles = {name: {"use": "m:R", "after": "user"} for name in ("a", "b")}
    before, after = config(roles=roles), config(roles=dict(reversed(roles.items())))
    assert differences(before, after) == ["roles: ['a', 'b'] there, ['b', 'a'] now"]
    assert differences(after, validate(Config, tomllib.loads(after.toml()), source="test")) == []


def test_the_example_is_valid() -> None:
    file = Path(__file__).parents[2] / "examples/demo.toml"
    assert load(file).seed == tomllib.loads(file.read_text())["seed"] == 7


def test_a_wrong_flag_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[simulation]\nturns = 3\n")
    with pytest.raises(ConfigError, match=r"^--trees: at least 1$"):
        load(file, {"simulation.trees": 0, "simulation.turns": None})
    file.write_text("[simulation]\nturns = 0\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: simulation.turns: at least 1$"):
        load(file, {"simulation.trees": 4, "simulation.turns": None})


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("user.disclosure", "schedule, answering or reticent, not 'shy'"),
        ("user.phrases", "train or test, not 'shy'"),
        ("simulation.engine", "local or ray, not 'shy'"),
    ],
)
def test_a_choice_that_there_is_not_is_answered_with_those_there_are(key: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^test: {key} is {said}$"):
        config().updated({key: "shy"}, source="test")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("simulation.turns", -1, "--turns: at least 1"),
        ("personas.target", 0, "--count: at least 1"),
        ("simulation.rollouts.until_turn", 0, "--until-turn: at least 1"),
        ("simulation.rollouts.count", -1, "--rollouts: at least 0"),
        ("budget.max_cost", -0.5, "--max-cost: at least 0"),
        ("seed", "x", "--seed: Input should be a valid integer"),
        ("user.disclosure", "shy", "--disclosure is schedule, answering or reticent, not 'shy'"),
        ("simulation.expansion", "smaple", "--expansion: 'smaple' is none of sample"),
    ],
)
def test_what_is_wrong_with_a_flag_is_said_by_its_name(key: str, value: Any, said: str) -> None:
    for refused in (
        lambda: load(None, {key: value}),
        lambda: Config().updated({key: value}, source=COMMAND_LINE),
    ):
        with pytest.raises(ConfigError, match=f"^{re.escape(said)}"):
            refused()
    with pytest.raises(ConfigError, match=f"^arguments: {re.escape(key)}"):
        load(None, {key: value}, source="arguments")


def test_what_flags_are_wrong_with_together_keeps_its_section() -> None:
    with pytest.raises(ConfigError, match=r"^command line: simulation: ray_address is for"):
        load(None, {"simulation.ray_address": "auto"})


@pytest.mark.parametrize("source", [COMMAND_LINE, "arguments"])
def test_a_wrong_server_is_blamed_on_its_own_flag(source: str) -> None:
    name = "--base-url" if source == COMMAND_LINE else "base_url"
    for model in (None, "openai:x"):
        with pytest.raises(ConfigError, match=f"^{name}: the URL needs its scheme"):
            Config().with_model(model, "foo", source=source)
    with pytest.raises(ConfigError, match=r"^--base-url: the URL needs its scheme"):
        Config().with_judge("openai:x", "foo")
    with pytest.raises(ConfigError, match=r"must not hold a key"):
        Config().with_model(None, "http://u:p@h/v1", source=source)
