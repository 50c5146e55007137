"""Real servers, from `doctor` to rows: what stand-ins alone would not show.

They serve models that speak by a table (`table_model`), LiteLLM also the load server. What each of
them did not take stands in docs/models.md, and the page is held to what is found here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("torch")

from command import Ran, RunAloe
from real_servers import KEY, PYTHON, ROOT, TABLES, Servers, running
from table_model import ASSISTANT, SECRET, STYLE

from aloe.calls.event import read_events
from aloe.config import MIN_MASS
from aloe.memory.run_folder import read_trees
from aloe.models.markup import holds_marks

pytestmark = [pytest.mark.slow, pytest.mark.train]

OFF = 'reasoning = "off"'


@dataclass(frozen=True)
class Case:
    """A server and a model there."""

    server: str
    model: str
    thinks: bool = False
    """Whether its template opens thoughts; otherwise thinking is switched off."""


CASES = {
    "llama.cpp": Case("llama.cpp", "plain"),
    "llama.cpp, separating thoughts": Case("llama.cpp", "thinks", thinks=True),
    "llama.cpp, not separating thoughts": Case("llama.cpp", "mutters", thinks=True),
    "llama.cpp, a model that can think": Case("llama.cpp", "thinks"),
    "`local:`": Case("local", "thinks", thinks=True),
    "`transformers serve`": Case("transformers", "plain"),
    "`transformers serve`, a model that thinks": Case("transformers", "mutters", thinks=True),
    "LiteLLM, `openai/...`": Case("litellm", "load"),
    "LiteLLM, `openai/gpt-5-mini`": Case("litellm", "gpt-5"),
    "LiteLLM, `mistral/...`": Case("litellm", "mistral"),
    "LiteLLM, `xai/...`": Case("litellm", "grok"),
    "LiteLLM, in front of llama.cpp": Case("litellm", "thinks", thinks=True),
}
"""By name in docs/models.md."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running(tmp_path_factory.mktemp("servers")) as started:
        yield started


def settings(case: Case, servers: Servers, file: Path, **given: Any) -> tuple[Path, str]:
    """Write settings with the case's model in all roles; return them and the server's key."""
    if case.server in ("transformers", "litellm"):
        url, key = servers.url(case.server), KEY
    else:
        found = servers.llama_cpp(case.model, **given)
        url, key = found.base_url, found.api_key
    model = f'model = "openai:{case.model}@{url}"\napi_key_env = "SERVER_KEY"\n'
    if case.server == "local":
        model = f'model = "local:{servers.folder / case.model}.gguf"\n'
    model += "" if case.thinks else OFF + "\n"
    roles = [f"[models.{role}]\n{model}" for role in ("user", "inducer", "judge", "writer")]
    for name, more in (("hinted", "hint = true"), ("terse", f'style = "{STYLE}"')):
        roles.append(f'[[models.assistants]]\nname = "{name}"\n{more}\n{model}')
    file.write_text("".join(roles), encoding="utf-8")
    return file, key


def changes(ran: Ran) -> str:
    """Return what had to change, as `doctor` says it."""
    checks = {what: found for what, _, found in ran.result["checks"]}
    return next((checks[what] for what in checks if what.startswith("parameters of")), "nothing")


