"""Chat classes of LangChain's by name, and chat models that were made in Python."""

import asyncio
import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_openai import ChatOpenAI
from pydantic import Field, SecretStr
from server import Answer, ChatServer, completion, failure

from aloe import simulate
from aloe.agents.scripted import reply
from aloe.config import Config, ModelConfig, load, validate
from aloe.errors import CallError, ConfigError, TransientCallError
from aloe.graphs.context import open_models
from aloe.graphs.given import Given
from aloe.models.check import locate_model
from aloe.models.open import Model, Reply, open_model
from aloe.models.openai_server import OPENAI
from aloe.models.scripted import Script, ScriptedChat
from aloe.schema import digest

CLAUDE = """
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, SecretStr


class Refused(Exception):
    status_code = 400
    body = {"type": "error", "error": {"type": "invalid_request_error", "message":
            "`temperature` and `top_p` cannot both be specified for this model."}}


class ChatStrict(BaseChatModel):
    model: str = "strict-1"
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = Field(default=1024, alias="max_tokens_to_sample")
    timeout: float | None = None
    max_retries: int = 2
    api_key: SecretStr | None = None
    thinking: dict[str, Any] | None = None
    model_config = {"populate_by_name": True}

    @property
    def _llm_type(self) -> str:
        return "strict"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        if self.temperature is not None and self.top_p is not None:
            raise Refused(str(Refused.body))
        said = f"{self.temperature} {self.top_p} {self.max_tokens} {sorted(kwargs)}"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said))])


class ChatOllamaLike(ChatStrict):
    num_predict: int | None = None
    server: str | None = Field(default=None, alias="base_url")
    reasoning: bool | str | None = None


not_a_class = 1
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "langchain_strict.py").write_text(textwrap.dedent(CLAUDE), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "langchain_strict", raising=False)
    return "langchain_strict"


def ask(model: Model, **wishes: Any) -> Reply:
    return asyncio.run(model.ask([("user", "Hello")], model.arguments(seed=1, **wishes)))


def test_a_class_gets_what_it_has_fields_for(package: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("STRICT_KEY", "abc")
    config = ModelConfig(
        model=f"langchain:{package}:ChatStrict",
        api_key_env="STRICT_KEY",
        temperature=0.3,
        frequency_penalty=0.5,
        max_tokens=9,
        timeout=7,
        reasoning="off",
        options={"model": "strict-2"},
    )
    model = open_model(config)
    chat: Any = model.chat
    assert (chat.model, chat.temperature, chat.max_tokens) == ("strict-2", 0.3, 9)
    assert (chat.timeout, chat.max_retries, chat.thinking) == (7, 0, {"type": "disabled"})
    assert chat.api_key.get_secret_value() == "abc"
    assert model.name == f"langchain:{package}:ChatStrict:strict-2"
    assert ask(model, logprobs=True).text == "0.3 None 9 []"


def test_what_its_server_refuses_is_left_out(package: str) -> None:
    config = ModelConfig(model=f"langchain:{package}:ChatStrict", temperature=0.3, top_p=0.9)
    model = open_model(config)
    assert ask(model).text == "0.3 None 1024 []"
    assert [str(change) for change in model.parameters.changes] == ["top_p is left out"]
    chat: Any = model.chat
    assert chat.top_p == 0.9  # it was asked through a copy


def test_thinking_goes_into_the_field_that_a_class_has(package: str) -> None:
    config = ModelConfig(model=f"langchain:{package}:ChatOllamaLike", reasoning="off")
    chat: Any = open_model(config).chat
    assert chat.reasoning is False
    chat = open_model(config.model_copy(update={"reasoning": "low"})).chat
    assert chat.reasoning == "low"


NOWHERE = "http://127.0.0.1:9/v1"
FAKE = "langchain:langchain_core.language_models.fake_chat_models:FakeListChatModel"


@pytest.mark.parametrize(
    "model",
    [
        "local:smollm2-135m",
        "local:smollm2-135m@http://127.0.0.1:9/v1",
        "hf:./folder",
        "scripted:aloe.agents.scripted:reply",
        FAKE,
        FakeListChatModel(responses=["Hi"]),
    ],
)
def test_a_base_url_that_nobody_would_ask_is_refused(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    url = None if "@" in str(model) else NOWHERE
    config = ModelConfig(
        model=model, base_url=url, options={"responses": ["Hi"]} if model == FAKE else {}
    )
    for use in (open_model, locate_model):
        with pytest.raises(ConfigError, match="takes no base URL") as error:
            use(config)
        assert NOWHERE in str(error.value)
        assert ("in options" in str(error.value)) == (model == FAKE)


def test_a_base_url_is_for_the_field_that_a_class_has_for_it(package: str) -> None:
    config = ModelConfig(model=f"langchain:{package}:ChatOllamaLike", base_url=NOWHERE)
    chat: Any = open_model(config).chat
    assert chat.server == NOWHERE
    assert locate_model(config) == NOWHERE


def test_roles_that_cannot_take_a_base_url_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    own = Config.model_validate({"models": {"user": "openai:x", "judge": "hf:y"}})
    with pytest.raises(ConfigError) as error:
        open_models(own.with_model(None, NOWHERE))
    said = str(error.value)
    assert "local:smollm2-135m (inducer, hinted, plain) and hf:y (judge) take no base URL" in said
    assert "openai:x" not in said
    assert "--model openai:NAME" in said
    with pytest.raises(ConfigError, match=r"\(user, inducer, hinted, plain, judge\)"):
        open_models(Config().with_model(None, NOWHERE))


OPENAIS = "langchain:langchain_openai:ChatOpenAI"
REROUTED = [(name, "openai:gpt-4o-mini") for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE")] + [
    ("LANGSMITH_GATEWAY", "openai:gpt-4o-mini")
]


@pytest.mark.parametrize(
    ("variable", "model"), [*REROUTED, *((name, OPENAIS) for name, _ in REROUTED)]
)
def test_no_variable_says_which_server_is_asked(
    variable: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would ask another one under the name of OpenAI's, also where a run is resumed."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    options = {"model": "m"} if model == OPENAIS else {}
    config = ModelConfig(model=model, options=options)
    monkeypatch.setenv(variable, NOWHERE)
    with pytest.raises(ConfigError, match=f"{variable} .*unset"):
        open_model(config)
    if model != OPENAIS:
        with pytest.raises(ConfigError, match=f"{variable} .*unset"):
            locate_model(config)
    named: Any = open_model(ModelConfig(model=model, base_url=NOWHERE, options=options)).chat
    assert locate_model(ModelConfig(model=model, base_url=NOWHERE)) == NOWHERE
    assert str(named.base_url if model != OPENAIS else named.openai_api_base) == NOWHERE
    own = ModelConfig(model=model, options={**options, "base_url": NOWHERE})
    assert open_model(own).chat.openai_api_base == NOWHERE  # type: ignore[attr-defined]
    monkeypatch.setenv(variable, "" if variable == "LANGSMITH_GATEWAY" else OPENAI)
    chat: Any = open_model(config).chat
    assert str(chat.root_async_client.base_url) == f"{OPENAI}/"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_package:ChatX", "pip install no-such-package"),
        ("langchain_strict:ChatNobody", "ChatNobody"),
        ("langchain_strict:not_a_class", "is not a LangChain chat model"),
        ("langchain_strict", "cannot be found"),
    ],
)
def test_a_class_that_is_not_there(package: str, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        open_model(ModelConfig(model=f"langchain:{name}"))


def test_a_class_that_speaks_openais_protocol_is_asked_for_all_of_it(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behave = lambda r: failure(400, "no seed") if "seed" in r.body else completion("Hi")
    config = ModelConfig(
        model="langchain:langchain_openai:ChatOpenAI",
        base_url=server.url,
        temperature=0.3,
        max_tokens=9,
        options={"model": "m", "api_key": None, "disable_streaming": True},
    )
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    model = open_model(config)
    assert model.openai_compatible
    assert ask(model, logprobs=True).text == "Hi"
    body = server.requests[-1].body
    assert (body["temperature"], body["max_tokens"], body["logprobs"]) == (0.3, 9, True)
    assert "seed" not in body


OWN_CLASSES = """
from langchain_openai import ChatOpenAI


