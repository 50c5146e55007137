"""Tracebacks of the user's own code, which a message of one line has no room for.

A run keeps them in its folder, in `errors.log`; `--traceback` shows them on stderr as well. What
went wrong inside this program has none to show: its message is meant to be enough.
"""

import traceback
from types import TracebackType

from aloe.errors import AloeError
from aloe.plugins import is_custom
from aloe.secrets import redact


def traceback_of(error: BaseException) -> str:
    """Return the traceback of the user's code that led to an error; empty if none did.

    It begins where that code was called and holds no key.
    """
    if isinstance(error, AloeError) and error.trace:
        return error.trace
    root = _root(error)
    frames = _own_frames(root)
    if root is error or not (frames or isinstance(root, SyntaxError)):
        return ""
    return redact(_format(root, frames))


def cause_of(error: BaseException) -> BaseException | None:
    """Return what the user's code raised and led to an error, with its frames from there on.

    None: that is not what failed, or its traceback would show a key.
    """
    root = _root(error)
    frames = _own_frames(root)
    if root is error or not frames or redact(text := _format(root, frames)) != text:
        return None
    return root.with_traceback(frames)


def _own_frames(root: BaseException) -> TracebackType | None:
    """Return the traceback of an error from where the user's code was called."""
    frames = root.__traceback__
    while frames and not is_custom(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return frames


def _format(root: BaseException, frames: TracebackType | None) -> str:
    return "".join(traceback.format_exception(type(root), root, frames, chain=False))


def _root(error: BaseException) -> BaseException:
    """Return what an error came from: the last of its causes, also where they were hidden."""
    seen = {id(error)}
    while (cause := error.__cause__ or error.__context__) and id(cause) not in seen:
        seen.add(id(cause))
        error = cause
    return error
