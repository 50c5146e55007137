"""Settings that name code of the user's, or in Python are given it."""

from functools import partial
from typing import Any

from pydantic import BeforeValidator

from aloe.kept import keep_function
from aloe.plugins import Kind


def own_code(kind: Kind) -> BeforeValidator:
    """Return what makes a name of a function, class or object of a kind that is given as such."""
    return BeforeValidator(partial(_named, kind))


def _named(kind: Kind, given: Any) -> Any:
    if given is None or isinstance(given, str):
        return given
    if not callable(given):
        raise ValueError(
            f"should be MODULE:NAME or, in Python, a function, a class or an object with __call__, "
            f"not {given!r:.60}"
        )
    return keep_function(given, kind)
