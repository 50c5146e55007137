"""The served graph: in this process always, and through `langgraph dev` where that is installed."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import PERSONAS, SCRIPTED
from command import wait_for

from aloe.config import load
from aloe.errors import ConfigError
from aloe.graphs.own_pages import OwnPages
from aloe.graphs.studio import SETTINGS, StudioContext, simulation
from aloe.schema import Tree

ROOT = Path(__file__).parent.parent.parent
LANGGRAPH = ROOT / ".venv-studio" / "bin" / "langgraph"
"""What `make test` installs beside the program, in an environment of its own."""
ASKED = {"profile": PERSONAS[0].profile, "personality": PERSONAS[0].personality, "seed": 3}


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the settings of the server name a model that a function answers for."""
    file = tmp_path / "settings.toml"
    file.write_text(load(None).with_model(SCRIPTED, None).toml())
    monkeypatch.setenv(SETTINGS, str(file))


@pytest.mark.usefixtures("scripted")
def test_texts_in_and_a_tree_out() -> None:
    context = StudioContext(model=SCRIPTED, turns=2, expansion="both")
    answer = asyncio.run(simulation().ainvoke(ASKED, context=context))
    tree = Tree.model_validate(answer["tree"])
    assert (tree.persona, tree.seed) == (PERSONAS[0], 3)
    assert sum(node.role == "user" for node in tree.nodes) == 3


@pytest.mark.parametrize(
    ("asked", "users"), [({}, 1 + 2 + 4), ({"turns": 2}, 1 + 2), ({"expansion": "sample"}, 3)]
)
@pytest.mark.usefixtures("scripted")
def test_what_a_request_leaves_out_is_as_the_settings_say(
    asked: dict[str, Any], users: int
) -> None:
    file = Path(os.environ[SETTINGS])
    own = {
        "simulation.turns": 3,
        "simulation.expansion": "both",
        "simulation.stop_when_done": False,
    }
    file.write_text(load(file, own).toml())
    answer = asyncio.run(simulation().ainvoke(ASKED, context=StudioContext(**asked)))
    tree = Tree.model_validate(answer["tree"])
    assert sum(node.role == "user" for node in tree.nodes) == users


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    "asked",
    [
        {"model": "scripted:builtins:print"},
        {"model": "openai:gpt-4o"},
        {"model": "local:smollm2-135m"},
        {"model": f"{SCRIPTED} "},
        {"expansion": "os:system"},
    ],
)
def test_a_request_names_no_model_and_no_code_of_its_own(asked: dict[str, str]) -> None:
    context = StudioContext(**{"model": SCRIPTED, **asked})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="settings"):
        asyncio.run(simulation().ainvoke(ASKED, context=context))


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prompts": {"asistant": "none.md"}}, "did you mean 'assistant'"),
        ({"simulation": {"rollouts": {"count": 3}}}, "rollouts continue .* a finished run"),
    ],
)
def test_settings_that_a_simulation_refuses_are_refused(
    settings: dict[str, Any], said: str
) -> None:
    file = Path(os.environ[SETTINGS])
    file.write_text(load(file, settings).toml())
    with pytest.raises(ConfigError, match=said):
        asyncio.run(simulation().ainvoke(ASKED, context=StudioContext()))


@pytest.mark.parametrize(
    ("origin", "heard"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("http://[::1]:3000", True),
        ("https://studio.example", True),
        ("https://evil.example", False),
        ("https://studio.example.evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
    ],
)
def test_pages_of_others_are_not_heard(origin: str | None, heard: bool) -> None:
    async def served(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask() -> int:
        pages = OwnPages(served, also=("https://studio.example",))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(pages)) as client:
            given = {"origin": origin} if origin else {}
            return (await client.post("http://x/runs/wait", headers=given)).status_code

    assert asyncio.run(ask()) == (200 if heard else 403)


@pytest.fixture
def served(tmp_path: Path, scripted: None) -> Iterator[str]:
    """Start `langgraph dev` and return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(LANGGRAPH), "dev", "--config", str(ROOT / "langgraph.json"), "--no-browser",
        "--no-reload", "--port", str(port),
    ]  # fmt: skip
    quiet = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGSMITH_TRACING": "false"}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ | quiet, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert server.poll() is None, (tmp_path / "log").read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"{address}/ok").is_success
        return False

    try:
        wait_for(ready, 120)
        yield address
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.slow
@pytest.mark.skipif(not LANGGRAPH.exists(), reason="run `make .venv-studio/.done` first")
def test_langgraph_dev_runs_a_tree_over_http(served: str) -> None:
    context = {"model": SCRIPTED, "turns": 2, "expansion": "both"}
    body = {"assistant_id": "simulation", "input": ASKED, "context": context}
    answer = httpx.post(f"{served}/runs/wait", json=body, timeout=120)
    tree = Tree.model_validate(answer.json()["tree"])
    foreign = {"origin": "https://evil.example", "content-type": "text/plain"}
    assert httpx.post(f"{served}/runs/wait", json=body, headers=foreign).status_code == 403
    here = asyncio.run(simulation().ainvoke(ASKED, context=StudioContext(**context)))
    assert tree == Tree.model_validate(here["tree"])
    streamed = httpx.post(
        f"{served}/runs/stream",
        json={**body, "stream_mode": ["updates"], "stream_subgraphs": True},
        timeout=120,
    ).text
    assert '"inducer"' in streamed
    assert '"judge"' in streamed
