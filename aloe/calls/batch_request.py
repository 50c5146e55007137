"""Which models' calls can go into a batch, and what they look like there."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from aloe.calls.batch_rounds import is_batchable
from aloe.config import ModelConfig
from aloe.errors import ConfigError
from aloe.models.batch_api import ENDPOINT
from aloe.models.carried import part_options
from aloe.models.model_string import ModelString
from aloe.models.open import Model, server_of
from aloe.models.parameters import Sent
from aloe.models.providers import parse_model

NO_BATCHES = (
    "--batch (limits.batch) needs a model at a server with OpenAI's batch API, such as "
    "openai:gpt-4o-mini; leave it out for the models of this run"
)

AROUND = 128
"""Bytes that a line has beside the body of its request, at most."""


def takes_batches(model: Model) -> bool:
    """Whether a model is at a server of its own, which may have a batch API.

    Raises:
        ConfigError: it is, but an option of it cannot go into a batch.
    """
    if not model.name.startswith("openai:") or next(server_of(model), None) is None:
        return False
    _check_options(model.name, model.config)
    return True


def _check_options(name: str, config: ModelConfig) -> None:
    if odd := sorted(part_options(config.options)[0]):
        raise ConfigError(
            f"{name}: the option {odd[0]} cannot go into a batch; give it as a field of the "
            "request in options.extra_body, or leave out --batch"
        )


def check_batches(models: Sequence[Model]) -> None:
    """Make sure that batches can be asked for.

    Raises:
        ConfigError: no model has a server that might take them, or an option stands in the way.
    """
    if not [model for model in models if takes_batches(model)]:
        raise ConfigError(NO_BATCHES)


def check_batchable(configs: Iterable[ModelConfig]) -> None:
    """Make sure that batches can be asked for, as far as settings tell without a server.

    Raises:
        ConfigError: no model has a server that might take them, or an option stands in the way.
    """
    batched = [config for config in configs if is_batchable(config)]
    if not batched:
        raise ConfigError(NO_BATCHES)
    for config in batched:
        _check_options(str(parse_model(config)), config)


def request_body(model: Model, sent: Sent) -> dict[str, Any]:
    """Return a request as a batch carries it."""
    return {
        "model": ModelString.parse(model.name).name,
        "messages": [{"role": role, "content": text} for role, text in sent.messages],
        **sent.fields,
    }


def request_line(name: str, data: bytes) -> bytes:
    """Return the line of a batch's file that holds a request."""
    head = json.dumps({"custom_id": name, "method": "POST", "url": ENDPOINT})[:-1]
    return head.encode() + b', "body": ' + data + b"}\n"
