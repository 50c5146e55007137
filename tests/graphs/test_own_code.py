"""Roles, judges and expansion policies that are given in Python as they are."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED
from command import RunAloe

from aloe.agents.roles import Exchange, RoleModel, Update
from aloe.config import Config, validate
from aloe.config.loading import load
from aloe.config.trust import reach
from aloe.errors import ConfigError
from aloe.graphs.api import graph, simulate
from aloe.schema import Tree


def noting(exchange: Exchange, model: RoleModel, word: str = "seen") -> str:
    return word


async def waiting(exchange: Exchange, model: RoleModel, word: str = "seen") -> str:
    return word


class Noting:
    after = "user"

    def __init__(self, word: str = "seen") -> None:
        self.word = word

    def __call__(self, exchange: Exchange, model: RoleModel) -> str:
        return self.word

    def other(self, exchange: Exchange, model: RoleModel) -> str:
        return self.word


def first(asked: Any, model: Any) -> float:
    return 7.0


class First:
    def __init__(self, margin: float = 7.0) -> None:
        self.margin = margin

    def __call__(self, asked: Any, model: Any) -> float:
        return self.margin


def every(candidates: Any, verdicts: Any, rng: Any) -> list[str]:
    return [each.id for each in candidates]


def alone(exchange: Any) -> None:
    """Takes too little."""


class Every:
    def __call__(self, candidates: Any, verdicts: Any, rng: Any) -> list[str]:
        return every(candidates, verdicts, rng)


def grow(settings: dict[str, Any], **given: Any) -> Tree:
    given = {"turns": 1, "model": SCRIPTED, **given}
    (tree,) = simulate(PERSONAS[0], settings=settings, **given)
    return tree


@pytest.mark.parametrize(
    "use", [noting, waiting, Noting, Noting(), Noting().other, lambda exchange, model: "seen"]
)
def test_a_role_is_what_it_is(use: Callable[..., Any]) -> None:
    for settings in (
        {"roles.x": {"use": use, "after": "user"}},
        {"roles": {"x": {"use": use, "after": "user"}}},
        {"roles.x.use": use, "roles.x.after": "user"},
    ):
        assert grow(settings).users[0].notes == {"x": "seen"}


def test_a_role_given_as_it_is_has_its_own_place_and_arguments() -> None:
    assert grow({"roles.x": {"use": Noting}}).users[0].notes == {"x": "seen"}
    assert grow({"roles.x": {"use": Noting("well")}}).users[0].notes == {"x": "well"}
    assert grow({"roles.x": {"use": Noting, "word": "fed"}}).users[0].notes == {"x": "fed"}
    given = {"use": noting, "after": "user", "word": "read"}
    both = {"roles.x": given, "roles.y": {"use": Noting("fed")}}
    assert grow(both).users[0].notes == {"x": "read", "y": "fed"}


class Asking:
    """Has a prompt in a file beside it."""

    among = "assistants"
    prompt = "asking.md"

    async def __call__(self, exchange: Exchange, model: RoleModel) -> Update:
        return Update(text=await model.ask(message=exchange.user.content))


def test_a_prompt_is_looked_for_beside_the_class_of_an_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asking.md").write_text("## user\n{message}")
    monkeypatch.setattr(f"{__name__}.__file__", str(tmp_path / "asking.py"))
    monkeypatch.setattr(sys.modules[__name__], "__file__", str(tmp_path / "asking.py"))
    for use in (Asking, Asking()):
        assert "x" in {node.agent for node in grow({"roles.x": {"use": use}}).replies}


@pytest.mark.parametrize("use", [first, First, First(), lambda asked, model: 7.0])
def test_a_judge_is_what_it_is(use: Callable[..., Any]) -> None:
    for settings in ({"judge.use": use}, {"judge": {"use": use}}):
        (verdict,) = grow(settings).verdicts
        assert [vote.raw for vote in verdict.votes] == ["7.0", "7.0"]  # in both orders
        assert verdict.votes[0].judge.startswith("instance:")
    if use is First:
        (verdict,) = grow({"judge": {"use": use, "options": {"margin": 9.0}}}).verdicts
        assert verdict.votes[0].raw == "9.0"


@pytest.mark.parametrize("use", [every, Every(), lambda c, v, r: [each.id for each in c]])
def test_an_expansion_is_what_it_is(use: Callable[..., Any]) -> None:
    usual = grow({}, turns=2, expansion="both")
    for settings, given in (({}, {"expansion": use}), ({"simulation.expansion": use}, {})):
        assert grow(settings, turns=2, **given).nodes == usual.nodes


def test_a_graph_takes_them_as_well() -> None:
    assert graph(model=SCRIPTED, settings={"roles.x": {"use": Noting()}}, expansion=every)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"roles.x": {"use": 3}}, r"roles\.x\.use: should be MODULE:NAME or, in Python, a "),
        ({"judge.use": PERSONAS[0]}, r"judge\.use: should be MODULE:NAME or, in Python, a func"),
        ({"simulation.expansion": ["a"]}, r"expansion: should be MODULE:NAME or.* not \['a'\]$"),
        ({"roles.x": {"use": alone}}, r"role 'alone' takes \(exchange\) \(.*py:\d+\); expected is"),
        ({"judge.use": alone}, r"judge 'alone' takes .* expected is \(comparison, model\)"),
        ({"simulation.expansion": first}, r"expansion 'first' takes .*\(candidates, verdicts, r"),
        ({"simulation.expansion": Every}, r"expansion 'Every' is a class .* an instance"),
        ({"roles.x": {"use": Exchange}}, r"role 'Exchange' is a class without __call__"),
        ({"roles.x": {"use": noting}}, r"roles\.x: 'instance:noting#\w+' needs a place"),
        ({"roles.x": {"use": Noting, "wrod": "a"}}, r"no argument 'wrod' .*did you mean 'word'"),
    ],
)  # fmt: skip
def test_what_cannot_be_one_is_refused_in_a_line(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        grow(settings)


GIVEN: list[tuple[str, Any]] = [
    ("roles.x.use", {"roles.x": {"use": Noting()}}),
    ("judge.use", {"judge.use": first}),
    ("simulation.expansion", {"simulation.expansion": every}),
    ("a", {"models.assistants": [{"name": "a", "model": first}, {"name": "b"}]}),
    ("simulation.expansion", {"simulation.expansion": "__main__:every"}),
]


@pytest.mark.parametrize(("setting", "given"), GIVEN)
@pytest.mark.parametrize("where", [{"workers": 2}, {"engine": "ray"}])
def test_other_processes_cannot_have_them(
    setting: str, given: dict[str, Any], where: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("__main__.every", every, raising=False)
    with pytest.raises(ConfigError, match=rf"^{setting}: .* made in this process, .*MODULE:NAME"):
        grow(given, **where)


SCRIPT = """
import aloe


