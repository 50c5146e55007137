"""Tables and figures in Markdown, for cards and pages of results."""

from collections.abc import Iterable, Sequence

from aloe.benchmark.figures import Figure
from aloe.number_format import format_number


def format_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: bool = False
) -> str:
    """Return a table.

    Args:
        head: titles of the columns.
        rows: cells as text.
        numeric: whether all columns but the first are aligned to the right.
    """
    rule = ["---", *["---:" if numeric else "---"] * (len(head) - 1)]
    lines = [[escape(cell) for cell in head], rule, *(map(escape, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape(text: str) -> str:
    """Return text that does not break a table and is no markup."""
    return " ".join(text.splitlines()).replace("|", "\\|").replace("<", "&lt;")


def format_interval(figure: Figure) -> str:
    """Return a figure with its interval."""
    return _with_ends(figure, "{:.3f}")


def format_percent(figure: Figure) -> str:
    """Return a relative change with its interval, in percent."""
    return _with_ends(figure, "{:+.0%}")


def _with_ends(figure: Figure, form: str) -> str:
    value, low, high = (format_number(n, form) for n in (figure.value, figure.low, figure.high))
    return value if "-" in (value, low, high) else f"{value} [{low}, {high}]"
