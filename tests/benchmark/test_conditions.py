"""Models that flags of a benchmark name, over settings that name others."""

from pathlib import Path

import pytest

from aloe.benchmark.conditions import load_candidate, split_models, with_controls
from aloe.errors import ConfigError

SERVED = 'model = "openai:a"\nbase_url = "http://a:1/v1"\napi_key_env = "A_KEY"\n'
CLAUDE = 'model = "langchain:x:Chat"\noptions = { model = "claude" }\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(
        f"[benchmark.candidate]\n{CLAUDE}[models.user]\n{CLAUDE}[models.judge]\n{SERVED}"
    )
    return path


def test_judges_come_as_text_or_as_a_list() -> None:
    assert split_models("openai:a, openai:b") == ["openai:a", "openai:b"]
    assert split_models(["openai:a", "openai:b"]) == ["openai:a", "openai:b"]
    assert split_models("openai:a") == ["openai:a"]
    assert split_models(None) == split_models("") == []


def test_models_of_flags_take_nothing_over(file: Path) -> None:
    found = load_candidate(file, {}, model="openai:c", user="openai:u", judges=["hf:j", "hf:k"])
    (floor,) = (
        each for name, each in with_controls(found, ["floor=hf:f"]).items() if name == "floor"
    )
    for each in (
        found.benchmark.candidate, found.models.user, *found.models.judges().values(),
        floor.benchmark.candidate,
    ):  # fmt: skip
        assert (each.base_url, each.api_key_env, each.options) == (None, None, {})
    assert floor.benchmark.candidate.temperature == found.benchmark.candidate.temperature


def test_server_key_and_options_in_settings_go_with_the_model_of_an_argument(file: Path) -> None:
    own = {"base_url": "http://h/v1", "api_key_env": "H_KEY", "options": {"extra_body": {"x": 1}}}
    sections = ("benchmark.candidate", "models.user", "models.judge")
    written = {f"{section}.{key}": value for section in sections for key, value in own.items()}
    flags = {"model": "openai:c", "user": "openai:u", "judges": ["openai:j", "openai:k"]}
    found = load_candidate(file, {}, written=written, **flags)  # type: ignore[arg-type]
    for each in (found.benchmark.candidate, found.models.user, found.models.judge):
        assert (each.base_url, each.api_key_env, each.options) == tuple(own.values())
    assert found.models.panel[0].base_url is None


def test_what_is_wrong_with_a_model_names_its_role(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"command line: models.user: .*must not hold a key"):
        load_candidate(file, model=None, user="openai:x@http://u:p@h/v1", judges=[])


def test_settings_and_an_argument_that_name_two_models_are_refused(file: Path) -> None:
    written = {"benchmark.candidate": {"model": "openai:y", "base_url": "http://y/v1"}}
    told = r"benchmark.candidate: names 'openai:y', and an argument 'openai:x'; leave one"
    with pytest.raises(ConfigError, match=told):
        load_candidate(file, {}, written=written, model="openai:x", user=None, judges=[])
    same = load_candidate(file, {}, written=written, model="openai:y", user=None, judges=[])
    assert same.benchmark.candidate.base_url == "http://y/v1"


@pytest.mark.parametrize(
    ("condition", "control"), [("ceiling", "ceiling"), ("floor", "floor=MODEL")]
)
def test_a_control_is_not_made_by_settings(tmp_path: Path, condition: str, control: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(f'[benchmark]\ncondition = "{condition}"\n')
    with pytest.raises(ConfigError, match=rf"my.toml: benchmark.condition: .* --control {control}"):
        load_candidate(path, {}, model=None, user=None, judges=[])


@pytest.mark.parametrize("twice", [["floor=hf:a", "floor=hf:b"], ["ceiling", "ceiling"]])
def test_a_control_is_named_once(file: Path, twice: list[str]) -> None:
    found = load_candidate(file, {}, model=None, user=None, judges=[])
    with pytest.raises(ConfigError, match=f"'{twice[0].partition('=')[0]}' is named twice"):
        with_controls(found, twice)


def test_a_model_that_the_settings_know_keeps_its_server(file: Path) -> None:
    found = load_candidate(file, {}, model="openai:a", user=None, judges=["hf:j", "openai:a"])
    floor = with_controls(
        load_candidate(file, {}, model=None, user=None, judges=[]), ["floor=openai:a"]
    )
    for each in (
        found.benchmark.candidate,
        found.models.panel[0],
        floor["floor"].benchmark.candidate,
    ):
        assert (each.base_url, each.api_key_env) == ("http://a:1/v1", "A_KEY")
    assert found.models.panel[0].max_tokens == found.models.judge.max_tokens
    assert found.models.user.options == {"model": "claude"}


J = "openai:j"
AT_A, AT_B = "http://a:1/v1", "http://b:1/v1"


@pytest.mark.parametrize(
    ("judge", "other", "name"),
    [
        ({"model": f"{J}@{AT_A}"}, {"model": f"{J}@{AT_B}"}, J),
        ({"model": J, "base_url": AT_A}, {"model": J, "base_url": AT_B}, J),
        ({"model": "j", "base_url": AT_A}, {"model": f"{J}@{AT_B}"}, J),
        ({"model": J}, {"model": J, "temperature": 1.0}, J),
        (
            {"model": "langchain:x:Chat", "options": {"model": "m"}},
            {"model": "langchain:x:Chat", "options": {"model": "m", "k": 1}},
            "langchain:x:Chat:m",
        ),
    ],
    ids=["URLs", "base URLs", "no provider", "temperature", "a class"],
)
def test_judges_have_names_of_their_own_in_scores(
    judge: dict[str, object], other: dict[str, object], name: str
) -> None:
    written = {"models.judge": judge, "models.panel": [other]}
    with pytest.raises(ConfigError, match=f"^two judges are both called {name} in scores; serve"):
        load_candidate(None, written=written, model="openai:c", user="openai:u", judges=[])


def test_a_judge_is_named_once() -> None:
    with pytest.raises(ConfigError, match="a judge is named twice \\(openai:j\\)"):
        load_candidate(None, model="openai:c", user="openai:u", judges=[J, J])


def test_one_class_asks_two_judges() -> None:
    chat = "langchain:x:Chat"
    judges = [{"model": chat, "options": {"model": name}} for name in ("m", "n")]
    written = {"models.judge": judges[0], "models.panel": judges[1:]}
    found = load_candidate(None, written=written, model="openai:c", user="openai:u", judges=[])
    assert len(found.models.judges()) == 2
