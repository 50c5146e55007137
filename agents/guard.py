"""Calls into custom code: a failure there costs a tree, never the run."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aloe.errors import AloeError, ConfigError, InputError, RoleError
from aloe.plugins import describe_error


async def called(what: str, tree: str, play: Callable[..., Any], *given: object) -> Any:
    """Call what a user wrote, async or not, and let nothing but our own errors out.

    Raises:
        RoleError: it failed (names role, tree, file and line).
        AloeError: a call to a model failed, or the run has to stop.
    """
    with guarded(what, tree):
        returned = play(*given)
        return await returned if inspect.isawaitable(returned) else returned


@contextmanager
def guarded(what: str, tree: str) -> Iterator[None]:
    """Turn a failure in custom code into an error that costs no more than a tree.

    Raises:
        RoleError: it failed (names `what`, tree, file and line).
        AloeError: a call to a model failed, or the run has to stop.
    """
    try:
        yield
    except AloeError as error:
        if not isinstance(error, ConfigError | InputError):
            raise
        raise RoleError(f"{what} failed in tree {tree}: {describe_error(error)}") from error
    except Exception as error:
        raise RoleError(f"{what} failed in tree {tree}: {describe_error(error)}") from error
