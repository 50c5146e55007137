"""A figure that is rounded to zero has no sign; counts agree with their noun."""

import pytest

from aloe.benchmark.commands.passport_view import _cells
from aloe.benchmark.commands.users import _mean
from aloe.benchmark.report_dialogues import format_level
from aloe.benchmark.user_card import Mean
from aloe.number_format import counted, duration, format_number, say_cost, to_go
from aloe.passport import Effect

TINY = Effect(value=0.001, low=-0.004, high=0.2, count=50)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (-0.0001, "{:.3f}", "0.000"),
        (0.0001, "{:+.3f}", "0.000"),
        (-0.0, "{:.4g}", "0"),
        (-0.001, "{:+.0%}", "0%"),
        (-0.5, "{:+.3f}", "-0.500"),
        (0.125, "{:.1%}", "12.5%"),
        (-1234.0, "{:,.0f}", "-1,234"),
        (float("nan"), "{:.3f}", "nan"),
        (None, "{:.3f}", "-"),
    ],
)
def test_numbers_as_text(value: float | None, form: str, text: str) -> None:
    assert format_number(value, form) == text


def test_where_figures_are_written() -> None:
    assert TINY.text == "0% (0% to +20%) of 50"
    assert _cells(TINY, "{:+.0%}") == ("0%", "0% to +20%", "50")
    assert _mean(Mean(value=-0.004, low=-0.3, high=0.001, count=9), "{:.0%}") == "0% (-30% to 0%)"
    assert format_level(-0.001) == "0.00"


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "tree", "1 tree"),
        (0, "row", "0 rows"),
        (1234, "conversation tree", "1,234 conversation trees"),
        (1, "reply", "1 reply"),
        (2, "reply", "2 replies"),
        (2, "turn", "2 turns"),
        (3, "wish", "3 wishes"),
        (2, "near-copy", "2 near-copies"),
        (2, "day", "2 days"),
    ],
)
def test_what_is_counted_agrees_with_its_number(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said


def test_lengths_of_time_are_rounded_up() -> None:
    assert [duration(s) for s in (5.4, 89, 91, 7800)] == ["6 s", "89 s", "2 min", "2 h 10 min"]


def test_what_is_not_known_is_said_so() -> None:
    assert to_go(150) == "about 3 min to go"
    assert to_go(None) == to_go(0.0) == ""
    assert say_cost(1.234) == "$1.23"
    assert say_cost(None, "about ${:.2f}") == "unknown (no price given)"
