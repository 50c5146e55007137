import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from command import RunAloe

from aloe.config import ModelConfig, RoleConfig, load
from aloe.errors import AloeError, ConfigError
from aloe.files.records import read_records
from aloe.memory.pool.files import PoolFiles
from aloe.memory.pool.store import _open_client, explain_store_failure
from aloe.models import hub
from aloe.models.open import open_model
from aloe.plugins import describe_error
from aloe.secrets import one_line, redact

PLAIN = [
    {"stop_token_ids": [1, 2]},
    {"prompt_cache_key": "aloe"},
    {"model_kwargs": {"min_tokens": 1, "max_token_len": 5}},
    {"extra_query": {"api-version": "2024-06-01"}},
    {"azure_endpoint": "https://h/?api-version=2024-06-01"},
    {"streaming": True, "sort_key": "name", "tokenizer": "hf_tokenizer"},
    {"api_key": None},
]


@pytest.mark.parametrize("options", PLAIN, ids=str)
def test_a_name_alone_is_no_secret(options: dict[str, object]) -> None:
    assert ModelConfig(model="openai:x", options=options).options == options


SECRET = [
    {"api_key": "x"},
    {"openai_api_key": "x"},
    {"default_headers": {"Authorization": "x"}},
    {"default_headers": {"x-api-key": "x"}},
    {"default_headers": {"X-Custom": "Bearer abcdef123456"}},
    {"token": "x"},
    {"aws_secret_access_key": "x"},
    {"aws_session_token": "x"},
    {"client_secret": "x"},
    {"password": "x"},
    {"anything": "sk-planted-123456"},
    {"anything": ["AKIAABCDEFGHIJKLMNOP"]},
    {"proxy": "http://user:planted@h:1"},
    {"azure_endpoint": "https://h/?sig=planted"},
]


@pytest.mark.parametrize("options", SECRET, ids=str)
def test_a_secret_is_refused_by_its_name_or_its_value(options: dict[str, object]) -> None:
    for make in (
        lambda: ModelConfig(model="openai:x", options=options),
        lambda: RoleConfig(use="m:r", **options),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="must not hold") as error:
            make()
        assert "planted" not in str(error.value).partition("[type=")[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("personas.store", "http://me:planted@chroma:8000"),
        ("personas.embedder", "openai:e@http://me:planted@h/v1"),
        ("experiment.served", "openai:{stage}@http://h/v1?api_key=planted"),
        ("simulation", {"engine": "ray", "ray_address": "ray://me:planted@h:1"}),
        ("training.arguments.hub_token", "planted"),
        ("training.arguments.report_to", ["http://me:planted@h:1"]),
        ("training.arguments.deep", {"anything": "sk-planted-123456"}),
        ("experiment.sft.hub_token", "planted"),
        ("judge.options.api_key", "planted"),
        ("benchmark.candidate", "openai:x@http://me:planted@h/v1"),
    ],
)
def test_no_section_of_the_settings_holds_a_secret(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match="must not hold") as error:
        load(None, {key: value})
    assert key.split(".")[0] in str(error.value) or "base URL" in str(error.value)
    assert "planted" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["http://h:8000/chroma", "http://me:planted@h:8000", "h:8000", "http://h:x", "http://h?a=b"],
)
def test_a_store_is_a_server_and_nothing_else(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="such as http://host:8000") as error:
        _open_client(PoolFiles(tmp_path / "p.jsonl"), url)
    assert "planted" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:planted@h/v1",
        "user:planted@h:80/v1",
        "http://h/v1?key=planted",
        "http://h/v1?api_key=planted",
        "https://h/v1?subscription-key=planted",
        "http://h/sk-planted-123456/v1",
    ],
)
@pytest.mark.parametrize("where", ["--base-url", "--model", "file"])
def test_who_stands_in_a_url_is_never_printed(
    aloe: RunAloe, tmp_path: Path, url: str, where: str
) -> None:
    if where == "file":
        file = tmp_path / "c.toml"
        file.write_text(f'[models.user]\nmodel = "openai:x"\nbase_url = "{url}"\n')
        ran = aloe("doctor", "--config", file, "--no-talk")
    elif where == "--model":
        ran = aloe("doctor", "--model", f"openai:x@{url}", "--no-talk")
    else:
        ran = aloe("doctor", "--model", "openai:x", "--base-url", url, "--no-talk")
    assert ran.code == 2
    assert "must not hold a key" in ran.err
    assert "planted" not in ran.out + ran.err


@pytest.mark.parametrize(
    "behind",
    [
        "sk-planted-123456/v1",
        "v1/sk%2Dplanted-123456",
        "v1;key=planted",
        "key=planted/v1",
        "v1#sk-planted-123456",
        "v1#access_token=planted",
        "v1?a=1;key=planted",
        "v1?sk-planted-123456",
    ],
)
def test_no_part_of_a_url_holds_a_key(behind: str) -> None:
    url = f"http://h/{behind}"
    for given in (
        {"models.user": f"openai:m@{url}"},
        {"models.user": {"model": "openai:m", "base_url": url}},
        {"models.user": {"model": "openai:m", "options": {"proxy": url}}},
        {"personas.store": url},
        {"training.arguments.report_to": [url]},
    ):
        with pytest.raises(ConfigError, match="must not hold") as error:
            load(None, given)
        assert "planted" not in str(error.value)


