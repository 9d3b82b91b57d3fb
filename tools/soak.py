"""Run sluiceway at full load with cancellations, timeouts, resets and slow peers, and check for lost data and leaks.

Usage: python tools/soak.py [--seconds 300] [--connections 100] [--loop asyncio|uvloop] [--seed 1] [--json FILE]

Clients and servers run in this process, over TCP, TLS and Unix sockets. Reads and drains are cancelled and time out.
Peers are slow, flood, half-close, close during a write, and reset. Every received byte is checked. On connections that
are not aborted, all bytes must arrive. At intervals, all connections end. Then memory, descriptors, tasks, threads and
sluiceway's objects must not exceed their numbers after the first such pause, or the exit status is 1.

SLUICEWAY_PURE and SLUICEWAY_ENGINE select the implementation.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import logging
import os
import pathlib
import platform
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from typing import Any

import trustme

import sluiceway
from soak_connections import Address, ClientConnection, Records, ServerHandler

PHASE_DURATION = 20.0  # seconds between two pauses
# Bytes of resident memory that the allocator may keep beyond the amount after the warm-up.
ALLOWED_GROWTH = 4 << 20


def resident_memory() -> int:
    """Return the resident memory in bytes, after free memory was returned to the system."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def object_counts() -> dict[str, int]:
    """Return the number of objects of each class of sluiceway."""
    names = (f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    return dict(Counter(name for name in names if name.startswith("sluiceway.")))


def process_state() -> dict[str, Any]:
    """Return the resources of this process, for a comparison between two pauses."""
    memory = resident_memory()
    return {
        "resident": memory,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "objects": object_counts(),
    }


def growth(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return one line for each resource that has grown."""
    found = [
        f"{name}: {before[name]} before, {after[name]} after"
        for name in ("descriptors", "tasks", "threads")
        if after[name] > before[name]
    ]
    found += [
        f"{kind}: {before['objects'].get(kind, 0)} objects before, {count} after"
        for kind, count in after["objects"].items()
        if count > before["objects"].get(kind, 0)
    ]
    if after["resident"] > before["resident"] + ALLOWED_GROWTH:
        found.append(f"resident memory: {before['resident'] >> 10} KiB before, {after['resident'] >> 10} KiB after")
    return found


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of the server and of its clients."""
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return serving, trusting


class Soak:
    """Keeps ``connections`` connections open, with pauses."""

    def __init__(self, connections: int, seed: int, records: Records) -> None:
        self.connections = connections
        self.seed = seed
        self.records = records
        self.connections_made = 0

    async def run(self, seconds: float, directory: str) -> list[dict[str, Any]]:
        """Run for ``seconds``. Returns the states at the pauses; the first one is after the warm-up."""
        asyncio.get_running_loop().set_exception_handler(self._record_loop_error)
        path = f"{directory}/soak"
        service = ServerHandler(self.seed, self.records)
        serving, trusting = tls_contexts()
        states = []
        async with (
            await sluiceway.start_server(service, "127.0.0.1", 0, backlog=1000) as tcp,
            await sluiceway.start_server(service, "127.0.0.1", 0, backlog=1000, ssl=serving) as tls,
            await sluiceway.start_unix_server(service, path, backlog=1000),
        ):
            addresses: list[Address] = [
                tcp.sockets[0].getsockname()[:2],
                path,
                (*tls.sockets[0].getsockname()[:2], trusting),
            ]
            end = time.monotonic() + seconds
            while True:
                # All phases have the same length, so that at least one follows the warm-up.
                phase = min(PHASE_DURATION, seconds / 3)
                await self._run_phase(addresses, phase)
                states.append({"after": round(seconds - (end - time.monotonic()), 1), **process_state()})
                if time.monotonic() + phase / 2 > end:
                    return states

    async def _run_phase(self, addresses: list[Address], seconds: float) -> None:
        end = time.monotonic() + seconds

        async def client() -> None:
            while time.monotonic() < end:
                self.connections_made += 1
                await ClientConnection(
                    self.connections_made, addresses[self.connections_made % len(addresses)], self.seed, self.records
                ).run()

        await asyncio.gather(*(client() for _ in range(self.connections)))
        # The handlers of the last connections may need some more iterations.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        handlers = [task for task in others if task.get_name().startswith("sluiceway handler")]
        if handlers:
            await asyncio.wait(handlers)
        for _ in range(10):
            await asyncio.sleep(0)

    def _record_loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.records.failed(f"the loop's exception handler: {context.get('message')}: {context.get('exception')!r}")


def report(arguments: argparse.Namespace, records: Records, states: list[dict[str, Any]], cpu: float) -> dict[str, Any]:
    from sluiceway._transports.engine_choice import ENGINE

    return {
        "implementation": sluiceway.IMPLEMENTATION,
        "engine": ENGINE,
        "loop": arguments.loop,
        "python": platform.python_version(),
        "seconds": arguments.seconds,
        "connections": arguments.connections,
        "seed": arguments.seed,
        "cpu seconds": round(cpu, 1),
        "counts": dict(sorted(records.counts.items())),
        "states": states,
        "failures": records.failures,
        "grown": growth(states[0], states[-1]) if states else ["the run ended before the first pause"],
    }


def print_report(result: dict[str, Any]) -> None:
    title = ("implementation", "engine", "loop", "python", "seconds", "connections", "seed", "cpu seconds")
    print(", ".join(f"{name} {result[name]}" for name in title))
    print(", ".join(f"{name} {count}" for name, count in result["counts"].items()))
    for one in result["states"]:
        total = sum(one["objects"].values())
        print(
            f"{one['after']:7.1f} s: {one['resident'] >> 10} KiB resident, {one['descriptors']} descriptors, "
            f"{one['tasks']} tasks, {one['threads']} threads, {total} objects of sluiceway"
        )
    for failure in result["failures"]:
        print(f"FAILED {failure}")
    for growth in result["grown"]:
        print(f"GROWN {growth}")
    if not result["failures"] and not result["grown"]:
        print("no data lost, no resource leaked")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def loop_factory(name: str) -> Any:
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.SelectorEventLoop


def main() -> None:
    arguments = parse_arguments()
    records = Records()
    # Discarded writes after a reset are logged, and this program causes many of them.
    logging.getLogger("sluiceway").addHandler(logging.NullHandler())
    logging.getLogger("sluiceway").propagate = False
    sys.unraisablehook = lambda unraisable: records.failed(
        f"ignored in {unraisable.object!r}: {unraisable.exc_value!r}"
    )
    began = time.process_time()
    soak = Soak(arguments.connections, arguments.seed, records)
    with (
        tempfile.TemporaryDirectory() as directory,
        asyncio.Runner(loop_factory=loop_factory(arguments.loop)) as runner,
    ):
        states = runner.run(soak.run(arguments.seconds, directory))
    result = report(arguments, records, states, time.process_time() - began)
    print_report(result)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(1 if result["failures"] or result["grown"] else 0)


if __name__ == "__main__":
    main()