@pytest.mark.parametrize("name", CASES)
def test_a_run_on_a_real_server(
    aloe: RunAloe,
    servers: Servers,
    personas_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    case = CASES[name]
    if case.server in ("transformers", "litellm") and not PYTHON.exists():
        pytest.skip("run `make .venv-servers/.done` first")
    file, key = settings(case, servers, tmp_path / "c.toml")
    monkeypatch.setenv("SERVER_KEY", key)

    ran = aloe("doctor", "--config", file, "--json")
    assert ran.code == 0, ran.out + ran.err
    found = changes(ran)
    tried = "thoughts" if case.thinks else f"`{OFF}`"
    row = f"| {name} | {tried} | {found} |"
    said = [record.getMessage() for record in caplog.records]
    for change in found.split("; ") if found != "nothing" else []:
        assert sum(f": {change} (the server:" in each for each in said) == 1, said
        assert all("\n" not in each for each in said)

    out = tmp_path / "run"
    ran = aloe("simulate", "--personas", personas_file, "--config", file, "--trees", 2,
               "--turns", 2, "--out", out, "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.result["trees"] == 2
    check_calls(out, case)
    check_rows(aloe, out)
    assert_nowhere(key, out)
    assert row in (ROOT / "docs" / "models.md").read_text(encoding="utf-8"), row


def check_calls(out: Path, case: Case) -> None:
    """Make sure that calls are counted, and votes read from an answer or not at all."""
    events = read_events(out / "events.jsonl")
    assert not [event["error"] for event in events if event["outcome"] == "error"]
    assert all(event["input_tokens"] and event["output_tokens"] for event in events)
    assert not any(event["reply"]["estimated"] for event in events)
    thought = [
        SECRET in event["reply"]["reasoning"] + (event["reply"]["raw"] or event["reply"]["text"])
        for event in events
        if "response_format" not in event["arguments"]  # a grammar may leave no room for thoughts
    ]
    assert all(thought) if case.thinks else not any(thought)
    trees = list(read_trees(out))
    votes = [vote for tree in trees for verdict in tree.verdicts for vote in verdict.votes]
    assert votes
    for vote in votes:
        assert vote.logprobs is None or (vote.mass or 0) >= MIN_MASS
        assert vote.choice in ("first", "second", None)
    assert not any(holds_marks(node.content) for tree in trees for node in tree.nodes)
    assert not any("ZEBRA" in node.content for tree in trees for node in tree.nodes)


def check_rows(aloe: RunAloe, out: Path) -> None:
    """Make sure that rows hold no thoughts, and that there are some."""
    lines = []
    for kind in ("sft", "dpo", "grpo"):
        rows = out.parent / f"{kind}.jsonl"
        ran = aloe("export", out, "--format", kind, "--out", rows)
        if ran.code:  # the judge may have abstained throughout
            assert ran.is_one_line_about(f"gives no {kind} rows; left out: abstain: ")
        else:
            lines += rows.read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 2
    assert not any(mark in line for line in lines for mark in ("ZEBRA", "think>", "<|"))


def assert_nowhere(key: str, folder: Path) -> None:
    """Make sure that no file of a run holds the key."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 3
    assert not [file for file in files if key.encode() in file.read_bytes()]


def test_a_conversation_longer_than_the_model_reads_ends_its_branch(
    aloe: RunAloe,
    servers: Servers,
    personas_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = CASES["llama.cpp"]

    def run(name: str, turns: int, context: int) -> Ran:
        file, key = settings(case, servers, tmp_path / f"{name}.toml", context=context)
        monkeypatch.setenv("SERVER_KEY", key)
        ran = aloe("simulate", "--personas", personas_file, "--config", file, "--trees", 1,
                   "--turns", turns, "--out", tmp_path / name, "--json")  # fmt: skip
        assert ran.code == 0, ran.err
        return ran

    run("short", 1, 2048)
    longest = max(event["input_tokens"] for event in read_events(tmp_path / "short/events.jsonl"))
    enough = -(-(longest + 8) // 256) * 256  # llama.cpp rounds up to such a number
    run("long", 12, enough)
    events = read_events(tmp_path / "long" / "events.jsonl")
    errors = [event for event in events if event["outcome"] == "error"]
    assert {event["role"] for event in errors} == {"user"}
    assert all("exceeds the available context size" in event["error"] for event in errors)
    (tree,) = read_trees(tmp_path / "long")
    turns = {node.turn for node in tree.nodes}
    assert 1 in turns
    assert 12 not in turns
    assert all(node.content for node in tree.nodes)


@pytest.mark.skipif(not PYTHON.exists(), reason="run `make .venv-servers/.done` first")
def test_what_transformers_serve_passes_over_without_a_word(servers: Servers) -> None:
    """As docs/models.md says: no log-probabilities, no schema, no limit of the model's."""
    url = f"{servers.url('transformers')}/chat/completions"

    def choice(text: str, **given: Any) -> Any:
        said = [{"role": "user", "content": text}]
        body = {"model": "plain", "messages": said, "max_tokens": 4, **given}
        answer = httpx.post(url, json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"][0]

    schema = {"name": "x", "schema": {"type": "object"}}
    asked = {"response_format": {"type": "json_schema", "json_schema": schema}}
    first = choice("Hi", logprobs=True, top_logprobs=5, **asked)
    assert first.get("logprobs") is None
    assert first["message"]["content"] in ASSISTANT
    longest = TABLES["plain"].model.config.max_position_embeddings
    long = "Hi there. " * (longest // 2)
    assert len(TABLES["plain"].tokenizer(long)["input_ids"]) > longest
    assert choice(long)["message"]["content"]


def test_every_row_of_the_page_is_a_case() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    table = page.partition("| server | tried with |")[2].partition("\n\n")[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]]
    assert sorted(rows) == sorted(CASES)
