"""What a limiter lets through: caps, strain, pauses, and servers that are gone."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aloe.config import LimitsConfig
from aloe.errors import Cause, ModelError, TransientCallError
from aloe.models.limits import Limiter, duration, in_force, limiter_of


def limiter(**settings: Any) -> Limiter:
    return Limiter("http://here", LimitsConfig(**{"backoff": 0.01, **settings}))


def trouble(cause: Cause, retry_after: float | None = None) -> TransientCallError:
    return TransientCallError("no", retry_after=retry_after, cause=cause)


async def call(
    limits: Limiter, seconds: float = 0.0, error: TransientCallError | None = None, tokens: int = 0
) -> None:
    visit = await limits.enter()
    await asyncio.sleep(seconds)
    if error:
        limits.failed(visit, error, object())
    else:
        limits.answered(visit, tokens, 100.0)


def timed(work: Callable[[], Awaitable[Any]]) -> float:
    async def run() -> float:
        clock = time.perf_counter()
        await work()
        return time.perf_counter() - clock

    return asyncio.run(run())


def test_without_caps_nothing_waits() -> None:
    limits = limiter()
    assert timed(lambda: asyncio.gather(*(call(limits, 0.05) for _ in range(200)))) < 1.0
    assert limits.in_force() is None


def test_no_more_calls_at_once_than_the_settings_say() -> None:
    limits, most = limiter(concurrency=3), 0

    async def watched() -> None:
        nonlocal most
        visit = await limits.enter()
        most = max(most, limits.in_flight)
        await asyncio.sleep(0.001)
        limits.answered(visit, 1, 100.0)

    async def run() -> None:
        await asyncio.gather(*(watched() for _ in range(30)))

    asyncio.run(run())
    assert (most, limits.in_flight) == (3, 0)
    assert limits.in_force() == "3 at once"


def test_a_share_scales_caps() -> None:
    limits = Limiter("s", LimitsConfig(concurrency=8, requests_per_minute=60), share=0.25)
    assert limits.in_force() == "2 at once, 15 requests/min"


@pytest.mark.parametrize(
    ("cap", "tokens"), [({"requests_per_minute": 1200}, 0), ({"tokens_per_minute": 120_000}, 100)]
)
def test_caps_a_minute_are_kept_evenly(cap: dict[str, int], tokens: int) -> None:
    limits = limiter(**cap)  # either allows 20 calls a second

    async def run() -> None:
        await call(limits, tokens=tokens)  # the first one's tokens are not foreseen
        await asyncio.gather(*(call(limits, tokens=tokens) for _ in range(10)))

    assert 0.45 <= timed(run) < 1.5


def test_the_providers_headers_set_caps_and_pauses() -> None:
    limits = limiter(requests_per_minute=500)
    limits.heard({"x-ratelimit-limit-requests": "1200", "x-ratelimit-limit-tokens": "90000"})
    assert limits.in_force() == "500 requests/min, 90000 tokens/min"
    limits.heard({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "200ms"})
    assert 0.15 <= timed(lambda: call(limits)) < 1.0
    limits.heard({"x-ratelimit-limit-requests": "nonsense"})


@pytest.mark.parametrize("cap", ["0.000001", "0.1", "1e-300"])
def test_a_cap_that_cannot_be_meant_is_passed_over(cap: str) -> None:
    limits = limiter(requests_per_minute=6000)
    limits.heard({"x-ratelimit-limit-requests": cap, "x-ratelimit-limit-tokens": cap})
    assert limits.in_force() == "6000 requests/min"


def test_a_cap_of_tokens_by_which_a_call_outlasts_patience_is_passed_over() -> None:
    limits = limiter(patience=2.0)
    limits.heard({"x-ratelimit-limit-tokens": "60"})
    assert limits.in_force() == "60 tokens/min"
    assert timed(lambda: call(limits, tokens=5000)) < 1.0
    assert timed(lambda: call(limits, tokens=5000)) < 1.0
    assert limits.in_force() is None


def test_a_reset_given_as_a_time_is_waited_for() -> None:
    limits = limiter()
    for unit in (1, 1000):
        reset = str((time.time() + 0.3) * unit)
        limits.heard({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": reset})
        assert 0.1 <= timed(lambda: call(limits)) < 1.0


def test_a_wish_to_wait_holds_everybody_and_not_longer() -> None:
    limits = limiter()

    async def run() -> None:
        await call(limits, error=trouble("busy", 0.2))
        await asyncio.gather(*(call(limits) for _ in range(5)))

    assert 0.2 <= timed(run) < 1.0


@pytest.mark.parametrize("cause", ["busy", "slow", "down"])
def test_strain_cuts_the_calls_in_flight_once_for_all_under_way(cause: Cause) -> None:
    limits = limiter()

    async def run() -> None:
        visits = [await limits.enter() for _ in range(100)]
        for visit in visits[:2]:
            limits.failed(visit, trouble(cause), "call")
        assert limits.in_force() == "70 at once"
        for visit in visits[2:]:
            limits.answered(visit, None, 100.0)

    asyncio.run(run())


def test_a_fault_of_one_call_is_no_strain() -> None:
    limits = limiter()
    asyncio.run(call(limits, error=trouble("fault")))
    assert limits.in_force() is None


def test_a_slow_answer_is_strain() -> None:
    limits = limiter(slow=0.01)
    asyncio.run(call(limits, 0.02))
    assert limits.in_force() == "1 at once"


async def serve(limits: Limiter, bears: int, callers: int) -> tuple[int, float]:
    """Let callers make 20 calls each to a server that bears so many at once.

    Return how many were refused, and how many were made at once on average in the second half.
    """
    refused, under_way, widths = 0, 0, []

    async def one() -> None:
        nonlocal refused, under_way
        while True:
            visit = await limits.enter()
            widths.append(limits.in_flight)
            under_way += 1
            fits = under_way <= bears
            await asyncio.sleep(0.001 if fits else 0)
            under_way -= 1
            if fits:
                return limits.answered(visit, 1, 100.0)
            refused += 1
            limits.failed(visit, trouble("busy"), object())
            await asyncio.sleep(0.002)

    async def caller() -> None:
        for _ in range(20):
            await one()

    await asyncio.gather(*(caller() for _ in range(callers)))
    late = widths[len(widths) // 2 :]
    return refused, sum(late) / len(late)


def test_it_finds_how_many_calls_a_server_bears() -> None:
    refused, width = asyncio.run(serve(limiter(), bears=20, callers=100))
    assert 10 <= width <= 22
    assert refused < 500


def test_it_grows_fast_again_after_a_cut_to_nothing() -> None:
    limits = limiter()

    async def run() -> None:
        visits = [await limits.enter() for _ in range(64)]
        for visit in visits:
            visit.started = time.monotonic()  # each a flight of its own
            limits.failed(visit, trouble("busy"), object())
        assert limits.in_force() == "1 at once"
        await asyncio.gather(*(call(limits) for _ in range(100)))

    asyncio.run(run())
    assert int((limits.in_force() or "0").split()[0]) >= 40


# A server that is gone.


def test_one_calls_own_failures_do_not_make_a_server_gone() -> None:
    limits = limiter()

    async def run() -> None:
        for _ in range(10):
            visit = await limits.enter()
            limits.failed(visit, trouble("fault"), "the same call")

    asyncio.run(run())
    assert "gone" not in (limits.in_force() or "")


@pytest.mark.parametrize(
    ("cause", "gone"), [("down", True), ("slow", True), ("fault", True), ("garbled", False)]
)
def test_three_calls_that_fail_in_a_row_make_a_server_gone(cause: Cause, *, gone: bool) -> None:
    limits = limiter()

    async def run() -> None:
        visits = [await limits.enter() for _ in range(3)]
        for number, visit in enumerate(visits):
            limits.failed(visit, trouble(cause), f"call {number}")

    asyncio.run(run())
    assert ("gone" in (limits.in_force() or "")) is gone


def test_a_server_that_is_gone_is_probed_by_one_call_at_a_time_until_it_is_back() -> None:
    limits, asked, back = limiter(backoff=0.02), [0], asyncio.Event()

    async def one() -> None:
        while True:
            visit = await limits.enter()
            asked[0] += 1
            await asyncio.sleep(0.001)
            if back.is_set():
                return limits.answered(visit, 1, 100.0)
            limits.failed(visit, trouble("down"), object())

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(one())
            await asyncio.sleep(0.3)
            assert "gone, probing" in (limits.in_force() or "")
            assert asked[0] <= 50 + 8  # all once, and then with doubling pauses
            back.set()

    asyncio.run(run())
    assert "gone" not in (limits.in_force() or "")


def test_patience_ends() -> None:
    limits = limiter(patience=0.1, backoff=0.02)

    async def run() -> None:
        while True:
            await call(limits, error=trouble("down"))

    with pytest.raises(ModelError, match=r"http://here has answered no call for .*same command"):
        asyncio.run(run())


def test_a_wish_beyond_our_patience_is_not_waited_for() -> None:
    limits = limiter()

    async def run() -> None:
        await asyncio.gather(call(limits, error=trouble("busy", 7200.0)), call(limits, 0.01))
        await call(limits)

    with pytest.raises(ModelError, match="asks to wait 7200 s"):
        asyncio.run(run())


def test_those_in_line_hear_of_the_end_too() -> None:
    limits = limiter(concurrency=1)

    async def run() -> None:
        waiting = [asyncio.create_task(call(limits)) for _ in range(5)]
        await call(limits, 0.01, error=trouble("busy", 7200.0))
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(end, ModelError) for end in ends)

    asyncio.run(run())


def test_a_cancelled_visitor_leaves_no_gap() -> None:
    limits = limiter(concurrency=1)

    async def run() -> None:
        first = await limits.enter()
        tasks = [asyncio.create_task(limits.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()  # in line
        limits.left(first)  # lets the second in,
        tasks[1].cancel()  # which is gone before it notices
        third = await asyncio.wait_for(tasks[2], 1.0)
        limits.left(third)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    assert limits.in_flight == 0


def test_models_at_one_server_share_a_limiter_while_one_of_them_lives() -> None:
    config = LimitsConfig(concurrency=2)
    first, same = limiter_of("http://a", config), limiter_of("http://a", config)
    assert first is same
    assert limiter_of("http://b", config) is not first
    assert in_force([first, same, Limiter("c")]) == ["http://a: 2 at once"]
    first.pause(7200.0)
    assert limiter_of("http://a", config) is not first  # a run that is taken up tries anew


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12", 12.0), ("0.5", 0.5), ("17ms", 0.017), ("1s", 1.0), ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5), ("", None), ("soon", None), ("-3", None), ("nan", None),
    ],
)  # fmt: skip
def test_durations_as_providers_write_them(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds
