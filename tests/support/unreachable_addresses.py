"""Addresses on loopback that refuse a connection, or never respond."""

import contextlib
import random
import socket

from support.timeouts import PEER_TIMEOUT

# Below the ports that the kernel assigns: no other process gets one of these between the check and the connect.
PORTS = range(20_000, 32_000)


def refusing_address(host: str = "127.0.0.1") -> tuple[str, int]:
    """Return an address of ``host`` without a listener."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket(family) as sock, contextlib.suppress(OSError):
            sock.bind((host, port))
            return host, port


def unresponsive_address(cleanup: contextlib.ExitStack, host: str = "127.0.0.1") -> tuple[str, int]:
    """Return an address whose accept queue stays full until ``cleanup`` is closed: a connect there never completes."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = cleanup.enter_context(socket.socket(family))
    listener.bind((host, 0))
    listener.listen(0)
    address: tuple[str, int] = listener.getsockname()[:2]
    for number in range(10):
        sock = cleanup.enter_context(socket.socket(family))
        # The first connection always fits, however long it takes.
        sock.settimeout(0.05 if number else PEER_TIMEOUT)
        try:
            sock.connect(address)
        except TimeoutError:
            return address
    raise AssertionError("the accept queue of this kernel does not fill")
