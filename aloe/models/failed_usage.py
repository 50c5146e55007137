"""What a call took that failed: its server may have read and thought about it all the same."""

from collections.abc import Sequence
from typing import TypeVar

from aloe.errors import CallError, ModelError, TransientCallError
from aloe.models.http_answer import UnreadableError, causes, server_error
from aloe.models.usage import count_usage, usage_metadata

Failed = TypeVar("Failed", bound=ModelError | CallError)


def with_usage(failed: Failed, error: Exception, messages: Sequence[tuple[str, str]]) -> Failed:
    """Return a failure with what its call took, as far as that is known.

    Where the server does not say, but has worked on the call (it was too slow, or nobody can read
    what it answered), the tokens of the prompt are estimated.

    Args:
        failed: what the call comes to.
        error: what the chat model raised.
        messages: role and text of what was sent.
    """
    if not isinstance(failed, CallError):
        return failed
    answered = server_error(error)
    garbled = next((each for each in causes(error) if isinstance(each, UnreadableError)), None)
    found = answered or garbled
    usage = usage_metadata(found.usage if found else None)
    late = isinstance(failed, TransientCallError) and failed.cause in ("slow", "garbled")
    if usage or (late and not answered):
        failed.usage = count_usage(usage, messages, garbled.said if garbled else "")
    return failed
