"""What a server's error quotes of a persona is not read as its own statement."""

import asyncio
from typing import Any

import pytest
from server import ChatServer, completion, failure

from aloe.config import ModelConfig
from aloe.errors import AloeError, CallError, ContextError, ModelError, TransientCallError
from aloe.models.failures import sort_failure
from aloe.models.http_answer import ServerError
from aloe.models.open import Model, open_model
from aloe.models.quoting import without_quotes

CLIENTS: dict[str, dict[str, Any]] = {"HttpChat": {}, "ChatOpenAI": {"disable_streaming": True}}


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS)
def model(request: pytest.FixtureRequest, server: ChatServer) -> Model:
    return open_model(ModelConfig(model=server.model, options=request.param, temperature=0.3))


def failed(model: Model, said: str) -> AloeError:
    with pytest.raises(AloeError) as error:
        asyncio.run(model.ask([("user", said)], model.arguments(seed=5)))
    return error.value


QUOTED = [
    "I am broke: my bank says insufficient funds.",
    "She's out of credits!",
    "How does context size limit a painting?",
    "My essay prompt is too long, what do I do?",
    "Which seed grows fastest?",
    "At what temperature, at most 100, does it melt?",
    "A system prompt?",
]


@pytest.mark.parametrize("status", [400, 403, 422])
@pytest.mark.parametrize("said", QUOTED)
def test_what_a_refusal_quotes_is_not_the_servers_word(
    server: ChatServer, model: Model, said: str, status: int
) -> None:
    server.behave = lambda _: failure(status, f"We do not answer this: '{said}'")
    error = failed(model, said)
    assert type(error) is CallError
    assert said in str(error)
    assert model.parameters.changes == []


@pytest.mark.parametrize("said", ["The oven says wait 20 minutes.\nAnd then?", "Try again: 3 h"])
def test_what_a_fault_quotes_is_no_wish_to_wait(
    server: ChatServer, model: Model, said: str
) -> None:
    server.behave = lambda _: failure(500, f"failed for {said.split(chr(10))[0]!r}")
    error = failed(model, said)
    assert isinstance(error, TransientCallError)
    assert error.retry_after is None


def test_a_part_of_a_message_is_known_again(server: ChatServer, model: Model) -> None:
    server.behave = lambda _: failure(
        400, "No: ...bank says \u201cInsufficient funds\u201d, and..."
    )
    assert type(failed(model, "Today my bank says: insufficient funds, and I cried.")) is CallError


def test_the_servers_own_words_beside_a_quotation_count(server: ChatServer, model: Model) -> None:
    said = "Which seed grows fastest?"
    server.behave = lambda _: failure(403, f"insufficient balance; refused {said!r}")
    assert isinstance(failed(model, said), ModelError)
    server.behave = lambda _: failure(400, f"maximum context length is 20 tokens: {said!r}")
    assert isinstance(failed(model, said), ContextError)
    server.behave = lambda r: (
        failure(400, f"seed is not supported: {said!r}") if "seed" in r.body else completion("Hi")
    )
    asyncio.run(model.ask([("user", said)], model.arguments(seed=5)))
    assert model.parameters.left_out == {"seed"}


@pytest.mark.parametrize(
    "code", ["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation",
             "moderation_blocked"],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 403, 500, None])
def test_a_code_of_a_filter_is_enough(code: str, status: int | None) -> None:
    for said in ("insufficient funds", "the context length", "the prompt is too long, wait 20 min"):
        body = {"message": f"policy: {said!r}", "code": code}
        error = sort_failure(ServerError(status, body, {}), model="m", key=None, variable="K")
        assert type(error) is CallError
        assert said in str(error)


@pytest.mark.parametrize(("status", "code"), [(429, "filter_rate"), (400, "insufficient_quota")])
def test_a_filter_in_a_code_hides_neither_a_busy_server_nor_an_unpaid_one(
    status: int, code: str
) -> None:
    body = {"message": "no", "code": code, "type": "policy"}
    error = sort_failure(ServerError(status, body, {}), model="m", key=None, variable="K")
    assert isinstance(error, TransientCallError if status == 429 else ModelError)


def test_no_error_is_too_odd_to_be_read() -> None:
    deep: Any = "wait 20 minutes"
    for _ in range(900):
        deep = [deep]
    sent = [("user", "please wait 20 minutes"), ("user", ""), ("user", "seed")]
    assert without_quotes({"a": deep, "b": 1, "c": None}, sent)["b"] == 1
    assert without_quotes("the seed", sent) == "the seed"
    assert without_quotes("a" * 200_000, sent) == "a" * 100_000
