"""Trees of one run come from one state of the user's own code."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED, config

from aloe.agents.code_hashes import hash_source
from aloe.config import Config
from aloe.errors import ConfigError
from aloe.graphs import rejudge_run
from aloe.graphs.batch import RunProgress
from aloe.graphs.own_code import hash_code, hash_scripts
from aloe.graphs.simulation import Simulation, prepare
from aloe.memory.merge import check_alike
from aloe.memory.run_folder import RunFolder, read_trees

OWN = """
from aloe.agents.scripted import reply
from changed_helper import MARGIN


def judge(asked, model, folder=""):
    return MARGIN if asked.first.agent == "a0" else -MARGIN


def role(exchange, model):
    return MARGIN


def policy(candidates, verdicts, rng):
    return [candidates[0].id]


def script(messages, arguments):
    return reply(messages, arguments)
"""
HELPER = "MARGIN = 1.0\n"
JUDGE = {"judge": {"use": "changed_own:judge"}}
ROLE = {"roles.mine": {"use": "changed_own:role", "after": "user"}}
POLICY = {"simulation.expansion": "changed_own:policy"}
SCRIPT = {"models.user.model": "scripted:changed_own:script"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    write()
    return tmp_path


def write(own: str = OWN, helper: str = HELPER) -> None:
    """Write the user's modules, which the next run imports as a new process would."""
    Path("changed_own.py").write_text(own)
    Path("changed_helper.py").write_text(helper)
    for name in ("changed_own", "changed_helper"):
        sys.modules.pop(name, None)


def edit() -> None:
    write(helper="MARGIN = -100.0\n")


def settings(change: dict[str, Any], **simulation: Any) -> Config:
    given = {"trees": 1, "turns": 1, **simulation}
    return config(**given).updated(change, source="test")


def prepared(change: dict[str, Any], folder: str = "run", **simulation: Any) -> Simulation:
    return prepare(settings(change, **simulation), RunFolder(Path(folder)), personas=PERSONAS)


def grow(simulation: Simulation) -> int:
    """Grow; return the number of calls that were made."""
    with simulation.writing() as events:
        calls = simulation.open_log(events)
        asyncio.run(simulation.grow(calls, RunProgress(wanted=len(simulation.wanted))))
    return calls.totals.calls


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (JUDGE, "changed_own:judge"),
        (ROLE, "changed_own:role"),
        (POLICY, "changed_own:policy"),
        (SCRIPT, "scripted:changed_own:script"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_run_does_not_go_on_with_changed_code(change: dict[str, Any], name: str) -> None:
    grow(prepared(change))
    assert grow(prepared(change, trees=2)) > 0
    (Path("later.py")).write_text("# nothing of it\n")
    prepared(change, trees=3)
    edit()
    told = rf"run holds a run with {name} as it was before its files changed; .*--fork"
    with pytest.raises(ConfigError, match=told):
        prepared(change, trees=3)
    longer = settings(change, turns=2)
    with pytest.raises(ConfigError, match=rf"run holds a run with {name} as it was before"):
        prepare(longer, RunFolder(Path("longer")), extended=Path("run"))
    fork = prepare(
        settings(change), RunFolder(Path("fork")), personas=PERSONAS, forked=RunFolder(Path("run"))
    )
    assert (grow(fork) > 0) == (change is SCRIPT), "answers of another script do not stand"
    with pytest.raises(ConfigError, match=rf"other code \({name}\)"):
        check_alike([Path("run"), Path("fork")])
    Path("run/models.json").unlink()  # as in folders of earlier versions
    prepared(change, trees=3)


def test_a_run_without_a_tree_goes_on_with_mended_code() -> None:
    write(OWN.replace("return MARGIN\n", "raise ValueError\n"))
    grow(prepared(ROLE))
    assert not Path("run/trees.jsonl").exists()
    write()
    grow(prepared(ROLE))
    assert len(list(read_trees(Path("run")))) == 1


def test_a_judge_made_with_other_files_is_another_one() -> None:
    Path("reward").mkdir()
    Path("reward/weights.bin").write_text("1")
    judge = {"judge": {"use": "changed_own:judge", "options": {"folder": "reward"}}}
    grow(prepared(judge))
    Path("reward/weights.bin").write_text("2")
    with pytest.raises(ConfigError, match=r"with reward as it was before its files changed"):
        prepared(judge, trees=2)


def test_a_replay_needs_no_script_but_the_roles() -> None:
    grow(prepared({**SCRIPT, **ROLE}))
    write(OWN.replace("def script", "def other"))
    replayed = prepare(
        settings({**SCRIPT, **ROLE}),
        RunFolder(Path("replay")),
        personas=PERSONAS,
        replayed=Path("run/events.jsonl"),
    )
    assert [*replayed.weights] == ["changed_own:role"]


def test_judgements_are_of_one_state_of_the_judge() -> None:
    grow(prepared(ROLE, trees=2))
    trees = list(read_trees(Path("run")))

    def judged() -> rejudge_run.RejudgeRun:
        change = {**ROLE, **JUDGE}
        return rejudge_run.prepare(Path("run"), trees, RunFolder(Path("new")), settings(change))

    first = judged()
    with first.writing() as calls:
        asyncio.run(first.judge(calls, lambda: None))
    assert judged().weights == first.weights == json.loads(Path("new/models.json").read_text())
    assert {*first.weights} == {"changed_own:role", "changed_own:judge"}
    edit()
    with pytest.raises(ConfigError, match=r"new holds a run with changed_own:judge as it was"):
        judged()


def test_what_comes_with_the_program_or_lives_in_the_process_has_no_hash() -> None:
    assert hash_code(config()) == {}
    asked = settings({}).models.by_role().values()
    assert {each.model for each in asked} == {SCRIPTED}
    assert hash_scripts(asked) == {}
    assert hash_source("__main__:edit", edit) is hash_source("instance:edit#1", edit) is None
    assert hash_source("tests:edit", edit)
    assert hash_source("mine", pytest.fixture), "an installed plug-in may change as well"
    assert hash_source("pytest:fixture", pytest.fixture)
