"""Roles of the user's own through the command line, from a folder that is not the program's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import config
from command import RunAloe, StartAloe

from aloe.agents.prompt import FOLDER, parse, shipped
from aloe.errors import ConfigError
from aloe.memory.run_folder import read_trees
from aloe.plugins import entry_points, load_plugin

ROOT = Path(__file__).parents[3]

OWN = '''
from aloe.agents.roles import Update
from aloe.agents.scripted import reply


def counts(exchange, model, unit="words"):
    """Counts what each reply is made of."""
    return Update(notes={r.id: {unit: len(r.content.split())} for r in exchange.candidates})


counts.after = "assistant"


def breaks(exchange, model):
    if exchange.persona.profile.startswith("I am 71"):
        raise ValueError("too old")


async def echoes(exchange, model):
    return Update(text=await model.ask(message=exchange.user.content))


echoes.prompt = """
## system
You repeat.
## user
{message}"""


def answers(messages, arguments):
    if messages[0].text == "You repeat.":
        return messages[-1].text
    return reply(messages, arguments)
'''

SETTINGS = """
[roles.size]
use = "separate_roles:counts"
unit = "pieces"

[roles.echo]
use = "separate_roles:echoes"
among = "assistants"

[roles.limit]
use = "separate_roles:breaks"
before = "judge"
"""


def test_a_role_from_a_separate_folder(
    tmp_path: Path, personas_file: Path, start: StartAloe
) -> None:
    (tmp_path / "separate_roles.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "my.toml").write_text(SETTINGS, encoding="utf-8")
    run = ("simulate", "--config", "my.toml", "--model", "scripted:separate_roles:answers")
    rest = ("--personas", personas_file, "--trees", "4", "--turns", "2", "--out", "out", "--quiet")
    child = start(*run, *rest)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 2, err
    assert "Traceback" not in err
    about = err.strip().splitlines()[-1]
    assert "set aside 1 tree;" in about
    assert "role 'limit' failed in tree" in about
    line = OWN[: OWN.index("raise")].count("\n") + 1
    assert f"separate_roles.py:{line}: ValueError: too old" in about
    trees = list(read_trees(tmp_path / "out"))
    assert len(trees) == 3
    for tree in trees:
        assert tree.models["echo"] == "scripted:separate_roles:answers"
        for node in tree.nodes:
            if node.role == "assistant":
                assert node.notes == {"size": {"pieces": len(node.content.split())}}
                if node.agent == "echo":
                    assert node.content == tree.by_id[node.parent].content
    events = (tmp_path / "out/events.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(event)["role"] == "echo" for event in events) >= 6
    prompts = json.loads((tmp_path / "out/prompts.json").read_text(encoding="utf-8"))
    assert set(prompts) == {"user", "inducer", "assistant", "hint", "judge", "echo"}
    mended = OWN.replace('raise ValueError("too old")', "return 71")
    (tmp_path / "separate_roles.py").write_text(mended, encoding="utf-8")
    again = start(*run, *rest)
    _, err = again.communicate(timeout=60)
    assert again.returncode == 2, err
    assert "--fork" in err
    fork = start(*run, *rest, "--fork", "mended")
    _, err = fork.communicate(timeout=60)
    assert fork.returncode == 0, err
    assert [tree.persona.profile[:7] for tree in read_trees(tmp_path / "mended")][1] == "I am 71"
    events = (tmp_path / "mended/events.jsonl").read_text(encoding="utf-8").splitlines()
    keys = [key for event in events if (key := json.loads(event)["key"])]  # none if replayed
    assert len(keys) == len(set(keys)) < len(events), "a call that was answered is not made again"


def test_a_run_goes_on_with_the_same_prompts_only(
    tmp_path: Path, personas_file: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (FOLDER / "judge.md").read_text(encoding="utf-8")
    (tmp_path / "mine.md").write_text(text + "\n", encoding="utf-8")
    (tmp_path / "my.toml").write_text('[prompts]\njudge = "mine.md"\n', encoding="utf-8")
    run = ["simulate", "--config", "my.toml", "--model", "scripted:aloe.agents.scripted:reply"]
    run += ["--personas", str(personas_file), "--trees", "1", "--turns", "1", "--out", "out"]
    assert aloe(*run).code == 0
    held = json.loads((tmp_path / "out/prompts.json").read_text(encoding="utf-8"))
    assert held["judge"] == parse(tmp_path / "mine.md").sha != shipped("judge").sha
    assert aloe(*run).code == 0
    (tmp_path / "mine.md").write_text(text + "\nBe fair.\n", encoding="utf-8")
    assert aloe(*run).is_one_line_about("other prompts (judge)", "name another folder")
    longer = aloe("simulate", "--extend", "out", "--turns", "2", "--out", "longer")
    assert longer.is_one_line_about("out holds a run with other prompts (judge)")
    (tmp_path / "out/prompts.json").write_text("[1]")
    assert aloe(*run).is_one_line_about("prompts.json: is not a list of prompts")
    (tmp_path / "mine.md").write_text(text + "\n{weather}\n", encoding="utf-8")
    assert aloe(*run).is_one_line_about("mine.md: unknown field {weather}")


def test_list_names_agents_and_roles(
    tmp_path: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "listed_roles.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "my.toml").write_text(SETTINGS.replace("separate", "listed"), encoding="utf-8")
    ran = aloe("roles", "list", "--config", "my.toml", "--json")
    assert ran.result["roles"]["limit"] == {
        "place": "after assistant",
        "use": "listed_roles:breaks",
    }
    assert "Counts what each reply is made of." in " ".join(ran.err.split())
    assert aloe("roles", "list").out.count("writer_profile") == 1


def test_show_tells_what_is_asked(
    tmp_path: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "shown_roles.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "my.toml").write_text(SETTINGS.replace("separate", "shown"), encoding="utf-8")
    ran = aloe("roles", "show", "echo", "--config", "my.toml")
    assert "among assistants" in ran.out
    assert "You repeat." in ran.out
    assert "{message}" in ran.out
    assert "Counts what each" in aloe("roles", "show", "shown_roles:counts").out
    (tmp_path / "copy.md").write_text(aloe("roles", "show", "judge", "--prompt").out)
    assert parse(tmp_path / "copy.md").messages == shipped("judge").messages
    assert aloe("roles", "show", "nobody").is_one_line_about("there is no 'nobody'", "inducer")
    both = aloe("roles", "show", "judge", "--prompt", "--json")
    assert both.is_one_line_about("--json would not be read beside --prompt")
    nothing = aloe("roles", "show", "size", "--prompt", "--config", "my.toml")
    assert nothing.is_one_line_about("'size' has no prompt")


def test_new_writes_a_role_whose_tests_pass(
    tmp_path: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = aloe("roles", "new", "night_watch")
    assert ran.code == 0
    assert '[roles.night_watch]\nuse = "night_watch:NightWatch"' in ran.out
    tests = subprocess.run(
        [sys.executable, "-c", "import offline, pytest; raise SystemExit(pytest.main(['-q']))"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "2 passed" in tests.stdout
    assert aloe("roles", "new", "night_watch").is_one_line_about("night_watch.py is there already")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Night", "is not a role name"),
        ("json", "already has a module 'json'"),
        ("../x", "is not a role name"),
        ("judge", "cannot be called 'judge': another agent is"),
        ("hinted", "cannot be called 'hinted': another agent is"),
        ("reader", "cannot be called 'reader': another agent is"),
        ("judge2", "cannot be called 'judge2': another agent is"),
        ("hint", "cannot be called 'hint': a shipped prompt has that name"),
        ("assistant", "cannot be called 'assistant': a shipped prompt has that name"),
        ("class", "a Python keyword"),
    ],
)
def test_new_refuses_names_that_would_not_work(
    tmp_path: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert aloe("roles", "new", name).is_one_line_about(problem)
    assert list(tmp_path.iterdir()) == []


def test_an_installed_package_offers_roles_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aloe: RunAloe
) -> None:
    (tmp_path / "offered_roles.py").write_text(OWN, encoding="utf-8")
    metadata = tmp_path / "offered-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[aloe.roles]\nsize = offered_roles:counts\n[aloe.expansions]\nlast = offered_roles:x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert [point.name for point in entry_points("expansions")] == ["last"]
    assert load_plugin("roles", "size").__name__ == "counts"
    assert config(expansion="last").simulation.expansion == "last"
    with pytest.raises(ConfigError, match=r"'first' is none of sample, .*, last, MODULE:FUNCTION"):
        config(expansion="first")
    assert "Counts what each" in aloe("roles", "show", "size").out
    assert "installed: size (offered_roles:counts) in aloe.roles" in aloe("roles", "list").out
