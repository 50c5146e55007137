"""The event loop of a long run.

uvloop spends about half of what asyncio's own loop does on a socket, and what is loaded by the
time a run starts stays to its end, so the garbage collector need not look at it again.
"""

import asyncio
import gc


def runner() -> asyncio.Runner:
    """Return a runner for all that a verb awaits: connections belong to the loop they opened in."""
    gc.freeze()
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