class ChatCompany(ChatOpenAI):
    @property
    def _llm_type(self):
        return "company"


class ChatOtherClient(ChatOpenAI):
    def __init__(self, **given):
        if given.get("http_async_client") is not None:
            raise TypeError("http_async_client must be a client of another package")
        super().__init__(**given)
"""
PLAIN = {"model": "m"}
AZURE = {"azure_deployment": "m", "api_version": "2024-10-21"}
ON_OPENAIS_SDK = {
    "langchain_openai:ChatOpenAI": PLAIN,
    "langchain_openai:AzureChatOpenAI": AZURE,
    "own_chat:ChatCompany": PLAIN,
}
"""Classes on OpenAI's SDK, with the options that each wants."""


@pytest.fixture
def own_chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_chat.py").write_text(OWN_CLASSES)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("own_chat", None)
    monkeypatch.setenv("SOME_KEY", "k-123")


def on_sdk(name: str, server: ChatServer, **settings: Any) -> Model:
    options: dict[str, Any] = ON_OPENAIS_SDK.get(name, PLAIN)
    if "azure_deployment" in options:
        options = {**options, "azure_endpoint": server.url.removesuffix("/v1")}
    else:
        settings["base_url"] = server.url
    config = ModelConfig(
        model=f"langchain:{name}", options=options, api_key_env="SOME_KEY", **settings
    )
    return open_model(config)