class Noting:
    after = "user"

    def __init__(self):
        self.seen = 0

    def __call__(self, exchange, model):
        self.seen += 1
        return WORD


aloe.simulate(
    ["I mend bicycles.", "I keep bees."],
    model="scripted:aloe.agents.scripted:reply",
    settings={"roles.x": {"use": Noting()}, "judge.use": lambda asked, model: 3.0},
    expansion=lambda candidates, verdicts, rng: [each.id for each in candidates],
    trees=TREES,
    turns=2,
    out="run",
)
"""


def run(folder: Path, word: str, trees: int) -> "subprocess.CompletedProcess[str]":
    text = SCRIPT.replace("WORD", repr(word)).replace("TREES", str(trees))
    (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=120
    )


def test_a_script_resumes_its_run_and_nothing_else_does(
    tmp_path: Path, aloe: RunAloe, personas_file: Path
) -> None:
    assert run(tmp_path, "seen", 2).returncode == 0
    events = (tmp_path / "run" / "events.jsonl").read_text()
    again = run(tmp_path, "seen", 2)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run" / "events.jsonl").read_text() == events
    stored = tmp_path / "run" / "config.toml"
    config = load(stored)
    assert config.roles["x"].use.startswith("instance:Noting#")
    other = run(tmp_path, "heard", 2)
    assert "roles.x.use" in other.stderr
    ran = aloe("simulate", "--config", stored, "--out", tmp_path / "b", "--personas", personas_file)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    for told in ("instance:", "made in Python, in another process; run that script again, or name"):
        assert told in ran.err


def test_settings_that_name_one_need_no_trust() -> None:
    raw = {"judge": {"use": "instance:first#01234567"}}
    config = validate(Config, raw, source="test")
    assert reach(config) == []


def test_what_a_notebook_defines_has_a_name_too(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import aloe\n\n\ndef fn(exchange, model):\n    return 1\n\n\n"
        "settings = {'roles.x': {'use': '__main__:fn', 'after': 'user'}}\n"
        "model = 'scripted:aloe.agents.scripted:reply'\n"
        "(tree,) = aloe.simulate(['I mend bicycles.'], model=model, turns=1, settings=settings)\n"
        "print(tree.users[0].notes)\n"
    )
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ended.stdout == "{'x': 1}\n", ended.stderr
