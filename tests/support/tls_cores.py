"""Two TLSCores that face each other without a transport, in memory."""

import math
import ssl
import types
from collections.abc import Callable
from typing import Any

from support.certificates import Certificates
from support.hesitant import Hesitant


class End:
    """Owner and carrier of one end: what it sends waits in ``sent``, what it is given stands in ``received``."""

    def __init__(self, core: types.ModuleType, context: ssl.SSLContext, **options: Any) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.sslobject = Hesitant(context.wrap_bio(incoming, outgoing, **options))
        self.sent = self.received = b""
        self.goodbyes = self.farewells = self.paced = 0
        self.failures: list[BaseException] = []
        # Bytes in ``sent`` above which it says that it is clogged, and what is called then.
        self.room = math.inf
        self.gone = False
        self.when_clogged: Callable[[], object] | None = None
        self.tls = core.TLSCore(self.sslobject, incoming, outgoing, self)
        self.tls.set_carrier(self)

    def write(self, data: bytes) -> None:
        self.sent += data
        if len(self.sent) > self.room and not self.tls.clogged:
            self.tls.clogged = True
            if self.when_clogged is not None:
                self.when_clogged()

    def is_closing(self) -> bool:
        return self.gone

    def has_room(self) -> None:
        self.tls.clogged = False
        self.tls.go_on(False)

    def deliver(self, data: bytes) -> None:
        self.received += data

    def handshake_done(self) -> None:
        pass

    def goodbye_said(self) -> None:
        self.goodbyes += 1

    def pace(self) -> None:
        self.paced += 1

    def failed(self, error: BaseException) -> None:
        self.failures.append(error)

    def peer_ended(self) -> None:
        self.farewells += 1

    def take_from(self, other: "End") -> None:
        sent, other.sent = other.sent, b""
        if sent:
            self.tls.take(sent)


def shaken(core: types.ModuleType, tls: Certificates) -> tuple[End, End]:
    client = End(core, tls.client_context, server_hostname="localhost")
    server = End(core, tls.server_context, server_side=True)
    client.tls.begin()
    for _ in range(3):
        server.take_from(client)
        client.take_from(server)
    assert client.tls.open
    assert server.tls.open
    return client, server