@pytest.mark.usefixtures("own_chat")
@pytest.mark.parametrize("name", ON_OPENAIS_SDK)
def test_answers_of_classes_on_openais_sdk_are_checked(name: str, server: ChatServer) -> None:
    def failed(body: Any) -> Any:
        server.behave = lambda _: Answer(body=body)
        with pytest.raises(CallError) as error:
            ask(on_sdk(name, server, max_reply_bytes=5000))
        return error.value

    busy = failed({"error": {"code": 429, "message": "slow down, retry in 3s"}})
    assert isinstance(busy, TransientCallError)
    assert (busy.cause, busy.retry_after) == ("busy", 3.0)
    assert "not JSON: '<h1>Sign in</h1>'" in str(failed(b"<h1>Sign in</h1>"))
    assert "longer than max_reply_bytes = 5000" in str(failed({"choices": [], "x": "y" * 6000}))
    assert "holds no message" in str(failed({"choices": [{"message": None}]}))
    assert len(server.requests) == 4, "the SDK does not try again by itself"


@pytest.mark.usefixtures("own_chat")
@pytest.mark.parametrize("name", ON_OPENAIS_SDK)
def test_what_such_a_class_would_lose_of_a_reply_is_kept(name: str, server: ChatServer) -> None:
    said = completion("Tea.", finish="length")
    said.body["choices"][0]["message"]["reasoning_content"] = "Hm."
    said.body["usage"] |= {"total_tokens": None, "prompt_tokens_details": None}
    server.behave = lambda _: said
    reply = ask(on_sdk(name, server))
    assert (reply.text, reply.thoughts, reply.finish) == ("Tea.", "Hm.", "length")
    assert (reply.input_tokens, reply.output_tokens) == (10, 5)


@pytest.mark.usefixtures("own_chat")
def test_a_class_that_takes_no_client_of_ours_is_built_as_it_is(server: ChatServer) -> None:
    server.behave = lambda _: completion("Hi")
    assert ask(on_sdk("own_chat:ChatOtherClient", server)).text == "Hi"


def test_an_instance_stands_where_a_string_does() -> None:
    chat = FakeListChatModel(responses=["x"])
    config = ModelConfig(model=chat)  # type: ignore[arg-type]
    assert config.model.startswith("instance:FakeListChatModel#")
    model = open_model(config)
    assert model.chat is chat
    assert model.name == "instance:FakeListChatModel"
    assert ask(model).text == "x"
    for given in (chat, {"model": chat}):
        resolved = load(None, {"models.judge": given, "benchmark.candidate": given})
        assert resolved.models.judge.model == config.model
        assert resolved.models.judge.max_tokens == 8  # the role's defaults hold
        assert resolved.benchmark.candidate.model == config.model
    resolved = load(None).with_model(chat, None)
    assert {each.model for each in resolved.models.by_role().values()} == {config.model}
    assert validate(Config, resolved.model_dump(), source="copy") == resolved
    assert config.model in resolved.toml()


def test_instances_are_told_apart_by_what_they_are_made_with() -> None:
    def name(**fields: Any) -> str:
        return ModelConfig(model=Named(**fields)).model  # type: ignore[arg-type]

    assert name(model="claude", temperature=0.1) == name(model="claude", temperature=0.1)
    assert name(model="claude", temperature=0.1) != name(model="claude", temperature=0.2)
    assert name(model="claude").startswith("instance:claude#")


