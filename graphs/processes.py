"""Worker processes on this machine, connected by pipes.

A worker is spawned, not forked: the main process may have threads (a model server, a display) that
would not survive a fork. It exits when its standard input closes, so none is left over when the
other side is killed, and it has its own session, so Ctrl-C reaches only the process that can stop
cleanly. Messages are pickled: both ends are the same program.
"""

import asyncio
import os
import pickle
import struct
import subprocess
import sys
from typing import Any

from aloe.errors import AloeError
from aloe.graphs.worker import Failed, Report, Request, Worker, WorkerSetup
from aloe.graphs.worker_pool import WorkerLostError

PATIENCE = 5.0
"""Seconds a worker has to end by itself."""

_LENGTH = struct.Struct(">Q")


class ProcessConnection:
    """A worker process; a `aloe.graphs.worker_pool.Connection`.

    Args:
        setup: what the worker is made from.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        here, there = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            # -P: a folder of the user's with the name of one of ours must not come first
            [sys.executable, "-P", "-m", "aloe.graphs.processes"],
            stdin=there[0],
            stdout=here[1],
            start_new_session=True,
        )
        os.close(there[0])
        os.close(here[1])
        self._ends = here[0], there[1]
        self._unsent = [pack(setup)]
        self._reader: asyncio.StreamReader | None = None
        self._incoming: asyncio.ReadTransport | None = None
        self._writer: asyncio.WriteTransport | None = None

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def send(self, request: Request) -> None:
        """Tell the worker something; lost if it is dead."""
        if self._writer is None:
            self._unsent.append(pack(request))
        elif not self._writer.is_closing():
            self._writer.write(pack(request))

    async def receive(self) -> Report:
        """Wait for the worker's next report."""
        if self._reader is None:
            self._reader, self._incoming = await open_reader(self._ends[0])
            self._writer = await open_writer(self._ends[1])
            self._writer.writelines(self._unsent)
        try:
            report: Report = await read_message(self._reader)
        except (asyncio.IncompleteReadError, OSError):
            code = await asyncio.to_thread(self._process.wait)
            raise WorkerLostError(f"process {self.pid} ended with code {code}") from None
        return report

    async def close(self) -> None:
        """End the worker."""
        if self._writer and self._incoming:
            self._writer.abort()
            self._incoming.close()
        else:
            for end in self._ends:
                os.close(end)
        try:
            await asyncio.to_thread(self._process.wait, PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


def pack(message: object) -> bytes:
    """Return a message as bytes, its length before it."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


async def read_message(reader: asyncio.StreamReader) -> Any:
    """Return the next message.

    Raises:
        asyncio.IncompleteReadError: the other side has gone.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))


async def open_reader(end: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """Return a reader of one end of a pipe."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(end, "rb", 0))
    return reader, transport


async def open_writer(end: int) -> asyncio.WriteTransport:
    """Return a writer to one end of a pipe."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(end, "wb", 0))
    return transport


async def work(requests: int, reports: int) -> None:
    """Be a worker until the other side has gone."""
    (reader, _), writer = await open_reader(requests), await open_writer(reports)
    setup: WorkerSetup = await read_message(reader)
    try:
        worker = Worker.of(setup, lambda report: writer.write(pack(report)))
    except AloeError as error:
        return await refuse(reader, writer, error)
    while True:
        worker.take(await read_message(reader))


async def refuse(
    reader: asyncio.StreamReader, writer: asyncio.WriteTransport, error: AloeError
) -> None:
    """Answer every job with the reason why this worker cannot work."""
    while True:
        request: Request = await read_message(reader)
        if planned := getattr(request, "planned", None):
            writer.write(pack(Failed(tree=planned.tree, error=type(error), reason=str(error))))


def main() -> None:
    """Run a worker; its pipes are standard input and output."""
    from aloe.loop import make_runner

    # What libraries print must not get between the messages.
    reports = os.dup(1)
    os.dup2(2, 1)
    requests = os.dup(0)
    with make_runner() as loop:
        try:
            loop.run(work(requests, reports))
        except (asyncio.IncompleteReadError, OSError):
            os._exit(0)  # calls and threads that are still busy have nobody to work for


if __name__ == "__main__":
    main()
