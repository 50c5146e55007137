import pytest
from builders import SCRIPTED, config

from aloe.calls.event import Event
from aloe.calls.forecast import forecast
from aloe.calls.recorded_call import RecordedCall
from aloe.graphs.commands.newest_exchange import Lines, NewestExchange
from aloe.judge_names import is_judge
from aloe.views.answers import Interpreter


@pytest.mark.parametrize(
    ("name", "judges"),
    [("judge", True), ("judge2", True), ("judge12", True), ("judge_tone", False), ("a0", False)],
)
def test_what_a_judge_is_called(name: str, judges: bool) -> None:
    assert is_judge(name) is judges


def test_a_role_with_a_name_like_a_judge_s_is_none() -> None:
    told = Event(role="user", model="m", tree="t", node="n", reply={"text": "Hello"})
    event = Event(role="judge_tone", model="m", tree="t", node="n", about="n", reply={"text": "A"})
    call = RecordedCall(event=vars(event), messages=())
    assert Interpreter().interpret(call) == "A"
    newest = NewestExchange()
    newest.add(told)
    newest.add(event)
    assert newest.view() == Lines((("user", "Hello"), ("judge_tone", "A")))
    mine, other = (
        forecast(
            config().updated(
                {f"roles.{name}": {"use": "m:x", "after": "user", "model": SCRIPTED}}, source="test"
            ),
            (),
            1,
        )
        for name in ("judge_tone", "tone")
    )
    assert mine == other
