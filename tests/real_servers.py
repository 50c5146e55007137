"""Real servers for tests, on free loopback ports and off the network."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from command import wait_for
from table_model import TableModel

from aloe.models.local import EmbeddedServer, start_server

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-servers" / "bin" / "python"
"""What `make test` installs beside the program, in an environment of its own."""
KEY = "sk-servers-7f3c1a9e5b"
"""The LiteLLM proxy's."""
TABLES = {
    "plain": TableModel(),
    "thinks": TableModel(thinks=True, shows=True),
    "mutters": TableModel(thinks=True),
}
"""Models by name: `thinks` has a template that llama.cpp understands, `mutters` has not."""
BEHIND_LITELLM = {
    "load": "openai/load",
    "gpt-5": "openai/gpt-5-mini",
    "mistral": "mistral/mistral-small",
    "grok": "xai/grok-4",
}
"""What LiteLLM takes the load server for, by name of the model at the proxy."""


@dataclass
class Servers:
    """What runs, for as long as a module's tests do."""

    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)
    llama: dict[str, EmbeddedServer] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    """Of servers in processes of their own, by name."""
    children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def url(self, server: str) -> str:
        """Return a server's base URL, once it answers."""
        if server == "litellm":
            return f"{self._ready(server, '/health/liveliness')}/v1"
        return f"{self._ready(server, '/health')}/v1"

    def llama_cpp(self, table: str, *, context: int = 2048) -> EmbeddedServer:
        """Return llama.cpp's server of a table model, in this process."""
        name = f"{table}-{context}"
        if name not in self.llama:
            file = self.folder / f"{table}.gguf"
            if not file.exists():
                TABLES[table].write_gguf(file)
            self.llama[name] = start_server(file, name=table, slots=4, context=context)
        return self.llama[name]

    def start_all(self) -> None:
        """Start what has a process of its own, all at once: each takes seconds to import."""
        for name in ("plain", "mutters"):
            TABLES[name].save(self.folder / "models" / name)
        port = _free_port()
        code = "from transformers.cli.transformers import main; main()"
        options = ["serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
        self._start("transformers", port, code, options, {"HF_HOME": str(self.folder / "hub")})
        port = _free_port()
        config = self.folder / "litellm.json"  # YAML, too
        config.write_text(json.dumps(self._litellm()), encoding="utf-8")
        options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True"}
        self._start("litellm", port, "from litellm import run_server; run_server()", options, quiet)

    def _litellm(self) -> dict[str, object]:
        load = self.stack.enter_context(_load_server())
        thinks = self.llama_cpp("thinks")
        routes = {name: (model, load, "none") for name, model in BEHIND_LITELLM.items()}
        routes["thinks"] = ("openai/thinks", thinks.base_url, thinks.api_key)
        models = [
            {
                "model_name": name,
                "litellm_params": {"model": model, "api_base": url, "api_key": key},
            }
            for name, (model, url, key) in routes.items()
        ]
        return {
            "model_list": models,
            "general_settings": {"master_key": KEY},
            "litellm_settings": {"telemetry": False, "num_retries": 0},
        }

    def _start(
        self, name: str, port: int, code: str, options: list[str], settings: Mapping[str, str]
    ) -> None:
        command = [str(PYTHON), "-c", f"import offline; {code}", *options]
        models = self.folder / "models"
        log = self.stack.enter_context((self.folder / f"{name}.log").open("w"))
        environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT / "tests")}
        child = subprocess.Popen(command, cwd=models, env=environment, stdout=log, stderr=log)
        self.stack.callback(_end, child)
        self.urls[name] = f"http://127.0.0.1:{port}"
        self.children[name] = child

    def _ready(self, name: str, path: str) -> str:
        url = self.urls[name]

        def answers() -> bool:
            log = self.folder / f"{name}.log"
            assert self.children[name].poll() is None, log.read_text(encoding="utf-8")[-2000:]
            with suppress(httpx.TransportError):
                return httpx.get(url + path).is_success
            return False

        wait_for(answers, 240)
        return url


@contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """Run the servers whose packages are installed."""
    servers = Servers(folder)
    with servers.stack:
        if PYTHON.exists():
            servers.start_all()
        yield servers


@contextmanager
def _load_server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.performance.load_server", "--latency", "0.01"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    try:
        yield f"http://127.0.0.1:{child.stdout.readline().strip()}/v1"
    finally:
        _end(child)
        child.stdout.close()


def _end(child: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
