"""A figure that is rounded to zero has no sign, wherever it is written."""

import pytest

from aloe.benchmark.commands.passport_view import _cells
from aloe.benchmark.commands.users import _mean
from aloe.benchmark.report_dialogues import format_level
from aloe.benchmark.user_card import Mean
from aloe.number_format import format_number
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