class Named(FakeListChatModel):
    responses: list[str] = Field(default_factory=lambda: ["x"])
    model: str
    temperature: float = 0.0
    more: dict[str, Any] = Field(default_factory=dict)


class Answering:
    def __init__(self, text: str, client: object = None) -> None:
        self.text, self.client, self.calls = text, client, 0

    def reply(self, _messages: Any, _arguments: Any) -> str:
        self.calls += 1
        return self.text

    __call__ = reply


def answering(text: str, client: object = None) -> Script:
    return lambda _messages, _arguments: f"{text}{client or ''}"


def worded(text: str, _messages: Any, _arguments: Any) -> str:
    return text


@pytest.mark.parametrize(
    "make",
    [
        answering,
        Answering,
        lambda text: Answering(text).reply,
        lambda text: partial(worded, text),
        lambda text: partial(partial(worded), *[text]),
        lambda text: lambda _messages, _arguments, text=text: text,
        lambda text: ScriptedChat(script=answering(text)),
        lambda text: FakeListChatModel(responses=[text]),
        lambda text: Named(model="m", more={"said": {"text": [text]}}),
    ],
)
def test_what_is_made_with_something_else_is_another_model(make: Callable[[str], Any]) -> None:
    tea, soup, again = (ModelConfig(model=make(text)) for text in ("Tea.", "Soup.", "Tea."))
    assert tea.model == again.model != soup.model
    if not isinstance(make("x"), Named):
        assert [ask(open_model(each)).text for each in (tea, soup)] == ["Tea.", "Soup."]


def test_lambdas_of_one_line_are_two() -> None:
    made: list[Script] = [lambda _m, _a: "Tea.", lambda _m, _a: "Soup."]
    tea, soup = (ModelConfig(model=each) for each in made)  # type: ignore[arg-type]
    assert tea.model != soup.model


def test_what_a_function_does_to_its_object_does_not_rename_it() -> None:
    given = Answering("Counted.")
    before = ModelConfig(model=given.reply)  # type: ignore[arg-type]
    assert ask(open_model(before)).text == "Counted."
    assert given.calls == 1
    assert ModelConfig(model=given.reply).model == before.model  # type: ignore[arg-type]


def test_a_plain_function_is_named_by_its_source() -> None:
    assert (
        ModelConfig(model=reply).model
        == (  # type: ignore[arg-type]
            f"instance:reply#{digest('reply', inspect.getsource(reply))[:8]}"
        )
    )


@pytest.mark.parametrize(
    "make", [lambda client: answering("Hi.", client), lambda client: Answering("Hi.", client)]
)
def test_two_that_cannot_be_told_apart_are_refused(make: Callable[[object], Script]) -> None:
    one, other = object(), object()
    names = {ModelConfig(model=make(one)).model for _ in range(2)}  # type: ignore[arg-type]
    assert len(names) == 1
    with pytest.raises(ConfigError, match="cannot be told apart"):
        load(None, {"models.user": make(other)})


def test_an_instance_of_another_process_is_told() -> None:
    with pytest.raises(ConfigError, match="made in Python, in another process"):
        open_model(ModelConfig(model="instance:claude#12345678"))


def test_a_simulation_with_instances(tmp_path: Path) -> None:
    chat: BaseChatModel = ScriptedChat(script=reply)
    trees = simulate(PERSONAS[:1], model=chat, turns=1, out=tmp_path / "run")
    mixed = simulate(PERSONAS[:1], model=SCRIPTED, turns=1, settings={"models.user": chat})
    assert mixed[0].models["user"] == trees[0].models["user"] != SCRIPTED
    assert [n.content for n in trees[0].nodes if n.role == "user"]
    assert len(mixed) == 1
    again = simulate(PERSONAS[:1], model=chat, turns=1, out=tmp_path / "run")
    assert again == trees  # the folder knows the model again


def asked_for(changes: dict[str, Any]) -> Config:
    """Return the settings of a simulation from Python that asks for `SCRIPTED`."""
    return Given(personas=PERSONAS[:1], model=SCRIPTED, changes=changes).settings(1)


