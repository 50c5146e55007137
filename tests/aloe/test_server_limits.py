"""What the limiter of an opened model is told by its URL and by its server's headers."""

import asyncio
from typing import Any

import pytest
from server import Answer, ChatServer, completion

from aloe.config import ModelConfig
from aloe.models.open import open_model


@pytest.mark.parametrize("options", [{}, {"disable_streaming": True}], ids=["lean", "SDK"])
def test_a_server_is_one_however_its_url_ends(options: dict[str, Any]) -> None:
    for urls in (
        ("http://h/v1", "http://h/v1/", "http://h/v1//"), ("http://h/v1?v=1", "http://h/v1/?v=1"),
    ):  # fmt: skip
        opened = [open_model(ModelConfig(model=f"openai:m@{u}", options=options)) for u in urls]
        opened += [open_model(ModelConfig(model="m", base_url=u, options=options)) for u in urls]
        assert len({id(each.limiter) for each in opened}) == 1
        assert len({id(each.parameters) for each in opened}) == 1
    other = open_model(ModelConfig(model="openai:m@http://h/v2"))
    assert other.limiter is not opened[0].limiter


@pytest.mark.parametrize("options", [{}, {"disable_streaming": True}], ids=["lean", "SDK"])
@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X-RateLimit-Limit-Tokens": "600"}, "600 tokens/min"),
        ({"x-ratelimit-limit-requests": "60"}, "60 requests/min"),
        (
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"},
            "pausing ",
        ),
        ({"x-request-id": "1"}, "nothing"),
    ],
)
def test_a_header_of_caps_counts_without_the_others(
    server: ChatServer, options: dict[str, Any], headers: dict[str, str], told: str
) -> None:
    server.behave = lambda _: Answer(body=completion("Hi.").body, headers=headers)
    model = open_model(ModelConfig(model=server.model, options=options))
    asyncio.run(model.ask([("user", "Hello")], model.arguments(seed=5)))
    assert (model.limiter.in_force() or "nothing").startswith(told)
