"""`aloe init` and `aloe config check`: what the one writes the other takes."""

import os
import re
import sys
from pathlib import Path

import pytest
from command import RunAloe

from aloe.commands.init import ACCELERATE, CHOICES, EXAMPLES, Server
from aloe.config import load


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in EXAMPLES:
        sys.modules.pop(Path(name).stem, None)
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key")
    return tmp_path


def switched_on(text: str) -> str:
    """Return settings with all that is commented out."""
    return re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("server", CHOICES)
def test_its_settings_pass_the_check(here: Path, aloe: RunAloe, server: Server) -> None:
    made = aloe("init", "mine", "--for", server, "--json")
    assert made.code == 0, made.err
    files = {"aloe.toml", *(f"accelerate/{name}" for name in ACCELERATE)}
    assert set(made.result["written"]) == files
    assert f"settings: every role is {CHOICES[server].model}" in " ".join(made.err.split())
    assert all((here / "mine" / name).stat().st_size for name in files)
    assert len(made.result["next"]) == 3
    assert made.result["next"][0] == "cd mine && aloe config check aloe.toml"
    os.chdir("mine")
    ran = aloe("config", "check", "aloe.toml", "--json")
    assert ran.code == 0, ran.err
    assert "aloe.toml: OK, every command accepts these settings" in ran.err
    roles = {each["role"]: each for each in ran.result["roles"]}
    assert {"user", "inducer", "hinted", "plain", "judge"} <= roles.keys()
    assert roles["judge"]["model"] == CHOICES[server].model.partition("@")[0]
    assert "planted" not in ran.err + ran.out


@pytest.mark.parametrize("server", CHOICES)
def test_what_is_off_works_when_it_is_switched_on(
    here: Path, aloe: RunAloe, server: Server
) -> None:
    assert aloe("init", "--for", server, "--examples").code == 0
    file = here / "aloe.toml"
    file.write_text(switched_on(file.read_text()))
    found = load(file)
    assert set(found.roles) == {"safety", "companion"}
    assert found.judge.use == "reward_judge:RewardJudge"
    # reward_judge.py would load torch
    file.write_text(found.updated({"judge.use": None, "judge.options": {}}, source="test").toml())
    ran = aloe("config", "check", "aloe.toml", "--json")
    assert ran.code == 0, ran.err
    places = {each["role"]: each["place"] for each in ran.result["roles"]}
    assert (places["safety"], places["companion"]) == ("after assistant", "after inducer")


def test_nothing_is_written_over(here: Path, aloe: RunAloe) -> None:
    (here / "aloe.toml").write_text("seed = 9\n")
    (here / "accelerate").mkdir()
    (here / "accelerate/ddp.yaml").write_text("mine")
    ran = aloe("init", "--for", "openai", "--examples")
    assert ran.code == 0
    said = " ".join(ran.out.split())
    assert "left as they are: aloe.toml, accelerate/ddp.yaml" in said
    assert (here / "aloe.toml").read_text() == "seed = 9\n"
    assert (here / "accelerate/ddp.yaml").read_text() == "mine"
    assert "wrote safety_critic.py example of a role: rates" in said
    assert aloe("init", "aloe.toml", "--for", "local").is_one_line_about("is a file")


def test_nobody_is_asked_where_there_is_no_terminal(here: Path, aloe: RunAloe) -> None:
    assert aloe("init").is_one_line_about("--for openai|vllm|ollama|local")
    assert list(here.iterdir()) == []


