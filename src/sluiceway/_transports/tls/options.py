"""What a program may say about a TLS connection beside its context, checked before anything is opened."""

from __future__ import annotations

from typing import Any

from ..._implementation import core


def tls_options(
    ssl: Any, ssl_handshake_timeout: float | None, ssl_shutdown_timeout: float | None, strict_eof: bool
) -> dict[str, Any]:
    """The options for a TLSTransport; none without ``ssl``, and then none may be given."""
    timeouts = {"ssl_handshake_timeout": ssl_handshake_timeout, "ssl_shutdown_timeout": ssl_shutdown_timeout}
    for name, seconds in timeouts.items():
        if seconds is None:
            continue
        if not ssl:
            raise ValueError(f"{name} is only meaningful with ssl")
        core.as_seconds(seconds, name)
    if ssl:
        return {**timeouts, "strict_eof": strict_eof}
    if strict_eof:
        raise ValueError("strict_eof is only meaningful with ssl")
    return {}
