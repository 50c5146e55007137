"""When refused calls are no bad luck any more."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders import scripted_model
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from aloe.calls.log import CallLog
from aloe.calls.refusals import IN_A_ROW, NEVER_ANSWERED, NEVER_READABLE
from aloe.errors import AloeError, CallError, ModelError, TransientCallError
from aloe.models.open import Model
from aloe.models.scripted import ScriptedChat

Script = Callable[[str], str | Exception]


class Late(ScriptedChat):
    """Takes its time where it answers."""

    async def _agenerate(self, messages: list[BaseMessage], *given: Any, **more: Any) -> ChatResult:
        if messages[-1].text == "well":
            await asyncio.sleep(0.2)
        return await super()._agenerate(messages, *given, **more)


def refusal(status: int, words: str = "no") -> CallError:
    return CallError(f"HTTP {status}: {words}", refusal=f"HTTP {status}")


def model_of(answer: Script) -> Model:
    """Return a model that answers by the text it is sent."""

    def script(messages: object, _arguments: object) -> str:
        said = answer(messages[-1].text)  # type: ignore[index]
        if isinstance(said, Exception):
            raise said
        return said

    return scripted_model(script)


async def ask(
    log: CallLog, model: Model, text: str, tree: str | None = None, outcome: str = "ok"
) -> AloeError | None:
    """Ask for a tree of its own; return how it failed."""
    try:
        async with log.call("judge", model, tree=tree or text) as call:
            await call.ask([("user", text)], seed=1)
            call.event.outcome = outcome
    except AloeError as error:
        return error
    return None


def asked(
    model: Model, *texts: str, log: CallLog | None = None, tree: str | None = None
) -> list[type | None]:
    """Ask one after another; return how each failed."""
    log = log or CallLog()

    async def run() -> list[type | None]:
        found = [await ask(log, model, text, tree) for text in texts]
        return [type(each) if each else None for each in found]

    return asyncio.run(run())


@pytest.mark.parametrize("status", [400, 403, 405, 422, 451])
def test_the_same_refusal_of_three_trees_stops_the_run(status: int) -> None:
    model = model_of(lambda _: refusal(status))
    assert asked(model, "a", "b", "c") == [CallError, CallError, ModelError]
    assert NEVER_ANSWERED == 3


def test_answers_that_nobody_can_read_are_refusals_too() -> None:
    garbled = TransientCallError("<html>", cause="garbled", refusal="unreadable answers")
    model = model_of(lambda _: garbled)
    model.limiter.config = model.limiter.config.model_copy(update={"tries": 1})
    assert asked(model, "a", "b", "c") == [TransientCallError, TransientCallError, ModelError]


def test_it_is_told_which_role_and_setting() -> None:
    model = model_of(lambda _: refusal(400, "'top_p' is not supported"))

    async def run() -> AloeError | None:
        log = CallLog()
        return [await ask(log, model, text) for text in "abc"][-1]

    error = str(asyncio.run(run()))
    assert error.startswith("judge: 3 different calls were refused and none was answered: ")
    assert "'top_p' is not supported" in error
    assert "check models.judge.top_p" in error


def test_one_tree_is_one_refusal_however_often_it_asks() -> None:
    model = model_of(lambda _: refusal(403))
    assert asked(model, *"abcdef", tree="t") == [CallError] * 6


def test_different_refusals_are_not_added_up() -> None:
    model = model_of(lambda text: refusal({"a": 400, "b": 403, "c": 422, "d": 400}[text]))
    assert asked(model, *"abcd") == [CallError] * 4


def test_after_an_answer_a_refused_call_is_its_trees_own() -> None:
    model = model_of(lambda text: "Yes." if text == "well" else refusal(400))
    assert asked(model, "well", *"abcdefghijklmno") == [None] + [CallError] * 15


def test_after_an_answer_many_403_in_a_row_still_stop_the_run() -> None:
    model = model_of(lambda text: "Yes." if text == "well" else refusal(403))
    texts = [str(number) for number in range(IN_A_ROW)]
    assert asked(model, "well", *texts) == [None, *[CallError] * (IN_A_ROW - 1), ModelError]
    between = [*texts[:-1], "well", *texts[:-1]]
    assert ModelError not in asked(model, "well", *between)


def test_an_answer_on_its_way_is_waited_for() -> None:
    """To refuse takes less time than to answer: three flagged personas are no verdict yet."""

    def answer(text: str) -> str | Exception:
        return "Yes." if text == "well" else refusal(403)

    scripted = model_of(answer)
    assert isinstance(scripted.chat, ScriptedChat)
    model = replace(scripted, chat=Late(script=scripted.chat.script))

    async def run(*texts: str) -> list[AloeError | None]:
        log = CallLog()
        return await asyncio.gather(*(ask(log, model, text) for text in texts))

    assert [type(each) for each in asyncio.run(run("well", *"abcde"))] == [type(None)] + [
        CallError
    ] * 5
    assert ModelError in [type(each) for each in asyncio.run(run(*"abcde"))]


def test_an_answer_of_an_earlier_part_of_the_run_counts() -> None:
    log = CallLog()
    model = model_of(lambda text: "Yes." if text == "well" else refusal(400))
    written: list[dict[str, Any]] = []
    first = CallLog(on_event=lambda event: written.append(vars(event)))
    assert asked(model, "well", log=first) == [None]
    log.remember(written)
    assert asked(model, "well", *"abcd", log=log) == [None] + [CallError] * 4


def test_a_role_that_nobody_can_ever_read_stops_the_run() -> None:
    model = model_of(lambda _: "Hm.")

    async def run(readable: int | None) -> int | None:
        """Return after how many answers the run was stopped."""
        log = CallLog()
        for number in range(2 * NEVER_READABLE):
            outcome = "ok" if number == readable else "unreadable"
            if error := await ask(log, model, str(number), outcome=outcome):
                assert isinstance(error, ModelError)
                assert "judge: none of 40 answers of scripted:test could be read" in str(error)
                return number + 1
        return None

    assert asyncio.run(run(readable=None)) == NEVER_READABLE
    assert asyncio.run(run(readable=NEVER_READABLE - 1)) is None
    assert asyncio.run(run(readable=0)) is None