OWN = """
class Counts:
    after = "user"
    def __init__(self, least=1): ...
    def __call__(self, exchange, model): ...

def one(first): ...

async def streams(exchange, model):
    yield "Hello."

def Judges(comparison, model): ...
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[simulation]\ntruns = 3", ["unknown setting 'simulation.truns'", "simulation.turns"]),
        ("[models]\njudge = 'gpt-4o-mini'", ["did you mean openai:gpt-4o-mini"]),
        ("[models]\njudge = {model = 'openai:x', api_key_env = 'NO_SUCH'}", ["NO_SUCH"]),
        ("[models]\nwriter = 'local:nowhere.gguf'", ["nowhere.gguf"]),
        ("[models]\nwriter = 'local:weights/nowhere.gguf'", ["nowhere.gguf"]),
        ("[models]\nwriter = 'langchain:no_such:Chat'", ["no_such"]),
        ("[models]\nuser = 'scripted:checked:one'", ["takes (first)"]),
        ("[benchmark]\ncandidate = 'hf:./nowhere'", ["hf:./nowhere", "no such folder"]),
        ("[benchmark]\ncases = 'aloe-10'", ["did you mean 'aloe-100'"]),
        ("[roles.x]\nuse = 'checked:Counts'\nleest = 2", ["'leest'", "did you mean 'least'"]),
        ("[roles.x]\nuse = 'checked:Counts'\naftr = 'user'", ["did you mean 'after'"]),
        (
            "[roles.x]\nuse = 'checked:streams'\namong = 'assistants'",
            ["yields", "return it instead"],
        ),
        ("[judge]\nuse = 'checked:one'", ["(comparison, model)"]),
        ("[judge]\nuse = 'checked:Counts'\noptions = {last = 2}", ["did you mean 'least'"]),
        ("[judge]\npassport = 'none.json'", ["none.json"]),
        ("[prompts]\njuge = 'x.md'", ["did you mean 'judge'"]),
        ("[prompts]\njudge = 'x.md'", ["x.md"]),
        (
            "[simulation]\nnode_budget = 9\nbudget_keeps = 'nobody'",
            ["no assistant 'nobody'"],
        ),
        (
            "[judge]\nuse = 'checked:Judges'\n[models]\npanel = ['local:smollm2-135m']",
            ["models.panel does not vote", "aloe bench"],
        ),
        ("[benchmark]\ncondition = 'ceiling'", ["benchmark.condition", "--control ceiling"]),
        ("[limits]\nbatch = true", ["limits.batch", "OpenAI's batch API"]),
        (
            "[limits]\nbatch = true\n[models]\n"
            "user = {model = 'openai:x@http://h/v1', options = {top_k = 1}}",
            ["top_k cannot go into a batch"],
        ),
        ("[simulation.rollouts]\ncount = 4", ["simulation.rollouts.count", "--extend DIR"]),
        ("[personas]\nseeds = 'nowhere'", ["nowhere"]),
        ("[personas]\nvalidators = ['checked:nothing']", ["nothing"]),
        ("[personas]\nembedder = 'minilmm'", ["minilmm"]),
        ("[simulation]\nexpansion = 'checked:one'", ["(candidates, verdicts, rng)"]),
        ("[training]\nreward = 'checked:one'", ["(prompts, completions, **columns)"]),
        ("[training]\nreward = 'rule'", ["no reward rule"]),
        (
            "[models.judge]\nbase_url = 'http://h/v1'",
            ["local:smollm2-135m (judge) takes no base URL"],
        ),
        ("[budget]\nmax_cost = 1\n[models]\njudge = 'openai:x'", ['[prices."x"]']),
        ("[budget]\nmax_cost = 1\n[models]\nwriter = 'openai:w'", ['[prices."w"]']),
        ("[budget]\nmax_cost = 1\n[benchmark]\ncandidate = 'openai:c'", ['[prices."c"]']),
        ("[models]\nuser = {temperature = inf}", ["models.user.temperature", "finite"]),
        ("[limits]\nrequests_per_minute = inf", ["limits.requests_per_minute", "finite"]),
    ],
)
def test_what_is_wrong_is_one_line(here: Path, aloe: RunAloe, text: str, words: list[str]) -> None:
    (here / "checked.py").write_text(OWN)
    sys.modules.pop("checked", None)
    (here / "mine.toml").write_text(text)
    assert aloe("config", "check", "mine.toml").is_one_line_about(*words)
