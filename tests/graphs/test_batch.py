"""Many trees: one plan, any concurrency, failures set aside, work never done twice."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, JitteryChat, config, models, scripted_model
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.scripted import reply
from aloe.calls.event import read_events
from aloe.calls.log import CallLog
from aloe.config import Config
from aloe.errors import ModelError
from aloe.graphs.batch import RunProgress, grow_all
from aloe.graphs.context import open_models
from aloe.graphs.plan import PlannedTree, plan_trees
from aloe.memory.run_folder import RunFolder, read_run, read_trees
from aloe.models.open import Model


def wanted(settings: Config) -> list[PlannedTree]:
    return list(plan_trees(PERSONAS, settings.simulation.trees, settings.seed))


def run(settings: Config, path: Path, model: Model | None = None) -> tuple[RunProgress, CallLog]:
    folder = RunFolder(path)
    progress = RunProgress(wanted=settings.simulation.trees)
    with folder.writing(settings), folder.events.open("a", encoding="utf-8") as file:
        calls = CallLog(file)
        played = models(settings, model or scripted_model())
        asyncio.run(grow_all(wanted(settings), settings, folder, played, calls, progress))
    return progress, calls


def test_the_plan_goes_round_the_personas_with_new_seeds() -> None:
    found = list(plan_trees(PERSONAS, 10, seed=3))
    assert [each.persona for each in found[:5]] == [*PERSONAS, PERSONAS[0]]
    assert len({each.tree for each in found}) == len({each.seed for each in found}) == 10
    assert list(plan_trees(PERSONAS, 4, seed=3)) == found[:4]
    others = {each.tree for each in plan_trees(PERSONAS, 10, seed=4)}
    assert others.isdisjoint(each.tree for each in found)


def test_equal_runs_are_equal_files_whatever_the_concurrency(tmp_path: Path) -> None:
    files = []
    for concurrency in (1, 2, 8):
        settings = config(trees=6, turns=2, both_turns=1, concurrency=concurrency)
        model = scripted_model()
        if concurrency > 1:
            model = Model(**{**vars(model), "chat": JitteryChat(script=reply)})
        run(settings, tmp_path / str(concurrency), model)
        files.append((tmp_path / str(concurrency) / "trees.jsonl").read_bytes())
    assert files[0] == files[1] == files[2]
    assert files[0].count(b"\n") == 6


def test_no_more_trees_are_in_flight_than_allowed(tmp_path: Path) -> None:
    most = 0
    folder, settings = RunFolder(tmp_path), config(trees=8, turns=1, concurrency=3)
    progress = RunProgress(wanted=8)

    def watch() -> None:
        nonlocal most
        most = max(most, progress.running)

    model = Model(**{**vars(scripted_model()), "chat": JitteryChat(script=reply)})
    with folder.writing(settings):
        played = models(settings, model)
        asyncio.run(
            grow_all(wanted(settings), settings, folder, played, CallLog(), progress, watch)
        )
    assert most == 3
    assert (progress.running, progress.finished) == (0, 8)


def test_a_finished_run_does_nothing_and_a_longer_one_only_the_rest(tmp_path: Path) -> None:
    run(config(trees=2, turns=1), tmp_path)
    before = (tmp_path / "trees.jsonl").read_bytes()
    progress, calls = run(config(trees=2, turns=1), tmp_path)
    assert (progress.finished_before, progress.finished, calls.totals.calls) == (2, 0, 0)
    assert (tmp_path / "trees.jsonl").read_bytes() == before
    progress, _ = run(config(trees=4, turns=1), tmp_path)
    assert (progress.finished_before, progress.finished) == (2, 2)
    assert (tmp_path / "trees.jsonl").read_bytes().startswith(before)


class Broken:
    """A script whose user is silent for ever for one persona, while `broken` holds."""

    def __init__(self) -> None:
        self.broken = True

    def __call__(
        self, messages: Sequence[BaseMessage], arguments: dict[str, Any]
    ) -> str | AIMessage:
        is_bus_driver = any(PERSONAS[3].personality in message.text for message in messages)
        return "" if self.broken and is_bus_driver else reply(messages, arguments)


def test_a_persona_that_gives_only_garbage_is_set_aside_and_retried(tmp_path: Path) -> None:
    settings, script = config(trees=4, turns=2), Broken()
    progress, calls = run(settings, tmp_path, scripted_model(script))
    assert progress.finished == 3
    (reason,) = progress.failures.values()
    assert "said nothing" in reason
    assert calls.totals.outcomes["user", "empty"] == 3
    assert len(list(read_trees(tmp_path))) == 3

    script.broken = False
    progress, _ = run(settings, tmp_path, scripted_model(script))
    assert (progress.finished_before, progress.finished, progress.failures) == (3, 1, {})
    run(settings, tmp_path / "whole", scripted_model(script))
    whole = (tmp_path / "whole" / "trees.jsonl").read_bytes()
    assert (tmp_path / "trees.jsonl").read_bytes() == whole


def test_a_model_that_is_gone_stops_the_run_and_keeps_what_is_finished(tmp_path: Path) -> None:
    calls_left = 40

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        nonlocal calls_left
        calls_left -= 1
        if calls_left < 0:
            raise ModelError("the key was refused")
        return reply(messages, arguments)

    settings = config(trees=8, turns=2, concurrency=2)
    with pytest.raises(ModelError, match="the key was refused"):
        run(settings, tmp_path, scripted_model(script))
    finished = len(list(read_trees(tmp_path)))
    assert 0 < finished < 8
    seen = read_run(tmp_path)
    unfinished = [tree for tree in seen.trees if tree.id in seen.unfinished]
    assert len(seen.trees) - len(unfinished) == finished
    assert not seen.running

    progress, calls = run(settings, tmp_path)
    assert (progress.finished_before, progress.finished) == (finished, 8 - finished)
    assert calls.totals.replayed > 0
    assert not (tmp_path / "growing").exists()
    whole = {tree.id: tree for tree in read_trees(tmp_path)}
    assert unfinished
    for begun in unfinished:
        ended = whole[begun.id]
        assert 0 < len(begun.nodes) < len(ended.nodes)
        assert begun.by_id.items() <= ended.by_id.items()
        assert all(verdict in ended.verdicts for verdict in begun.verdicts)
        same = {"nodes": begun.nodes, "verdicts": begun.verdicts}
        assert begun == ended.model_copy(update=same)
    keys = [event["key"] for event in read_events(tmp_path / "events.jsonl") if event["reply"]]
    assert len(keys) == len(set(keys)), "a call that was answered was made again"


def test_every_call_of_a_run_is_an_event(tmp_path: Path) -> None:
    _, calls = run(config(trees=3, turns=2), tmp_path)
    events = list(read_events(tmp_path / "events.jsonl"))
    assert len(events) == calls.totals.calls
    trees = {tree.id: tree for tree in read_trees(tmp_path)}
    for event in events:
        node = trees[event["tree"]].by_id[event["node"]]
        expected = {"user": "user", "inducer": "user", "judge": "user"}
        assert node.role == expected.get(event["role"], "assistant")
    assert len({event["key"] for event in events}) == len(events)


def test_a_model_for_every_agent() -> None:
    settings = config(assistants=3)
    assert list(open_models(settings)) == ["user", "inducer", "a0", "a1", "a2", "judge"]


def test_how_badly_the_simulator_erred_is_counted(tmp_path: Path) -> None:
    asked = 0

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        nonlocal asked
        if not messages[0].text.startswith("You write the messages"):
            return reply(messages, arguments)
        asked += 1
        bad = {
            1: "",
            **dict.fromkeys((3, 4, 5), "I wash " + " ".join(f"cup{i}" for i in range(61))),
        }
        return bad.get(asked, "As an AI I cannot say." if asked > 5 else "I keep bees.")

    progress, _ = run(config(trees=1, turns=3), tmp_path, scripted_model(script))
    assert progress.severity == {"repaired": 1, "blemished": 1, "spoiled": 1}
    assert progress.spoiled == 1
    (tree,) = read_trees(tmp_path)
    first, second, third = (node for node in tree.nodes if node.role == "user")
    assert first.repaired == ("empty",)
    assert not tree.spoiled(second.id)
    assert tree.spoiled(third.id)
    assert all(tree.spoiled(node.id) == (node.turn == 3) for node in tree.nodes)
