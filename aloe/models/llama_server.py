"""A `llama-server` of the user's own, in a process beside this one.

The llama.cpp in this process comes as a wheel that must run everywhere, so it has the kernels of an
old processor and of no GPU. A binary built for the machine is started here with the same settings.

It lives no longer than we do, however we end: a shell reads a pipe of which only we hold the other
end, and kills its process group when that closes. (Linux can signal a child at the death of its
parent, but means the thread that started it.) The key travels in the environment: unlike the
command line, other users cannot read it.
"""

import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from os import environ
from pathlib import Path

from aloe.errors import ConfigError, ModelError
from aloe.files.paths import expand_home

AUTO = "auto"
BINARY = "llama-server"

_KEY = "LLAMA_API_KEY"
_SHOWN = 12
"""Last lines of the server that an error repeats."""
_PAUSE = 0.05
"""Seconds between two looks at a server that is loading."""
_GRACE = 10.0
"""Seconds for what takes an instant once a server is killed."""
_GUARD = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _; kill -9 0; } <&3 &
guard=$!
exec 3<&-
wait $server
code=$?
kill $guard
exit $code
"""
"""Runs a command until it ends or standard input does."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a server is to serve and how, whichever server it is."""

    model: Path
    name: str
    """What requests call the model."""
    adapter: Path | None
    """A LoRA adapter to put on it."""
    slots: int
    """Conversations decoded together."""
    context: int
    """Tokens that each of them can hold."""
    cache: int
    """MiB for prompts that have left their slot."""
    threads: int
    gpu_layers: int | None
    """None: as many as fit."""


@dataclass(frozen=True, eq=False)
class ServerProcess:
    """A running `llama-server`; it stops when nothing refers to it any more."""

    base_url: str
    api_key: str = field(repr=False)
    process: "subprocess.Popen[str]" = field(repr=False)


def find_binary(wanted: str | None) -> Path | None:
    """Return the `llama-server` that settings ask for; None for the llama.cpp in this process.

    Raises:
        ConfigError: it is not there or cannot be run.
    """
    if wanted is None:
        return None
    name = BINARY if wanted == AUTO else str(expand_home(wanted))
    if found := shutil.which(name):
        return Path(found).absolute()
    if wanted == AUTO:
        return None
    where = "is no program that can be run" if "/" in wanted else "is not on PATH"
    raise ConfigError(
        f"local.server: {wanted} {where}; name a llama-server of llama.cpp, or 'auto'"
    )


def start_process(binary: Path, launch: Launch, patience: float) -> ServerProcess:
    """Start a `llama-server` and wait until it answers.

    Args:
        binary: the program.
        launch: what it is to serve.
        patience: seconds it has for that.

    Raises:
        ConfigError: its command line cannot express what is to be served.
        ModelError: it ends or takes too long, with its own last words; or it does not guard itself
            with the key.
    """
    port, key = _free_port(), secrets.token_hex(16)
    process = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", str(binary), *_flags(launch, port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**environ, _KEY: key},
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for us, who may want a last answer
    )
    said: deque[str] = deque(maxlen=_SHOWN)
    listener = threading.Thread(target=_listen, args=(process, said.append), daemon=True)
    listener.start()
    server = ServerProcess(f"http://127.0.0.1:{port}/v1", key, process)
    weakref.finalize(server, _end, process, listener)
    if problem := _trouble(server, patience):
        _end(process, listener)
        last = "\n".join(f"  {line}" for line in said)
        raise ModelError(f"local:{launch.name}: {binary} {problem}" + (f"\n{last}" if last else ""))
    return server


def _flags(launch: Launch, port: int) -> list[str]:
    values: dict[str, object] = {
        "model": launch.model,
        "alias": launch.name.replace(",", " "),  # a comma would part two names
        "host": "127.0.0.1",
        "port": port,
        "parallel": launch.slots,
        "ctx-size": launch.slots * launch.context,
        "cache-ram": launch.cache,
        "threads": launch.threads,
        "threads-batch": launch.threads,
    }
    if launch.gpu_layers is not None:
        values["n-gpu-layers"] = launch.gpu_layers
    if launch.adapter:
        if "," in str(launch.adapter):
            raise ConfigError(
                f"local:{launch.name}: llama-server takes no adapter with a comma in its path; "
                "rename the folder or unset local.server"
            )
        values["lora"] = launch.adapter
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def _trouble(server: ServerProcess, patience: float) -> str:
    """Wait for a server, and return what is wrong with it; nothing where it serves."""
    address = server.base_url.removesuffix("/v1")
    until = time.monotonic() + patience
    while _status(f"{address}/health") != 200:
        if (code := server.process.poll()) is not None:
            return _last_act(code)
        if time.monotonic() > until:
            return f"did not load the model within {patience:g} s (local.load_timeout); it said:"
        time.sleep(_PAUSE)
    # What any user of the machine could use as well would not be ours alone; nor is a stranger
    # that took the port first.
    with_key, without = (_status(f"{address}/props", key) for key in (server.api_key, None))
    if (with_key, without) != (200, 401):
        return (
            f"does not ask for the key it was given in {_KEY} (HTTP {with_key} with it and "
            f"{without} without); it said:"
        )
    return ""


def _last_act(code: int) -> str:
    """Return how a server ended, in words; a shell adds 128 to the number of a signal."""
    number = code - 128 if code > 128 else -code
    if number == signal.SIGILL:
        return "was built for another processor (illegal instruction); it said:"
    if number in set(signal.Signals):
        return f"was ended by {signal.Signals(number).name}; it said:"
    return f"ended with code {code}; it said:"


def _status(url: str, key: str | None = None) -> int | None:
    """Return the HTTP status of an answer, None where there is none."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def _listen(process: "subprocess.Popen[str]", hear: Callable[[str], object]) -> None:
    """Read what a server says, so that it never waits for a reader."""
    assert process.stdout
    with process.stdout as lines:
        for line in lines:
            hear(line.rstrip())


def _end(process: "subprocess.Popen[str]", listener: threading.Thread) -> None:
    assert process.stdin
    process.stdin.close()
    process.wait(_GRACE)
    listener.join(_GRACE)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
