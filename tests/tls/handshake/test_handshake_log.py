"""A server counts each failed TLS handshake, and logs the same reason for the same IP address once a minute."""

import ssl
from typing import Any

from sluiceway._asyncio.handshake_log import HandshakeLog, failure_reason
from sluiceway._constants import HANDSHAKE_LOG_INTERVAL, HANDSHAKE_LOG_LINES

LISTENER = "192.0.2.1:443"
RESET = ConnectionResetError("reset")


class Clock:
    now = 1000.0

    def time(self) -> float:
        return self.now


def new_log() -> tuple[Any, Clock]:
    clock = Clock()
    loop: Any = clock
    return HandshakeLog(loop), clock


def test_line_names_peer_listener_and_reason() -> None:
    log, _ = new_log()
    line = log.record(RESET, ("192.0.2.7", 50000), LISTENER)
    assert line == "TLS handshake with 192.0.2.7:50000 on 192.0.2.1:443 failed: reset"


def test_peer_on_another_port_with_the_same_reason_is_not_logged() -> None:
    log, _ = new_log()
    assert log.record(RESET, ("2001:db8::1", 1, 0, 0), LISTENER)
    assert log.record(RESET, ("2001:db8::1", 2, 0, 0), LISTENER) is None
    assert log.failures == 2


def test_another_peer_and_another_reason_are_logged() -> None:
    log, _ = new_log()
    assert log.record(RESET, ("192.0.2.7", 1), LISTENER)
    assert log.record(RESET, ("192.0.2.8", 1), LISTENER)
    assert log.record(ConnectionAbortedError("slow"), ("192.0.2.8", 2), LISTENER)


def test_next_interval_logs_again_with_the_number_of_failures_not_logged() -> None:
    log, clock = new_log()
    log.record(RESET, ("192.0.2.7", 1), LISTENER)
    clock.now += HANDSHAKE_LOG_INTERVAL / 2
    assert [log.record(RESET, ("192.0.2.7", port), LISTENER) for port in range(3)] == [None] * 3
    clock.now += HANDSHAKE_LOG_INTERVAL / 2
    assert log.record(RESET, ("192.0.2.7", 9), LISTENER).endswith("; 3 earlier failures were not logged")
    assert log.record(RESET, ("192.0.2.7", 9), LISTENER) is None
    clock.now += HANDSHAKE_LOG_INTERVAL
    assert log.record(RESET, ("192.0.2.7", 9), LISTENER).endswith("; 1 earlier failure was not logged")
    clock.now += HANDSHAKE_LOG_INTERVAL
    assert log.record(RESET, ("192.0.2.7", 9), LISTENER).endswith("failed: reset")


def test_failures_of_many_peers_are_bounded_in_lines_and_memory() -> None:
    log, _ = new_log()
    lines = [log.record(RESET, (f"2001:db8::{number:x}", 1, 0, 0), LISTENER) for number in range(1000)]
    assert sum(line is not None for line in lines) == len(log._logged) == HANDSHAKE_LOG_LINES
    assert log.failures == 1000


def test_reason_is_the_text_of_openssl_or_the_system_without_details() -> None:
    error = ssl.SSLError(1, "[SSL: HTTP_REQUEST] http request (_ssl.c:1006)")
    error.reason = "HTTP_REQUEST"
    assert failure_reason(error) == "http request"
    expired = ssl.SSLCertVerificationError(1, "certificate verify failed")
    expired.verify_message = "certificate has expired"
    assert failure_reason(expired) == "certificate verify failed: certificate has expired"
    assert failure_reason(ConnectionResetError(104, "Connection reset by peer")) == "Connection reset by peer"
    assert failure_reason(ConnectionResetError()) == "ConnectionResetError"
