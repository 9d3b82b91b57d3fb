"""What the Python servers and clients share: command line, loop, the word that a server is ready, a source's bytes."""

import argparse
import asyncio
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
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="files; without them there is no TLS")


def tls_context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    """Everything but the certificate is the module's default; the load generator chooses version and cipher."""
    if arguments.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*arguments.tls)
    return context


def add_loop_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--transports", choices=["loop", "aiofastnet"], default="loop")


def prepare() -> None:
    """What each of these processes does before anything else."""
    raise_file_limit()
    have_history()


def raise_file_limit() -> None:
    """10,000 connections need 10,000 descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def have_history() -> None:
    """Bring the allocator into the state of a program that has been running for a while.

    asyncio receives into 256 KiB of new memory each time. The C library gets that from the kernel and gives it back,
    for every single receive, until the program has once freed a larger piece: then it keeps it. Whether a small server
    has is chance, and halves or doubles what asyncio costs, so every server here has, as larger programs have.
    """
    _ = bytearray(1 << 20)


def announce(port: int) -> None:
    print(port, flush=True)


def waited() -> float:
    """Seconds for which this thread has waited for a core, or 0.0 where the kernel does not tell."""
    try:
        return int(pathlib.Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def source_block(size: int) -> bytes:
    """What a source writes at once: a pattern of 64 KiB that the load generator knows too, so many times over."""
    times, rest = divmod(size, BLOCK_SIZE)
    if rest or not times:
        raise ValueError(f"a source writes multiples of {BLOCK_SIZE} bytes, not {size}")
    return bytes((at * 31 + (at >> 8)) & 0xFF for at in range(BLOCK_SIZE)) * times


def loop_factory(loop: str, transports: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    if transports == "aiofastnet":
        import aiofastnet

        return aiofastnet.loop_factory(factory)
    return factory


def run(main: Coroutine[Any, Any, None], arguments: argparse.Namespace) -> None:
    prepare()
    with asyncio.Runner(loop_factory=loop_factory(arguments.loop, arguments.transports)) as runner:
        runner.run(main)
