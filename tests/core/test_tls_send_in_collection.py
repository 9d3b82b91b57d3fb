"""A garbage collection during a write over TLS runs finalizers, which may use the same connection."""

import gc
import types
from collections.abc import Callable

import pytest

from core.tls_cores import TLSEnd, connected_tls_ends
from support.certificates import Certificates

# More than one record each, so that they are queued.
LARGE = bytes(range(256)) * 400
OTHER = b"other" * 4000
# More objects than such a write creates before it sends the first record.
MOST = 12


def write_with_collection(client: TLSEnd, allocations: int, finalizer: Callable[[], object], *, queued: bool) -> bool:
    """Write LARGE. Call ``finalizer`` in the first collection that ``allocations`` new objects cause, if any.

    If ``queued``, call it in the first such collection after LARGE was queued. Return True if it was called. Python
    3.11 collects garbage within compiled code, later versions in Python code only.
    """
    called: list[str] = []

    def collect(phase: str, info: object) -> None:
        if not called and (client.sender.pending_size() or not queued):
            called.append(phase)
            finalizer()

    thresholds = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(collect)
    gc.set_threshold(allocations)
    try:
        client.sender.write(LARGE)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collect)
    return bool(called)


@pytest.mark.parametrize("allocations", range(MOST))
def test_write_of_a_finalizer_while_paused_is_sent_too(
    core: types.ModuleType, tls: Certificates, allocations: int
) -> None:
    client, server = connected_tls_ends(core, tls)
    client.sender.lower_paused = True
    called = write_with_collection(client, allocations, lambda: client.sender.write(OTHER), queued=False)
    client.resume()
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert server.received in ((LARGE + OTHER, OTHER + LARGE) if called else (LARGE,))


@pytest.mark.parametrize("allocations", range(MOST))
def test_close_of_a_finalizer_sends_the_current_write(
    core: types.ModuleType, tls: Certificates, allocations: int
) -> None:
    client, server = connected_tls_ends(core, tls)
    write_with_collection(client, allocations, client.sender.send_close_notify, queued=True)
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert server.received == LARGE