@pytest.mark.parametrize(
    "behind",
    ["key-service/v1", "v1/tokens", "v1/key", "v1;version=2", "v1#part", "v1?a=b=c", "v1?key="],
)
def test_words_of_a_url_are_no_keys(behind: str) -> None:
    model = f"openai:m@http://h/{behind}"
    assert load(None, {"models.user": model}).models.user.model == model


def test_a_plain_query_stays() -> None:
    config = ModelConfig(model="openai:x@http://h/v1?api-version=2024-06-01")
    assert open_model(config).chat.base_url == "http://h/v1?api-version=2024-06-01"  # type: ignore[attr-defined]
    with_options = config.model_copy(update={"options": {"streaming": False}})
    chat: Any = open_model(with_options).chat
    assert chat.openai_api_base == "http://h/v1"
    assert chat.default_query == {"api-version": "2024-06-01"}


def test_texts_are_cleared_of_users_and_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert redact("at http://user:pw@h:1/v1 and //tok@h") == "at http://***@h:1/v1 and //***@h"
    assert redact("sk-proj-abcdef AIzaSyA1234567890abcdefghijkl") == "*** ***"
    assert redact("a hf_hub_download failed for user@h") == "a hf_hub_download failed for user@h"


@pytest.mark.parametrize(
    "name", ["MY_SERVICE_KEY", "HUB_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY"]
)
def test_a_secret_of_the_environment_is_hidden_in_every_form(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    secret = "open sesame/123+=="
    monkeypatch.setenv(name, secret)
    encoded = base64.b64encode(secret.encode()).decode()
    for form in (secret, quote(secret, safe=""), quote_plus(secret), encoded):
        assert redact(f"sent <{form}> there") == "sent <***> there"


@pytest.mark.parametrize("key", ["sk-proj-abcdef123456", "3f9a0c1b2d4e5f60718293a4b5c6d7e8", "a b"])
def test_a_key_in_place_of_its_variable_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="name of a variable") as error:
        load(None, {"models.user.api_key_env": key})
    assert key not in str(error.value)


def test_a_url_without_its_scheme_is_told() -> None:
    for given in ({"model": "openai:x@127.0.0.1:8000/v1"}, {"model": "x", "base_url": "h:80/v1"}):
        with pytest.raises(ConfigError, match=r"needs its scheme: write .*http://"):
            load(None, {f"models.user.{key}": value for key, value in given.items()})


@pytest.mark.parametrize(
    ("message", "said"),
    [("", "ValueError"), (" \n", "ValueError"), ("\none\n two", "one two"), ("x" * 300, "x" * 200)],
)
def test_what_a_library_says_is_one_line(message: str, said: str) -> None:
    assert one_line(ValueError(message)) == said


@pytest.mark.parametrize("clear", [redact, one_line, describe_error])
def test_what_others_say_can_be_written_to_a_file(clear: Callable[[Any], str]) -> None:
    said = "hi \ud83d was refused"
    cleared = clear(said if clear is redact else ValueError(said))
    assert cleared.encode().endswith(b"hi ? was refused")


def _in_the_store(error: Exception) -> None:
    with explain_store_failure("the store", "start it"):
        raise error


def _in_the_hub(error: Exception) -> None:
    with hub._explained("a/b", "a/b"):
        raise error


def _in_the_data(error: Exception) -> None:
    datasets = pytest.importorskip("datasets")

    def fail(*_: object, **__: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_dataset", fail)
        list(read_records(Path("hub:a/b")))


@pytest.mark.parametrize("place", [_in_the_store, _in_the_hub, _in_the_data])
def test_keys_in_what_a_library_says_reach_no_error(place: Callable[[Exception], None]) -> None:
    with pytest.raises(AloeError, match=r"refused\W+\*\*\*\W+at http://\*\*\*@h") as error:
        place(RuntimeError("refused\n'sk-proj-abcdef'\nat http://user:pw@h"))
    assert "\n" not in str(error.value)


def test_a_key_of_several_lines_is_hidden_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PRIVATE_KEY", "-----BEGIN\nAbCdEf\n-----END")
    assert one_line(ValueError("bad -----BEGIN\nAbCdEf\n-----END.")) == "bad ***."


def test_the_working_folder_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", "/home/ana/bicycles")
    monkeypatch.setenv("DB_PWD", "hunter2hunter2")
    told = redact("/home/ana/bicycles/mine.py:3: hunter2hunter2")
    assert told == "/home/ana/bicycles/mine.py:3: ***"
