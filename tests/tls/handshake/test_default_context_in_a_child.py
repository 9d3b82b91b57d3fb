"""The context of ssl=True in a forked child: never that of the parent, which another thread may have locked."""

import asyncio
import contextlib
import os
import pathlib
import ssl
import threading

import pytest

from sluiceway._transports.tls.default_context import default_context
from support.certificates import Certificates
from support.child_processes import IGNORE_THREADS, run_child
from support.timeouts import PEER_TIMEOUT

pytestmark = IGNORE_THREADS


@pytest.fixture(autouse=True)
def certificates(monkeypatch: pytest.MonkeyPatch, tls: Certificates) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_file))


async def get() -> ssl.SSLContext:
    context: ssl.SSLContext = await default_context.get(asyncio.get_running_loop())
    return context


def test_child_makes_a_context_of_its_own(tmp_path: pathlib.Path) -> None:
    """CPython 3.14 locks a context in each call that releases the interpreter lock. In this one it waits for a FIFO."""
    context = asyncio.run(get())

    def child() -> None:
        own = asyncio.run(get())
        assert own is not context
        # Would wait for the lock of the parent's context.
        own.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")

    def use() -> None:
        with contextlib.suppress(ssl.SSLError):
            ssl.SSLContext.load_verify_locations(context, fifo)

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=use)
    thread.start()
    # Returns when the thread has opened the FIFO.
    writer = os.open(fifo, os.O_WRONLY)
    try:
        assert run_child(child) == 0
    finally:
        os.close(writer)
        thread.join(PEER_TIMEOUT)
