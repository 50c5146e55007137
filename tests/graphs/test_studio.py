"""The served graph: in this process always, and through `langgraph dev` where that is installed."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from builders import PERSONAS, SCRIPTED
from command import wait_for

from aloe.graphs.studio import StudioContext, simulation
from aloe.schema import Tree

ROOT = Path(__file__).parent.parent.parent
LANGGRAPH = ROOT / ".venv-studio" / "bin" / "langgraph"
"""What `make test` installs beside the program, in an environment of its own."""
ASKED = {"profile": PERSONAS[0].profile, "personality": PERSONAS[0].personality, "seed": 3}


def test_texts_in_and_a_tree_out() -> None:
    context = StudioContext(model=SCRIPTED, turns=2, expansion="both")
    answer = asyncio.run(simulation().ainvoke(ASKED, context=context))
    tree = Tree.model_validate(answer["tree"])
    assert (tree.persona, tree.seed) == (PERSONAS[0], 3)
    assert sum(node.role == "user" for node in tree.nodes) == 3


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
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
    here = asyncio.run(simulation().ainvoke(ASKED, context=StudioContext(**context)))
    assert tree == Tree.model_validate(here["tree"])
    streamed = httpx.post(
        f"{served}/runs/stream",
        json={**body, "stream_mode": ["updates"], "stream_subgraphs": True},
        timeout=120,
    ).text
    assert '"inducer"' in streamed
    assert '"judge"' in streamed
