"""What a run can be refused for is found before anything is written."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import PERSONAS, config
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.scripted import reply
from aloe.errors import AloeError, ConfigError, InputError
from aloe.graphs.batch import RunProgress
from aloe.graphs.simulation import Simulation, prepare
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.models.weights import hash_models


def prepared(path: Path, **settings: object) -> Simulation:
    wanted = config(**{"trees": 2, "turns": 1, **settings})  # type: ignore[arg-type]
    return prepare(wanted, RunFolder(path), personas=PERSONAS)


def run(simulation: Simulation) -> int:
    """Grow; return the number of calls that were made."""
    with simulation.writing() as events:
        calls = simulation.open_log(events)
        asyncio.run(simulation.grow(calls, RunProgress(wanted=len(simulation.wanted))))
    return calls.totals.calls


def test_nothing_is_written_before_a_run_begins(tmp_path: Path) -> None:
    simulation = prepared(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert simulation.forecast().most.calls > 0
    assert run(simulation) > 0
    assert len(list(read_trees(tmp_path / "run"))) == 2
    assert prepared(tmp_path / "run").forecast().most.calls == 0


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"expansion": "nowhere:policy"}, ConfigError, "nowhere"),
        ({"node_budget": 20, "budget_keeps": "nobody"}, ConfigError, "no assistant 'nobody'"),
        ({"node_budget": 20, "budget_keeps": "rewriter"}, ConfigError, "no assistant 'rewriter'"),
        ({"budget_keeps": "a"}, ConfigError, "set one"),
        ({"rollouts": {"policy": "nobody"}}, ConfigError, "no assistant 'nobody'"),
        ({"model": "nonsense"}, ConfigError, "unknown model"),
        ({"model": "openai:gpt-4o-mini"}, AloeError, "OPENAI_API_KEY"),
    ],
)
def test_what_cannot_run_leaves_no_folder(
    tmp_path: Path, settings: dict[str, object], error: type[AloeError], words: str
) -> None:
    with pytest.raises(error, match=words):
        prepared(tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_a_recording_that_is_not_there_as_well(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such recording"):
        prepare(
            config(trees=1, turns=1),
            RunFolder(tmp_path / "run"),
            personas=PERSONAS,
            replayed=tmp_path / "none.jsonl",
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("said", ["A", "<think>Which of them"])
def test_a_model_that_takes_no_arguments_is_replayed_as_it_was_asked(
    tmp_path: Path, said: str
) -> None:
    wanted = config(trees=1, turns=1, check_ledger=False)
    fake = "langchain:langchain_core.language_models:FakeListChatModel"
    judge = {"model": fake, "options": {"responses": [said]}}
    wanted = wanted.updated({"models.judge": judge}, source="test")

    def again(name: str, **given: Path) -> int:
        return run(prepare(wanted, RunFolder(tmp_path / name), personas=PERSONAS, **given))

    assert again("run") == 6
    assert again("replay", replayed=tmp_path / "run" / "events.jsonl") == 0
    trees = [(tmp_path / name / "trees.jsonl").read_bytes() for name in ("run", "replay")]
    assert trees[0] == trees[1]


def test_what_was_cancelled_beside_a_failure_is_so_again_in_a_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()

    async def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        role = "judge" if "logprobs" in arguments else "user" if _is_user(messages) else "other"
        asked[role] += 1
        if (role, asked[role]) == ("user", 2):
            await asyncio.sleep(0.5)
        if (role, asked[role]) == ("judge", 3):
            raise ValueError("odd")
        return reply(messages, arguments)

    def _is_user(messages: Sequence[BaseMessage]) -> bool:
        return any(PERSONAS[0].personality in message.text for message in messages)

    monkeypatch.setitem(sys.modules, "slow_model", SimpleNamespace(script=script))  # type: ignore[arg-type]
    wanted = {"model": "scripted:slow_model:script", "trees": 1, "turns": 2, "expansion": "both"}
    failures = []
    for name in ("run", "replay"):
        recording = None if name == "run" else tmp_path / "run" / "events.jsonl"
        simulation = prepare(
            config(**wanted, check_ledger=False),  # type: ignore[arg-type]
            RunFolder(tmp_path / name),
            personas=PERSONAS,
            replayed=recording,
        )
        progress = RunProgress(wanted=1)
        with simulation.writing() as events:
            asyncio.run(simulation.grow(simulation.open_log(events), progress))
        failures.append(progress.failures)
    assert asked["user"] == 3, "one of the two in the second turn was under way"
    assert failures[0] == failures[1] != {}


def test_a_run_is_extended_and_forked_without_asking_again(tmp_path: Path) -> None:
    first = run(prepared(tmp_path / "first"))
    longer = prepare(
        config(trees=2, turns=2), RunFolder(tmp_path / "longer"), extended=tmp_path / "first"
    )
    assert run(longer) == first, "a second turn takes as many calls as the first"
    fork = prepare(
        config(trees=3, turns=1, expansion="both"),
        RunFolder(tmp_path / "fork"),
        personas=PERSONAS,
        forked=RunFolder(tmp_path / "first"),
    )
    assert fork.changes() == ["simulation.expansion: 'sample' there, 'both' now"]
    assert run(fork) == first / 2, "only the third tree is new"


@pytest.mark.parametrize("deeper", [{"turns": 2}, {"rollouts": {"count": 2, "horizon": 2}}])
def test_a_run_is_not_extended_beside_trees_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deeper: dict[str, Any]
) -> None:
    word = ["apple"]

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        said = reply(messages, arguments)
        plain = isinstance(said, str) and not said.startswith("{")
        return f"{said} So I like the {word[0]}." if plain else said

    monkeypatch.setitem(sys.modules, "worded", SimpleNamespace(script=script))  # type: ignore[arg-type]
    monkeypatch.setattr("aloe.graphs.simulation.hash_scripts", lambda _: {})
    named: dict[str, Any] = {"model": "scripted:worded:script", "trees": 2, "turns": 1}

    def longer() -> Simulation:
        wanted = config(**{**named, **deeper})
        return prepare(wanted, RunFolder(tmp_path / "longer"), extended=tmp_path / "first")

    run(prepared(tmp_path / "first", **named))
    run(longer())
    assert run(longer()) == 0
    (tmp_path / "first").rename(tmp_path / "before")
    word[0] = "pear"
    run(prepared(tmp_path / "first", **named))
    with pytest.raises(ConfigError, match=r"longer holds tree \w+, grown from another one"):
        longer()
    lines = (tmp_path / "longer/trees.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "longer/trees.jsonl").write_text(lines[1])  # the first would be grown anew
    with pytest.raises(ConfigError, match=r"grown from another one"):
        longer()


def test_fewer_trees_than_are_there_leave_the_plan_of_the_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    run(prepared(folder.path, trees=3))
    events = folder.events.read_bytes()
    for trees in (1, 2, 1, 3):
        assert run(prepared(folder.path, trees=trees)) == 0
        assert folder.planned() == len(list(read_trees(folder.path))) == 3
    assert folder.events.read_bytes() == events
    stored = folder.config.read_text()
    folder.config.write_text(stored.replace("trees = 3", "trees = 1"))  # as earlier versions did
    run(prepared(folder.path, trees=2))
    assert run(prepared(folder.path, trees=4)) > 0
    assert folder.planned() == 4
    with pytest.raises(ConfigError, match="not grown from these personas"):
        prepare(config(trees=1, turns=1), folder, personas=PERSONAS[1:])


def test_a_smaller_plan_of_an_unfinished_run_stays_the_larger_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    run(prepared(folder.path, trees=1))
    with prepared(folder.path, trees=4).writing():
        pass  # stopped before the first of the others
    assert run(prepared(folder.path, trees=2)) > 0
    assert folder.planned() == 4
    extended = prepare(
        config(trees=4, turns=2), RunFolder(tmp_path / "longer"), extended=folder.path
    )
    run(extended)
    assert extended.folder.planned() == 2


def test_a_fork_and_a_replay_have_the_answers_with_which_a_run_went_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = [True]

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        user = any(PERSONAS[0].personality in message.text for message in messages)
        return "" if user and silent[0] else reply(messages, arguments)

    monkeypatch.setitem(sys.modules, "shy_model", SimpleNamespace(script=script))  # type: ignore[arg-type]
    wanted = config("scripted:shy_model:script", trees=1, turns=1)

    def grown(name: str, **of: Any) -> int:
        return run(prepare(wanted, RunFolder(tmp_path / name), personas=PERSONAS, **of))

    grown("run")
    assert not (tmp_path / "run" / "trees.jsonl").exists()
    silent[0] = False
    assert grown("run")
    assert grown("replay", replayed=tmp_path / "run" / "events.jsonl") == 0
    assert grown("fork", forked=RunFolder(tmp_path / "run")) == 0
    trees = {(tmp_path / name / "trees.jsonl").read_bytes() for name in ("run", "replay", "fork")}
    assert len(trees) == 1


def test_a_model_whose_files_changed_does_not_go_on_with_a_run(tmp_path: Path) -> None:
    weights = tmp_path / "m.gguf"
    weights.write_bytes(b"GGUF")
    model = f"local:{weights}"
    settings = config(trees=1).with_model(model, None)
    folder = RunFolder(tmp_path / "run")
    with folder.writing(settings, {}, hash_models([settings.models.user])):
        pass
    folder.check_models(hash_models([settings.models.user]))
    weights.write_bytes(b"GGUG")
    with pytest.raises(ConfigError, match=r"run holds a run with local:.*m\.gguf as it was before"):
        prepare(settings, folder, personas=PERSONAS)


def test_a_run_is_not_extended_by_a_model_whose_files_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(content: str) -> None:
        monkeypatch.setattr(
            "aloe.graphs.simulation.hash_models",
            lambda configs: {each.model: content for each in configs},
        )

    here("before")
    run(prepared(tmp_path / "first"))
    here("after")
    longer = tmp_path / "longer"
    with pytest.raises(ConfigError, match=r"first holds .* before its files changed; put those"):
        prepare(config(trees=2, turns=2), RunFolder(longer), extended=tmp_path / "first")
    here("before")
    prepare(config(trees=2, turns=2), RunFolder(longer), extended=tmp_path / "first")


def test_a_fork_asks_a_model_whose_files_changed_again(tmp_path: Path) -> None:
    first = prepared(tmp_path / "run")
    calls = run(first)
    (name,) = {model.name for model in first.models.values()}
    for changed in (False, True):
        held = {name: "before"} if changed else {}
        first.folder.models.write_text(json.dumps(held))
        fork = replace(
            prepared(tmp_path / f"fork {changed}"), forked=first.folder, weights={name: "now"}
        )
        assert run(fork) == (calls if changed else 0)
