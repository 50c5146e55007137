"""The errors a person may meet, one class for each boundary that was crossed.

    AloeError
    ├── ConfigError      a setting is unknown, missing or contradicts the run folder
    ├── InputError       a file given by the user cannot be read (names file and line)
    ├── StoreError       a run folder or a store cannot be written or belongs to another run
    ├── ModelError       a model cannot be built or reached, or refuses us: the run stops
    ├── BudgetError      what the run may cost is spent: the run stops, with exit code 3
    └── CallError        one call failed: its tree is set aside, the run goes on
        ├── ContextError     a conversation is longer than its model reads: its branch ends
        ├── TransientCallError   worth another try (timeout, 429, 5xx, broken connection)
        └── RoleError    a custom role failed (names role, tree, file and line)

The command line prints any of them as one line on stderr and exits with code 2. What a model
*says* is never an error: an unusable reply is data, counted where it appears.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aloe.models.usage import Usage

EXIT_CODE = 2

BUDGET_SPENT = 3
"""Exit code of a run that stopped at its budget."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

TERMINATED = 143
"""Exit code after SIGTERM, as shells have it."""


class AloeError(Exception):
    """Base of every error meant for a person; its text says what was wrong and what to do."""

    trace: str = ""
    """Traceback of the user's code, where another process raised it; see `aloe.tracebacks`."""


class ConfigError(AloeError):
    """A setting is unknown, missing, of the wrong type, or differs from the run folder's."""


class InputError(AloeError):
    """A file given by the user is missing or broken; `line` and `row` count from 1."""

    def __init__(
        self, path: Path, problem: str, *, line: int | None = None, row: int | None = None
    ) -> None:
        super().__init__(f"{locate(path, line, row)}: {problem}")


def suggest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return how an error about an unknown name ends: with the nearest of those known, if any is.

    `otherwise` is what to say where none is near; of nothing there is no end.
    """
    near = get_close_matches(name, list(known), n=1)
    said = f"did you mean '{near[0]}'?" if near else otherwise
    return f"; {said}" if said else ""


def locate(path: Path, line: int | None, row: int | None = None) -> str:
    """Return a file with the line or row in it, as people read it."""
    where = f"{path}:{line}" if line is not None else str(path)
    return f"{where}, row {row}" if row is not None else where


class StoreError(AloeError):
    """A run folder or store cannot be used: not writable, locked, or another run's."""


class ModelError(AloeError):
    """A model cannot be built, found or used, and trying again would not help."""


class BudgetError(AloeError):
    """The budget of the run is spent; finished work is kept."""


class CallError(AloeError):
    """One call to a model failed; others may pass.

    `refusal` is what it has in common with others that failed for the same reason; empty if
    unknown. `usage` is what its server counts for it all the same; None if nothing is known.
    """

    usage: "Usage | None" = None

    def __init__(self, message: str, *, refusal: str = "") -> None:
        super().__init__(message)
        self.refusal = refusal


class ContextError(CallError):
    """A conversation exceeds the context window; what was said before is complete."""


Cause = Literal["busy", "down", "slow", "fault", "garbled"]
"""What a passing failure says about its server. `busy`: it wants fewer calls. `down`: nobody is
there, or a gateway says so. `slow`: no answer in time. `garbled`: it answered what nobody can read.
`fault`: anything else that may pass."""


class TransientCallError(CallError):
    """A call failed in a way that often passes; `retry_after` is the server's wish in seconds."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        cause: Cause = "fault",
        refusal: str = "",
    ) -> None:
        super().__init__(message, refusal=refusal)
        self.retry_after = retry_after
        self.cause = cause


class RoleError(CallError):
    """A custom role failed or returned something invalid; its tree is set aside."""
