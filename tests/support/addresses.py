"""Addresses on loopback that refuse, and that never answer."""

import contextlib
import random
import socket

# Below the ports that the kernel hands out: nobody is given one of these between the question and the connect.
PORTS = range(20_000, 32_000)


def refusing(host: str = "127.0.0.1") -> tuple[str, int]:
    """Return an address of ``host`` where nobody listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket(family) as sock, contextlib.suppress(OSError):
            sock.bind((host, port))
            return host, port


def silent(keep: contextlib.ExitStack, host: str = "127.0.0.1") -> tuple[str, int]:
    """Return an address whose queue is full and stays so: connecting there takes for ever, until ``keep`` is closed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = keep.enter_context(socket.socket(family))
    listener.bind((host, 0))
    listener.listen(0)
    address: tuple[str, int] = listener.getsockname()[:2]
    for _ in range(10):
        sock = keep.enter_context(socket.socket(family))
        sock.settimeout(0.05)
        try:
            sock.connect(address)
        except TimeoutError:
            return address
    raise AssertionError("this kernel's queue does not fill")
