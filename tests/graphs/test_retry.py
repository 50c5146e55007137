"""Calls are tried again at the model's door and nowhere else: a node that fails has failed."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bags import BagOfWords
from builders import PERSONAS, config, grow, models, scripted_model
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.candidate import CandidateAgent
from aloe.agents.prompt import shipped
from aloe.agents.scripted import reply
from aloe.agents.user import UserAgent
from aloe.calls.event import Event, appending, read_events
from aloe.calls.log import CallLog
from aloe.config import LimitsConfig
from aloe.errors import TransientCallError
from aloe.graphs.batch import RunProgress, grow_all
from aloe.graphs.context import make_context
from aloe.graphs.dialogue import Dialogue, DialogueContext, hold
from aloe.graphs.plan import plan_trees
from aloe.graphs.rejudge import judge_tree
from aloe.memory.disclosures import DisclosureChecker
from aloe.memory.run_folder import RunFolder
from aloe.models.limits import Limiter

TRIES = LimitsConfig().tries
ROLES = ("user", "inducer", "assistant", "judge")


class Busy:
    """A script that fails in passing, again and again, whenever it is asked as `role`."""

    def __init__(self, role: str) -> None:
        self.busy = True
        self._opening = shipped(role).messages[0][1].split(".")[0]

    def __call__(
        self, messages: Sequence[BaseMessage], arguments: dict[str, Any]
    ) -> str | AIMessage:
        if self.busy and messages[0].text.startswith(self._opening):
            raise TransientCallError("busy")
        return reply(messages, arguments)


def most_tries(events: list[Event]) -> int:
    """Return how often the call was made that was made most often."""
    return max(Counter(event.key for event in events).values())


@pytest.mark.parametrize("role", ROLES)
def test_a_call_of_a_tree_is_made_as_often_as_settings_say(role: str) -> None:
    events: list[Event] = []
    with pytest.raises(TransientCallError, match="busy"):
        grow(
            config(turns=1),
            model=scripted_model(Busy(role)),
            calls=CallLog(on_event=events.append),
        )
    assert most_tries(events) == TRIES


def test_a_call_of_a_dialogue_as_well() -> None:
    events: list[Event] = []
    calls = CallLog(on_event=events.append)
    context = DialogueContext(
        user=UserAgent(model=scripted_model(Busy("user")), calls=calls),
        candidate=CandidateAgent(model=scripted_model(), calls=calls),
        checker=DisclosureChecker(BagOfWords()),
    )
    with pytest.raises(TransientCallError, match="busy"):
        asyncio.run(hold(Dialogue(id="d", seed=0, personas=tuple(PERSONAS[:1])), {}, context))
    assert most_tries(events) == TRIES


def test_a_call_that_judges_a_stored_tree_as_well() -> None:
    events: list[Event] = []
    settings, tree = config(turns=1), grow(config(turns=1))
    played = models(settings, scripted_model(Busy("judge")))
    judge = make_context(settings, played, CallLog(on_event=events.append)).judge
    with pytest.raises(TransientCallError, match="busy"):
        asyncio.run(judge_tree(tree, judge, "round_robin"))
    assert most_tries(events) == TRIES


@pytest.mark.parametrize("role", ROLES)
def test_a_tree_that_was_set_aside_repeats_no_call_that_was_answered(
    role: str, tmp_path: Path
) -> None:
    settings, script = config(trees=2, turns=2), Busy(role)
    limiter = Limiter(config=LimitsConfig(backoff=0.01, tries=2))
    played = models(settings, replace(scripted_model(script), limiter=limiter))

    def run(path: Path) -> tuple[RunProgress, CallLog]:
        folder, progress = RunFolder(path), RunProgress(wanted=2)
        wanted = list(plan_trees(PERSONAS, 2, settings.seed))
        with folder.writing(settings), appending(folder.events) as file:
            calls = CallLog(file)
            asyncio.run(grow_all(wanted, settings, folder, played, calls, progress))
        return progress, calls

    failed, _ = run(tmp_path / "run")
    assert len(failed.failures) == 2
    answered = sum(bool(event["reply"]) for event in read_events(tmp_path / "run/events.jsonl"))
    script.busy = False
    resumed, calls = run(tmp_path / "run")
    assert (resumed.finished, resumed.failures) == (2, {})
    assert calls.totals.replayed == answered
    events = read_events(tmp_path / "run/events.jsonl")
    keys = [event["key"] for event in events if event["reply"]]
    assert len(keys) == len(set(keys)), "an answered call was made again"
    run(tmp_path / "whole")
    whole = (tmp_path / "whole/trees.jsonl").read_bytes()
    assert (tmp_path / "run/trees.jsonl").read_bytes() == whole
