"""A garbage collection during a write over TLS runs finalizers, which may use the same connection."""

import gc
import ssl
import types
from collections.abc import Callable
from typing import Any

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


@pytest.mark.parametrize("allocations", range(MOST))
def test_close_of_a_finalizer_before_the_current_write_is_queued_discards_it(
    core: types.ModuleType, tls: Certificates, allocations: int
) -> None:
    """As after any close: the connection must not fail."""
    client, server = connected_tls_ends(core, tls)
    write_with_collection(client, allocations, client.sender.send_close_notify, queued=False)
    server.receive_from(client)
    assert server.received in (b"", LARGE)
    assert server.close_notifies_received == client.sender.closing
    server.sender.send_close_notify()
    client.receive_from(server)
    assert client.close_notifies_received == 1
    assert client.failures == server.failures == []


class TakesHalf:
    """An SSLObject of the program, whose first write() takes half of the data. Then GC is set to ``allocations``."""

    def __init__(self, sslobject: ssl.SSLObject, allocations: int) -> None:
        self._sslobject = sslobject
        self._allocations = allocations
        self._full = False

    def write(self, data: bytes) -> int:
        if self._full:
            return self._sslobject.write(data)
        self._full = True
        count = self._sslobject.write(data[: len(data) // 2])
        gc.set_threshold(self._allocations)
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sslobject, name)


@pytest.mark.parametrize("other", [OTHER, OTHER[:10], None], ids=["long", "short", "close"])
@pytest.mark.parametrize("allocations", range(MOST))
def test_finalizer_after_an_encryption_of_half_the_data_sends_later(
    core: types.ModuleType, tls: Certificates, allocations: int, other: bytes | None
) -> None:
    client, server = connected_tls_ends(core, tls)
    data = LARGE[:5000]
    client.sslobject._sslobject = TakesHalf(client.sslobject._sslobject, allocations)  # type: ignore[assignment]
    # Not in Python, where a later Python than 3.11 could collect before the record is sent.
    sent: list[bytes] = []
    client.write = sent.append  # type: ignore[method-assign]
    called: list[str] = []

    def collect(phase: str, info: object) -> None:
        if client.sslobject._sslobject._full and not called:  # type: ignore[attr-defined]
            called.append(phase)
            client.sender.send_close_notify() if other is None else client.sender.write(other)

    thresholds = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(collect)
    try:
        client.sender.write(data)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collect)
    client.sent += b"".join(sent)
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert server.received == data + (other if called and other is not None else b"")