@pytest.mark.parametrize(
    ("settings", "role"),
    [
        ({"models.user": {"model": "scripted:other:user"}}, "user"),
        ({"models.user.model": "scripted:other:user"}, "user"),
        ({"models": {"user": {"model": "scripted:other:user", "temperature": 0.1}}}, "user"),
        (
            {
                "models.assistants": [
                    {"name": "one", "model": "scripted:other:user"},
                    {"name": "two"},
                ]
            },
            "one",
        ),
        ({"roles.critic": {"use": "a:b", "model": "scripted:other:user"}}, "critic"),
    ],
)
def test_a_role_keeps_the_model_that_settings_give_it(settings: dict[str, Any], role: str) -> None:
    found = asked_for(settings)
    models = {name: each.model for name, each in found.models.by_role().items()}
    models |= {name: each.model.model for name, each in found.roles.items()}
    assert models.pop(role) == "scripted:other:user"
    assert set(models.values()) == {SCRIPTED}


def test_other_settings_of_a_role_do_not_bring_back_its_model() -> None:
    found = asked_for(
        {"models.user.temperature": 0.1, "models.assistants": [{"name": "one"}, {"name": "two"}]}
    )
    assert {each.model for each in found.models.by_role().values()} == {SCRIPTED}


U = "http://h/v1"
OWN = {"base_url": U, "api_key_env": "H_KEY", "options": {"extra_body": {"x": 1}}}
OTHER = {"model": "openai:other", **OWN}
USE = {"roles.safety.use": "m:f"}


def dotted(section: str, given: dict[str, Any]) -> dict[str, Any]:
    return {f"{section}.{key}": value for key, value in given.items()}


@pytest.mark.parametrize("given", [OWN, OTHER])
@pytest.mark.parametrize("role", ["judge", "reader", "safety", "a"])
def test_server_key_and_options_given_beside_a_model_for_all_stay(
    given: dict[str, Any], role: str
) -> None:
    section = "roles.safety.model" if role == "safety" else f"models.{role}"
    first, _, rest = section.partition(".")
    forms: list[dict[str, Any]] = [
        USE | dotted(section, given),
        USE | {section: given},
        {"roles": {"safety": {"use": "m:f"}}, first: {rest: given}}
        if role != "safety"
        else {"roles": {"safety": {"use": "m:f", "model": given}}},
    ]
    if role == "a":
        forms = [{"models.assistants": [{"name": "a", **given}, {"name": "b"}]}]
    for settings in forms:
        found = Given(PERSONAS[:1], "openai:main", "http://main/v1", None, settings).settings(1)
        models = found.models.by_role() | {name: each.model for name, each in found.roles.items()}
        own = models.pop(role)
        assert (own.model, own.base_url, own.api_key_env, own.options) == (
            given.get("model", "openai:main"), *OWN.values(),
        )  # fmt: skip
        assert {(e.model, e.base_url) for e in models.values()} == {
            ("openai:main", "http://main/v1")
        }


