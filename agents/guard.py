"""Calls into custom code: a failure there costs a tree, never the run."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aloe.cancelling import ends_run
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
        RoleError: it failed (names `what`, tree, file and line), if only by waiting for what was
            cancelled.
        AloeError: a call to a model failed, or the run has to stop.
    """
    try:
        yield
    except BaseException as error:
        if passing := next(filter(_passes, _leaves(error)), None):
            raise passing from error.__cause__
        raise RoleError(f"{what} failed in tree {tree}: {describe_error(error)}") from error


def _passes(error: BaseException) -> bool:
    """Whether an error is none of the custom code's."""
    if isinstance(error, AloeError):
        return not isinstance(error, ConfigError | InputError)
    return ends_run(error)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield what tasks raised that the custom code made, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
