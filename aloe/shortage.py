"""Was it memory? Libraries say so in many ways, and some only in the text of another error."""

import errno
from collections.abc import Iterator

from aloe.secrets import one_line

SIGNS = (
    "bad_alloc", "can't start new thread", "cannot allocate memory", "failed to map segment",
    "can't allocate memory", "out of memory", "unable to allocate", "not enough memory",
)  # fmt: skip


def find_shortage(error: BaseException) -> str | None:
    """Return how a lack of memory shows in an error or in what led to it; None if it does not."""
    for each in _all(error, set()):
        if isinstance(each, MemoryError) or getattr(each, "errno", None) == errno.ENOMEM:
            return one_line(each)
        said = " ".join(str(each).lower().split())
        if sign := next((sign for sign in SIGNS if sign in said), None):
            return sign
    return None


def _all(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """Yield an error with its causes and, of a group, its members."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (*members, error.__cause__, error.__context__):
        yield from _all(each, seen)
