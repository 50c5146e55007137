"""Figures as text: no sign before a zero, and a dash where there is no figure."""


def format_number(value: float | None, form: str = "{:.3f}") -> str:
    """Return a number as text.

    Args:
        value: None stands for an undefined figure, `-`.
        form: for `str.format`, such as `{:+.0%}`; a number that it rounds to zero gets no sign.
    """
    if value is None:
        return "-"
    text = form.format(value)
    return text if text.strip("+-0.,%") else text.lstrip("+-")