def test_a_key_does_not_follow_to_a_server_that_settings_give(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(
        '[models.user]\nmodel = "openai:main"\nbase_url = "http://a/v1"\napi_key_env = "A_KEY"\n'
    )
    settings = {"models.judge.base_url": U}
    found = Given(PERSONAS[:1], "openai:main", None, file, settings).settings(1).models
    assert (found.user.base_url, found.user.api_key_env) == ("http://a/v1", "A_KEY")
    assert (found.judge.base_url, found.judge.api_key_env) == (U, None)


FILE = '[models.judge]\nmodel = "openai:main"\nbase_url = "http://a/v1"\napi_key_env = "A_KEY"\n'


@pytest.mark.parametrize("model", ["openai:main", None])
def test_a_key_of_the_file_goes_to_no_server_that_settings_give(
    tmp_path: Path, model: str | None
) -> None:
    (tmp_path / "my.toml").write_text(FILE)
    for settings in ({"models.judge.base_url": U}, {"models.judge": {"base_url": U}}):
        found = Given(PERSONAS[:1], model, None, tmp_path / "my.toml", settings).settings(1).models
        assert (found.judge.base_url, found.judge.api_key_env) == (U, None)
        assert found.user.api_key_env is None


@pytest.mark.parametrize(
    ("given", "server", "key"),
    [
        ({"model": "openai:j"}, None, None),
        ({"model": "openai:main"}, "http://a/v1", "A_KEY"),
        ({"api_key_env": "K", "base_url": U, "model": "openai:j"}, U, "K"),
    ],
)
def test_another_model_inherits_nothing_however_it_is_named(
    tmp_path: Path, given: dict[str, Any], server: str | None, key: str | None
) -> None:
    (tmp_path / "my.toml").write_text(FILE)
    for settings in (dotted("models.judge", given), {"models.judge": given}):
        for model in ("openai:all", None):
            found = Given(PERSONAS[:1], model, None, tmp_path / "my.toml", settings).settings(1)
            assert found.models.judge.model == given["model"]
            assert (found.models.judge.base_url, found.models.judge.api_key_env) == (server, key)


def test_a_server_for_all_is_not_guessed_for_a_model_that_settings_name() -> None:
    def judged(settings: dict[str, Any]) -> ModelConfig:
        given = Given(PERSONAS[:1], "openai:main", "http://main/v1", None, settings)
        return given.settings(1).models.judge

    for form in (dotted("models.judge", {"model": "openai:j"}), {"models.judge": "openai:j"}):
        with pytest.raises(ConfigError, match=r"^settings: models.judge: names 'openai:j' without"):
            judged(form)
    assert judged({"models.judge.model": "openai:j", "models.judge.base_url": U}).base_url == U
    assert judged({"models.judge": {"model": "openai:j", "base_url": None}}).base_url is None
    assert judged({"models.judge.model": SCRIPTED}).model == SCRIPTED


def test_what_is_wrong_with_the_model_of_an_argument_is_not_blamed_on_settings() -> None:
    settings = {"models.judge.temperature": 0}
    with pytest.raises(ConfigError, match=r"^model: .*must not hold a key"):
        Given(PERSONAS[:1], "openai:x@http://u:p@h/v1", None, None, settings).settings(1)


def test_without_a_model_for_all_each_role_has_its_own() -> None:
    mixed = {"models.assistants": [{"name": "one", "model": SCRIPTED}, {"name": "two"}]}
    found = Given(personas=PERSONAS[:1], model=None, changes=mixed).settings(1)
    models = {each.name: each.model for each in found.models.assistants}
    assert models == {"one": SCRIPTED, "two": load(None, {}).models.assistants[0].model}


def test_an_instances_failures_are_sorted() -> None:
    def script(_messages: Any, _arguments: Any) -> str:
        raise ValueError("odd")

    with pytest.raises(
        CallError, match=r"instance:ScriptedChat: .*test_providers.py:\d+: ValueError: odd"
    ):
        ask(open_model(ModelConfig(model=ScriptedChat(script=script))))  # type: ignore[arg-type]


CLASS = "langchain:langchain_openai:ChatOpenAI"
ROLE: dict[str, Any] = {"max_tokens": 80, "reasoning": "off", "temperature": 0.2}


@pytest.mark.parametrize("by_class", [False, True])
def test_fields_among_options_win_over_a_roles_and_give_way_to_a_calls(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, by_class: bool
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    fields = {"max_tokens": 500, "temperature": 0.9, "seed": 7, "chat_template_kwargs": {"x": 1}}
    options: dict[str, Any] = {"extra_body": fields, "model_kwargs": {"top_k": 4, "seed": 8}}
    at = {"model": CLASS, "options": {**options, "base_url": server.url, "model": "tiny",
                                      "api_key": None}} if by_class else {
        "model": server.model, "options": options}  # fmt: skip
    model = open_model(ModelConfig.model_validate({**ROLE, **at}))
    for wishes, limit in (({}, 500), ({"max_tokens": 1}, 1)):
        ask(model, **wishes)
        body = server.requests[-1].body
        assert (body["max_tokens"], body["temperature"], body["seed"]) == (limit, 0.9, 1)
        assert body["top_k"] == 4
        assert body["chat_template_kwargs"]["x"] == 1
        assert by_class or body["chat_template_kwargs"]["enable_thinking"] is False


def test_fields_of_an_instance_give_way_to_a_calls(server: ChatServer) -> None:
    own = {"seed": 7, "max_tokens": 7, "top_k": 4}
    chat = ChatOpenAI(model="tiny", base_url=server.url, api_key=SecretStr("k"), extra_body=own)
    ask(open_model(ModelConfig(model=chat)), max_tokens=1)  # type: ignore[arg-type]
    body = server.requests[-1].body
    assert (body["seed"], body["max_tokens"], body["top_k"]) == (1, 1, 4)
