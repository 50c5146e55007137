"""Tables and figures in Markdown, for cards and pages of results."""

from collections.abc import Iterable, Sequence

from aloe.benchmark.figures import Figure


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
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def format_interval(figure: Figure) -> str:
    """Return a figure with its interval."""
    if figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def format_percent(figure: Figure) -> str:
    """Return a relative change with its interval, in percent."""
    if figure.value is None or figure.low is None or figure.high is None:
        return "-" if figure.value is None else f"{figure.value:+.0%}"
    return f"{figure.value:+.0%} [{figure.low:+.0%}, {figure.high:+.0%}]"
