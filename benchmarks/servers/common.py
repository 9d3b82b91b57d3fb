"""Code of all Python servers and clients: command line, loop, the ready message, and the bytes of a source."""

import argparse
import asyncio
import importlib
import pathlib
import resource
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

MODES = ("lines", "records", "frames", "blocks", "sink", "source", "connect")
BLOCK_SIZE = 65536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--size", type=int, default=1, help="of a record, in bytes")


def add_tls_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tls",
        nargs=2,
        metavar=("CERTIFICATE", "KEY"),
        help="the files of the certificate and the key; no TLS by default",
    )


def tls_context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    """Return a context with the defaults of ``ssl``. The load generator selects the version and the cipher."""
    if arguments.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*arguments.tls)
    return context


def add_loop_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--loop", choices=["asyncio", "uvloop", "zuvloop", "rsloop", "rloop"], default="asyncio")
    parser.add_argument("--transports", choices=["loop", "aiofastnet"], default="loop")


def prepare() -> None:
    """Prepare the process. Called first by each server and client."""
    raise_file_limit()
    have_history()


def raise_file_limit() -> None:
    """Raise the limit on open files for 10,000 connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def have_history() -> None:
    """Bring the allocator into the state of a program that has been running for some time.

    asyncio allocates 256 KiB for each receive. The C library obtains such a block from the kernel and returns it each
    time, until the program has once freed a larger block. In a small server, that is random, and changes the cost of
    asyncio by a factor of two. Larger programs have freed one, so every server here does as well.
    """
    _ = bytearray(1 << 20)


def announce(port: int) -> None:
    print(port, flush=True)


async def until_terminated() -> None:
    """Serve until the process ends. With ``serve_forever()`` rloop stops to listen."""
    await asyncio.get_running_loop().create_future()


def waited() -> float:
    """Return the seconds that this thread has waited for a core. 0.0 if the kernel does not report it."""
    try:
        return int(pathlib.Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def source_block(size: int) -> bytes:
    """Return the bytes of one write of a source: a pattern of 64 KiB, repeated, which the load generator checks."""
    times, rest = divmod(size, BLOCK_SIZE)
    if rest or not times:
        raise ValueError(f"the size of a source must be a multiple of {BLOCK_SIZE} bytes, not {size}")
    return bytes((at * 31 + (at >> 8)) & 0xFF for at in range(BLOCK_SIZE)) * times


def loop_factory(loop: str, transports: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    factory = None if loop == "asyncio" else importlib.import_module(loop).new_event_loop
    if transports == "aiofastnet":
        import aiofastnet

        return aiofastnet.loop_factory(factory)
    return factory


def run(main: Coroutine[Any, Any, None], arguments: argparse.Namespace) -> None:
    prepare()
    with asyncio.Runner(loop_factory=loop_factory(arguments.loop, arguments.transports)) as runner:
        runner.run(main)
